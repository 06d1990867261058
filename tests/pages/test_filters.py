"""Filters: the first layer in colour, deeper ones by input channel, before and after training."""

from __future__ import annotations

import pytest
import torch

from core.lab.networks import network_of_run
from pages import filters
from pages.ui import change

BACKBONE = {"backbone": "shufflenet_v2_x0_5", "weights": "none"}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list:
    """Stands in for the sheet, which lives in the browser: collects what it was asked to draw."""
    sheets: list = []

    def sheet(picture, **options):
        sheets.append((picture, options))

    monkeypatch.setattr(filters, "sheet", sheet)
    return sheets


def test_the_first_layer_is_drawn_in_its_colours(open_page, words, drawn) -> None:
    app = open_page("filters", **BACKBONE)
    assert not app.exception
    assert drawn[-1][0].count == 24
    assert "24 filters of conv1.0, each 3 × 3 weights" in drawn[-1][1]["alt"]
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
    before = change.start_of(run)
    network = network_of_run(run)
    with torch.no_grad():
        network.model.conv5[0].weight.mul_(1.5)
    added = change.difference(network.model, before)
    assert torch.allclose(added.conv5[0].weight, 0.5 * before.conv5[0].weight, atol=1e-6)
    assert not added.conv1[0].weight.any()
    moved = change.movement(network, before)
    assert moved[next(iter(moved))] == 0.0
    assert 0.0 < max(moved.values()) <= 0.5


def test_a_clicked_filter_is_shown_large(open_page, words, monkeypatch) -> None:
    monkeypatch.setattr(filters, "sheet", lambda *_args, **_options: 7)
    app = open_page("filters", **BACKBONE)
    assert not app.exception
    assert "Filter 7" in words(app)
    assert "See what filter 7 answers" in [button.label for button in app.button]
