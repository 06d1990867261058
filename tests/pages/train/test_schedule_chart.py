"""The learning rate before launch, drawn and in words."""

from __future__ import annotations

import pytest

from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, Phase, Schedule, TrainingSpec
from pages.train import schedule_chart
from pages.ui.session import caches


def experiment(*phases: Phase, freeze: FreezePlan | None = None) -> Experiment:
    return Experiment(
        DataSpec("shapes"),
        ModelSpec("efficientnet_lite0", "none"),
        TrainingSpec("custom", phases),
        freeze or FreezePlan(2),
    )


@pytest.fixture(scope="module")
def anatomy():
    return caches.anatomy(ModelSpec("efficientnet_lite0", "none"), 4)


def test_the_rate_is_drawn_for_head_and_backbone_one_phase_after_the_other(anatomy) -> None:
    drawn = schedule_chart.lines(
        experiment(
            Phase("head", "head", 2, lr=0.01),
            Phase("both", "plan", 4, lr=0.001, backbone_factor=0.5, schedule=Schedule("cosine", warmup=1.0)),
        ),
        anatomy,
        steps=10,
    )
    head, (second, backbone) = drawn[0], drawn[1]
    assert [line.group for line in head] == ["head"]
    assert (head[0].epochs[0], head[0].epochs[-1], set(head[0].rates)) == (0.0, 2.0, {0.01})
    assert (second.epochs[0], second.epochs[-1]) == (2.0, 6.0)
    assert max(second.rates) == pytest.approx(0.001)
    assert second.rates.index(max(second.rates)) == 10  # the warm-up's end
    assert backbone.rates == pytest.approx([0.5 * rate for rate in second.rates])


def test_stages_with_rates_of_their_own_are_drawn_as_first_and_last(anatomy) -> None:
    phase = Phase("both", "plan", 2, lr=0.1, backbone_factor=0.5, stage_decay=0.1)
    assert schedule_chart.groups(experiment(phase), phase, anatomy) == pytest.approx(
        {"head": 1.0, "last": 0.5, "first": 0.05}
    )
    assert schedule_chart.groups(experiment(phase, freeze=FreezePlan(0)), phase, anatomy) == {"head": 1.0}


def test_the_chart_is_told_in_words(anatomy) -> None:
    planned = experiment(
        Phase("head", "head", 2, lr=0.01, schedule=Schedule("plateau")),
        Phase("both", "plan", 4, lr=0.00001, schedule=Schedule("cosine", warmup=1.0)),
    )
    text = schedule_chart.words(planned, schedule_chart.lines(planned, anatomy))
    for part in ("Head: 0.01 throughout.", "up to 1e-05 and down to nearly 0", "drawn flat", "warm-up", "logarithmic"):
        assert part in text
