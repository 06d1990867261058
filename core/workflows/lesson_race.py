"""The race of the optimizers on a person's own pictures: features of the packaged network, computed once, and heads."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from core.data.dataset import Dataset
from core.errors import InputError
from core.lessons.race import OPTIMIZERS, RATES, Parts, Trained, train_head
from core.messages import Progress

LEARNED, HELD = 160, 80
"""Pictures that heads learn from and are judged by, at most."""


def places_of(dataset: Dataset) -> tuple[list[int], list[int]]:
    """Returns which pictures heads learn from, and by which they are judged: held-out ones, evenly over the list.

    Raises:
        InputError: There are no held-out pictures, or no two classes on either side.
    """
    held = [place for split in ("val", "test") for place in dataset.positions(split)]
    parts = _spread(list(dataset.positions("train")), LEARNED), _spread(sorted(held), HELD)
    for name, part in zip(("training", "held-out"), parts, strict=True):
        if len({dataset.items[place].label for place in part}) < 2:
            raise InputError(
                "There are no {name} pictures of two classes. Divide your pictures on the page Data.", name=name
            )
    return parts


def features(dataset: Dataset, *, device: str = "auto", progress: Progress = lambda *_: None) -> Parts:
    """Returns frozen features of EfficientNet-Lite0, standardised by those that are learned from.

    Args:
        dataset: The pictures, divided.
        device: Where the features are computed; those of earlier are found again.
        progress: Called with pictures looked at and all; what it raises ends the work.

    Raises:
        InputError: As for :func:`places_of`, or a picture cannot be read.
    """
    from core.workflows.data_check.features import Eye, features_of

    learned, held = places_of(dataset)
    places = learned + held
    images = (dataset.load(place).convert("RGB") for place in places)
    digests = np.array([_digest(dataset, place) for place in places])
    found = torch.from_numpy(features_of(images, digests, Eye(device), progress))
    labels = torch.tensor([dataset.items[place].label for place in places])
    own = found[: len(learned)]
    scaled = (found - own.mean(0)) / own.std(0).clamp_min(1e-6)
    n = len(learned)
    return Parts(scaled[:n], labels[:n], scaled[n:], labels[n:], len(dataset.classes))


def race(parts: Parts, steps: int = 30) -> list[Trained]:
    """Trains a head with each optimizer at each rate."""
    return [train_head(name, rate, steps, parts) for name in OPTIMIZERS for rate in RATES]


def _spread(places: list[int], most: int) -> list[int]:
    """Returns at most so many places, evenly over all."""
    count = min(most, len(places))
    return [places[at * len(places) // count] for at in range(count)]


def _digest(dataset: Dataset, place: int) -> bytes:
    """Names a picture so that its features are found again: by its data set and key, and by the state of its file."""
    key, path = dataset.items[place].key, dataset.path(place)
    state = path.stat() if path is not None else None
    known = (dataset.name, key, state and (str(path), state.st_size, state.st_mtime_ns))
    return hashlib.blake2b(repr(known).encode("utf-8", "surrogatepass"), digest_size=16).digest()
