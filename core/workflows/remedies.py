"""Remedies against imbalance: what they are of a training, and what they did for the rarest class. Loads no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.evaluation.intervals import Interval
from core.runs.store import Run
from core.specs import Experiment

REMEDIES: Mapping[str, tuple[str, str]] = {
    "none": ("shuffle", "none"),
    "weights": ("shuffle", "balanced"),
    "weighted": ("weighted", "none"),
    "oversample": ("oversample", "none"),
    "undersample": ("undersample", "none"),
}
"""The sampler and the loss's balance of each remedy; see :data:`core.specs.SAMPLERS`."""
COMPARED = ("none", "weights", "weighted")
"""What the ready comparison trains."""


@dataclass(frozen=True, slots=True)
class Remedied:
    """What a finished run reached under one remedy.

    Attributes:
        run: Its id.
        remedy: One of :data:`REMEDIES`.
        split: The images that it was judged on, ``test`` or ``val``.
        rarest: The class with the fewest training images.
        learned: Training images of that class.
        judged: Images of that class that were judged.
        figures: ``recall`` of the rarest class, ``balanced_accuracy`` and ``accuracy``.
        intervals: Their 95 % intervals.
    """

    run: str
    remedy: str
    split: str
    rarest: str
    learned: int
    judged: int
    figures: Mapping[str, float]
    intervals: Mapping[str, Interval]

    def as_record(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return {
            "run": self.run,
            "remedy": self.remedy,
            "split": self.split,
            "rarest": self.rarest,
            "learned": self.learned,
            "judged": self.judged,
            **self.figures,
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
        }


def remedy_of(experiment: Experiment) -> str:
    """Returns the name of the remedy that an experiment takes."""
    sampler = experiment.training.sampler
    return sampler if sampler != "shuffle" else "weights" if experiment.training.weighted else "none"


def rarest_class(run: Run) -> tuple[str, int] | None:
    """Returns the class with the fewest training images of a run, and their number; ``None`` before it read them."""
    learned = Counter(row["label"] for row in run.split_rows() if row["split"] == "train")
    return min(learned.items(), key=lambda pair: (pair[1], pair[0])) if learned else None


def table(runs: Iterable[Run]) -> tuple[Remedied, ...]:
    """Returns what the finished runs among some reached, on the test images where there are any, by remedy."""
    from core.workflows.evaluate import recorded

    found = []
    for run in runs:
        rarest = rarest_class(run)
        judged = recorded(run) if run.state == "finished" and rarest else {}
        evaluation = judged.get("test") or judged.get("val")
        if evaluation is None or rarest is None or rarest[0] not in evaluation.predictions.classes:
            continue
        label, figures = evaluation.predictions.classes.index(rarest[0]), evaluation.figures()
        values = {"recall": figures.per_class[label]["recall"]}
        intervals = {"recall": figures.class_intervals[label].get("recall", (0.0, 1.0))}
        for name in ("balanced_accuracy", "accuracy"):
            values[name], intervals[name] = figures.values[name], figures.intervals[name]
        count = int((evaluation.predictions.labels == label).sum())
        remedy = remedy_of(run.experiment)
        found.append(Remedied(run.id, remedy, evaluation.split, *rarest, count, values, intervals))
    return tuple(sorted(found, key=lambda row: list(REMEDIES).index(row.remedy)))
