"""The coach: what a run shows, in words and with figures, and what to do about it. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.messages import Sentence
from core.runs.status import RunStatus
from core.specs import Experiment
from core.workflows.coach import curve_rules, health_rules, phase_rules, settings_rules
from core.workflows.findings import Finding, RunEvidence, percent

__all__ = ["Finding", "RunEvidence", "advise_run"]

SUPPRESSED = {
    "diverged": ("rate-too-high", "exploding-gradients", "large-steps", "underfitting", "nothing-learned"),
    "rate-too-high": ("large-steps", "underfitting", "plateau"),
    "nothing-learned": ("plateau",),
    "rate-too-low": ("underfitting", "nothing-learned", "plateau", "tiny-steps"),
    "tiny-steps": ("underfitting", "nothing-learned", "plateau"),
    "overfitting": ("plateau", "losses-apart"),
    "best-long-ago": ("plateau",),
    "underfitting": ("plateau",),
}
"""Finding -> findings that it makes superfluous."""
TONE_ORDER = {"bad": 0, "warn": 1, "good": 2}


def advise_run(
    rows: Sequence[Mapping[str, Any]],
    health: Sequence[Mapping[str, Any]],
    status: RunStatus,
    experiment: Experiment,
    counts: Mapping[str, Mapping[str, int]],
    *,
    copies: Sequence[Sequence[str]] = (),
    splits: Mapping[str, str] | None = None,
) -> tuple[Finding, ...]:
    """Returns what a run shows.

    Args:
        rows: Of ``metrics.jsonl``, in order.
        health: Of ``health.jsonl``, in order.
        status: The run's status, its state checked.
        experiment: What it does.
        counts: ``{split: {class: images}}``.
        copies: Keys of images that are copies of each other, in groups, as far as they were checked.
        splits: Each image's split, by key; needed to see which copies leak.

    Returns:
        Findings, the gravest first; a single good one if it has learned and there is nothing to worry about.
    """
    run = RunEvidence(rows, health, status, experiment, counts, copies, splits or {})
    found = [finding for rule in (*curve_rules.RULES, *health_rules.RULES) if (finding := rule(run)) is not None]
    hidden = {other for finding in found for other in SUPPRESSED.get(finding.id, ())}
    found = [*phase_rules.judge_phases(run), *(finding for finding in found if finding.id not in hidden)]
    if curve_rules.learns(run) and not any(finding.tone != "good" for finding in found):
        found.insert(0, _healthy(run))
    found += settings_rules.judge_settings(run)
    return tuple(sorted(found, key=lambda finding: TONE_ORDER[finding.tone]))


def _healthy(run: RunEvidence) -> Finding:
    return Finding(
        "healthy",
        "good",
        Sentence("Nothing to worry about: it learns, and what it learns holds on new images.", {}),
        Sentence(
            "After {n} epochs the accuracy is {train} in training and {val} in validation.",
            {"n": run.epoch, "train": percent(run.last("train_accuracy")), "val": percent(run.last("val_accuracy"))},
        ),
        Sentence("Let it go on.", {}) if run.live else Sentence("Judge it on images that it has never seen.", {}),
    )
