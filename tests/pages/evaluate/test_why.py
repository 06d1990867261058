"""Evaluate: why pictures were called so - heatmaps for two classes, the trust word, the nearest training images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.specs import ModelSpec
from core.workflows.inspection import nearest
from core.workflows.inspection.nearest import Nearest, Neighbour
from pages.evaluate import mistakes, why
from pages.ui.selection import background_work

OPEN = {"eval-why": "True"}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody clicks a picture, and a page waits for what it began: no browser looks again."""
    monkeypatch.setattr(mistakes, "ticked_gallery", lambda _tiles, **_options: None)
    monkeypatch.setattr(background_work, "PATIENCE", 60.0)


@pytest.fixture
def grids(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """Collects the rows of pictures as they are drawn: of each case its maps, and then of each its neighbours."""
    drawn: list[list[Any]] = []
    real = why.grid
    monkeypatch.setattr(why, "grid", lambda tiles, **options: (drawn.append(list(tiles)), real(tiles, **options))[1])
    return drawn


def mistake(run: Any) -> tuple[str, str, str]:
    """Returns the key of the one mistake, its class, and the class that was named."""
    from core.workflows.evaluate import recorded

    answers = recorded(run)["test"].predictions
    row = answers.mistakes()[0]
    return answers.keys[row], answers.classes[answers.labels[row]], answers.classes[answers.probabilities[row].argmax()]


def test_it_is_closed_until_it_is_asked_for(open_page, learned, grids) -> None:
    app = open_page("evaluate", run=learned().id)
    assert not app.exception
    assert grids == []
    app.toggle(key="bl-eval-why").set_value(True).run()
    assert not app.exception
    assert app.query_params["eval-why"] == "True"
    assert len(grids) == 2


def test_each_mistake_has_two_maps_and_its_nearest_training_images(open_page, learned, words, grids) -> None:
    run = learned()
    key, true, said = mistake(run)
    app = open_page("evaluate", run=run.id, **OPEN)
    assert not app.exception
    seen, near = grids
    assert [tile.caption for tile in seen] == ["What it sees", f"For {said}", f"For {true}"]
    assert [tile.note for tile in seen[:2]] == [Path(key).name, "named, 90\u00a0%"]
    assert f"Called {said} with 90 %, is {true}" in words(app)
    assert "Nearest of the 12 training images" in words(app)
    split = {row["key"]: (row["split"], row["label"]) for row in run.split_rows()}
    assert len(near) == 3
    for tile in near:
        named = next(key for key in split if tile.alt.startswith(f"{key}: "))
        assert split[named] == ("train", tile.caption)
        assert tile.tone == ("good" if tile.caption == true else "bad")


def test_both_maps_of_a_picture_share_a_scale(open_page, learned, drawn) -> None:
    app = open_page("evaluate", run=learned().id, **OPEN)
    assert not app.exception
    assert len(drawn) == 2
    top = max(wanted for _level, wanted in drawn.values())
    for level, wanted in drawn.values():
        assert level == pytest.approx(wanted / top, rel=1e-3)
    drawn.clear()
    app.toggle(key="bl-heat-scale").set_value(True).run()
    assert {level for level, _wanted in drawn.values()} <= {0.0, 1.0}


def test_a_map_is_tested_when_asked_and_its_word_is_kept_for_heatmaps(open_page, learned, words) -> None:
    run = learned()
    key, _true, said = mistake(run)
    app = open_page("evaluate", run=run.id, **OPEN)
    assert "be trusted" not in words(app)
    app.button(key="bl-why-test-0").click().run(timeout=240)
    assert not app.exception
    assert f"Can the map for {said} be trusted?" in words(app)
    assert "bl-why-test-0" not in {button.key for button in app.button}
    assert "bl-why-test" not in {button.key for button in app.button}, "there is but one"
    there = open_page("heatmaps", run=run.id, image=key, target=said)
    assert "bl-trust-start" not in {button.key for button in there.button}, "the same map: nobody tests it twice"


def test_neighbours_of_the_named_class_alone_make_the_label_doubtful(open_page, learned, words, monkeypatch) -> None:
    run = learned()
    key, _true, said = mistake(run)
    near = tuple(Neighbour(row["key"], said, 0.9) for row in run.split_rows() if row["label"] == said)[:3]

    def found(_run, _network, images, **_more):
        return Nearest((near,) * len(images), 5, 12)

    monkeypatch.setattr(nearest, "nearest_training_images", found)
    app = open_page("evaluate", run=run.id, **OPEN)
    assert f"Its nearest training images are all {said}: perhaps the label is wrong." in words(app)
    assert "Nearest of 5 of the 12 training images, drawn by lot" in words(app)
    app.button(key="bl-why-relabel-0").click().run()
    assert not app.exception
    from core.data.revisions import store
    from core.data.sources import open_dataset

    name = open_dataset(run.experiment.data.source).name
    assert dict(store.of(name, app.query_params["repaired"]).relabelled) == {key: said}
    assert f"Since this run its label is {said}." in words(app)
    assert "bl-why-relabel-0" not in {button.key for button in app.button}


def test_the_cell_stands_in_the_address_and_says_what_is_shown(open_page, learned, words) -> None:
    run = learned()
    _key, true, said = mistake(run)
    classes = run.classes()
    cell = f"{classes.index(true)}-{classes.index(said)}"
    app = open_page("evaluate", run=run.id, **{"eval-kind": cell}, **OPEN)
    assert not app.exception
    assert f"{true} taken for {said} · 1" in words(app)
    assert "Mistakes" not in [box.label for box in app.selectbox]
    app.button(key="bl-eval-all").click().run()
    assert "eval-kind" not in app.query_params
    assert "Worst mistakes" in words(app)


def test_right_answers_have_one_map_and_an_empty_cell_says_so(open_page, learned, words, grids) -> None:
    run = learned()
    _key, true, said = mistake(run)
    classes = run.classes()
    row = classes.index(true)
    app = open_page("evaluate", run=run.id, **{"eval-kind": f"{row}-{row}"}, **OPEN)
    assert not app.exception
    assert f"{true}, right · 2" in words(app)
    assert [tile.caption for tile in grids[0]] == ["What it sees", f"For {true}"]
    assert len(grids) == 4, "two pictures, each with its map and its neighbours"
    grids.clear()
    empty = f"{classes.index(said)}-{row}"
    app = open_page("evaluate", run=run.id, **{"eval-kind": empty}, **OPEN)
    assert not app.exception
    assert "No picture is in this cell." in words(app)
    assert grids == []
    for nonsense in ("7-9", "a-b", "-1-0", "0"):
        app = open_page("evaluate", run=run.id, **{"eval-kind": nonsense})
        assert not app.exception
        assert "Worst mistakes" in words(app)


def test_without_the_data_or_the_weights_or_the_training_images(open_page, learned, words, grids) -> None:
    run = learned()
    source = Path(run.experiment.data.source)
    for row in run.split_rows():
        if row["split"] == "train":
            (source / row["key"]).unlink()
    app = open_page("evaluate", run=run.id, **OPEN)
    assert not app.exception
    assert "None of the images that Small one learned from is there any more." in words(app)
    assert len(grids) == 1, "its maps are there all the same"
    (run.path / "best.safetensors").unlink()
    app = open_page("evaluate", run=run.id, **OPEN)
    assert not app.exception
    assert app.toggle(key="bl-eval-why").disabled
    assert len(grids) == 1


def test_a_gone_folder_is_said_and_nothing_is_looked_into(open_page, learned, words, grids) -> None:
    import shutil

    run = learned(folder="elsewhere")
    shutil.rmtree(Path(run.experiment.data.source))
    app = open_page("evaluate", run=run.id, **OPEN)
    assert not app.exception
    assert "The figures above are kept with the run" in words(app)
    assert grids == []


@pytest.mark.parametrize(
    "model",
    [ModelSpec("cats_and_dogs_small_2", "none"), ModelSpec("vit_b_16", "none", image_size=32)],
    ids=["one output", "tokens"],
)
def test_networks_of_other_builds(open_page, learned, words, grids, model: ModelSpec) -> None:
    from core.models.network import assemble, save

    run = learned(folder=f"of-{model.backbone}")
    (run.path / "experiment.json").write_text(replace(run.experiment, model=model).to_json())
    save(assemble(model, run.classes(), seed=0).model, run.path / "best.safetensors")
    app = open_page("evaluate", run=run.id, **OPEN)
    assert not app.exception
    assert [len(tiles) for tiles in grids] == [3, 3]
    assert "Nearest of the 12 training images" in words(app)
