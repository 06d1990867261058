"""The coach: what a run shows, in words and with figures, and what to do about it. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.messages import Sentence
from core.specs import Experiment
from core.workflows.coach import curve_rules, health_rules
from core.workflows.findings import Remark, RunEvidence, percent

__all__ = ["Remark", "RunEvidence", "advise_run"]

HIDES = {
    "diverged": ("rate-too-high", "exploding-gradients", "large-steps", "underfitting", "nothing-learned"),
    "rate-too-high": ("large-steps", "underfitting", "plateau"),
    "nothing-learned": ("plateau",),
    "rate-too-low": ("underfitting", "nothing-learned", "plateau", "tiny-steps"),
    "tiny-steps": ("underfitting", "nothing-learned", "plateau"),
    "overfitting": ("plateau", "losses-apart"),
    "best-long-ago": ("plateau",),
    "underfitting": ("plateau",),
}
"""What need not be said any more once something else was."""
ORDER = {"bad": 0, "warn": 1, "good": 2}


def advise_run(
    rows: Sequence[Mapping[str, Any]],
    health: Sequence[Mapping[str, Any]],
    status: Mapping[str, Any],
    experiment: Experiment,
    counts: Mapping[str, Mapping[str, int]],
    *,
    data_health: Mapping[str, Any] | None = None,
    splits: Mapping[str, str] | None = None,
) -> tuple[Remark, ...]:
    """Says what a run shows.

    Args:
        rows: Of ``metrics.jsonl``, in order.
        health: Of ``health.jsonl``, in order.
        status: The run's status, its state checked.
        experiment: What it does.
        counts: ``{split: {class: images}}``.
        data_health: What :meth:`core.data.health.HealthReport.as_record` said of its images, where somebody looked.
        splits: Each image's split, by key; needed to tell a test on training images.

    Returns:
        Remarks, the gravest first; one good word if it has learned and there is nothing to worry about.
    """
    case = RunEvidence(rows, health, status, experiment, counts, data_health or {}, splits or {})
    found = [remark for rule in (*curve_rules.RULES, *health_rules.RULES) if (remark := rule(case)) is not None]
    hidden = {other for remark in found for other in HIDES.get(remark.id, ())}
    found = [remark for remark in found if remark.id not in hidden]
    if curve_rules.learns(case) and not any(remark.tone != "good" for remark in found):
        found.append(_healthy(case))
    return tuple(sorted(found, key=lambda remark: ORDER[remark.tone]))


def _healthy(case: RunEvidence) -> Remark:
    return Remark(
        "healthy",
        "good",
        Sentence("Nothing to worry about: it learns, and what it learns holds on new images.", {}),
        Sentence(
            "After {n} epochs the accuracy is {train} in training and {val} in validation.",
            {"n": case.epoch, "train": percent(case.now("train_accuracy")), "val": percent(case.now("val_accuracy"))},
        ),
        Sentence("Let it go on.", {}) if case.live else Sentence("Judge it on images that it has never seen.", {}),
    )
