"""Slices: how columns are cut, the worst first, intervals, and that many slices make no false alarm."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.evaluation.intervals import wilson_interval
from core.evaluation.slices import LEAST, slices

RIGHT = np.array([True] * 30 + [False] * 10)


def test_a_slice_says_how_many_how_good_and_the_rest() -> None:
    light = ["day"] * 20 + ["night"] * 20
    worst, best = slices({"light": light}, RIGHT)
    assert (worst.column, worst.value, worst.images, worst.right) == ("light", "night", 20, 10)
    assert (worst.accuracy, worst.rest) == (0.5, 1.0)
    assert worst.interval == wilson_interval(10, 20)
    assert worst.p_value == pytest.approx(2 * stats.fisher_exact([[10, 10], [20, 0]]).pvalue)
    assert worst.worse
    assert not best.worse
    assert best.rows.tolist() == list(range(20))
    assert worst.as_record()["interval"] == list(worst.interval)


def test_numbers_are_cut_into_parts_and_equal_ones_stay_together() -> None:
    found = slices({"size": [float(n) for n in range(40)]}, RIGHT)
    assert {one.value for one in found} == {"0 – 9", "10 – 19", "20 – 29", "30 – 39"}
    assert all(one.images == 10 for one in found)
    two = slices({"size": [8.0] * 25 + [16.0] * 15}, RIGHT)
    assert {(one.value, one.images) for one in two} == {("8", 25), ("16", 15)}
    assert slices({"size": [8.0] * 40}, RIGHT) == ()


def test_what_is_small_missing_or_a_name_makes_no_slice() -> None:
    few: list[str | float | None] = ["a"] * (LEAST - 1) + ["b"] * (40 - LEAST + 1)
    assert {one.value for one in slices({"kind": few}, RIGHT)} == {"b"}
    assert slices({"file": [f"{n}.png" for n in range(40)], "one": ["x"] * 40, "none": [None] * 40}, RIGHT) == ()
    gaps: list[str | float | None] = [None] * 20 + ["a"] * 10 + ["b"] * 10
    assert {one.images for one in slices({"gaps": gaps}, RIGHT)} == {10}


def test_related_images_widen_the_interval_and_the_test() -> None:
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 10)
    right = np.repeat(random.random(20) < 0.7, 10)
    column = ["x" if group < 10 else "y" for group in groups]
    alone = {one.value: one for one in slices({"c": column}, right)}
    related = {one.value: one for one in slices({"c": column}, right, groups.tolist())}
    for value, one in alone.items():
        wide = related[value].interval
        assert wide[1] - wide[0] > 1.5 * (one.interval[1] - one.interval[0])
        assert related[value].p_value >= one.p_value


@pytest.mark.parametrize("grouped", [False, True])
def test_many_slices_raise_no_false_alarm(grouped: bool) -> None:
    """300 studies of 24 slices each without any difference."""
    random, alarms = np.random.default_rng(1), 0
    for _ in range(300):
        groups = np.repeat(np.arange(60), 5)
        ease = random.beta(4, 1, 60) if grouped else np.full(60, 0.8)
        right = random.random(300) < ease[groups]
        columns: dict[str, list[str | float | None]] = {}
        for name in range(6):
            values = random.random(60)[groups] if grouped else random.random(300)
            columns[str(name)] = [float(value) for value in values]
        alarms += any(one.p_value < 0.05 for one in slices(columns, right, groups.tolist() if grouped else None))
    assert alarms <= 24  # 5 % of 300, and two and a half deviations
