"""What a training will need, before it is launched: memory at once, time as soon as the network was measured here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from core import settings
from core.data.images import WORKERS
from core.models import freeze
from core.models.anatomy import Anatomy
from core.specs import Experiment, FreezePlan, Phase
from core.training.memory import Memory, memory_of, rehearsal_of
from core.training.speed import TRIAL_BATCH, TRIALS, Profile

UNKNOWN, MEASURED = "unknown", "measured"


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of images.

    Attributes:
        train: That are learned from.
        val: That each epoch is judged on.
        test: That the best weights are judged on at the end.
    """

    train: int
    val: int
    test: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.train + self.val + self.test


@dataclass(frozen=True, slots=True)
class PhaseEstimate:
    """What one phase needs; the seconds are ``None`` where the network was not measured yet.

    Attributes:
        name: The phase's name.
        epochs: Its epochs.
        precision: ``fp32`` or ``bf16``; without a measurement what needs more memory.
        cached: Whether it learns on features that are computed once.
        memory: At its fullest moment.
        step_seconds: One step.
        epoch_seconds: One epoch with its validation.
        once_seconds: What comes before the first epoch: choosing the precision, computing features.
    """

    name: str
    epochs: int
    precision: str
    cached: bool
    memory: Memory
    step_seconds: float | None = None
    epoch_seconds: float | None = None
    once_seconds: float | None = None

    @property
    def seconds(self) -> float | None:
        """The whole phase."""
        if self.epoch_seconds is None or self.once_seconds is None:
            return None
        return self.once_seconds + self.epochs * self.epoch_seconds


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a training needs.

    Attributes:
        phases: Each phase, in order.
        memory: Of the phase that needs most.
        source: ``measured`` on this machine, or ``unknown``: then there is no time.
        reading_seconds: For opening the images once, where they are photographs of half a million pixels or less.
        judging_seconds: For judging the best weights at the end.
    """

    phases: tuple[PhaseEstimate, ...]
    memory: Memory
    source: str
    reading_seconds: float | None = None
    judging_seconds: float | None = None

    @property
    def epoch_seconds(self) -> float | None:
        """The longest phase's seconds an epoch, what is done once spread over its epochs."""
        longest = max(self.phases, key=lambda phase: phase.seconds or 0.0)
        return None if longest.seconds is None else longest.seconds / longest.epochs

    @property
    def seconds(self) -> float | None:
        """Everything from the first image to the last prediction, without starting the process."""
        parts = [phase.seconds for phase in self.phases] + [self.reading_seconds, self.judging_seconds]
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None


