"""From gradients to weights: the optimizer of what learns now, its rates, clipping, and the average of the weights."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from core.models.network import Network
from core.specs import Phase, TrainingSpec
from core.training.loop.distributed import World
from core.training.loop.ema import Average
from core.training.optim.optimizers import build_optimizer, carry_over, set_rates, stage_rates


class Optimization:
    """Optimizer and moving average of one phase after the other.

    Args:
        network: What is trained.
        spec: Clipping, and the decay of the average.
        world: The processes that train together.
    """

    def __init__(self, network: Network, spec: TrainingSpec, world: World) -> None:
        self._network, self._spec, self._world = network, spec, world
        self._optimizer: torch.optim.Optimizer | None = None
        self._average: Average | None = None
        self._learning: list[nn.Parameter] = []
        self._rates: dict[str, float] = {}

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer of what learns now."""
        assert self._optimizer is not None
        return self._optimizer

    @property
    def rate(self) -> float:
        """The head's learning rate."""
        return float(self.optimizer.param_groups[0]["lr"])

    def begin_phase(self) -> None:
        """Forgets the optimizer and the average of the phase before."""
        self._optimizer = self._average = None

    def prepare(self, phase: Phase) -> None:
        """Makes the optimizer for the parameters that learn now; those that have learned before keep its state."""
        optimizer = build_optimizer(phase, self._network.model, self._network.anatomy)
        if self._optimizer is not None:
            carry_over(self._optimizer, optimizer)
        self._optimizer, self._rates = optimizer, stage_rates(phase, self._network.anatomy)
        self._learning = [p for group in optimizer.param_groups for p in group["params"]]
        if self._average is not None:
            self._average.follow()
        elif self._spec.ema:
            self._average = Average(self._network.model, self._spec.ema)

    def zero_grad(self) -> None:
        """Drops the gradients."""
        self.optimizer.zero_grad(set_to_none=True)

    def set_rates(self, factor: float) -> None:
        """Sets the learning rates to a multiple of the phase's."""
        set_rates(self.optimizer, self._rates, factor)

    def sum_gradients(self) -> None:
        """Sums the gradients of all processes."""
        self._world.sum_gradients(self._learning)

    def step(self) -> None:
        """Clips the gradients, and moves the weights and their average."""
        if self._spec.clip is not None:
            nn.utils.clip_grad_norm_(self._learning, self._spec.clip)
        self.optimizer.step()
        if self._average is not None:
            self._average.step()

    def average_applied(self) -> AbstractContextManager[None]:
        """Returns a context in which the network has its averaged weights, where there are some."""
        return nullcontext() if self._average is None else self._average.applied()

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of the optimizer and of the average, for :meth:`restore`."""
        found: dict[str, Any] = {"optimizer": self.optimizer.state_dict()}
        if self._average is not None:
            found["average"] = self._average.state_dict()
        return found

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state.

        Raises:
            KeyError, TypeError, ValueError, RuntimeError: It is of another network or plan.
        """
        self.optimizer.load_state_dict(state["optimizer"])
        for parameter, kept in self.optimizer.state.items():
            for name, value in kept.items():
                if (
                    isinstance(value, Tensor)
                    and torch.broadcast_shapes(value.shape, parameter.shape) != parameter.shape
                ):
                    raise ValueError(f"{name} has another shape")
        if self._average is not None:
            self._average.restore(int(state["average"]["steps"]), state["average"]["values"])
