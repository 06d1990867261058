"""Everything that a training consists of, and its state: what the next step depends on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import torch

from core.errors import InputError
from core.models import freeze
from core.models.network import Network
from core.specs import Experiment, FreezePlan, Phase
from core.training.features.batch_sources import Material
from core.training.loop.batching import EpochBatching
from core.training.loop.distributed import ALONE, World
from core.training.loop.epoch_meter import EpochMeter
from core.training.loop.live_changes import LiveControl, PollRequests, no_requests
from core.training.loop.optimization import Optimization
from core.training.loop.rng_state import RngState
from core.training.loop.state import TrainerState
from core.training.loop.validation import Judgement
from core.training.monitoring.health_monitor import StepObserver
from core.training.optim.losses import Criterion
from core.training.optim.schedules import rate_factor

STATE_FORMAT = 1
"""Of :meth:`TrainingSession.state_dict`."""


def position_in(state: dict[str, Any], phases: int) -> TrainerState:
    """Returns where the training stands that a state is of.

    Args:
        state: As :meth:`TrainingSession.state_dict` gives it.
        phases: How many phases the training has.

    Raises:
        InputError: It is of another version, or none.
    """
    try:
        if state["format"] != STATE_FORMAT:
            raise KeyError("format")
        found = TrainerState.from_dict(state["position"])
        if found.phase >= phases or not all(isinstance(name, str) for name in state["early"]):
            raise ValueError("another experiment's")
        _ = state["optimizer"]["state"], state["shuffling"].dtype, state["chances"][0]["torch"].dtype
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(
            "The state that the run was interrupted in cannot be read by this version. Train it again from its "
            "best weights."
        ) from error
    return found


class TrainingSession:
    """The parts of one training, and its state, which can be written down and gone on with.

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
        self._observer = observer or StepObserver()
        self._control = LiveControl(self.training.acts, poll_requests, world)
        self._batching = EpochBatching(self.batch, self.training.accumulate, world)
        self._optimization = Optimization(network, self.training, world)
        self._meter = EpochMeter(device, world)
        self._early: list[str] = []
        self._rng = RngState(self.training, len(network.classes), device, world)
        labels = material.store.labels
        counts = torch.bincount(labels[material.train], minlength=len(network.classes))
        self._drawn = self.training.drawn(counts.tolist())
        loss = self.training.loss if self.training.weighted else replace(self.training.loss, balance="none")
        self._criterion = Criterion(loss, counts, device)
        self._judge = Judgement(self.training.loss, len(network.classes), device)
        self._resumed: dict[str, Any] | None = None

    @property
    def images_per_epoch(self) -> int:
        """Images an epoch draws, see :meth:`core.training.loop.batching.EpochBatching.images`."""
        return self._batching.images(self._drawn)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps an epoch."""
        return self._batching.steps(self._drawn)

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

    def _plan(self) -> FreezePlan:
        """Returns what learns now: as planned, and what a person unfroze since."""
        plan = self.experiment.plan(self._phase_now)
        return freeze.unfreeze(self.network.anatomy, plan, self.state.thawed) if self.state.thawed else plan

    @property
    def _complete(self) -> bool:
        last = self.state.phase + 1 == len(self.training.phases)
        return last and (self.state.phase_epoch >= self._phase_now.epochs + self.state.extra or self._stagnates())

    def _stagnates(self) -> bool:
        left = self.state.phase_epoch < self._phase_now.epochs + self.state.extra
        return left and self.state.stagnates(self.training.early)

    def _factor(self) -> float:
        phase = self._phase_now
        factor = rate_factor(
            phase.schedule, self.state.phase_step, self.steps_per_epoch, phase.epochs + self.state.extra
        )
        return factor * self.state.plateau.factor * self.state.rate

    def _count(self, images: int) -> None:
        """Counts an optimizer step."""
        self.state.count_step(images)

    def state_dict(self) -> dict[str, Any]:
        """Returns everything that the next step depends on besides the network's weights; valid between two events.

        Tensors and plain values only, so that ``torch.load(weights_only=True)`` reads it.
        """
        return {
            "format": STATE_FORMAT,
            "position": self.state.to_dict(),
            "early": list(self._early),
            **self._rng.state_dict(within=self.state.done > 0),
            **self._optimization.state_dict(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Makes :meth:`run` go on from a state; the network's weights are those that it was taken with.

        Raises:
            InputError: The state is of another version, or does not belong to this experiment.
        """
        self.state = position_in(state, len(self.training.phases))
        self._early = list(state["early"])
        self._resumed = state

    def average_applied(self) -> AbstractContextManager[None]:
        """Returns a context in which the network has its averaged weights, if they are what is judged."""
        return self._optimization.average_applied()

    def _restore(self, state: dict[str, Any]) -> None:
        """Puts a state in place, once the optimizer it belongs to is there."""
        self._resumed = None
        try:
            self._optimization.restore(state)
            self._rng.restore(state)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(
                "The state that the run was interrupted in does not fit its experiment. Train it again from its best "
                "weights."
            ) from error
