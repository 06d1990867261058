"""Weights kept after single epochs, so that any picture can go through the network as it was then.

``weights/epoch-000012.safetensors`` holds every tensor that had been free to learn by then, and all buffers. What was
frozen from the first epoch to the last stands in ``last.safetensors``; what was let in later stands, as it was before,
in ``weights/joined.safetensors``. So nothing is written twice, and a linear probe costs a few kilobytes an epoch.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from torch import Tensor, nn

from core.errors import InputError
from core.models.network import read_state, save_state
from core.runs.files import read_json, write_json
from core.runs.snapshots import surplus
from core.training.checkpoints.checkpoint import LAST, changing
from core.training.monitoring.time_budget import TimeBudget, is_due

WEIGHTS_FOLDER, JOINED_FILE, KNOWN_FILE = "weights", "joined.safetensors", "learning.json"
MAX_EPOCHS_KEPT = 100
"""Epochs whose weights are kept at most."""
MIN_EPOCHS = 3
"""Where not even so many fit into what is allowed, none are kept."""
TIME_SHARE, FREE_SECONDS = 0.01, 0.5
"""Share of the time, and seconds on top, that keeping may take."""
SPARE_BYTES = 1 << 30
"""Bytes that stay free on the disk."""


class EpochWeights:
    """Writes the weights after an epoch, as far as time and space allow.

    Args:
        folder: The run's folder.
        model: The network's module; its tensors are read in place.
        allowed: Bytes that all kept epochs together may take.
    """

    def __init__(self, folder: Path, model: nn.Module, allowed: int) -> None:
        self._folder, self._model, self._allowed = folder, model, allowed
        self._time_budget = TimeBudget(TIME_SHARE, FREE_SECONDS)
        names = read_json(folder / WEIGHTS_FOLDER / KNOWN_FILE).get("names")
        self._known: set[str] = {str(name) for name in names} if isinstance(names, list) else set()
        self._last, self._size = 0, 0

    def rewind(self, epoch: int) -> None:
        """Takes back what was kept after an epoch: a run that goes on keeps it again."""
        there = kept_epochs(self._folder)
        _drop(self._folder, [after for after in there if after > epoch])
        self._last = max((before for before in there if before <= epoch), default=0)

    def phase_started(self) -> None:
        """Notes what learns from now on, and writes down how it was where it had been frozen before.

        Raises:
            OSError: It cannot be written. No epoch is kept then, since those before could not be put together.
        """
        if not self._allowed:
            return
        new = changing(self._model) - self._known
        if new:
            self._save_joining(new)
        self._size = _bytes(self._state())

    def _save_joining(self, new: set[str]) -> None:
        """Writes what joins as it still is; where that alone takes too much, the epochs before it are given up."""
        folder = self._folder / WEIGHTS_FOLDER
        try:
            folder.mkdir(exist_ok=True)
            if kept_epochs(self._folder):
                before = read_state(folder / JOINED_FILE) if (folder / JOINED_FILE).is_file() else {}
                state = {**before, **{name: v for name, v in self._model.state_dict().items() if name in new}}
                if _bytes(state) > self._allowed:
                    _drop(self._folder, kept_epochs(self._folder))
                else:
                    save_state(state, folder / JOINED_FILE)
            self._known |= new
            write_json(folder / KNOWN_FILE, {"names": sorted(self._known)})
        except BaseException:
            _drop(self._folder, kept_epochs(self._folder))
            raise

    def epoch_end(self, epoch: int) -> None:
        """Keeps the weights as they stand after an epoch, if it is due; gives up others for them.

        Args:
            epoch: From 1.

        Raises:
            OSError: They cannot be written.
        """
        fitting = self._free_bytes // self._size if self._size else 0
        if (
            fitting < MIN_EPOCHS
            or not is_due(epoch, self._last, min(MAX_EPOCHS_KEPT, fitting))
            or not self._time_budget.permits("weights")
        ):
            return
        if shutil.disk_usage(self._folder).free < self._size + SPARE_BYTES:
            return
        with self._time_budget.spending("weights"):
            save_state(self._state(), kept_file(self._folder, epoch))
            self._last = epoch
            self._thin()

    @property
    def _free_bytes(self) -> int:
        """Bytes that all epochs together may take."""
        joined = self._folder / WEIGHTS_FOLDER / JOINED_FILE
        return self._allowed - (joined.stat().st_size if joined.is_file() else 0)

    def _state(self) -> dict[str, Tensor]:
        return {name: value for name, value in self._model.state_dict().items() if name in self._known}

    def _thin(self) -> None:
        """Gives up epochs between others until all fit; where they differ in size, the large ones."""
        sizes = {epoch: kept_file(self._folder, epoch).stat().st_size for epoch in kept_epochs(self._folder)}
        while sum(sizes.values()) > self._free_bytes or len(sizes) > MAX_EPOCHS_KEPT:
            large = [epoch for epoch, size in sizes.items() if size >= max(sizes.values()) / 2]
            doomed = surplus(large, (), max(2, len(large) - 1))
            if not doomed:
                return
            _drop(self._folder, doomed)
            for epoch in doomed:
                del sizes[epoch]


def kept_epochs(folder: Path) -> list[int]:
    """Returns the epochs of a run that whole weights are kept of, besides the best and the last one, in order."""
    try:
        names = [path.name for path in (folder / WEIGHTS_FOLDER).iterdir()]
    except OSError:
        return []
    return sorted(int(match[1]) for name in names if (match := re.fullmatch(r"epoch-(\d+)\.safetensors", name)))


def kept_state(folder: Path, epoch: int, names: Collection[str] | None = None) -> dict[str, Tensor]:
    """Returns the tensors of a run's network as they were after an epoch.

    Args:
        folder: The run's folder.
        epoch: One of :func:`kept_epochs`.
        names: Only these; ``None`` for all.

    Raises:
        InputError: There are no weights of this epoch (any more), or they are damaged.
    """
    if epoch not in kept_epochs(folder):
        raise InputError("The weights after epoch {epoch} were not kept. Choose another epoch.", epoch=epoch)
    state = read_state(folder / LAST, names)  # first: what joins meanwhile is written before it changes
    if (folder / WEIGHTS_FOLDER / JOINED_FILE).is_file():
        state |= read_state(folder / WEIGHTS_FOLDER / JOINED_FILE, names)
    return state | read_state(kept_file(folder, epoch), names)


def kept_file(folder: Path, epoch: int) -> Path:
    """Returns the file that is written when an epoch is kept; what is cached of the epoch goes with it."""
    return folder / WEIGHTS_FOLDER / f"epoch-{epoch:06d}.safetensors"


def _drop(folder: Path, doomed: Collection[int]) -> None:
    for epoch in doomed:
        kept_file(folder, epoch).unlink(missing_ok=True)


def _bytes(state: Mapping[str, Tensor]) -> int:
    return sum(value.nbytes for value in state.values())
