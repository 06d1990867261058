"""The training loop: phases in, events out. It knows no files and no screen.

The loop is meant to be read from top to bottom: :func:`fit` walks through the phases, :func:`_Loop.phase` through the
epochs of one, :meth:`_Loop._train_epoch` through its batches.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core import settings
from core.errors import InputError, OutOfMemory
from core.models import freeze, heads
from core.models.network import Network
from core.specs import Experiment, FreezePlan, Phase
from core.training.events import EpochEnd, Event, Finished, PhaseStarted, Progress, Started, Step
from core.training.feeds import FeatureFeed, Feed, FrozenFeed, Material, PixelFeed, compute_features
from core.training.optim import build_optimizer, build_schedule
from core.training.precision import choose_precision

TELL_EVERY = 0.25
"""Seconds between two :class:`Step` events; reading the loss more often would make the device wait."""
OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "alloc_failed")
"""What errors other than ``OutOfMemoryError`` say when memory ran out: the CPU's allocator, CUDA, cuDNN, cuBLAS."""


def fit(
    network: Network,
    material: Material,
    experiment: Experiment,
    device: torch.device,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Trains a network in place.

    Args:
        network: With its new head; moved to ``device``.
        material: Images and who serves for what.
        experiment: Phases, freeze plan, batch size, seed, precision.
        device: Where to compute.
        stop: Asked between steps; once ``True`` the loop ends with ``Finished(stopped=True)``.

    Yields:
        Events. The network's weights may be read (not changed) between two events.

    Raises:
        OutOfMemory: A step does not fit into the device's memory.
        InputError: The loss is not a number any more.
    """
    loop = _Loop(network, material, experiment, device, stop)
    try:
        yield from loop.run()
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise loop.too_large() from error
    except RuntimeError as error:
        if any(words in str(error).lower() for words in OUT_OF_MEMORY):
            raise loop.too_large() from error
        raise
    finally:
        network.model.eval()


class _Loop:
    """State of one call of :func:`fit`."""

    def __init__(
        self,
        network: Network,
        material: Material,
        experiment: Experiment,
        device: torch.device,
        stop: Callable[[], bool],
    ) -> None:
        self.network, self.material, self.experiment, self.device, self.stop = (
            network, material, experiment, device, stop,
        )  # fmt: skip
        self.training = experiment.training
        self.shuffling = torch.Generator().manual_seed(self.training.seed)
        self.augmenting = torch.Generator(device).manual_seed(self.training.seed)
        self.sum_type = torch.float32 if device.type == "mps" else torch.float64  # Metal has no double precision
        self.step = self.epoch = self.seen = 0
        self.best: tuple[float, float] | None = None
        self.best_epoch: int | None = None

    @property
    def images_per_epoch(self) -> int:
        """Training images an epoch sees: a last batch of one is left out, as BatchNorm finds no variance in it."""
        images = len(self.material.train)
        return images - 1 if images > 1 and images % self.training.batch_size == 1 else images

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.images_per_epoch // self.training.batch_size)

    def too_large(self) -> OutOfMemory:
        return OutOfMemory(
            "A batch of {batch} images at {size} px does not fit into the memory of {device}. "
            "Choose a smaller batch or image size, or freeze more stages.",
            batch=self.training.batch_size,
            size=self.network.preprocessing.crop,
            device=str(self.device),
        )

    def run(self) -> Iterator[Event]:
        torch.manual_seed(self.training.seed)
        model = self.network.model
        model.to(self.device).to(memory_format=torch.channels_last)
        counts = freeze.counts(self.network.anatomy, self.experiment.plan(self.training.phases[-1]))
        yield Started(
            device=str(self.device),
            epochs=self.training.epochs,
            steps=self.training.epochs * self.steps_per_epoch,
            train_images=len(self.material.train),
            val_images=len(self.material.val),
            trainable_parameters=counts.trainable,
            total_parameters=counts.total,
        )
        begin = time.perf_counter()
        stopped = False
        for index, phase in enumerate(self.training.phases):
            stopped = yield from self._phase(index, phase)
            if stopped:
                break
        seconds = time.perf_counter() - begin
        yield Finished(
            stopped=stopped,
            epochs=self.epoch,
            best_epoch=self.best_epoch,
            best_val_accuracy=self.best[0] if self.best else None,
            seconds=seconds,
            images_per_second=self.seen / seconds,
        )

    def _phase(self, index: int, phase: Phase) -> Generator[Event, None, bool]:
        """Runs one phase; returns whether it was stopped."""
        model, anatomy = self.network.model, self.network.anatomy
        plan = self.experiment.plan(phase)
        freeze.apply(model, anatomy, plan)
        freeze.set_train_mode(model, anatomy, plan)
        prepared = time.perf_counter()
        pixels = PixelFeed(self.network, self.material, self.device, "fp32")
        tail = heads.tail(model, anatomy) if freeze.is_linear_probe(anatomy, plan) else None
        pixels.precision = self._choose_precision(pixels, backward=tail is None)
        cached = tail is not None and self.material.augmenter is None and self._features_fit()
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        yield PhaseStarted(phase.name, index, sum(p.numel() for p in trainable), cached, pixels.precision)
        train_feed: Feed = pixels
        val_feed: Feed = pixels
        if tail is not None:
            features = yield from self._features(pixels, tail, with_train=cached)
            if features is None:
                return True
            val_feed = features
            train_feed = features if cached else FrozenFeed(pixels, tail)
        optimizer = build_optimizer(phase, model, anatomy)
        schedule = build_schedule(phase, optimizer, self.steps_per_epoch * phase.epochs)
        for _ in range(phase.epochs):
            self.epoch += 1
            stopped, loss, accuracy = yield from self._train_epoch(train_feed, optimizer, schedule, plan)
            if stopped:
                self.epoch -= 1
                return True
            val_loss, val_accuracy = yield from self._validate(val_feed)
            seconds = time.perf_counter() - prepared
            prepared += seconds
            yield self._epoch_end(index, phase, loss, accuracy, val_loss, val_accuracy, optimizer, seconds)
            if self.stop():
                return self.epoch < self.training.epochs
        return False

    def _features_fit(self) -> bool:
        """Whether the features of all images may be kept in memory: those of an unrolled map can be large."""
        images = len(self.material.train) + len(self.material.val)
        anatomy = self.network.anatomy
        area = math.prod(anatomy.grid) if anatomy.head_kind == "conv" else 1
        return 4 * anatomy.head_features * area * images <= settings.pixel_cache_limit()

    def _epoch_end(
        self,
        index: int,
        phase: Phase,
        loss: float,
        accuracy: float,
        val_loss: float,
        val_accuracy: float,
        optimizer: torch.optim.Optimizer,
        seconds: float,
    ) -> EpochEnd:
        score = (val_accuracy, -val_loss)
        improved = self.best is None or score > self.best
        if improved:
            self.best, self.best_epoch = score, self.epoch
        return EpochEnd(
            epoch=self.epoch,
            phase=phase.name,
            phase_index=index,
            train_loss=loss,
            train_accuracy=accuracy,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            lr=optimizer.param_groups[0]["lr"],
            seconds=seconds,
            images_per_second=self.images_per_epoch / seconds,
            improved=improved,
        )

    def _features(
        self, pixels: PixelFeed, tail: nn.Module, *, with_train: bool
    ) -> Generator[Event, None, FeatureFeed | None]:
        """Computes the features that the phase needs; returns their feed, or nothing if stopped."""
        positions = torch.cat([self.material.train, self.material.val]) if with_train else self.material.val
        work = compute_features(pixels, tail, positions, self.training.batch_size, self.stop)
        told = 0.0
        for item in work:
            if isinstance(item, FeatureFeed):
                yield Progress("computing features", len(positions), len(positions))
                return item
            if time.perf_counter() - told > TELL_EVERY:
                told = time.perf_counter()
                yield Progress("computing features", item, len(positions))
        return None

    def _train_epoch(
        self,
        feed: Feed,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        plan: FreezePlan,
    ) -> Generator[Event, None, tuple[bool, float, float]]:
        """Goes once through the training images; returns (stopped, mean loss, accuracy)."""
        freeze.set_train_mode(self.network.model, self.network.anatomy, plan)
        order = self.material.train[torch.randperm(len(self.material.train), generator=self.shuffling)]
        order = order[: self.images_per_epoch]
        sums = torch.zeros(3, dtype=self.sum_type, device=self.device)  # loss, right answers, images
        told_sums, told, silent = sums.tolist(), time.perf_counter(), True
        for inputs, labels in feed.batches(order, self.training.batch_size, self.augmenting):
            logits = feed.logits(inputs)
            loss = F.cross_entropy(logits, labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            self.step += 1
            self.seen += len(labels)
            with torch.no_grad():
                right = (logits.argmax(1) == labels).sum()
                sums += torch.stack([loss * len(labels), right, right.new_tensor(len(labels))]).to(sums.dtype)
            moment = time.perf_counter()
            if moment - told >= TELL_EVERY:
                now = sums.tolist()
                yield self._step_event(now, told_sums, moment - told)
                told_sums, told, silent = now, moment, False
                if self.stop():
                    return True, math.nan, math.nan
        now = sums.tolist()
        if silent:  # an epoch too quick for the clock is told as one point
            yield self._step_event(now, told_sums, time.perf_counter() - told)
        total, right, count = now
        self._check_loss(total / count)
        return False, total / count, right / count

    def _step_event(self, now: list[float], before: list[float], seconds: float) -> Step:
        loss, right, count = (a - b for a, b in zip(now, before, strict=True))
        self._check_loss(loss)
        return Step(self.step, self.epoch, loss / count, right / count, count / seconds)

    def _check_loss(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise InputError(
                "In epoch {epoch} the loss was not a number any more, so the run ended; the best weights so far are "
                "kept. The learning rate is probably too high: try {rate}.",
                epoch=self.epoch,
                rate=f"{self.training.phases[0].lr / 10:g}",
            )

    @torch.no_grad()
    def _evaluate_batches(self, feed: Feed) -> Iterator[tuple[Tensor, int]]:
        for inputs, labels in feed.batches(self.material.val, self.training.batch_size, None):
            logits = feed.logits(inputs)
            loss = F.cross_entropy(logits, labels, reduction="sum")
            yield torch.stack([loss, (logits.argmax(1) == labels).sum().to(loss.dtype)]), len(labels)

    def _validate(self, feed: Feed) -> Generator[Event, None, tuple[float, float]]:
        """Judges the network on the validation images; returns (mean loss, accuracy)."""
        self.network.model.eval()
        sums = torch.zeros(2, dtype=self.sum_type, device=self.device)
        done, told = 0, time.perf_counter()
        for result, count in self._evaluate_batches(feed):
            sums += result.to(sums.dtype)
            done += count
            if time.perf_counter() - told >= TELL_EVERY:
                told = time.perf_counter()
                yield Progress("validating", done, len(self.material.val))
        loss, right = sums.tolist()
        return loss / done, right / done

    def _choose_precision(self, pixels: PixelFeed, *, backward: bool) -> str:
        """Times a few passes of each number format on a real batch, in eval mode and without lasting effects."""
        positions = self.material.train[: min(self.training.batch_size, 16)]
        if self.training.precision != "auto" or self.device.type != "cpu":
            return choose_precision(self.training.precision, self.device, lambda: None)
        images, _ = next(iter(pixels.batches(positions, len(positions), None)))
        model = self.network.model
        learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
        training = {module: module.training for module in model.modules()}
        model.eval()

        def work() -> None:
            with torch.set_grad_enabled(backward):
                logits = model(images)
                if backward:
                    torch.autograd.grad(logits.float().sum(), learning, allow_unused=True)

        try:
            return choose_precision("auto", self.device, work)
        finally:
            for module, mode in training.items():
                module.training = mode
