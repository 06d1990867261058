"""A finding about a run, and the evidence that rules work on. Loads no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.messages import Sentence
from core.runs.status import LIVE, RunStatus
from core.specs import Experiment, Phase

Tone = Literal["good", "warn", "bad"]
RECENT = 3
"""Epochs whose median stands for "now", so that one odd epoch decides nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a run shows.

    Attributes:
        id: Stable name of the rule.
        tone: ``good``, ``warn`` or ``bad``.
        sentence: What is seen.
        evidence: The figures it rests on.
        advice: What to do.
    """

    id: str
    tone: Tone
    sentence: Sentence
    evidence: Sentence
    advice: Sentence


@dataclass(frozen=True)
class RunEvidence:
    """All that is known of a run.

    Attributes:
        rows: Of ``metrics.jsonl``, in order.
        health: Of ``health.jsonl``, in order.
        status: The run's status.
        experiment: What it does.
        counts: ``{split: {class: images}}``.
        copies: Keys of images that are copies of each other, in groups, as far as they were checked.
        splits: Each image's split, by key.
    """

    rows: Sequence[Mapping[str, Any]]
    health: Sequence[Mapping[str, Any]]
    status: RunStatus
    experiment: Experiment
    counts: Mapping[str, Mapping[str, int]]
    copies: Sequence[Sequence[str]] = ()
    splits: Mapping[str, str] = field(default_factory=dict)

    def column(self, name: str) -> NDArray[np.float64]:
        """Returns a measure over the epochs, ``nan`` where it is missing."""
        if name not in self._columns:
            values = (row.get(name) for row in self.rows)
            self._columns[name] = np.array([np.nan if v is None else float(v) for v in values], np.float64)
        return self._columns[name]

    @cached_property
    def _columns(self) -> dict[str, NDArray[np.float64]]:
        return {}

    def now(self, name: str) -> float:
        """Returns the median of the last epochs; ``nan`` before the first."""
        recent = self.column(name)[-RECENT:]
        return float(np.median(recent)) if len(recent) else float("nan")

    def last(self, name: str) -> float:
        """Returns the figure of the last epoch; ``nan`` before the first."""
        column = self.column(name)
        return float(column[-1]) if len(column) else float("nan")

    @property
    def epoch(self) -> int:
        """The last complete epoch."""
        return int(self.rows[-1]["epoch"]) if self.rows else 0

    @property
    def epochs(self) -> int:
        """Epochs that the run is meant to have."""
        return self.status.epochs or self.experiment.training.epochs

    @property
    def live(self) -> bool:
        """Whether the training goes on."""
        return self.status.state in LIVE

    @property
    def phase(self) -> Phase:
        """The phase of the last epoch."""
        phases = self.experiment.training.phases
        return phases[min(self._phase_index(-1), len(phases) - 1)]

    @cached_property
    def in_phase(self) -> int:
        """How many of the last epochs belong to the phase at work."""
        last, count = self._phase_index(-1), 0
        while count < len(self.rows) and self._phase_index(-1 - count) == last:
            count += 1
        return count

    def _phase_index(self, place: int) -> int:
        index = self.rows[place].get("phase_index") if self.rows else None
        return int(index) if index is not None and math.isfinite(index) else 0

    @property
    def classes(self) -> int:
        """Number of classes."""
        return max((len(names) for names in self.counts.values()), default=0)

    def images(self, split: str) -> int:
        """Returns how many images a split has."""
        return sum(self.counts.get(split, {}).values())

    @property
    def regularised(self) -> bool:
        """Whether training images are harder than validation images: changed, mixed, or passed through dropout."""
        training = self.experiment.training
        phases = training.phases[: self._phase_index(-1) + 1]
        augmented = any(self.experiment.augmentation(phase).active for phase in phases)
        return augmented or training.mix.active or self.experiment.model.head.dropout > 0

    @property
    def rate_fell(self) -> bool:
        """Whether the schedule has already taken the rate well below the phase's highest."""
        rates = self.column("lr")[-self.in_phase :] if self.in_phase else self.column("lr")
        return bool(len(rates) and rates[-1] < 0.2 * np.nanmax(rates))

    def stage(self, row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        """Returns a stage's entry in a row of ``health``."""
        return next((entry for entry in row.get("stages", ()) if entry.get("stage") == name), {})


def percent(share: float) -> str:
    """Returns a share for a sentence, as the figures and charts beside it write it."""
    if 0 < share < 0.001:
        return f"{100 * share:.1g} %"
    text = f"{100 * share:.1f}".removesuffix(".0")
    return "> 99.9 %" if text == "100" and share < 1 else f"{text} %"


def figure(value: float) -> str:
    """Returns a figure for a sentence, three digits."""
    return f"{value:.3g}"
