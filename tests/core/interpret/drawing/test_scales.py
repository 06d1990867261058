"""Maps that are compared share a scale on which an improbable class does not glow."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from core.interpret.drawing.overlay import overlay
from core.interpret.drawing.scales import FIGURES, OWN, PROBABILITY, levels


def heatmap(figures: np.ndarray, *, signed: bool = False, per_pixel: bool = False) -> SimpleNamespace:
    low, high = figures.min(), figures.max()
    values = figures / np.abs(figures).max() if signed else (figures - low) / (high - low)
    return SimpleNamespace(values=values, figures=figures, signed=signed, per_pixel=per_pixel)


RAMP = np.linspace(0, 4, 64, dtype=np.float32).reshape(8, 8)


def test_an_improbable_class_is_drawn_as_weakly_as_it_is_improbable() -> None:
    likely, hardly = levels([heatmap(RAMP), heatmap(RAMP)], [0.828, 0.016])
    assert likely.max() == pytest.approx(1)
    assert hardly.max() == pytest.approx(0.016 / 0.828)
    assert np.argmax(hardly) == np.argmax(likely)


def test_figures_count_where_they_have_one_unit_and_only_the_probability_where_not() -> None:
    weak, strong = heatmap(RAMP / 4), heatmap(RAMP)
    assert [one.max() for one in levels([weak, strong], [0.5, 0.5], FIGURES)] == pytest.approx([0.25, 1])
    assert [one.max() for one in levels([weak, strong], [0.3, 0.6], PROBABILITY)] == pytest.approx([0.5, 1])
    assert [one.max() for one in levels([weak, strong], [0.3, 0.6], OWN)] == pytest.approx([1, 1])


def test_zero_stays_nothing_on_a_common_scale() -> None:
    raised = heatmap(RAMP + 2)  # a map that is nowhere nothing
    assert levels([raised], [1.0])[0].min() == pytest.approx(2 / 6)
    assert levels([raised], [1.0], OWN)[0].min() == 0


def test_signs_are_kept() -> None:
    against = heatmap(RAMP - 3, signed=True)
    drawn = levels([against, heatmap(2 * RAMP, signed=True)], [1.0, 0.25])[0]
    assert drawn.min() == pytest.approx(-1)
    assert drawn.max() == pytest.approx(1 / 3)


def test_a_few_pixels_do_not_leave_the_rest_of_all_maps_in_the_dark() -> None:
    figures = np.full((20, 20), 1, np.float32)
    figures[0, 0], figures[0, 1] = 100, 0
    grains, other = levels([heatmap(figures, per_pixel=True), heatmap(figures, per_pixel=True)], [1.0, 0.5])
    assert np.median(grains) == pytest.approx(1)
    assert np.median(other) == pytest.approx(0.5)
    assert grains.max() == 1


def test_nothing_stays_nothing() -> None:
    empty = SimpleNamespace(values=np.zeros((4, 4)), figures=np.zeros((4, 4)), signed=False, per_pixel=True)
    for scale in (FIGURES, PROBABILITY, OWN):
        assert not levels([empty, empty], [0.9, 0.1], scale)[0].any()
    assert levels([], []) == []


def test_the_colours_follow() -> None:
    from PIL import Image

    black = Image.new("RGB", (8, 8))
    likely, hardly = (
        np.asarray(overlay(black, drawn, opacity=1.0)).astype(int).sum(2).max()
        for drawn in levels([heatmap(RAMP), heatmap(RAMP)], [0.828, 0.016])
    )
    nothing = int(np.asarray(overlay(black, np.zeros((8, 8)), opacity=1.0)).astype(int).sum(2).max())
    assert hardly - nothing < 0.05 * (likely - nothing)
