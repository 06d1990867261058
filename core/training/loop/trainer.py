"""The training loop: phases in, events out. It knows no files and no screen.

The loop is meant to be read from top to bottom: :meth:`Trainer.run` walks through the phases, :meth:`Trainer._phase`
through the epochs of one, :meth:`Trainer._train_epoch` through its batches. Everything that the next step depends on
is in :meth:`Trainer.state_dict`, so that a training goes on from there bit by bit as if it had never been interrupted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from core.device import exact_algorithms, ran_out_of_memory
from core.errors import InputError
from core.models import freeze
from core.models.network import Network
from core.specs import Experiment, FreezePlan, LiveChange, Phase
from core.training.features.batch_sources import Material
from core.training.loop import failures
from core.training.loop.batching import EpochBatching
from core.training.loop.distributed import ALONE, World
from core.training.loop.ema import Average
from core.training.loop.events import (
    Changed,
    CheckpointDue,
    EpochEnd,
    Event,
    Finished,
    PhaseStarted,
    ProgressEvent,
    Recovered,
    Started,
    Step,
)
from core.training.loop.live_changes import STOP_REQUESTS, ChangeSchedule, PollRequests, no_requests
from core.training.loop.phase_setup import PhaseSetup
from core.training.loop.rng_state import RngState
from core.training.loop.state import TrainerState
from core.training.loop.validation import Judgement
from core.training.monitoring.health_monitor import StepObserver
from core.training.optim.losses import Criterion
from core.training.optim.optimizers import build_optimizer, carry_over, set_rates, stage_rates
from core.training.optim.schedules import rate_factor

REPORT_SECONDS = 0.25
"""Seconds between two :class:`Step` events; reading the loss more often would make the device wait."""
SYNC_STEPS = 8
"""Steps after which several processes agree on whether to report and what to do."""
CHECKPOINT_SECONDS = 180.0
"""Seconds of an epoch after which its middle is worth writing down."""
STATE_FORMAT = 1
"""Of :meth:`Trainer.state_dict`."""
SINGLE_VALUE_ERROR = "more than 1 value per channel"
"""torch's message where batch normalisation sees a single value of each channel."""


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


