"""Lessons on one's own network and pictures: cut skips, a race on features, uneven classes."""

from __future__ import annotations

from pages.ui.text import number_format

RESNET = {"backbone": "resnet18", "weights": "none", "image": "sample:cat", "learn-on": "own"}


def test_a_skip_of_ones_own_resnet_is_cut_and_its_blocks_are_named(open_page, words, monkeypatch) -> None:
    monkeypatch.setattr("pages.learn.own.skips.PICTURES", 3)
    app = open_page("learn", lesson="depth", step="play", **RESNET, data="shapes")
    assert not app.exception
    said = words(app)
    assert "conv3_x</td><td>Convolution block</td><td><bdi>56 × 56 × 64</bdi> → <bdi>28 × 28 × 128</bdi></td>" in said
    assert "<bdi>8,192</bdi>" in said
    assert said.count("<td>Identity block</td>") == 5 * said.count("conv3_x</td><td>Convolution block</td>")
    assert "Same answer" in said
    assert " / 3<" in said
    app.selectbox(key="bl-learn-block").set_value("layer4.1").run()
    assert not app.exception


def test_a_network_without_skips_says_so(open_page, words) -> None:
    said = words(open_page("learn", lesson="depth", step="play", **RESNET | {"backbone": "squeezenet1_0"}))
    assert "There is no skip here" in said


def test_ones_own_classes_are_counted_and_a_run_says_what_it_finds_of_the_rarest(open_page, words, learned) -> None:
    empty = words(open_page("learn", lesson="uneven", step="play", **{"learn-on": "own"}))
    assert "Choose your pictures" in empty
    said = words(open_page("learn", lesson="uneven", step="play", data="brains", **{"learn-on": "own"}))
    assert "58.3" in said, "965 of 1,654"
    run = learned()
    app = open_page("learn", lesson="uneven", step="play", run=run.id, **{"learn-on": "own"})
    assert not app.exception
    from core.workflows.evaluate import recorded

    scores = recorded(run)["test"].scores
    assert number_format.percent(scores.balanced_accuracy).replace("\u00a0", " ") in words(app)
    for one in scores.per_class:
        assert f"<tr><td>{one.name}</td>" in words(app)


def test_a_broad_grid_shows_all_digits_of_a_cell_that_has_the_focus() -> None:
    from pages.learn.number_grid import Grid, _grid

    value = 1 / 3
    narrow, broad = _grid(Grid([[value, 2.0]])), _grid(Grid([[value, 2.0, 3.0, 4.0, 5.0]]))
    assert ">0.3333333</td>" in narrow
    assert '<span aria-hidden="true">0.3333</span><span class="bl-exact">0.3333333</span>' in broad
    assert broad.count('tabindex="0"') == 1


def test_the_race_on_ones_own_pictures_begins_with_a_click(open_page, words) -> None:
    own = {"learn-on": "own", "backbone": "emnist_cnn", "weights": "none"}
    assert "Choose your pictures" in words(open_page("learn", lesson="race", step="play", **own))
    app = open_page("learn", lesson="race", step="play", data="shapes?per_class=6&size=32", **own)
    assert "Best:" not in words(app)
    app.button(key="bl-work-go-learn-own-race").click().run()
    assert not app.exception
    assert "Best:" in words(app)
    other = own | {"backbone": "mnist_cnn"}
    app = open_page("learn", lesson="race", step="play", data="shapes?per_class=6&size=32", **other)
    assert "Best:" not in words(app), "another network has other features"


def test_what_was_cut_is_asked_anew_when_a_picture_changes(open_page, image_folder, monkeypatch) -> None:
    from core.lessons.own.skips import Cut
    from pages.learn.own import skips

    folder = image_folder(images=4)
    asked: list[int] = []

    def made(_subject, _name, _dataset, places, _progress):
        asked.append(len(places))
        return skips._Found(Cut(("conv1",), (1.0,), (1.0,), 0, (0.5, 0.5)), len(places), 1, None)

    monkeypatch.setattr(skips, "_made", made)
    for touched in (False, False, True):
        if touched:
            next(folder.rglob("*.png")).write_bytes(next(folder.rglob("*8.png")).read_bytes())
        assert not open_page("learn", lesson="depth", step="play", **RESNET, data=str(folder)).exception
    assert asked == [8, 8]
