"""Filters: the first layer in colour, deeper ones by input channel, before and after training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.interpret.filters import weight_change
from core.runs.process import process_stamp
from core.workflows.checkpoints import network_at
from core.workflows.network_loading import network_of_run
from pages.filters import kernels_view
from pages.ui.session import caches
from pages.ui.visualization import activation_maximization, progress

BACKBONE = {"backbone": "shufflenet_v2_x0_5", "weights": "none"}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list:
    """Stands in for the sheet, which lives in the browser: collects what it was asked to draw."""
    sheets: list = []

    def sheet(picture, **options):
        sheets.append((picture, options))

    monkeypatch.setattr(kernels_view, "sheet", sheet)
    return sheets


def test_the_first_layer_is_drawn_in_its_colours(open_page, words, drawn) -> None:
    app = open_page("filters", **BACKBONE)
    assert not app.exception
    assert drawn[-1][0].count == 24
    assert "24 filters of Stage 1, convolution 3 × 3, each 3 × 3 weights" in drawn[-1][1]["alt"]
    assert "in its own colours" in words(app)
    assert "weights are random" in words(app)


def test_colours_apart(open_page, drawn) -> None:
    app = open_page("filters", **BACKBONE)
    app.toggle(key="bl-filters-split").set_value(True).run()
    assert not app.exception
    assert drawn[-1][0].count == 24 * 3
    assert drawn[-1][1]["names"][:4] == ["0 ← 0", "0 ← 1", "0 ← 2", "1 ← 0"]


def test_a_deeper_layer_by_input_channel(open_page, words, drawn) -> None:
    app = open_page("filters", layer="conv5.0", **BACKBONE)
    assert not app.exception
    assert drawn[-1][0].count == 32 * 16
    app.slider(key="bl-filters-out-conv5.0").set_value((100, 107)).run()
    app.slider(key="bl-filters-in-conv5.0").set_value((3, 6)).run()
    assert not app.exception
    assert drawn[-1][0].count == 8 * 4
    assert drawn[-1][1]["names"][0] == "100 ← 3"
    assert "a row is a filter, a column an input channel" in words(app)


def test_a_range_that_is_too_wide_is_cut_and_said(open_page, words, drawn) -> None:
    app = open_page("filters", layer="conv5.0", **BACKBONE)
    app.slider(key="bl-filters-out-conv5.0").set_value((0, 500)).run()
    assert not app.exception
    assert "At most 64 are drawn at once" in words(app)
    assert drawn[-1][0].count == 64 * 16


def test_strongest_first(open_page, drawn) -> None:
    app = open_page("filters", session={"bl-filters-order": "strength"}, **BACKBONE)
    assert not app.exception
    names = drawn[-1][1]["names"]
    assert sorted(names, key=int) == [str(i) for i in range(24)]
    assert names != [str(i) for i in range(24)]


def test_a_frozen_layer_did_not_change(open_page, learned, words, drawn) -> None:
    app = open_page("filters", run=learned().id, session={"bl-filters-view": "change"})
    assert not app.exception
    assert "this part of the network was frozen" in words(app)
    assert "No convolution moved" in words(app)
    assert drawn == []


def test_change_is_what_training_added(learned) -> None:
    run = learned()
    before = network_at(run, "start").model
    network = network_of_run(run)
    with torch.no_grad():
        network.model.conv5[0].weight.mul_(1.5)
    added = weight_change.difference(network.model, before)
    assert torch.allclose(added.conv5[0].weight, 0.5 * before.conv5[0].weight, atol=1e-6)
    assert not added.conv1[0].weight.any()
    moved = weight_change.movement(network, before)
    assert moved[next(iter(moved))] == 0.0
    assert 0.0 < max(moved.values()) <= 0.5


def test_a_clicked_filter_is_shown_large(open_page, words, monkeypatch) -> None:
    monkeypatch.setattr(kernels_view, "sheet", lambda *_args, **_options: 7)
    app = open_page("filters", **BACKBONE)
    assert not app.exception
    assert "Filter 7" in words(app)
    assert "See the feature map of filter 7" in [button.label for button in app.button]


# --- what they look for -----------------------------------------------------------------------------------------------

QUICK = {"bl-dream-size": 64, "bl-dream-steps": 32}


@pytest.fixture
def galleries(monkeypatch: pytest.MonkeyPatch) -> list:
    """Stands in for the gallery, which lives in the browser: collects what it was asked to draw."""
    drawn: list = []

    def gallery(tiles, **options):
        drawn.append((tiles, options))

    monkeypatch.setattr(activation_maximization, "gallery", gallery)
    return drawn


def grow(app):
    return next(button for button in app.button if button.key == "bl-dream-grow")


def test_pictures_grow_and_stay(open_page, words, galleries) -> None:
    app = open_page("filters", view="dreams", layer="conv1", session=QUICK, **BACKBONE)
    assert not app.exception
    assert "Nothing is grown yet" in words(app)
    assert "Channels 0 to 15 of 24" in words(app)
    assert grow(app).label == "Grow 16 pictures"
    grow(app).click().run()
    assert not app.exception
    tiles, options = galleries[-1]
    assert [tile.caption for tile in tiles][:2] == ["Channel 0", "Channel 1"]
    assert len(tiles) == 16
    assert options["chosen"] == 0
    assert "noise, at most" in words(app)
    assert not [button for button in app.button if button.key == "bl-dream-grow"]
    galleries.clear()
    again = open_page("filters", view="dreams", layer="conv1", session=QUICK, **BACKBONE)
    assert not again.exception
    assert len(galleries[-1][0]) == 16, "they are on disk"


def test_classes_of_the_runs_own_head(open_page, learned, galleries, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(progress, "grow", lambda _target, _network, ask, _place: asked.append(ask))
    app = open_page("filters", view="dreams", run=learned().id, session={"bl-dream-mode": "classes", **QUICK})
    assert not app.exception
    grow(app).click().run()
    assert not app.exception
    assert (asked[0].layer, asked[0].channels, asked[0].labels) == ("", (0, 1), ("blue", "red"))
    assert galleries == []


def test_what_takes_long_is_handed_to_a_process(open_page, words, monkeypatch) -> None:
    from core.runs.jobs import JobStore

    monkeypatch.setattr(progress, "LONG", -1.0)
    monkeypatch.setattr(progress, "TRIED", -1.0)
    started = []

    def start(wish, owner=""):
        started.append(wish)
        return JobStore("dreams").create(wish.as_record(), owner=owner, **process_stamp())

    monkeypatch.setattr(progress, "start_job", start)
    app = open_page("filters", view="dreams", layer="conv1", session=QUICK, **BACKBONE)
    grow(app).click().run()
    assert not app.exception
    assert (started[0].layer, started[0].channels[:2], started[0].steps) == ("conv1", (0, 1), 32)
    assert "Waiting for the device" in words(app)
    assert "This goes on if you leave" in words(app)
    cancel = next(button for button in app.button if button.key == "bl-dream-job-stop")
    cancel.click().run()
    assert JobStore("dreams").list()[0].stop_requested


def test_a_place_that_is_not_on_the_map_is_said(open_page, words) -> None:
    session = {**QUICK, "bl-dream-mode": "neurons", "bl-dream-where": "place", "bl-dream-row": 500}
    app = open_page("filters", view="dreams", layer="conv1", session=session, **BACKBONE)
    grow(app).click().run()
    assert not app.exception
    assert "no neuron at row 500" in words(app)


def test_a_picture_is_dreamt_into(open_page, words) -> None:
    session = {"bl-dream-mode": "picture", "bl-deep-side": 192, "bl-deep-steps": 2, "bl-deep-octaves": 2}
    app = open_page("filters", view="dreams", layer="conv1", session=session, **BACKBONE)
    assert not app.exception
    next(button for button in app.button if button.key == "bl-deep-start").click().run()
    assert not app.exception
    assert "times as strong" in words(app)


@pytest.mark.usefixtures("galleries")
def test_what_is_grown_and_how_is_in_the_address(open_page, learned, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(progress, "grow", lambda _target, _network, ask, _place: asked.append(ask))
    params = {"dream-mode": "classes", "dream-size": "64", "dream-steps": "32", "dream-seed": "7"}
    app = open_page("filters", view="dreams", run=learned().id, **params)
    grow(app).click().run()
    assert not app.exception
    assert (asked[0].recipe.size, asked[0].recipe.steps, asked[0].recipe.seed) == (64, 32, 7)
    app.number_input(key="bl-dream-seed").set_value(9).run()
    assert app.query_params["dream-seed"] == "9"
    app = open_page("filters", view="dreams", layer="conv1", **BACKBONE, **{"dream-mode": "picture", "deep-steps": "3"})
    assert app.slider(key="bl-deep-steps").value == 3
    app.slider(key="bl-deep-strength").set_value(1.5).run()
    assert app.query_params["deep-strength"] == "1.5"


# --- alike, over epochs -----------------------------------------------------------------------------------------------


def test_duplicates_and_dead_filters_are_named(open_page, learned, words, monkeypatch) -> None:
    run = learned()
    network = network_of_run(run)
    with torch.no_grad():
        network.model.conv1[0].weight[5] = 3 * network.model.conv1[0].weight[2]
        network.model.conv1[1].weight[7], network.model.conv1[1].bias[7] = 0.0, -1.0
    monkeypatch.setattr(caches, "network", lambda *_: network)
    app = open_page("filters", view="alike", run=run.id)
    assert not app.exception
    assert "2 = 5" in words(app)
    next(button for button in app.button if button.key == "bl-filters-life").click().run()
    assert not app.exception
    assert ": 1 of 24 filters (" in words(app)
    assert "A ReLU follows" in words(app)


def test_a_run_without_snapshots_says_so(open_page, learned, words) -> None:
    app = open_page("filters", view="epochs", run=learned().id)
    assert not app.exception
    assert "No epochs to look back on" in words(app)


def test_over_epochs(open_page, learned, words) -> None:
    from core.runs import snapshots

    run = learned()
    start = np.random.default_rng(0).normal(size=(24, 3, 3, 3)).astype(np.float16)
    pinned = snapshots.Pinned((), (), "", "conv1.0")
    snapshots.pin(run.path, pinned, {"images": np.zeros((0, 8, 8, 3), np.uint8), "kernels": start})
    for epoch, factor in ((1, 1.0), (2, 1.1), (3, 1.25)):
        nothing = np.zeros((0, 2), np.float32), None, np.zeros(0, np.float32), (), ()
        snapshots.write(run.path, snapshots.Snapshot(epoch, *nothing, (start * factor).astype(np.float16)))
    app = open_page("filters", view="epochs", run=run.id)
    assert not app.exception
    assert "the filter that moved by 25 %" in words(app)
    app.select_slider(key=f"bl-filters-epoch-{run.id}").set_value(2).run()
    assert not app.exception
    assert "the filter that moved by 10 %" in words(app)
    (run.path / "snapshots" / "epoch-000002.npz").unlink()
    (run.path / "snapshots" / "epoch-000002.npz").write_bytes(b"damaged")
    again = open_page("filters", view="epochs", run=run.id)
    assert not again.exception
    assert "These epochs cannot be read" in words(again)
