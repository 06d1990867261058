"""The learning-rate range test: train a copy for a while, the rate rising at every step, and see where the loss falls.

Smith 2017, "Cyclical Learning Rates for Training Neural Networks" (arXiv:1506.01186). The steps are those of the
training itself (:class:`core.training.loop.trainer.Trainer`): same freezing, optimizer, stage rates, batch,
augmentation and loss, on features computed once where the training would do that.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from threading import RLock
from typing import Any

import torch

from core.errors import InputError
from core.models.network import Network
from core.specs import Experiment, Phase, Schedule
from core.training.features.batch_sources import Material
from core.training.loop.events import PhaseStarted, ProgressEvent, Step
from core.training.loop.live_changes import ControlRequest, PollRequests, no_requests
from core.training.loop.trainer import Trainer
from core.training.lr_suggestion import Suggestion, suggest

DEFAULT_STEPS = 100
"""Optimizer steps of a test."""
MIN_STEPS = 20
"""With fewer steps a curve cannot be read."""
RATE_SPAN = (1e-7, 10.0)
"""Rates of the head that are tried, for optimizers that scale their steps themselves."""
RATE_SPANS = {"sgd": (1e-6, 100.0), "adagrad": (1e-6, 100.0)}
"""The same for those that want larger ones."""
LEAST_IMAGES = 8
"""Training images that a test needs."""
LOSS_MOMENTUM = 0.9
"""Share of the running mean that each step keeps; by it an explosion is noticed."""


@dataclass(frozen=True, slots=True)
class Tried:
    """How far the test is.

    Attributes:
        done: Steps done.
        total: Steps at most.
        rate: The rate now.
        loss: Mean loss of the last images.
    """

    done: int
    total: int
    rate: float
    loss: float


@dataclass(frozen=True, slots=True)
class RateCurve(Suggestion):
    """What a range test found, and what it suggests.

    Attributes:
        rates: The head's rate at each step, rising.
        losses: Mean loss of each step's images, before the step.
        exploded: Whether the test ended because the loss grew beyond its start.
        phase: The phase that was tried.
        optimizer: Its optimizer.
        batch: Images a step.
        precision: ``fp32`` or ``bf16``.
        cached: Whether it ran on features computed once.
        seconds: Wall time.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    exploded: bool
    phase: str
    optimizer: str
    batch: int
    precision: str
    cached: bool
    seconds: float

    def as_record(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> RateCurve:
        """Reads what :meth:`as_record` returned.

        Raises:
            KeyError, TypeError, ValueError: It is none.
        """
        listed = {name: tuple(float(value) for value in record[name]) for name in ("rates", "losses", "smoothed")}
        if len({len(values) for values in listed.values()}) != 1:
            raise ValueError("lists of different lengths")
        return cls(**{**record, **listed})


def only_phase(experiment: Experiment, phase: int | str = 0) -> Experiment:
    """Returns the experiment of one phase alone, without what a range test does not depend on.

    Two experiments that differ in rate, schedule, length, name or later phases give the same one, so that a test is
    found again after its rate was taken.

    Args:
        experiment: Any experiment.
        phase: A phase's place, from 0, or its name.

    Raises:
        InputError: There is no such phase.
    """
    tried = _find(experiment, phase)
    alone = replace(
        tried, name=tried.name, trains="plan", epochs=1, lr=1.0, schedule=Schedule(), freeze=None, augment=None
    )
    training = replace(
        experiment.training, preset="custom", phases=(alone,), early=None, ema=0.0, best="val_accuracy", acts=()
    )
    return replace(
        experiment, name="", training=training, freeze=experiment.plan(tried), augment=experiment.augmentation(tried)
    )


def images_needed(experiment: Experiment, steps: int = DEFAULT_STEPS) -> int:
    """Returns how many training images a test looks at, at most."""
    return steps * experiment.training.images * experiment.training.accumulate


def find_rate(
    network: Network,
    material: Material,
    experiment: Experiment,
    device: torch.device,
    *,
    phase: int | str = 0,
    steps: int = DEFAULT_STEPS,
    span: tuple[float, float] | None = None,
    poll_requests: PollRequests = no_requests,
) -> Iterator[ProgressEvent | Tried | RateCurve]:
    """Runs a learning-rate range test on a copy of a network.

    Where the experiment leaves the precision open, ``fp32`` is taken on a CPU: timing it would make two tests differ.

    Args:
        network: As the run starts, with its new head; it is left as it is, on the device where it is.
        material: Images and who serves for what; nothing is validated.
        experiment: Freeze plan, optimizer, batch, augmentation, loss and seed.
        device: Where to compute.
        phase: The phase to try, by its place or name. It starts from the weights of the whole run's start.
        steps: Optimizer steps; the rate grows by the same factor at each.
        span: Lowest and highest rate of the head; by default as the optimizer wants it.
        poll_requests: Called several times a second; any request to stop ends the test without a curve.

    Yields:
        ProgressEvent; last the curve.

    Raises:
        InputError: There is no such phase, there are too few images, or the loss is not a number at the first step.
        OutOfMemory: A step does not fit into the device's memory.
    """
    begin = time.perf_counter()
    alone = only_phase(experiment, phase)
    tried = alone.training.phases[0]
    if alone.training.precision == "auto" and device.type == "cpu":
        alone = replace(alone, training=replace(alone.training, precision="fp32"))
    low, high = span or RATE_SPANS.get(tried.optimizer, RATE_SPAN)
    _check(len(material.train), steps, low, high)
    test = _RangeTest(_copy(network), _sample(material, alone, steps), alone, device, poll_requests, steps, (low, high))
    rng_state = torch.get_rng_state()
    try:
        yield from test.results()
    finally:
        torch.set_rng_state(rng_state)
    if test.halted:
        return
    if len(test.losses) < 2:
        raise InputError(
            "The loss is not a number at the first step already, at a rate of {rate}. Check that the images are in "
            "order and that the weights the run starts from are finite.",
            rate=f"{low:g}",
        )
    found = suggest(test.rates, test.losses)
    yield RateCurve(
        **dataclasses.asdict(found),
        rates=tuple(test.rates),
        losses=tuple(test.losses),
        exploded=test.exploded,
        phase=tried.name,
        optimizer=tried.optimizer,
        batch=alone.training.images,
        precision=test.state.precision,
        cached=test.cached,
        seconds=time.perf_counter() - begin,
    )


class _Over(Exception):
    """The test has seen enough."""


class _RangeTest(Trainer):
    """A training whose rate rises at every step, which takes note of each step's loss and ends when it explodes."""

    judges_before = False

    def __init__(
        self,
        network: Network,
        material: Material,
        experiment: Experiment,
        device: torch.device,
        poll_requests: PollRequests,
        steps: int,
        span: tuple[float, float],
    ) -> None:
        super().__init__(network, material, experiment, device, poll_requests=poll_requests)
        epochs = -(-steps // self.steps_per_epoch)
        phase = replace(experiment.training.phases[0], epochs=epochs)
        self.training = replace(experiment.training, phases=(phase,))
        self.experiment = replace(experiment, training=self.training)
        self.steps, self.span = steps, span
        self.rates: list[float] = []
        self.losses: list[float] = []
        self.exploded = self.cached = self.halted = False
        self._mean, self._least = 0.0, math.inf
        self._before = [0.0, 0.0, 0.0]

    def results(self) -> Iterator[ProgressEvent | Tried]:
        """Runs the test."""
        try:
            for event in self.run():
                if isinstance(event, PhaseStarted):
                    self.cached = event.cached
                elif isinstance(event, ProgressEvent) and event.doing != "validating":
                    yield event
                elif isinstance(event, Step) and self.rates:
                    yield Tried(len(self.rates), self.steps, self.rates[-1], event.loss)
        except _Over:
            return
        self.halted = True

    def _factor(self) -> float:
        low, high = self.span
        return low * (high / low) ** (min(self.state.phase_step, self.steps - 1) / (self.steps - 1))

    def _count(self, images: int) -> None:
        rate = self._factor()
        super()._count(images)
        if self.state.done == images:  # the first step of an epoch
            self._before = [0.0, 0.0, 0.0]
        now = self._meter.sums.tolist()
        loss, _, count = (a - b for a, b in zip(now, self._before, strict=True))
        self._before = now
        if not math.isfinite(loss):
            self.exploded = True
            raise _Over
        self.rates.append(rate)
        self.losses.append(loss / count)
        self.exploded = self._grows_beyond()
        if self.exploded or len(self.rates) == self.steps:
            raise _Over

    def _grows_beyond(self) -> bool:
        """Whether the running mean of the losses, corrected for its start at 0, is far above where it began."""
        count = len(self.losses)
        self._mean = LOSS_MOMENTUM * self._mean + (1 - LOSS_MOMENTUM) * self.losses[-1]
        mean = self._mean / (1 - LOSS_MOMENTUM**count)
        self._least = min(self._least, mean)
        start = sum(self.losses[:5]) / min(count, 5)
        return count > MIN_STEPS // 2 and mean > start + (start - self._least) + 0.5 * abs(start)


def _find(experiment: Experiment, phase: int | str) -> Phase:
    phases = experiment.training.phases
    for index, candidate in enumerate(phases):
        if phase in (index, candidate.name):
            return candidate
    raise InputError(
        "The experiment has no phase {phase}. Its phases: {known}.",
        phase=phase,
        known=", ".join(f"{index}: {candidate.name}" for index, candidate in enumerate(phases)),
    )


def _check(images: int, steps: int, low: float, high: float) -> None:
    if images < LEAST_IMAGES:
        raise InputError(
            "{count} training images are too few to find a learning rate with: at least {least} are needed.",
            count=images,
            least=LEAST_IMAGES,
        )
    if steps < MIN_STEPS:
        raise InputError(
            "steps is {steps}. A rate is looked for in at least {least} steps.", steps=steps, least=MIN_STEPS
        )
    if not (math.isfinite(low) and math.isfinite(high) and 0 < low < high):
        raise InputError(
            "The rates to try go from {low} to {high}. Give two numbers above 0, the lower one first.",
            low=low,
            high=high,
        )


def _copy(network: Network) -> Network:
    with network.lock:
        return replace(network, model=deepcopy(network.model), lock=RLock())


def _sample(material: Material, experiment: Experiment, steps: int) -> Material:
    """Keeps the training images that are needed; the loop's validation gets one image, as nobody looks at it."""
    train, most = material.train, images_needed(experiment, steps)
    if len(train) > most:
        generator = torch.Generator().manual_seed(experiment.training.seed)
        train = train[torch.randperm(len(train), generator=generator)[:most]]
    return replace(material, train=train, val=train[:1])


def stop_requests(stop: bool) -> list[ControlRequest]:
    """Returns a request to stop if ``stop``: what a job polls for."""
    return [ControlRequest("stop")] if stop else []
