"""Where a training stands: everything that its next step depends on, besides tensors and random number generators."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.specs import EarlyStopping, Phase, TrainingSpec
from core.training.loop.validation import higher_is_better, oriented, value_of
from core.training.optim.schedules import Plateau


@dataclass(slots=True)
class TrainerState:
    """Counters of a training loop, of plain values, so that they can be written down and read again.

    Attributes:
        phase: The phase at work, from 0.
        phase_epoch: Epochs of it that are complete.
        phase_step: Optimizer steps of it that are done.
        epoch: Epochs complete in the whole run.
        step: Optimizer steps done in the whole run.
        seen: Training images learned from in the whole run.
        done: Images of the epoch at work that were learned from.
        sums: Of these: loss, right answers, images.
        precision: The phase's number format; empty before it was chosen.
        parts: Into how many parts a batch is split because it did not fit into memory; 1 for whole.
        rate: What a person multiplied the phase's rates by.
        thawed: Stages that a person let join in.
        joining: Stages that are to join in before the next step.
        extra: Epochs that a person added to the phase.
        added: Epochs that a person added to the whole run.
        acts: How many of the experiment's live changes have taken effect.
        plateau: State of the phase's ``plateau`` schedule.
        best: The best epoch's score, higher is better, and its validation loss, negative.
        best_epoch: The best epoch.
        best_accuracy: Its validation accuracy.
        early_best: Best value of what early stopping monitors, lower is better.
        early_waited: Epochs since then.
    """

    phase: int = 0
    phase_epoch: int = 0
    phase_step: int = 0
    epoch: int = 0
    step: int = 0
    seen: int = 0
    done: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    precision: str = ""
    parts: int = 1
    rate: float = 1.0
    thawed: int = 0
    joining: int = 0
    extra: int = 0
    added: int = 0
    acts: int = 0
    plateau: Plateau = field(default_factory=Plateau)
    best: tuple[float, float] | None = None
    best_epoch: int | None = None
    best_accuracy: float | None = None
    early_best: float = math.inf
    early_waited: int = 0

    def next_phase(self) -> None:
        """Goes on to the phase's successor; what a person let join in stays free."""
        self.phase += 1
        self.phase_epoch = self.phase_step = self.done = self.extra = self.early_waited = 0
        self.sums, self.precision, self.rate, self.early_best = [0.0, 0.0, 0.0], "", 1.0, math.inf
        self.plateau = Plateau()

    def count_step(self, images: int) -> None:
        """Counts an optimizer step that was made of so many images."""
        self.phase_step += 1
        self.step += 1
        self.seen += images
        self.done += images

    def take_note(self, phase: Phase, training: TrainingSpec, values: Mapping[str, float]) -> bool:
        """Counts an epoch, and updates the plateau and the early stopping.

        Args:
            phase: The phase at work.
            training: What is monitored, and what is best.
            values: Of all metrics.

        Returns:
            Whether no earlier epoch was better.
        """
        self.epoch += 1
        self.phase_epoch += 1
        score = (oriented(training.best, value_of(training.best, values)), -values["val_loss"])
        improved = math.isfinite(score[0]) and (self.best is None or score > self.best)
        if improved:
            self.best, self.best_epoch, self.best_accuracy = score, self.epoch, values["val_accuracy"]
        schedule, early = phase.schedule, training.early
        if schedule.name == "plateau":
            self.plateau.epoch(schedule, value_of(schedule.metric, values), high=higher_is_better(schedule.metric))
        if early is not None:
            low = -oriented(early.metric, value_of(early.metric, values))
            better = low < self.early_best - early.minimum
            self.early_best, self.early_waited = (low, 0) if better else (self.early_best, self.early_waited + 1)
        return improved

    def stagnates(self, early: EarlyStopping | None) -> bool:
        """Whether the phase has not improved for as long as early stopping bears."""
        return early is not None and self.early_waited >= early.patience

    def to_dict(self) -> dict[str, Any]:
        """Returns the counters as plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> TrainerState:
        """Reads what :meth:`to_dict` returned.

        Raises:
            KeyError, TypeError, ValueError: It is none.
        """
        values = dict(record)
        best = values.pop("best")
        plateau = Plateau(**values.pop("plateau"))
        found = cls(plateau=plateau, best=None if best is None else (float(best[0]), float(best[1])), **values)
        _check(plateau)
        _check(found)
        if len(found.sums) != 3 or not all(isinstance(value, int | float) for value in found.sums):
            raise ValueError("sums are three numbers")
        return found


def _check(record: TrainerState | Plateau) -> None:
    """Makes sure that counters are counters, and figures figures.

    Raises:
        TypeError, ValueError: They are not.
    """
    for part in dataclasses.fields(record):
        value, usual = getattr(record, part.name), part.default
        if type(usual) is int and (type(value) is not int or value < 0):
            raise TypeError(f"{part.name} is no count")
        if type(usual) is float and not isinstance(value, int | float):
            raise TypeError(f"{part.name} is no number")
        if type(usual) is str and not isinstance(value, str):
            raise TypeError(f"{part.name} is no word")
