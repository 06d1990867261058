"""The training loop: phases in, events out. It knows no files and no screen.

The loop is meant to be read from top to bottom: :meth:`Trainer.run` walks through the phases, :meth:`Trainer._phase`
through the epochs of one, :meth:`Trainer._train_epoch` through its batches. Everything that the next step depends on
is in :meth:`Trainer.state`, so that a training goes on from there bit by bit as if it had never been interrupted.
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
from core.training.loop.batching import Portions
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
from core.training.loop.live_changes import STOP_REQUESTS, Acts, PollRequests, no_requests
from core.training.loop.phase_setup import Preparation
from core.training.loop.rng_state import RngState
from core.training.loop.state import TrainerState
from core.training.loop.validation import Judgement
from core.training.monitoring.health_monitor import Watch
from core.training.optim.losses import Criterion
from core.training.optim.optimizers import build_optimizer, carry_over, set_rates, stage_rates
from core.training.optim.schedules import rate_factor

TELL_EVERY = 0.25
"""Seconds between two :class:`Step` events; reading the loss more often would make the device wait."""
AGREE_EVERY = 8
"""Steps after which several processes agree on whether to tell and what to do."""
REACHED_EVERY = 180.0
"""Seconds of an epoch after which its middle is worth writing down."""
FORMAT = 1
"""Of :meth:`Trainer.state`."""
LONELY = "more than 1 value per channel"
"""What torch says where batch normalisation sees a single value of each channel."""


def fit(
    network: Network,
    material: Material,
    experiment: Experiment,
    device: torch.device,
    *,
    listen: PollRequests = no_requests,
) -> Iterator[Event]:
    """Trains a network in place, from the beginning; see :class:`Trainer`."""
    return Trainer(network, material, experiment, device, listen=listen).run()


class Trainer:
    """One training of a network, which can be written down and gone on with.

    Args:
        network: With its new head; it is trained in place and moved to ``device``.
        material: Images and who serves for what.
        experiment: Phases, freeze plan, batch size, seed, precision; its batch size is a number.
        device: Where to compute.
        listen: Asked for wishes several times a second and after each epoch.
        watch: Looks on at every step.
        world: The processes that train together; each is given the same network, material and experiment.
    """

    def __init__(
        self,
        network: Network,
        material: Material,
        experiment: Experiment,
        device: torch.device,
        *,
        listen: PollRequests = no_requests,
        watch: Watch | None = None,
        world: World = ALONE,
    ) -> None:
        self.network, self.material, self.experiment, self.device = network, material, experiment, device
        self.world = world
        self.training = experiment.training
        self.batch = self.training.images
        self.at = TrainerState()
        self._listen, self._watch = listen, watch or Watch()
        self._acts = Acts(self.training.acts)
        self._portions = Portions(self.batch, self.training.accumulate, world)
        self._halt: str | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        self._average: Average | None = None
        self._early: list[str] = []
        self._chance = RngState(self.training, len(network.classes), device, world)
        labels = material.store.labels
        counts = torch.bincount(labels[material.train], minlength=len(network.classes))
        self._criterion = Criterion(self.training.loss, counts, device)
        self._judge = Judgement(self.training.loss, len(network.classes), device)
        self._sum_type = torch.float32 if device.type == "mps" else torch.float64  # Metal has no double precision
        self._resumed: dict[str, Any] | None = None
        self._seconds = dict.fromkeys(("data", "forward", "backward"), 0.0)
        self._reached = time.perf_counter()

    # ---------------------------------------------------------------- what the loop is told and tells

    @property
    def images_per_epoch(self) -> int:
        """Training images an epoch sees, see :meth:`core.training.loop.batching.Portions.images`."""
        return self._portions.images(len(self.material.train))

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps an epoch."""
        return self._portions.steps(len(self.material.train))

    @property
    def _phase_now(self) -> Phase:
        return self.training.phases[self.at.phase]

    @property
    def epochs(self) -> int:
        """Epochs of all phases together, with those that were added."""
        return self.training.epochs + self.at.added

    @property
    def learning(self) -> frozenset[str]:
        """Names of the parameters that learn now."""
        return freeze.learning(self.network.anatomy, self._plan())

    def run(self) -> Iterator[Event]:
        """Trains, and says what happens.

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
                    -(-self.batch // self.at.parts), self.network.preprocessing.crop, self.device
                ) from error
            if isinstance(error, ValueError) and LONELY in str(error):
                raise failures.too_few(self.network.preprocessing.crop) from error
            raise
        finally:
            self.network.model.eval()

    def state(self) -> dict[str, Any]:
        """Returns everything that the next step depends on besides the network's weights; valid between two events.

        Tensors and plain values only, so that ``torch.load(weights_only=True)`` reads it.
        """
        assert self._optimizer is not None
        found: dict[str, Any] = {
            "format": FORMAT,
            "position": self.at.to_dict(),
            "early": list(self._early),
            **self._chance.state(within=self.at.done > 0),
            "optimizer": self._optimizer.state_dict(),
        }
        if self._average is not None:
            found["average"] = self._average.state()
        return found

    def resume(self, state: dict[str, Any]) -> None:
        """Makes :meth:`run` go on from a state; the network's weights are those that it was taken with.

        Raises:
            InputError: The state is of another version, or does not belong to this experiment.
        """
        try:
            if state["format"] != FORMAT:
                raise KeyError("format")
            self.at = TrainerState.from_dict(state["position"])
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
        self.world.spread([*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())])
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
        begin, seen = time.perf_counter(), self.at.seen
        while True:
            yield from self._phase()
            if self._halt or self.at.phase + 1 == len(self.training.phases):
                break
            self.at.next_phase()
        seconds = time.perf_counter() - begin
        yield Finished(
            stopped=self._halt == "stop",
            paused=self._halt == "pause",
            early=tuple(self._early),
            epochs=self.at.epoch,
            best_epoch=self.at.best_epoch,
            best_val_accuracy=self.at.best_accuracy,
            seconds=seconds,
            images_per_second=(self.at.seen - seen) / seconds,
        )

    def _phase(self) -> Generator[Event]:
        """Runs one phase, or the rest of it."""
        phase, prepared = self._phase_now, time.perf_counter()
        self._optimizer = self._average = None
        yield from self._prepare()
        while not self._halt and self.at.phase_epoch < phase.epochs + self.at.extra and not self._stagnates():
            yield from self._train_epoch()
            if self._halt and self.at.done < self.images_per_epoch:
                return
            yield from self._end_epoch(phase, prepared)
            prepared = time.perf_counter()
            yield from self._hear()
        if self._stagnates():
            self._early.append(phase.name)
        if self._halt and self._complete:
            self._halt = None  # asked to stop when all was done

    @property
    def _complete(self) -> bool:
        last = self.at.phase + 1 == len(self.training.phases)
        return last and (self.at.phase_epoch >= self._phase_now.epochs + self.at.extra or self._stagnates())

    def _plan(self) -> FreezePlan:
        """Returns what learns now: as the experiment says, and what a person let join in."""
        plan = self.experiment.plan(self._phase_now)
        return freeze.thawed(self.network.anatomy, plan, self.at.thawed) if self.at.thawed else plan

    def _prepare(self) -> Generator[Event]:
        """Makes optimizer and feeds for what learns now; on the way in, and when a stage joins in."""
        if self._resumed is None:  # else the optimizer's state is from before the stage joined in
            self.at.thawed += self.at.joining
            self.at.joining = 0
        model, anatomy, phase = self.network.model, self.network.anatomy, self._phase_now
        work = Preparation(self.network, self.material, self.experiment, phase, self._plan(), self.device)
        if not self.at.precision:
            known = self.training.precisions[self.at.phase : self.at.phase + 1]
            self.at.precision = known[0] if known else self.world.from_first(work.choose_precision())
        work.settle(self.at.precision)
        self._rates = stage_rates(phase, anatomy)
        optimizer = build_optimizer(phase, model, anatomy)
        if self._optimizer is not None:
            carry_over(self._optimizer, optimizer)
        self._optimizer, self._work = optimizer, work
        if self._average is not None:
            self._average.follow()
        elif self.training.ema:
            self._average = Average(model, self.training.ema)
        if self._resumed is not None:
            self._restore(self._resumed)
        trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        yield PhaseStarted(phase.name, self.at.phase, trainable, work.cached, self.at.precision, work.stage)

    def _make_ready(self) -> Generator[Event]:
        """Repeats what is due, prepares anew if a stage joins in, and sees to the features that the epoch needs."""
        yield from self._repeat()
        if self.at.joining:
            yield from self._prepare()
        while True:
            try:
                yield from self._gather_features()
                return
            except (RuntimeError, MemoryError) as error:
                yield self._recover(error)

    def _gather_features(self) -> Generator[Event]:
        """Computes the features that the epoch needs, as far as they are not there."""
        told = 0.0
        for progress in self._work.ready(self.at.epoch, self.at.parts):
            ends = progress.done == progress.total
            if ends or time.perf_counter() - told > TELL_EVERY:
                told = time.perf_counter()
                yield progress
                if self.world.size == 1 and not ends:  # several processes are not at the same image
                    yield from self._hear()
                if self._halt:
                    return

    def _restore(self, state: dict[str, Any]) -> None:
        """Puts a state in place, once the optimizer it belongs to is there."""
        self._resumed = None
        try:
            assert self._optimizer is not None
            self._optimizer.load_state_dict(state["optimizer"])
            self._chance.restore(state)
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
        yield from self._make_ready()
        if self._halt:
            return
        if not self.at.done:
            self._seconds = dict.fromkeys(self._seconds, 0.0)
        order = self._chance.order(self.material.train)[: self.images_per_epoch]
        self._sums = torch.tensor(self.at.sums, dtype=self._sum_type, device=self.device)
        if not self.world.first:
            self._sums.zero_()  # the first process carries on what all have summed
        while self.at.done < len(order) and not self._halt:
            if self.at.joining:
                yield from self._make_ready()
                continue
            try:
                yield from self._learn(order[self.at.done :])
            except (RuntimeError, MemoryError) as error:
                recovered = self._recover(error)
                self.at.sums = self._sums.tolist()
                yield recovered

    def _learn(self, order: Tensor) -> Generator[Event]:
        """Takes optimizer steps until the images are used up, or a wish or the memory wants something else."""
        freeze.set_train_mode(self.network.model, self.network.anatomy, self._plan())
        feed, optimizer, spec = self._work.train, self._optimizer, self.training
        mixer = self._chance.mixer
        chance = self._work.chance(self.at.epoch, self._chance.augmenting)
        assert optimizer is not None
        learning = [p for group in optimizer.param_groups for p in group["params"]]
        parts, wanted, mine = self._portions.cut(order, self.at.parts)
        before, told, silent, got = list(self.at.sums), time.perf_counter(), True, 0
        moment, gathered = told, torch.zeros_like(self._sums)
        for index, (inputs, labels) in enumerate(feed.batches(parts, chance)):
            moment = self._spent("data", moment)
            if not got:
                optimizer.zero_grad(set_to_none=True)
                set_rates(optimizer, self._rates, self._factor())
            targets = labels
            if mixer is not None:
                inputs, targets = mixer(inputs, labels)
            logits = feed.logits(inputs)
            loss = self._criterion(logits, targets).sum()
            moment = self._spent("forward", moment)
            (loss / wanted[index]).backward()
            got += len(labels)
            with torch.no_grad():
                right = (logits.argmax(1) == labels).sum()
                gathered += torch.stack([loss, right, torch.full_like(loss, len(labels))]).to(gathered.dtype)
            if got < mine[index]:
                moment = self._spent("backward", moment)
                continue
            self.world.sum_gradients(learning)
            self._watch.before_step((self.at.done + got) / self.images_per_epoch)
            if spec.clip is not None:
                nn.utils.clip_grad_norm_(learning, spec.clip)
            optimizer.step()
            self._watch.after_step()
            if self._average is not None:
                self._average.step()
            self._sums += gathered
            gathered.zero_()
            self._count(wanted[index])
            got = 0
            moment = self._spent("backward", moment)
            if self._tells(moment - told) or self._acts.due(self.at):
                self.at.sums = self.world.sum(self._sums).tolist()
                yield self._step_event(before, moment - told)
                before, told, silent = self.at.sums, time.perf_counter(), False
                if self.world.from_first(told - self._reached > REACHED_EVERY):
                    self._reached = told
                    self._chance.gather()
                    yield CheckpointDue(self.at.step)
                yield from self._hear()
                if self._halt or self.at.joining:
                    return
                moment = time.perf_counter()
        self.at.sums = self.world.sum(self._sums).tolist()
        if silent:  # an epoch too quick for the clock is told as one point
            yield self._step_event(before, time.perf_counter() - told)

    def _tells(self, seconds: float) -> bool:
        """Whether it is time to tell of the steps since; all processes agree on it."""
        if self.world.size == 1:
            return seconds >= TELL_EVERY
        return self.at.step % AGREE_EVERY == 0 and bool(self.world.from_first(seconds >= TELL_EVERY))

    def _factor(self) -> float:
        phase = self._phase_now
        factor = rate_factor(phase.schedule, self.at.phase_step, self.steps_per_epoch, phase.epochs + self.at.extra)
        return factor * self.at.plateau.factor * self.at.rate

    def _count(self, images: int) -> None:
        self.at.phase_step += 1
        self.at.step += 1
        self.at.seen += images
        self.at.done += images

    def _spent(self, what: str, since: float) -> float:
        now = time.perf_counter()
        self._seconds[what] += now - since
        return now

    def _end_epoch(self, phase: Phase, prepared: float) -> Generator[Event]:
        """Judges the epoch that was learned, and tells."""
        total, right, count = self.at.sums
        self._check_loss(total / count)
        begin = time.perf_counter()
        yield from self._validate()
        val_seconds = time.perf_counter() - begin
        seconds = time.perf_counter() - prepared
        found = self._judge.result()
        values = {"train_loss": total / count, "train_accuracy": right / count, **found}
        improved = self.at.take_note(phase, self.training, values)
        self.at.done, self.at.sums = 0, [0.0, 0.0, 0.0]
        self._chance.gather()
        assert self._optimizer is not None
        yield EpochEnd(
            epoch=self.at.epoch,
            phase=phase.name,
            phase_index=self.at.phase,
            **values,
            lr=self._optimizer.param_groups[0]["lr"],
            seconds=seconds,
            images_per_second=self.images_per_epoch / seconds,
            improved=improved,
            **{f"{name}_seconds": spent for name, spent in self._seconds.items()},
            val_seconds=val_seconds,
        )
        self._seconds = dict.fromkeys(self._seconds, 0.0)
        self._reached = time.perf_counter()

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
        self.world.spread([buffer for buffer in self.network.model.buffers() if buffer.is_floating_point()])
        at_once, told = max(1, self.batch // self.at.parts), time.perf_counter()
        with self.average_applied():
            for done in self._judge.run_validation(self._work.val, self.material.val, at_once, self.world):
                if time.perf_counter() - told >= TELL_EVERY:
                    told = time.perf_counter()
                    yield ProgressEvent("validating", done, len(self.material.val))

    def _stagnates(self) -> bool:
        left = self.at.phase_epoch < self._phase_now.epochs + self.at.extra
        return left and self.at.stagnates(self.training.early)

    # ---------------------------------------------------------------- wishes, memory, precision

    def _hear(self) -> Generator[Event]:
        """Repeats what is due, and does what was wished."""
        yield from self._repeat()
        for wish in self.world.from_first(tuple(self._listen()) if self.world.first else ()):
            if wish.kind in STOP_REQUESTS:
                self._halt = wish.kind
            else:
                yield self._act(self._acts.wished(wish, self.at))

    def _repeat(self) -> Generator[Event]:
        """Does those acts of the experiment that come before the next step."""
        while act := self._acts.due(self.at):
            yield self._act(act)

    def _act(self, act: LiveChange) -> Changed:
        """Lets an act take effect."""
        stages = self._acts.take(act, self.at, self.network.anatomy, self.experiment.plan(self._phase_now))
        return Changed(act, self.at.acts - 1, self.epochs, self.epochs * self.steps_per_epoch, stages)

    def _recover(self, error: Exception) -> Recovered:
        """Cuts batches into smaller parts after a step did not fit into the memory, or raises what it was."""
        most = -(-self.batch // self.at.parts)
        if not ran_out_of_memory(error) or not self.training.recover or most < 2 or self.world.size > 1:
            raise error
        assert self._optimizer is not None
        self._optimizer.zero_grad(set_to_none=True)
        self.at.parts *= 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return Recovered(self.at.parts, -(-self.batch // self.at.parts))

    def _step_event(self, before: Sequence[float], seconds: float) -> Step:
        loss, right, count = (a - b for a, b in zip(self.at.sums, before, strict=True))
        self._check_loss(loss)
        assert self._optimizer is not None
        rate = self._optimizer.param_groups[0]["lr"]
        return Step(self.at.step, self.at.epoch + 1, loss / count, right / count, count / seconds, rate)

    def _check_loss(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise failures.diverged(self.at.epoch + 1, self._phase_now.lr)