class Trainer:
    """One training of a network, which can be written down and gone on with.

    Args:
        network: With its new head; it is trained in place and moved to ``device``.
        material: Images and who serves for what.
        experiment: Phases, freeze plan, batch size, seed, precision; its batch size is a number.
        device: Where to compute.
        poll_requests: Called for requests several times a second and after each epoch.
        observer: Called around every step.
        world: The processes that train together; each is given the same network, material and experiment.
    """

    def __init__(
        self,
        network: Network,
        material: Material,
        experiment: Experiment,
        device: torch.device,
        *,
        poll_requests: PollRequests = no_requests,
        observer: StepObserver | None = None,
        world: World = ALONE,
    ) -> None:
        self.network, self.material, self.experiment, self.device = network, material, experiment, device
        self.world = world
        self.training = experiment.training
        self.batch = self.training.images
        self.state = TrainerState()
        self._poll_requests, self._observer = poll_requests, observer or StepObserver()
        self._changes = ChangeSchedule(self.training.acts)
        self._batching = EpochBatching(self.batch, self.training.accumulate, world)
        self._halt: str | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        self._average: Average | None = None
        self._early: list[str] = []
        self._rng = RngState(self.training, len(network.classes), device, world)
        labels = material.store.labels
        counts = torch.bincount(labels[material.train], minlength=len(network.classes))
        self._criterion = Criterion(self.training.loss, counts, device)
        self._judge = Judgement(self.training.loss, len(network.classes), device)
        self._sum_type = torch.float32 if device.type == "mps" else torch.float64  # Metal has no double precision
        self._resumed: dict[str, Any] | None = None
        self._seconds = dict.fromkeys(("data", "forward", "backward"), 0.0)
        self._checkpointed = time.perf_counter()

    # ---------------------------------------------------------------- what goes in and comes out

    @property
    def images_per_epoch(self) -> int:
        """Training images an epoch sees, see :meth:`core.training.loop.batching.EpochBatching.images`."""
        return self._batching.images(len(self.material.train))

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps an epoch."""
        return self._batching.steps(len(self.material.train))

    @property
    def _phase_now(self) -> Phase:
        return self.training.phases[self.state.phase]

    @property
    def epochs(self) -> int:
        """Epochs of all phases together, with those that were added."""
        return self.training.epochs + self.state.added

    @property
    def learning(self) -> frozenset[str]:
        """Names of the parameters that learn now."""
        return freeze.learning(self.network.anatomy, self._plan())

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
            if ran_out_of_memory(error):
                raise failures.too_large(
                    -(-self.batch // self.state.parts), self.network.preprocessing.crop, self.device
                ) from error
            if isinstance(error, ValueError) and SINGLE_VALUE_ERROR in str(error):
                raise failures.too_few(self.network.preprocessing.crop) from error
            raise
        finally:
            self.network.model.eval()

    def state_dict(self) -> dict[str, Any]:
        """Returns everything that the next step depends on besides the network's weights; valid between two events.

        Tensors and plain values only, so that ``torch.load(weights_only=True)`` reads it.
        """
        assert self._optimizer is not None
        found: dict[str, Any] = {
            "format": STATE_FORMAT,
            "position": self.state.to_dict(),
            "early": list(self._early),
            **self._rng.state_dict(within=self.state.done > 0),
            "optimizer": self._optimizer.state_dict(),
        }
        if self._average is not None:
            found["average"] = self._average.state_dict()
        return found

    def resume(self, state: dict[str, Any]) -> None:
        """Makes :meth:`run` go on from a state; the network's weights are those that it was taken with.

        Raises:
            InputError: The state is of another version, or does not belong to this experiment.
        """
        try:
            if state["format"] != STATE_FORMAT:
                raise KeyError("format")
            self.state = TrainerState.from_dict(state["position"])
            self._phase_now  # noqa: B018 (there must be such a phase)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(
                "The state that the run was interrupted in cannot be read by this version. Train it again from its "
                "best weights."
            ) from error
        self._early = list(state["early"])
        self._resumed = state

    def average_applied(self) -> Any:
        """Returns a context in which the network has its averaged weights, if they are what is judged."""
        return nullcontext() if self._average is None else self._average.applied()

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
            if self._halt or self.state.phase + 1 == len(self.training.phases):
                break
            self.state.next_phase()
        seconds = time.perf_counter() - begin
        yield Finished(
            stopped=self._halt == "stop",
            paused=self._halt == "pause",
            early=tuple(self._early),
            epochs=self.state.epoch,
            best_epoch=self.state.best_epoch,
            best_val_accuracy=self.state.best_accuracy,
            seconds=seconds,
            images_per_second=(self.state.seen - seen) / seconds,
        )

    def _phase(self) -> Generator[Event]:
        """Runs one phase, or the rest of it."""
        phase, prepared = self._phase_now, time.perf_counter()
        self._optimizer = self._average = None
        yield from self._prepare()
        while not self._halt and self.state.phase_epoch < phase.epochs + self.state.extra and not self._stagnates():
            yield from self._train_epoch()
            if self._halt and self.state.done < self.images_per_epoch:
                return
            yield from self._end_epoch(phase, prepared)
            prepared = time.perf_counter()
            yield from self._handle_requests()
        if self._stagnates():
            self._early.append(phase.name)
        if self._halt and self._complete:
            self._halt = None  # asked to stop when all was done

    @property
    def _complete(self) -> bool:
        last = self.state.phase + 1 == len(self.training.phases)
        return last and (self.state.phase_epoch >= self._phase_now.epochs + self.state.extra or self._stagnates())

    def _plan(self) -> FreezePlan:
        """Returns what learns now: as planned, and what a person unfroze since."""
        plan = self.experiment.plan(self._phase_now)
        return freeze.unfreeze(self.network.anatomy, plan, self.state.thawed) if self.state.thawed else plan

    def _prepare(self) -> Generator[Event]:
        """Makes optimizer and batch sources for what learns now; on the way in, and when a stage joins in."""
        if self._resumed is None:  # else the optimizer's state is from before the stage joined in
            self.state.thawed += self.state.joining
            self.state.joining = 0
        model, anatomy, phase = self.network.model, self.network.anatomy, self._phase_now
        setup = PhaseSetup(self.network, self.material, self.experiment, phase, self._plan(), self.device)
        if not self.state.precision:
            known = self.training.precisions[self.state.phase : self.state.phase + 1]
            self.state.precision = known[0] if known else self.world.from_first(setup.choose_precision())
        setup.choose_sources(self.state.precision)
        self._rates = stage_rates(phase, anatomy)
        optimizer = build_optimizer(phase, model, anatomy)
        if self._optimizer is not None:
            carry_over(self._optimizer, optimizer)
        self._optimizer, self._setup = optimizer, setup
        if self._average is not None:
            self._average.follow()
        elif self.training.ema:
            self._average = Average(model, self.training.ema)
        if self._resumed is not None:
            self._restore(self._resumed)
        trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        yield PhaseStarted(phase.name, self.state.phase, trainable, setup.cached, self.state.precision, setup.stage)

    def _prepare_epoch(self) -> Generator[Event]:
        """Repeats what is due, prepares anew if a stage joins in, and sees to the features that the epoch needs."""
        yield from self._replay_changes()
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
            if ends or time.perf_counter() - reported > REPORT_SECONDS:
                reported = time.perf_counter()
                yield progress
                if self.world.size == 1 and not ends:  # several processes are not at the same image
                    yield from self._handle_requests()
                if self._halt:
                    return

    def _restore(self, state: dict[str, Any]) -> None:
        """Puts a state in place, once the optimizer it belongs to is there."""
        self._resumed = None
        try:
            assert self._optimizer is not None
            self._optimizer.load_state_dict(state["optimizer"])
            self._rng.restore(state)
            if self._average is not None:
                self._average.restore(int(state["average"]["steps"]), state["average"]["values"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(
                "The state that the run was interrupted in does not fit its experiment. Train it again from its best "
                "weights."
            ) from error

    # ---------------------------------------------------------------- epochs

    def _train_epoch(self) -> Generator[Event]:
        """Goes once through the training images, or through those that are left of the epoch."""
        yield from self._prepare_epoch()
        if self._halt:
            return
        if not self.state.done:
            self._seconds = dict.fromkeys(self._seconds, 0.0)
        order = self._rng.order(self.material.train)[: self.images_per_epoch]
        self._sums = torch.tensor(self.state.sums, dtype=self._sum_type, device=self.device)
        if not self.world.first:
            self._sums.zero_()  # the first process carries on what all have summed
        while self.state.done < len(order) and not self._halt:
            if self.state.joining:
                yield from self._prepare_epoch()
                continue
            try:
                yield from self._learn(order[self.state.done :])
            except (RuntimeError, MemoryError) as error:
                recovered = self._recover(error)
                self.state.sums = self._sums.tolist()
                yield recovered

    def _learn(self, order: Tensor) -> Generator[Event]:
        """Takes optimizer steps until the images are used up, or a request or a lack of memory ends them."""
        freeze.set_train_mode(self.network.model, self.network.anatomy, self._plan())
        source, optimizer, spec = self._setup.train, self._optimizer, self.training
        mixer = self._rng.mixer
        augment_source = self._setup.augment_source(self.state.epoch, self._rng.augmenting)
        assert optimizer is not None
        learning = [p for group in optimizer.param_groups for p in group["params"]]
        parts, wanted, mine = self._batching.micro_batches(order, self.state.parts)
        before, reported, unreported, got = list(self.state.sums), time.perf_counter(), True, 0
        mark, gathered = reported, torch.zeros_like(self._sums)
        for index, (inputs, labels) in enumerate(source.batches(parts, augment_source)):
            mark = self._add_seconds("data", mark)
            if not got:
                optimizer.zero_grad(set_to_none=True)
                set_rates(optimizer, self._rates, self._factor())
            targets = labels
            if mixer is not None:
                inputs, targets = mixer(inputs, labels)
            logits = source.logits(inputs)
            loss = self._criterion(logits, targets).sum()
            mark = self._add_seconds("forward", mark)
            (loss / wanted[index]).backward()
            got += len(labels)
            with torch.no_grad():
                right = (logits.argmax(1) == labels).sum()
                gathered += torch.stack([loss, right, torch.full_like(loss, len(labels))]).to(gathered.dtype)
            if got < mine[index]:
                mark = self._add_seconds("backward", mark)
                continue
            self.world.sum_gradients(learning)
            self._observer.before_step((self.state.done + got) / self.images_per_epoch)
            if spec.clip is not None:
                nn.utils.clip_grad_norm_(learning, spec.clip)
            optimizer.step()
            self._observer.after_step()
            if self._average is not None:
                self._average.step()
            self._sums += gathered
            gathered.zero_()
            self._count(wanted[index])
            got = 0
            mark = self._add_seconds("backward", mark)
            if self._report_due(mark - reported) or self._changes.due(self.state):
                self.state.sums = self.world.sum(self._sums).tolist()
                yield self._step_event(before, mark - reported)
                before, reported, unreported = self.state.sums, time.perf_counter(), False
                if self.world.from_first(reported - self._checkpointed > CHECKPOINT_SECONDS):
                    self._checkpointed = reported
                    self._rng.gather()
                    yield CheckpointDue(self.state.step)
                yield from self._handle_requests()
                if self._halt or self.state.joining:
                    return
                mark = time.perf_counter()
        self.state.sums = self.world.sum(self._sums).tolist()
        if unreported:  # an epoch shorter than the interval is reported as one point
            yield self._step_event(before, time.perf_counter() - reported)

    def _report_due(self, seconds: float) -> bool:
        """Whether it is time to report the steps since; all processes agree on it."""
        if self.world.size == 1:
            return seconds >= REPORT_SECONDS
        return self.state.step % SYNC_STEPS == 0 and bool(self.world.from_first(seconds >= REPORT_SECONDS))

    def _factor(self) -> float:
        phase = self._phase_now
        factor = rate_factor(
            phase.schedule, self.state.phase_step, self.steps_per_epoch, phase.epochs + self.state.extra
        )
        return factor * self.state.plateau.factor * self.state.rate

    def _count(self, images: int) -> None:
        self.state.phase_step += 1
        self.state.step += 1
        self.state.seen += images
        self.state.done += images

    def _add_seconds(self, what: str, since: float) -> float:
        now = time.perf_counter()
        self._seconds[what] += now - since
        return now

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
        assert self._optimizer is not None
        yield EpochEnd(
            epoch=self.state.epoch,
            phase=phase.name,
            phase_index=self.state.phase,
            **values,
            lr=self._optimizer.param_groups[0]["lr"],
            seconds=seconds,
            images_per_second=self.images_per_epoch / seconds,
            improved=improved,
            **{f"{name}_seconds": seconds_spent for name, seconds_spent in self._seconds.items()},
            val_seconds=val_seconds,
        )
        self._seconds = dict.fromkeys(self._seconds, 0.0)
        self._checkpointed = time.perf_counter()

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
                if time.perf_counter() - reported >= REPORT_SECONDS:
                    reported = time.perf_counter()
                    yield ProgressEvent("validating", done, len(self.material.val))

    def _stagnates(self) -> bool:
        left = self.state.phase_epoch < self._phase_now.epochs + self.state.extra
        return left and self.state.stagnates(self.training.early)

    # ---------------------------------------------------------------- requests, memory, precision

    def _handle_requests(self) -> Generator[Event]:
        """Replays what is due, and carries out the requests since."""
        yield from self._replay_changes()
        for request in self.world.from_first(tuple(self._poll_requests()) if self.world.first else ()):
            if request.kind in STOP_REQUESTS:
                self._halt = request.kind
            else:
                yield self._apply_change(self._changes.record(request, self.state))

    def _replay_changes(self) -> Generator[Event]:
        """Applies those live changes of the experiment that come before the next step."""
        while change := self._changes.due(self.state):
            yield self._apply_change(change)

    def _apply_change(self, change: LiveChange) -> Changed:
        """Applies a live change."""
        stages = self._changes.apply(change, self.state, self.network.anatomy, self.experiment.plan(self._phase_now))
        return Changed(change, self.state.acts - 1, self.epochs, self.epochs * self.steps_per_epoch, stages)

    def _recover(self, error: Exception) -> Recovered:
        """Cuts batches into smaller parts after a step did not fit into the memory, or raises what it was."""
        most = -(-self.batch // self.state.parts)
        if not ran_out_of_memory(error) or not self.training.recover or most < 2 or self.world.size > 1:
            raise error
        assert self._optimizer is not None
        self._optimizer.zero_grad(set_to_none=True)
        self.state.parts *= 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return Recovered(self.state.parts, -(-self.batch // self.state.parts))

    def _step_event(self, before: Sequence[float], seconds: float) -> Step:
        loss, right, count = (a - b for a, b in zip(self.state.sums, before, strict=True))
        self._check_loss(loss)
        assert self._optimizer is not None
        rate = self._optimizer.param_groups[0]["lr"]
        return Step(self.state.step, self.state.epoch + 1, loss / count, right / count, count / seconds, rate)

    def _check_loss(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise failures.diverged(self.state.epoch + 1, self._phase_now.lr)
