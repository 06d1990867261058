"""A moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """The exponential moving average of what learns (Polyak and Juditsky 1992).

    Early on the decay is smaller, ``(1 + n) / (10 + n)`` after ``n`` steps, so that the untrained start is forgotten.

    Args:
        model: Its parameters with ``requires_grad`` are averaged, by name.
        decay: Share of the average that a step keeps.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model, self._decay, self._steps = model, decay, 0
        self._values: dict[str, Tensor] = {}
        self.follow()

    def follow(self) -> None:
        """Takes in parameters that have begun to learn, and lets go of those that have stopped."""
        learning = {name: p for name, p in self._model.named_parameters() if p.requires_grad}
        self._values = {name: self._values.get(name, p.detach().clone()) for name, p in learning.items()}
        self._live = list(learning.values())

    @torch.no_grad()
    def step(self) -> None:
        """Moves the average towards the weights after an optimizer step."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(list(self._values.values()), [p.detach() for p in self._live], 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Puts the average in the place of the weights for as long as the block runs."""
        kept = [p.data for p in self._live]
        for parameter, value in zip(self._live, self._values.values(), strict=True):
            parameter.data = value
        try:
            yield
        finally:
            for parameter, value in zip(self._live, kept, strict=True):
                parameter.data = value

    def state_dict(self) -> dict[str, object]:
        """Returns the average, for :meth:`restore`."""
        return {"steps": self._steps, "values": dict(self._values)}

    def restore(self, steps: int, values: Mapping[str, Tensor]) -> None:
        """Goes on from a state."""
        self._steps = steps
        for name, value in self._values.items():
            value.copy_(values[name])
