"""The training loop: phases in, events out. It knows no files and no screen.

The loop is meant to be read from top to bottom: :meth:`Trainer.run` walks through the phases, :meth:`Trainer._phase`
through the epochs of one, :meth:`Trainer._train_epoch` through its batches. Everything that the next step depends on
is in :meth:`core.training.loop.session.TrainingSession.state_dict`, so that a training goes on from there bit by bit
as if it had never been interrupted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterable, Iterator

import torch
from torch import Tensor

from core.device import exact_algorithms, ran_out_of_memory
from core.models import freeze
from core.models.network import Network
from core.specs import Experiment, LiveChange, Phase
from core.training.features.batch_sources import Material
from core.training.loop import epoch_meter, failures
from core.training.loop.events import (
    Changed,
    CheckpointDue,
    EpochEnd,
    Event,
    Finished,
    JudgedBefore,
    PhaseStarted,
    ProgressEvent,
    Recovered,
    Started,
    Step,
)
from core.training.loop.live_changes import PollRequests, no_requests
from core.training.loop.phase_setup import PhaseSetup
from core.training.loop.session import TrainingSession


def fit(
    network: Network,
    material: Material,
    experiment: Experiment,
    device: torch.device,
    *,
    poll_requests: PollRequests = no_requests,
) -> Iterator[Event]:
    """Trains a network in place, from the beginning; see :class:`Trainer`."""
    return Trainer(network, material, experiment, device, poll_requests=poll_requests).run()


class Trainer(TrainingSession):
    """The loop over phases, epochs and steps; made of what :class:`TrainingSession` takes.

    Attributes:
        judges_before: Whether the network is judged before its first step, too.
    """

    judges_before = True

    def run(self) -> Iterator[Event]:
        """Trains, and yields what happens.

        Yields:
            Events. The network's weights may be read (not changed) between two events.

        Raises:
            OutOfMemory: Not even a single image fits into the device's memory, or recovery is not wanted.
            InputError: The loss is not a number any more, or a setting does not fit the network.
        """
        try:
            with exact_algorithms(self.training.deterministic):
                yield from self._run()
        except Exception as error:
            side = self.network.preprocessing.crop
            explained = failures.explained(error, -(-self.batch // self.state.parts), side, self.device)
            if explained is None:
                raise
            raise explained from error
        finally:
            self.network.model.eval()

    # ---------------------------------------------------------------- phases

    def _run(self) -> Iterator[Event]:
        if self._resumed is None:
            torch.manual_seed(self.training.seed)
        model = self.network.model
        model.to(self.device).to(memory_format=torch.channels_last)
        self.world.broadcast([*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())])
        counts = freeze.counts(self.network.anatomy, self.experiment.plan(self.training.phases[-1]))
        yield Started(
            device=str(self.device),
            epochs=self.epochs,
            steps=self.epochs * self.steps_per_epoch,
            train_images=len(self.material.train),
            val_images=len(self.material.val),
            trainable_parameters=counts.trainable,
            total_parameters=counts.total,
        )
        begin, seen = time.perf_counter(), self.state.seen
        while True:
            yield from self._phase()
            if self._control.halt or self.state.phase + 1 == len(self.training.phases):
                break
            self.state.next_phase()
        seconds = time.perf_counter() - begin
        yield Finished(
            stopped=self._control.halt == "stop",
            paused=self._control.halt == "pause",
            early=tuple(self._early),
            epochs=self.state.epoch,
            best_epoch=self.state.best_epoch,
            best_val_accuracy=self.state.best_accuracy,
            seconds=seconds,
            images_per_second=(self.state.seen - seen) / seconds,
        )

    def _phase(self) -> Generator[Event]:
        """Runs one phase, or the rest of it."""
        phase, prepared, control = self._phase_now, time.perf_counter(), self._control
        self._optimization.begin_phase()
        yield from self._prepare()
        if self.state.step == 0 and self.judges_before:
            prepared += yield from self._judge_before()
        while not control.halt and self.state.phase_epoch < phase.epochs + self.state.extra and not self._stagnates():
            yield from self._train_epoch()
            if control.halt and self.state.done < self.images_per_epoch:
                return
            yield from self._end_epoch(phase, prepared)
            prepared = time.perf_counter()
            yield from self._apply(control.requested(self.state))
        if self._stagnates():
            self._early.append(phase.name)
        if control.halt and self._complete:
            control.halt = None  # asked to stop when all was done

    def _judge_before(self) -> Generator[Event, None, float]:
        """Judges the network as it is before its first step, and returns how many seconds that took."""
        yield from self._prepare_epoch()
        if self._control.halt:
            return 0.0
        begin = time.perf_counter()
        yield from self._validate()
        yield JudgedBefore(**self._judge.result())
        return time.perf_counter() - begin

    def _prepare(self) -> Generator[Event]:
        """Makes optimizer and batch sources for what learns now; on the way in, and when a stage joins in."""
        if self._resumed is None:  # else the optimizer's state is from before the stage joined in
            self.state.thawed += self.state.joining
            self.state.joining = 0
        phase = self._phase_now
        setup = PhaseSetup(self.network, self.material, self.experiment, phase, self._plan(), self.device)
        if not self.state.precision:
            known = self.training.precisions[self.state.phase : self.state.phase + 1]
            self.state.precision = known[0] if known else self.world.from_first(setup.choose_precision())
        setup.choose_sources(self.state.precision)
        self._optimization.prepare(phase)
        self._setup = setup
        if self._resumed is not None:
            self._restore(self._resumed)
        trainable = sum(p.numel() for p in self.network.model.parameters() if p.requires_grad)
        yield PhaseStarted(phase.name, self.state.phase, trainable, setup.cached, self.state.precision, setup.stage)

    def _prepare_epoch(self) -> Generator[Event]:
        """Repeats what is due, prepares anew if a stage joins in, and sees to the features that the epoch needs."""
        yield from self._apply(self._control.repeated(self.state))
        if self.state.joining:
            yield from self._prepare()
        while True:
            try:
                yield from self._gather_features()
                return
            except (RuntimeError, MemoryError) as error:
                yield self._recover(error)

    def _gather_features(self) -> Generator[Event]:
        """Computes the features that the epoch needs, as far as they are not there."""
        reported = 0.0
        for progress in self._setup.prepare_features(self.state.epoch, self.state.parts):
            ends = progress.done == progress.total
            if ends or time.perf_counter() - reported > epoch_meter.REPORT_SECONDS:
                reported = time.perf_counter()
                yield progress
                if self.world.size == 1 and not ends:  # several processes are not at the same image
                    yield from self._apply(self._control.requested(self.state))
                if self._control.halt:
                    return

    # ---------------------------------------------------------------- epochs

    def _train_epoch(self) -> Generator[Event]:
        """Goes once through the training images, or through those that are left of the epoch."""
        yield from self._prepare_epoch()
        if self._control.halt:
            return
        train, labels = self.material.train, self.material.store.labels
        order = self._rng.order(train, labels[train])[: self.images_per_epoch]
        self._meter.set_sums(self.state.sums)
        while self.state.done < len(order) and not self._control.halt:
            if self.state.joining:
                yield from self._prepare_epoch()
                continue
            try:
                yield from self._learn(order[self.state.done :])
            except (RuntimeError, MemoryError) as error:
                recovered = self._recover(error)
                self.state.sums = self._meter.sums.tolist()
                yield recovered

    def _learn(self, order: Tensor) -> Generator[Event]:
        """Takes optimizer steps until the images are used up, or a request or a lack of memory ends them."""
        freeze.set_train_mode(self.network.model, self.network.anatomy, self._plan())
        source, mixer, meter, optimization = self._setup.train, self._rng.mixer, self._meter, self._optimization
        augment_source = self._setup.augment_source(self.state.epoch, self._rng.augmenting)
        parts, wanted, mine = self._batching.micro_batches(order, self.state.parts)
        meter.start()
        unreported, got = True, 0
        for index, (inputs, labels) in enumerate(source.batches(parts, augment_source)):
            meter.lap("data")
            if not got:
                optimization.zero_grad()
                optimization.set_rates(self._factor())
            mixed, targets = (inputs, labels) if mixer is None else mixer(inputs, labels)
            logits = source.logits(mixed)
            loss = self._criterion(logits, targets).sum()
            meter.lap("forward")
            (loss / wanted[index]).backward()
            meter.add(loss, logits, labels)
            got += len(labels)
            if got < mine[index]:
                meter.lap("backward")
                continue
            optimization.sum_gradients()
            self._observer.before_step((self.state.done + got) / self.images_per_epoch)
            optimization.step()
            self._observer.after_step()
            meter.step()
            self._count(wanted[index])
            got = 0
            meter.lap("backward")
            if not (meter.report_due(self.state.step) or self._control.due(self.state)):
                continue
            yield self._report()
            unreported = False
            if meter.reported():
                self._rng.gather()
                yield CheckpointDue(self.state.step)
            yield from self._apply(self._control.requested(self.state))
            if self._control.halt or self.state.joining:
                return
            meter.skip()
        if unreported:  # an epoch shorter than the interval is reported as one point
            yield self._report(now=True)
        else:
            self.state.sums = meter.totals()

    def _report(self, *, now: bool = False) -> Step:
        """Returns what was learned since the last report, up to the last step or to ``now``."""
        before, self.state.sums = self.state.sums, self._meter.totals()
        loss, right, count = (a - b for a, b in zip(self.state.sums, before, strict=True))
        self._check_loss(loss)
        speed, rate = count / self._meter.unreported_seconds(now=now), self._optimization.rate
        return Step(self.state.step, self.state.epoch + 1, loss / count, right / count, speed, rate)

    def _check_loss(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise failures.diverged(self.state.epoch + 1, self._phase_now.lr)

    def _end_epoch(self, phase: Phase, prepared: float) -> Generator[Event]:
        """Validates the epoch that was learned, and reports it."""
        total, right, count = self.state.sums
        self._check_loss(total / count)
        begin = time.perf_counter()
        yield from self._validate()
        val_seconds = time.perf_counter() - begin
        seconds = time.perf_counter() - prepared
        found = self._judge.result()
        values = {"train_loss": total / count, "train_accuracy": right / count, **found}
        improved = self.state.take_note(phase, self.training, values)
        self.state.done, self.state.sums = 0, [0.0, 0.0, 0.0]
        self._rng.gather()
        yield EpochEnd(
            epoch=self.state.epoch,
            phase=phase.name,
            phase_index=self.state.phase,
            **values,
            lr=self._optimization.rate,
            seconds=seconds,
            images_per_second=self.images_per_epoch / seconds,
            improved=improved,
            **{f"{part}_seconds": seconds for part, seconds in self._meter.seconds.items()},
            val_seconds=val_seconds,
        )
        self._meter.begin_epoch()

    @torch.no_grad()
    def _validate(self) -> Generator[Event]:
        """Judges the network whose weights will be kept, in smaller parts if it does not fit into the memory."""
        while True:
            try:
                yield from self._judge_all()
                return
            except (RuntimeError, MemoryError) as error:
                yield self._recover(error)

    def _judge_all(self) -> Generator[Event]:
        """Sends the validation images through the network."""
        self.network.model.eval()
        self.world.broadcast([buffer for buffer in self.network.model.buffers() if buffer.is_floating_point()])
        at_once, reported = max(1, self.batch // self.state.parts), time.perf_counter()
        with self.average_applied():
            for done in self._judge.run_validation(self._setup.val, self.material.val, at_once, self.world):
                if time.perf_counter() - reported >= epoch_meter.REPORT_SECONDS:
                    reported = time.perf_counter()
                    yield ProgressEvent("validating", done, len(self.material.val))

    # ---------------------------------------------------------------- requests, memory

    def _apply(self, changes: Iterable[LiveChange]) -> Generator[Event]:
        """Applies live changes, one after the other."""
        for change in changes:
            plan = self.experiment.plan(self._phase_now)
            stages = self._control.apply(change, self.state, self.network.anatomy, plan)
            yield Changed(change, self.state.acts - 1, self.epochs, self.epochs * self.steps_per_epoch, stages)

    def _recover(self, error: Exception) -> Recovered:
        """Cuts batches into smaller parts after a step did not fit into the memory, or raises what it was."""
        most = -(-self.batch // self.state.parts)
        if not ran_out_of_memory(error) or not self.training.recover or most < 2 or self.world.size > 1:
            raise error
        self._optimization.zero_grad()
        self.state.parts *= 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return Recovered(self.state.parts, -(-self.batch // self.state.parts))
