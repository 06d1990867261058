"""Start, slope and asymptote of pretrained runs against those from scratch, and the counterpart that is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from core.errors import InputError
from core.runs.store import RunStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.comparing.curves import Curve
from core.workflows.comparing.transfer import Reached, counterparts, course, from_scratch, gains, reached


def line(*values: float, first: int = 0) -> Curve:
    epochs = np.arange(first, first + len(values), dtype=float)
    return Curve(epochs, epochs, np.array(values))


def pretrained(**data: object) -> Experiment:
    recipe = make_recipe("two-phase", epochs=7)
    return Experiment(
        DataSpec("digits", **data),  # type: ignore[arg-type]
        ModelSpec("resnet18", image_size=64),
        TrainingSpec("two-phase", recipe.phases, batch_size=16, seed=4),
        recipe.freeze,
        name="Mine · seed 4",
    )


def test_a_course_says_start_slope_and_asymptote() -> None:
    found = course(line(0.1, 0.5, 0.6, 0.7, 0.72, 0.8, 0.9, 0.9, 0.9, 0.9, 1.0))
    assert found is not None
    assert found.start == 0.5
    assert found.slope == pytest.approx((0.7 - 0.1) / 3)
    assert found.asymptote == pytest.approx((0.9 + 1.0) / 2)


def test_a_run_that_nobody_judged_before_starts_with_its_first_epoch() -> None:
    found = course(line(0.5, 0.6, 0.9, first=1))
    assert found is not None
    assert (found.start, found.asymptote) == (0.5, 0.9)
    assert found.slope == pytest.approx(0.2)
    assert course(line(0.1)) is None
    one = course(line(0.5, first=1))
    assert one is not None
    assert one.slope == 0


def test_gains_have_intervals_over_seeds_and_none_with_one_run() -> None:
    scratch = [line(0.1, 0.2 + n / 100, 0.3, 0.4, 0.5 + n / 50) for n in range(3)]
    better = [line(0.1, 0.7 + n / 100, 0.8, 0.9, 0.9 + n / 80) for n in range(3)]
    start, slope, asymptote = gains(scratch, better)
    assert start.difference == pytest.approx(0.5)
    assert slope.difference == pytest.approx(0.5 / 3)
    assert start.contrast is not None
    low, high = start.contrast.interval
    assert low < 0.5 < high
    reference = stats.ttest_ind(asymptote.pretrained, asymptote.scratch, equal_var=False)
    assert asymptote.contrast is not None
    assert asymptote.contrast.p_value == pytest.approx(reference.pvalue)
    assert gains(scratch[:1], better)[0].contrast is None
    with pytest.raises(InputError, match="at least one epoch"):
        gains([], better)


def test_an_accuracy_is_reached_or_not() -> None:
    found = line(0.1, 0.5, 0.8, 0.7)
    images, seconds = found.epochs * 100, found.epochs * 2
    assert reached(found, images, seconds, 0.8) == Reached(2, 200.0, 4.0)
    assert reached(found, images, seconds, 0.9) == Reached(None)


def test_the_counterpart_is_the_same_but_from_random_weights() -> None:
    mine = pretrained(test_share=0.2)
    other = from_scratch(mine)
    assert (other.data, other.augment, other.training.seed) == (mine.data, mine.augment, 4)
    assert other.model == replace(mine.model, weights="none")
    assert sum(phase.epochs for phase in other.training.phases) == 7
    assert all(phase.trains != "head" for phase in other.training.phases)
    assert other.name == "Mine · from scratch"
    store = RunStore()
    run, found = store.create(mine), store.create(other)
    store.create(from_scratch(pretrained(test_share=0.3)))
    store.create(replace(mine, name="pretrained, too"))
    assert counterparts(run, store.list()) == [found]
