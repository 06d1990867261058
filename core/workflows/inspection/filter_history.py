"""A run's filters: which of them its own images never activate, and how they moved while it trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.data.sources import Dataset
from core.errors import InputError
from core.interpret.filters.movement import Motion, motion
from core.messages import Progress
from core.runs import snapshots
from core.runs.store import Run
from core.training.checkpoints.epoch_weights import kept_epochs, kept_state
from core.workflows.images import reopen

if TYPE_CHECKING:
    from torch import Tensor

    from core.interpret.filters.dead_filters import Life
    from core.models.network import Network

IMAGES = 64
"""Images that are run through the filters, by default."""
_BATCH = 16


def life_of_run(
    run: Run,
    network: Network,
    layer: str,
    *,
    images: int = IMAGES,
    roots: Sequence[Path] | None = None,
    dataset: Dataset | None = None,
    budget: float | None = None,
    progress: Progress | None = None,
) -> Life:
    """Runs some of a run's images through a convolution, held-out ones first, and records which filters ever answer.

    Args:
        run: The run.
        network: Its network.
        layer: A two-dimensional convolution.
        images: How many images, at most, evenly spread.
        roots: Folders that images may be read under; ``None`` for no limit.
        dataset: The run's images, where they are open already.
        budget: Seconds after which no further images are shown; ``None`` for no limit.
        progress: Called with images done and in all; what it raises ends the work.

    Raises:
        InputError: The images are not there any more, none can be read, or the layer is no convolution.
        RunMissing: The run is gone.
    """
    from core.interpret.filters.dead_filters import life

    opened = reopen(run, roots=roots) if dataset is None else dataset
    chosen = _spread(opened, images)
    return life(network, layer, _batches(opened, chosen, network), total=len(chosen), budget=budget, progress=progress)


@dataclass(frozen=True, slots=True, eq=False)
class FilterHistory:
    """A convolution's filters over a run's epochs.

    Attributes:
        layer: Its name.
        motion: How far they had come.
        start: Kernels before training, OxIxkhxkw.
        later: The same after each epoch.
    """

    layer: str
    motion: Motion
    start: NDArray[np.floating]
    later: dict[int, NDArray[np.floating]]

    def shown(
        self, epoch: int, *, change: bool, count: int, channel: int | None = None
    ) -> tuple[NDArray[np.float32], float]:
        """Returns filters to be drawn, and the largest size of a weight over all epochs: one scale for all.

        Args:
            epoch: After which.
            change: Whether what training had added is meant, instead of the weights themselves.
            count: How many filters at most, the first ones.
            channel: The input channel whose kernels are meant; ``None`` for all.
        """

        def part(kernels: NDArray[np.floating]) -> NDArray[np.float32]:
            wide = kernels[:count].astype(np.float32)
            return wide if channel is None else wide[:, channel : channel + 1]

        start = part(self.start)
        rows = {number: part(kernels) - (start if change else 0) for number, kernels in self.later.items()}
        every = [*rows.values(), *([] if change else [start])]
        return rows[epoch], max(float(np.abs(some).max()) for some in every)


@dataclass(frozen=True, slots=True, eq=False)
class FilterMovement:
    """How far each convolution had come after each epoch.

    Attributes:
        layers: Names of the convolutions, in order.
        epochs: In order.
        moved: Layers x epochs: length of the difference to the start, over the length at the start; exactly zero for
            what was frozen.
    """

    layers: tuple[str, ...]
    epochs: tuple[int, ...]
    moved: NDArray[np.float64]

    @property
    def still(self) -> int:
        """How many convolutions stood exactly still in every epoch."""
        return int((self.moved == 0).all(1).sum())

    @property
    def furthest(self) -> tuple[str, float]:
        """The convolution that had come furthest by the last epoch, and how far."""
        most = int(self.moved[:, -1].argmax())
        return self.layers[most], float(self.moved[most, -1])


def filter_history(run: Run, layer: str, *, roots: Sequence[Path] | None = None) -> FilterHistory | None:
    """Returns how a convolution's filters moved, from the kept weights, or for the first one from the snapshots.

    Args:
        run: The run.
        layer: A two-dimensional convolution.
        roots: Folders that a file of handed-on weights must lie under.

    Returns:
        ``None`` where nothing was kept of this layer, or the network before training is not to be had any more.

    Raises:
        InputError: What was kept is damaged.
    """
    from core.workflows.checkpoints import network_at

    if not kept_epochs(run.path):
        history = history_of_snapshots(run)
        return history if history is not None and history.layer == layer else None
    try:
        start = network_at(run, "start", roots=roots)
    except InputError:
        return None
    return history_of_layer(run, start, layer)


def history_of_layer(run: Run, start: Network, layer: str) -> FilterHistory:
    """Returns how any convolution's filters moved over the epochs whose weights were kept.

    Args:
        run: The run.
        start: Its network before training, see :func:`core.workflows.checkpoints.network_at`.
        layer: A two-dimensional convolution.

    Raises:
        InputError: There is no such layer, no epoch was kept, or its file is damaged.
    """
    from core.interpret.filters.kernels import kernels

    before = kernels(start, layer).numpy()
    later = {
        epoch: state[f"{layer}.weight"].float().numpy() for epoch, state in _stored_weights(run, [f"{layer}.weight"])
    }
    return FilterHistory(layer, motion(before, later), before, later)


def movement_of_run(run: Run, start: Network) -> FilterMovement:
    """Returns how far every convolution had come after each epoch whose weights were kept.

    Args:
        run: The run.
        start: Its network before training, see :func:`core.workflows.checkpoints.network_at`.

    Raises:
        InputError: The network has no convolution, no epoch was kept, or its file is damaged.
    """
    from core.interpret.filters.kernels import conv_layers, kernels

    rows = [row.name for row in conv_layers(start)]
    if not rows:
        raise InputError("This network has no convolutions, so it has no filters to show.")
    before = {name: kernels(start, name).double() for name in rows}
    lengths = {name: float(kernel.norm()) or 1.0 for name, kernel in before.items()}
    epochs, columns = [], []
    for epoch, state in _stored_weights(run, [f"{name}.weight" for name in rows]):
        gone = {name: float((state[f"{name}.weight"].double() - kernel).norm()) for name, kernel in before.items()}
        columns.append([gone[name] / lengths[name] for name in rows])
        epochs.append(epoch)
    return FilterMovement(tuple(rows), tuple(epochs), np.array(columns).T)


def _stored_weights(run: Run, names: Sequence[str]) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Reads some tensors after each epoch whose weights were kept; one that is given up meanwhile is left out.

    Raises:
        InputError: None is kept (any more), or a file is damaged.
    """
    read = 0
    for epoch in kept_epochs(run.path):
        try:
            state = kept_state(run.path, epoch, names)
        except InputError:
            if epoch in kept_epochs(run.path):
                raise
            continue
        read += 1
        yield epoch, state
    if not read:
        raise InputError("The run {name} kept the weights of no epoch but the best and the last.", name=run.name)


def history_of_snapshots(run: Run) -> FilterHistory | None:
    """Returns how the first convolution's filters moved over a run's epochs, as far as snapshots were kept.

    Returns:
        ``None`` where nothing was kept.

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
    later: dict[int, NDArray[np.floating]] = {}
    for epoch in epochs:
        found = snapshots.read(run.path, epoch).kernels
        later[epoch] = start if found is None or found.shape != start.shape else found
    return FilterHistory(pinned.kernel_layer, motion(start, later), start, later)


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
