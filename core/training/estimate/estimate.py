"""What a training will need, before it is launched: memory at once, time as soon as the network was measured here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from core import settings
from core.data.threads import WORKERS
from core.models import freeze
from core.models.anatomy.examine import Anatomy
from core.specs import Experiment, FreezePlan, Phase
from core.training.estimate import batch_size
from core.training.estimate.step_memory import Memory, memory_of, rehearsal_of
from core.training.estimate.step_time import Profile
from core.training.features.backbone_split import expected_stage
from core.training.features.feature_store import free_memory_bytes
from core.training.optim.precision import TRIAL_PASSES, trial_images

UNKNOWN, MEASURED = "unknown", "measured"


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of images.

    Attributes:
        train: That are learned from.
        val: That each epoch is judged on.
        test: That the best weights are judged on at the end.
        drawn: That an epoch draws; ``None`` for those that are learned from, each once.
    """

    train: int
    val: int
    test: int = 0
    drawn: int | None = None

    @property
    def total(self) -> int:
        """All of them."""
        return self.train + self.val + self.test

    @property
    def epoch(self) -> int:
        """Images an epoch learns from."""
        return self.train if self.drawn is None else self.drawn


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
    experiment: Experiment, classes: int, counts: Counts, *, profile: Profile | None = None, device_type: str = "cpu"
) -> Estimate:
    """Estimates what an experiment needs.

    Args:
        experiment: Network, phases, freeze plan, batch size, augmentation.
        classes: Number of classes in the data.
        counts: Number of images.
        profile: The network's measurement; see :mod:`core.workflows.jobs.profile`. Without it there are no seconds.
        device_type: ``cpu`` or ``cuda``.

    Raises:
        InputError: The network cannot be built so, or a freeze plan does not fit it.
    """
    if experiment.training.batch_size == "auto":
        found = batch_size.batch_size(experiment, classes, torch.device(device_type))
        experiment = replace(experiment, training=replace(experiment.training, batch_size=found))
    rehearsal = rehearsal_of(experiment.model, classes)
    work = _Work(experiment, counts, rehearsal.anatomy, profile, device_type)
    prep = rehearsal.preprocessing
    augmented = any(experiment.augmentation(phase).active for phase in experiment.training.phases)
    side = prep.resize if augmented else prep.crop
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
        judging_seconds=work.forward(judged),
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
        augmented = self.experiment.augmentation(phase).active
        precision = self._precision(plan)
        batch = min(training.images, max(1, self.counts.train))
        memory = memory_of(
            self.experiment.model,
            classes,
            plan,
            batch,
            precision=precision,
            optimizer=phase.optimizer,
            momentum=phase.momentum,
            device_type=self.device_type,
        )
        each, judged = self._features(plan, precision), self._features(plan, "fp32") * self.counts.val
        train = self.counts.train * (max(1, training.views) if augmented else 1)
        again = not training.mix.active and (not augmented or training.views > 0)
        cached = each > 0 and again and self._fit(each * train + judged)
        kept = judged + (each * train if cached else 0)
        kept = kept if kept <= free_memory_bytes() else 0
        found = PhaseEstimate(
            phase.name, phase.epochs, precision, cached, replace(memory, features=kept, images=images)
        )
        if profile is None:
            return found
        learn = profile.optimizer(anatomy, plan, phase.optimizer)
        once = self._trial(plan) + (self._before(plan, train, precision) if cached else 0.0)
        once += self._before(plan, self.counts.val, "fp32") if each else 0.0
        epoch = sum(self._step(phase, precision, size, cached=cached) + learn for size in self._batches(batch))
        if each:  # validation on features that are there already
            for size in _batches(self.counts.val, batch):
                epoch += profile.behind(anatomy, plan, "fp32", size, learns=False)
                epoch += profile.head(anatomy, size, learns=False)
        else:
            epoch += self.forward(self.counts.val)
        step = self._step(phase, precision, batch, cached=cached) + learn
        return replace(found, step_seconds=step, epoch_seconds=epoch, once_seconds=once)

    def forward(self, images: int) -> float:
        """Returns the seconds to judge images: once through the whole network, in float32, without a graph."""
        if self.profile is None:
            return 0.0
        seconds = 0.0
        for size in _batches(images, self.experiment.training.images):
            seconds += self.profile.forward(self.anatomy, "fp32", size) + self.profile.prepare.at(size)
            seconds += self.profile.head(self.anatomy, size, learns=False)
        return seconds

    def _before(self, plan: FreezePlan, images: int, precision: str) -> float:
        """Returns the seconds to compute the features of so many images."""
        if self.profile is None:
            return 0.0
        return sum(
            self.profile.before(self.anatomy, plan, precision, size) + self.profile.prepare.at(size)
            for size in _batches(images, self.experiment.training.images)
        )

    def _step(self, phase: Phase, precision: str, batch: int, *, cached: bool) -> float:
        if self.profile is None:
            return 0.0
        plan, head = self.experiment.plan(phase), self.profile.head(self.anatomy, batch, learns=True)
        if cached:
            return head + self.profile.behind(self.anatomy, plan, precision, batch, learns=True)
        through = self.profile.step(self.anatomy, plan, precision, batch)
        return head + through + self.profile.preparing(self.experiment.augmentation(phase), batch)

    def _trial(self, plan: FreezePlan) -> float:
        """Returns the seconds that the loop spends on choosing the precision."""
        training = self.experiment.training
        if self.profile is None or training.precision != "auto" or self.device_type != "cpu":
            return 0.0
        if "bf16" not in self.profile.seconds:  # hopeless here: the loop finds that out soon, or need not time it
            return 0.0
        small = trial_images(training.images, self.counts.train)
        times = [self.profile.trial(self.anatomy, plan, name, small) for name in self.profile.seconds]
        return TRIAL_PASSES * sum(times) / len(times)

    def _precision(self, plan: FreezePlan) -> str:
        training = self.experiment.training
        if self.profile is not None:
            return self.profile.precision(self.anatomy, plan, training.precision, training.images)
        return training.precision if training.precision != "auto" else "fp32"

    def _features(self, plan: FreezePlan, precision: str) -> int:
        """Returns the bytes of one image's features; 0 where none are computed apart."""
        anatomy = self.anatomy
        if freeze.is_linear_probe(anatomy, plan):
            if self.profile is not None and not self.profile.separable:
                return 0
            places = anatomy.grid[0] * anatomy.grid[1] if anatomy.head_kind == "conv" else 1
            return 4 * anatomy.head_features * places
        last = expected_stage(anatomy, plan)
        stage = None if last is None else anatomy.stage(last)
        if stage is None or stage.channels is None or stage.spatial is None:
            return 0
        return (2 if precision == "bf16" else 4) * stage.channels * stage.spatial[0] * stage.spatial[1]

    @staticmethod
    def _fit(size: int) -> bool:
        return size <= max(free_memory_bytes(), settings.feature_files_limit())

    def _batches(self, batch: int) -> Iterator[int]:
        """Yields the sizes of the training batches; a last batch of one is left out, as in the loop."""
        for size in _batches(self.counts.epoch, batch):
            if size > 1 or self.counts.epoch == 1:
                yield size


def _batches(images: int, batch: int) -> Iterator[int]:
    whole, rest = divmod(images, batch)
    for _ in range(whole):
        yield batch
    if rest:
        yield rest
