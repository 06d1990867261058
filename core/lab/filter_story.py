"""What a run tells of its filters: which of them its own images never wake, and how they moved while it trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.data.sources import Dataset
from core.errors import InputError
from core.interpret.filters_motion import Motion, motion
from core.lab.data import reopen
from core.runs import snapshots
from core.runs.store import Run

if TYPE_CHECKING:
    from torch import Tensor

    from core.interpret.filters_life import Life
    from core.models.network import Network

IMAGES = 64
"""Images that filters are shown, by default."""
_BATCH = 16


def life_of_run(
    run: Run,
    network: Network,
    layer: str,
    *,
    images: int = IMAGES,
    roots: Sequence[Path] | None = None,
    dataset: Dataset | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Life:
    """Shows a convolution some of a run's images, held-out ones first, and notes which of its filters ever answer.

    Args:
        run: The run.
        network: Its network.
        layer: A two-dimensional convolution.
        images: How many images, at most, evenly spread.
        roots: Folders that images may be read under; ``None`` for no limit.
        dataset: The run's images, where they are open already.
        progress: Called with images done and in all; what it raises ends the work.

    Raises:
        InputError: The images are not there any more, none can be read, or the layer is no convolution.
        RunMissing: The run is gone.
    """
    from core.interpret.filters_life import life

    opened = reopen(run, roots=roots) if dataset is None else dataset
    chosen = _spread(opened, images)
    return life(network, layer, _batches(opened, chosen, network), total=len(chosen), progress=progress)


def motion_of_run(run: Run) -> tuple[Motion, NDArray[np.float16], dict[int, NDArray[np.float16]]] | None:
    """Returns how the first convolution's filters moved over a run's epochs, as far as snapshots were kept.

    Returns:
        The movement, the kernels before training and those after each epoch; ``None`` where nothing was kept.

    Raises:
        InputError: The snapshots are damaged.
    """
    pinned = snapshots.pinned_of(run.path)
    epochs = snapshots.epochs(run.path)
    if pinned is None or not pinned.kernel_layer or not epochs:
        return None
    start = snapshots.pinned_arrays(run.path).get("kernels")
    if start is None:
        return None
    later = {}
    for epoch in epochs:
        found = snapshots.read(run.path, epoch).kernels
        later[epoch] = start if found is None or found.shape != start.shape else found
    return motion(start, later), start, later


def _spread(dataset: Dataset, images: int) -> list[int]:
    """Returns positions of images that were held out (of all where none were), evenly spread."""
    held = [index for index, item in enumerate(dataset.items) if item.split in ("val", "test")]
    pool = held or list(range(len(dataset.items)))
    count = min(max(1, images), len(pool))
    return [pool[round(index * (len(pool) - 1) / max(1, count - 1))] for index in range(count)]


def _batches(dataset: Dataset, positions: Sequence[int], network: Network) -> Iterator[Tensor]:
    """Reads images and puts them together; those that cannot be read are left out."""
    import torch

    from core.data.images import to_tensor

    waiting: list[Tensor] = []
    for position in positions:
        try:
            waiting.append(to_tensor(dataset.load(position), network.preprocessing))
        except InputError:
            continue
        if len(waiting) == _BATCH:
            yield torch.cat(waiting)
            waiting = []
    if waiting:
        yield torch.cat(waiting)
