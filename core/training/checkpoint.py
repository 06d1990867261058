"""Best and last weights on disk, without writing a whole network for an epoch of ten milliseconds."""

from __future__ import annotations

import math
import time
from pathlib import Path

from torch import Tensor, nn

from core.models.network import save_state

WRITE_EVERY = 2.0
"""Seconds between two writes. Faster epochs keep their best weights in memory meanwhile."""


class Checkpointer:
    """Keeps ``best.safetensors`` and ``last.safetensors`` in a folder.

    The first epoch is always written at once; a process that is killed loses at most :data:`WRITE_EVERY` seconds.
    In memory stands only what the phase can change, so :meth:`settle` must be called before another phase begins.

    Args:
        model: The network in training; its tensors are read in place.
        folder: The run's folder.
    """

    def __init__(self, model: nn.Module, folder: Path) -> None:
        self._model, self._folder = model, folder
        self._best: dict[str, Tensor] | None = None
        self._written = -math.inf

    def epoch_end(self, *, improved: bool) -> None:
        """Takes note of the weights as they stand after an epoch.

        Raises:
            OSError: They cannot be written; the files on disk stay as they were.
        """
        if time.monotonic() - self._written >= WRITE_EVERY:
            if improved:
                self._best = None
                save_state(self._model.state_dict(), self._folder / "best.safetensors")
            self.flush()
        elif improved:
            changing = _changing(self._model)
            self._best = {name: value.clone() for name, value in self._model.state_dict().items() if name in changing}

    def settle(self) -> None:
        """Writes the best weights, where they are newer in memory than on disk.

        Raises:
            OSError: They cannot be written; the file on disk stays as it was.
        """
        if self._best is not None:
            save_state({**self._model.state_dict(), **self._best}, self._folder / "best.safetensors")
            self._best = None

    def flush(self) -> None:
        """Writes the best weights, where they are newer in memory, and the last ones.

        Raises:
            OSError: They cannot be written; the files on disk stay as they were.
        """
        self.settle()
        save_state(self._model.state_dict(), self._folder / "last.safetensors")
        self._written = time.monotonic()


def _changing(model: nn.Module) -> set[str]:
    """Returns the names of the tensors that training can change: what learns, and all buffers."""
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    return learning | {name for name, _ in model.named_buffers()}
