"""Weights and state on disk: the best ones, and those from which a training goes on bit by bit.

``last.safetensors`` and ``resume.safetensors`` belong together: both are of the same step. They are replaced in an
order that leaves a pair that fits at every moment, whenever the process is killed: the new weights are written under
another name, the state is replaced, and only then the weights take their place.
"""

from __future__ import annotations

import math
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from core.errors import InputError
from core.models.network import load_into, save_state
from core.training.checkpoints import resume_state

if TYPE_CHECKING:
    from core.training.loop.trainer import Trainer

WRITE_EVERY = 2.0
"""Seconds between two writes at least. Faster epochs keep their best weights in memory meanwhile."""
PATIENCE_SECONDS = 10.0
"""A write waits so many times as long as the last one took, so that large networks spend their time on learning."""
BEST, LAST, NEXT = "best.safetensors", "last.safetensors", ".next.safetensors"


class Checkpointer:
    """Keeps ``best.safetensors``, ``last.safetensors`` and ``resume.safetensors`` in a folder.

    The first epoch is always written at once. A process that is killed repeats at most the epochs since the last
    write, and comes to the same weights. In memory stands only what the phase can change, so :meth:`settle` must be
    called before another phase begins.

    Args:
        trainer: The training; its network's tensors are read in place.
        folder: The run's folder.
    """

    def __init__(self, trainer: Trainer, folder: Path) -> None:
        self._trainer, self._model, self._folder = trainer, trainer.network.model, folder
        self._best: dict[str, Tensor] | None = None
        self._written, self._cost = -math.inf, 0.0

    def epoch_end(self, *, improved: bool) -> None:
        """Takes note of the weights as they stand after an epoch.

        Raises:
            OSError: They cannot be written; the files on disk stay as they were.
        """
        due = time.monotonic() - self._written >= max(WRITE_EVERY, PATIENCE_SECONDS * self._cost)
        if improved:
            with self._trainer.average_applied():
                if due:
                    self._best = None
                    save_state(self._model.state_dict(), self._folder / BEST)
                else:
                    names = changing(self._model)
                    state = self._model.state_dict()
                    self._best = {name: value.clone() for name, value in state.items() if name in names}
        if due:
            self.save()

    def settle(self) -> None:
        """Writes the best weights, where they are newer in memory than on disk.

        Raises:
            OSError: They cannot be written; the file on disk stays as it was.
        """
        if self._best is not None:
            save_state({**self._model.state_dict(), **self._best}, self._folder / BEST)
            self._best = None

    def save(self) -> None:
        """Writes the best weights, where they are newer in memory, and the pair from which a training goes on.

        Raises:
            OSError: They cannot be written; the files on disk stay as they were.
        """
        begin = time.monotonic()
        self.settle()
        stamp = secrets.token_hex(8)
        save_state(self._model.state_dict(), self._folder / NEXT, stamp=stamp)
        try:
            resume_state.save(self._trainer.state_dict(), self._folder / resume_state.STATE, stamp)
        except OSError:
            (self._folder / NEXT).unlink(missing_ok=True)  # gives its room back
            raise
        _promote(self._folder)
        self._written = time.monotonic()
        self._cost = self._written - begin


def settle_pair(folder: Path) -> None:
    """Finishes the write that a killed process was at: new weights that the state belongs to take their place.

    Those without their state are removed. Nobody else writes into the folder meanwhile.

    Raises:
        OSError: The folder cannot be written.
    """
    if not (folder / NEXT).exists():
        return
    with suppress(InputError):
        if resume_state.metadata(folder / NEXT).get("stamp") == resume_state.read(folder)["stamp"]:
            _promote(folder)
    (folder / NEXT).unlink(missing_ok=True)


def load_pair(model: nn.Module, folder: Path) -> dict[str, Any]:
    """Fills a network with the last weights of a run, and returns the state that belongs to them.

    Args:
        model: The network, built as for a new training.
        folder: The run's folder.

    Returns:
        What :meth:`core.training.loop.trainer.Trainer.resume` takes.

    Raises:
        InputError: The files are missing, damaged, or do not belong together.
    """
    state = resume_state.read(folder)
    fits = _fitting(folder, state)
    if fits is None:
        raise InputError(
            "The run's state and its last weights do not belong together. Train it again from its best weights."
        )
    load_into(model, fits)
    return state


def belong_together(folder: Path) -> bool:
    """Whether a run's state and its last weights are of the same step.

    Raises:
        InputError: There is no state, or it is damaged.
    """
    return _fitting(folder, resume_state.read(folder)) is not None


def _fitting(folder: Path, state: dict[str, Any]) -> Path | None:
    """Returns the weights that a state belongs to."""
    found = (folder / name for name in (LAST, NEXT))
    return next((path for path in found if resume_state.metadata(path).get("stamp") == state["stamp"]), None)


def changing(model: nn.Module) -> set[str]:
    """Returns the names of the tensors that training can change: what learns, and all buffers."""
    every = model.named_parameters(remove_duplicate=False)  # one that goes by two names changes under both
    learning = {name for name, parameter in every if parameter.requires_grad}
    return learning | {name for name, _ in model.named_buffers(remove_duplicate=False)}


def _promote(folder: Path) -> None:
    """Puts the new weights in the place of the old ones; a state of an earlier version has been replaced by now."""
    os.replace(folder / NEXT, folder / LAST)  # noqa: PTH105
    if (folder / resume_state.STATE).exists():
        (folder / resume_state.FORMER).unlink(missing_ok=True)