def estimate(
    experiment: Experiment,
    classes: int,
    counts: Counts,
    *,
    profile: Profile | None = None,
    device_type: str = "cpu",
) -> Estimate:
    """Estimates what an experiment needs.

    Args:
        experiment: Network, phases, freeze plan, batch size, augmentation.
        classes: Number of classes in the data.
        counts: Number of images.
        profile: The network's measurement; see :mod:`core.lab.profile`. Without it there are no seconds.
        device_type: ``cpu`` or ``cuda``.

    Raises:
        InputError: The network cannot be built so, or a freeze plan does not fit it.
    """
    rehearsal = rehearsal_of(experiment.model, classes)
    work = _Work(experiment, counts, rehearsal.anatomy, profile, device_type)
    prep = rehearsal.preprocessing
    side = prep.resize if experiment.augment.active else prep.crop
    images = min(3 * side * side * counts.total, settings.pixel_cache_limit())
    phases = tuple(work.phase(phase, classes, images) for phase in experiment.training.phases)
    memory = max((phase.memory for phase in phases), key=lambda found: found.step)
    if profile is None:
        return Estimate(phases, memory, UNKNOWN)
    judged = counts.val + counts.test
    return Estimate(
        phases,
        memory,
        MEASURED,
        reading_seconds=counts.total * profile.decode if counts.total >= WORKERS else profile.decode * WORKERS,
        judging_seconds=work.forward(judged, phases[-1].precision),
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """What all phases of one estimate share."""

    experiment: Experiment
    counts: Counts
    anatomy: Anatomy
    profile: Profile | None
    device_type: str

    def phase(self, phase: Phase, classes: int, images: int) -> PhaseEstimate:
        """Estimates one phase, as the training loop carries it out."""
        training, anatomy, profile = self.experiment.training, self.anatomy, self.profile
        plan = self.experiment.plan(phase)
        apart = freeze.is_linear_probe(anatomy, plan) and (profile is None or profile.separable)
        everything = (self.counts.train + self.counts.val) * self._features()
        fits = everything <= settings.pixel_cache_limit()
        cached = apart and fits and not self.experiment.augment.active
        precision = self._precision(plan)
        batch = min(training.batch_size, max(1, self.counts.train))
        memory = memory_of(
            self.experiment.model, classes, plan, batch, precision, phase.optimizer, phase.momentum, self.device_type
        )
        kept = (self.counts.val + (self.counts.train if cached else 0)) * self._features() if apart else 0
        found = PhaseEstimate(
            phase.name, phase.epochs, precision, cached, replace(memory, features=kept, images=images)
        )
        if profile is None:
            return found
        learn = profile.optimizer(anatomy, plan, phase.optimizer)
        once = self._trial(plan) + (self.forward(kept // self._features(), precision) if apart else 0.0)
        epoch = sum(
            self._step(plan, precision, size, apart=apart, cached=cached) + learn for size in self._batches(batch)
        )
        if apart:  # validation on features that are there already
            epoch += sum(profile.head(anatomy, size, learns=False) for size in _batches(self.counts.val, batch))
        else:
            epoch += self.forward(self.counts.val, precision)
        step = self._step(plan, precision, batch, apart=apart, cached=cached) + learn
        return replace(found, step_seconds=step, epoch_seconds=epoch, once_seconds=once)

    def forward(self, images: int, precision: str) -> float:
        """Returns the seconds to send images through the whole network once, without a graph."""
        if self.profile is None:
            return 0.0
        seconds = 0.0
        for size in _batches(images, self.experiment.training.batch_size):
            seconds += self.profile.forward(self.anatomy, precision, size) + self.profile.prepare.at(size)
            seconds += self.profile.head(self.anatomy, size, learns=False)
        return seconds

    def _step(self, plan: FreezePlan, precision: str, batch: int, *, apart: bool, cached: bool) -> float:
        if self.profile is None:
            return 0.0
        head = self.profile.head(self.anatomy, batch, learns=True)
        if cached:
            return head
        through = (
            self.profile.forward(self.anatomy, precision, batch)
            if apart
            else self.profile.step(self.anatomy, plan, precision, batch)
        )
        return head + through + self.profile.preparing(self.experiment.augment, batch)

    def _trial(self, plan: FreezePlan) -> float:
        """Returns the seconds that the loop spends on choosing the precision."""
        training = self.experiment.training
        if self.profile is None or training.precision != "auto" or self.device_type != "cpu":
            return 0.0
        small = min(training.batch_size, TRIAL_BATCH, max(1, self.counts.train))
        times = [self.profile.trial(self.anatomy, plan, name, small) for name in self.profile.seconds]
        return TRIALS * sum(times) / len(times)

    def _precision(self, plan: FreezePlan) -> str:
        training = self.experiment.training
        if self.profile is not None:
            return self.profile.precision(self.anatomy, plan, training.precision, training.batch_size)
        return training.precision if training.precision != "auto" else "fp32"

    def _features(self) -> int:
        """Returns the bytes of one image's features."""
        places = self.anatomy.grid[0] * self.anatomy.grid[1] if self.anatomy.head_kind == "conv" else 1
        return 4 * self.anatomy.head_features * places

    def _batches(self, batch: int) -> Iterator[int]:
        """Yields the sizes of the training batches; a last batch of one is left out, as in the loop."""
        for size in _batches(self.counts.train, batch):
            if size > 1 or self.counts.train == 1:
                yield size


def _batches(images: int, batch: int) -> Iterator[int]:
    whole, rest = divmod(images, batch)
    for _ in range(whole):
        yield batch
    if rest:
        yield rest
