"""Learning-rate schedules as plain arithmetic: the same functions move the rate and draw it before launch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.specs import Phase, Schedule

ONE_CYCLE_START = 1 / 25
"""Share of the rate at which one-cycle starts (Smith and Topin 2019, arXiv:1708.07120; as in torch)."""
ONE_CYCLE_RISE = 0.3
"""Share of one-cycle's steps in which the rate rises."""
ONE_CYCLE_END = 1e-4 / 25
"""Share of the rate at which one-cycle ends."""
LEAST_CHANGE = 1e-4
"""Relative improvement below which an epoch counts as none for the plateau, as in torch."""


def rate_factor(schedule: Schedule, step: int, steps_per_epoch: int, epochs: int) -> float:
    """Returns what the rate is multiplied by at a step, before any drop of a plateau.

    Args:
        schedule: The schedule.
        step: Steps of the phase done before it, from 0.
        steps_per_epoch: Optimizer steps an epoch.
        epochs: Epochs of the phase.
    """
    warming = round(schedule.warmup * steps_per_epoch)
    if step < warming:
        return (step + 1) / (warming + 1)
    left = max(1, epochs * steps_per_epoch - warming)
    part = min(1.0, (step - warming) / left)
    if schedule.name == "cosine":
        return schedule.floor + (1 - schedule.floor) * 0.5 * (1 + math.cos(math.pi * part))
    if schedule.name == "polynomial":
        return schedule.floor + (1 - schedule.floor) * (1 - part) ** schedule.power
    if schedule.name == "one-cycle":
        return _one_cycle(part)
    if schedule.name == "exponential":
        return schedule.gamma ** ((step - warming) / steps_per_epoch)
    epoch = step // steps_per_epoch
    if schedule.name == "step":
        return schedule.gamma ** (epoch // schedule.every)
    if schedule.name == "multi-step":
        return schedule.gamma ** sum(epoch >= milestone for milestone in schedule.milestones)
    return 1.0


def _one_cycle(part: float) -> float:
    low, high, share = (
        (ONE_CYCLE_START, 1.0, part / ONE_CYCLE_RISE)
        if part < ONE_CYCLE_RISE
        else (1.0, ONE_CYCLE_END, (part - ONE_CYCLE_RISE) / (1 - ONE_CYCLE_RISE))
    )
    return high + (low - high) * 0.5 * (1 + math.cos(math.pi * share))


@dataclass(slots=True)
class Plateau:
    """The state of a ``plateau`` schedule, updated with each epoch's metric.

    Attributes:
        factor: What the rate is multiplied by now.
        best: Best value so far; lower is better.
        waited: Epochs since then.
    """

    factor: float = 1.0
    best: float = math.inf
    waited: int = 0

    def epoch(self, schedule: Schedule, value: float, *, high: bool) -> None:
        """Takes note of an epoch; drops the factor if the metric has not improved for too long.

        Args:
            schedule: ``gamma`` and ``patience``.
            value: Of the metric.
            high: Whether higher is better.
        """
        low = -value if high else value
        if not math.isfinite(self.best) or low < self.best - LEAST_CHANGE * abs(self.best):
            self.best, self.waited = low, 0
            return
        self.waited += 1
        if self.waited > schedule.patience:
            self.factor *= schedule.gamma
            self.waited = 0


def curve(phase: Phase, steps_per_epoch: int, points: int = 400) -> tuple[list[float], list[float]]:
    """Returns a phase's rate for drawing: epochs done (from 0), and the head's rate there.

    A plateau is drawn as if it never dropped: when it drops nobody knows before.
    """
    total = phase.epochs * steps_per_epoch
    drawn = min(points, total)
    steps = sorted({round(index * (total - 1) / max(1, drawn - 1)) for index in range(drawn)})
    epochs = [step / steps_per_epoch for step in steps]
    rates = [phase.lr * rate_factor(phase.schedule, step, steps_per_epoch, phase.epochs) for step in steps]
    return epochs, rates
