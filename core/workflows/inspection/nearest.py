"""The training images that a run's network finds most like some pictures: what it may have taken them for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from core.data.dataset import Dataset, shuffle_key
from core.data.pixel_store import PixelStore, iterate
from core.device import resolve_device
from core.errors import InputError
from core.messages import Progress
from core.models.network import Network
from core.runs.store import Run
from core.workflows.data_check.features import BATCH, Eye, features_of_batches
from core.workflows.images import reopen
from core.workflows.inspection.channel_survey import weights_key

COUNT = 3
MOST = 2_000
"""Training images that are looked at, at most."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A training image near a picture.

    Attributes:
        key: The image among the run's.
        label: Its class.
        cosine: Of the angle between its features and the picture's, -1 to 1; 1 for the same picture.
    """

    key: str
    label: str
    cosine: float


@dataclass(frozen=True, slots=True)
class Nearest:
    """The training images near some pictures.

    Attributes:
        neighbours: For each picture its nearest, the nearest first.
        looked_at: Training images that they are the nearest of.
        of: Training images that there are.
    """

    neighbours: tuple[tuple[Neighbour, ...], ...]
    looked_at: int
    of: int

    def agreed(self, place: int) -> str | None:
        """Returns the class of all that are nearest to a picture; ``None`` where they are of several."""
        classes = {one.label for one in self.neighbours[place]}
        return classes.pop() if len(classes) == 1 else None


def nearest_training_images(
    run: Run,
    network: Network,
    images: Sequence[Image.Image],
    *,
    count: int = COUNT,
    fitted: bool = False,
    device: str | None = None,
    most: int = MOST,
    roots: Sequence[Path] | None = None,
    progress: Progress | None = None,
) -> Nearest:
    """Finds the training images nearest to some pictures, by the cosine of what enters the head of a run's network.

    The training images' features are computed once for the weights and the files as they are, and kept on disk.

    Args:
        run: The run, which need not have learned from the pictures.
        network: Its network, at any checkpoint; it is left as it was.
        images: The pictures, of any size.
        count: How many for each.
        fitted: Whether the pictures are as the network sees them already, see :func:`core.data.images.fit`.
        device: Where to compute; by default where the run was trained, or on the CPU where that is not at hand.
        most: Training images at most, drawn by lot, the same ones each time; 0 for all.
        roots: Folders that the run's images must lie under, links resolved; ``None`` for no limit.
        progress: Called with training images looked at and in all; what it raises ends the work.

    Raises:
        InputError: The training images are gone or one is damaged, fewer than one is asked for, or the network answers
            with values that are no numbers.
    """
    if count < 1:
        raise InputError("{count} nearest images cannot be found. Ask for 1 or more.", count=count)
    dataset = reopen(run, roots=roots)
    every = sorted(dataset.positions("train"), key=lambda place: shuffle_key(0, dataset.items[place].key))
    drawn = list(islice((place for place in every if _there(dataset, place)), most or None))
    if not drawn:
        raise InputError("None of the images that {run} learned from is there any more.", run=run.name)
    part = dataset.subset(sorted(drawn))
    eye = Eye(_device(run, device), network, f"{weights_key(network)} {network.anatomy.head}")
    features = features_of_batches(_squares(part, eye), _digests(part), eye, progress)
    pixels = [np.asarray(image.convert("RGB")) if fitted else eye.pixels(image.convert("RGB")) for image in images]
    own = eye.look(pixels) if pixels else np.zeros((0, features.shape[1]), np.float32)
    if not (np.isfinite(features).all() and np.isfinite(own).all()):
        raise InputError("The network {network} answers with values that are no numbers.", network=network.name)
    lengths = np.linalg.norm(features, axis=1)  # not quite 1, as they are kept in 16 bit
    cosines = np.clip(own @ features.T / np.maximum(lengths, 1e-6), -1.0, 1.0)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
    found = tuple(
        tuple(Neighbour(part.items[place].key, part.class_of(place), float(row[place])) for place in map(int, nearest))
        for row, nearest in zip(cosines, order, strict=True)
    )
    return Nearest(found, len(part), len(every))


def _there(dataset: Dataset, place: int) -> bool:
    path = dataset.path(place)
    return path is None or path.is_file()


def _device(run: Run, wanted: str | None) -> str:
    if wanted is not None:
        return wanted
    try:
        return str(resolve_device(run.experiment.training.device))
    except InputError:
        return "cpu"


def _squares(part: Dataset, eye: Eye) -> Iterator[torch.Tensor]:
    """Yields images as the network sees them, uint8 ``B x 3 x H x W``, the next ones decoded meanwhile."""
    with PixelStore(part, eye.network.preprocessing, max_bytes=0) as store:
        for images, _labels, _places in iterate(store, torch.arange(len(part)).split(BATCH)):
            yield images


def _digests(part: Dataset) -> NDArray[np.bytes_]:
    """Returns for each image a digest of its name, and of the size and time of its file."""
    found = []
    for place, item in enumerate(part.items):
        path = part.path(place)
        file = None if path is None else path.stat()
        known = (part.name, item.key, file and (file.st_size, file.st_mtime_ns))
        found.append(hashlib.blake2b(repr(known).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest())
    return np.array(found, dtype="S32")
