"""A training's random number generators, whose state can be written down and gone on from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from core.specs import TrainingSpec
from core.training.loop.distributed import World
from core.training.loop.sampling import epoch_order
from core.training.optim.mixup import Mixer


class RngState:
    """The generators that decide the order of the images, their changes, their mixtures, and what dropout drops.

    The order is the same in all processes; all else is each process's own.

    Args:
        spec: Seed and mixtures.
        classes: Number of classes.
        device: Where images are changed.
        world: The processes that train together.

    Attributes:
        augmenting: Decides how images are changed.
        mixer: Mixes images and labels, or ``None``.
    """

    def __init__(self, spec: TrainingSpec, classes: int, device: torch.device, world: World) -> None:
        own = spec.seed + world.rank
        self.augmenting = torch.Generator(device).manual_seed(own)
        self.mixer = Mixer(spec.mix, classes, own) if spec.mix.active else None
        self._device, self._world, self._sampler = device, world, spec.sampler
        self._shuffling = torch.Generator().manual_seed(spec.seed)
        self._before = self._shuffling.get_state()
        self._of_all: list[dict[str, Any]] = []

    def order(self, positions: Tensor, labels: Tensor) -> Tensor:
        """Returns the positions that the epoch at work draws, in their order.

        Args:
            positions: Of the training images, ``N``.
            labels: Of these, ``N``.
        """
        self._before = self._shuffling.get_state()
        return positions[epoch_order(self._sampler, labels, self._shuffling)]

    def gather(self) -> None:
        """Lets every process know the state of all, so that the first one can write it down."""
        if self._world.size > 1:
            self._of_all = self._world.gather(self._own())

    def state_dict(self, *, within: bool) -> dict[str, Any]:
        """Returns the state of all sources.

        Args:
            within: Whether an epoch is at work, whose order must be drawn again.
        """
        return {
            "shuffling": self._before if within else self._shuffling.get_state(),
            "chances": self._of_all if self._world.size > 1 else [self._own()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state; with another number of processes, their own generators begin anew."""
        self._shuffling.set_state(state["shuffling"])
        if len(state["chances"]) != self._world.size:
            return
        own = state["chances"][self._world.rank]
        self.augmenting.set_state(own["augmenting"])
        torch.set_rng_state(own["torch"])
        if "device" in own and self._device.type == "cuda":
            torch.cuda.set_rng_state(own["device"], self._device)
        if self.mixer is not None:
            self.mixer.restore(own["mixing"])

    def _own(self) -> dict[str, Any]:
        found: dict[str, Any] = {"augmenting": self.augmenting.get_state(), "torch": torch.get_rng_state()}
        if self._device.type == "cuda":
            found["device"] = torch.cuda.get_rng_state(self._device)
        if self.mixer is not None:
            found["mixing"] = self.mixer.state_dict()
        return found
