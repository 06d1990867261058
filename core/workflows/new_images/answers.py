"""What a network says of new images, the least sure first, and how often it is right where that is known."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core import settings
from core.data.dataset import Dataset
from core.data.pixel_store import PixelStore
from core.errors import InputError
from core.evaluation.metrics import Scores, score
from core.evaluation.predictions import predict_store
from core.messages import Progress, Sentence
from core.models.network import Network
from core.runs.files import read_json, write_atomic, write_json
from core.workflows.new_images.listing import truth

TOGETHER = 64
"""Images that are in memory at a time."""
ARRAYS, RECORD = "answers.npz", "answers.json"


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a network says of images.

    Attributes:
        keys: The images that could be read, by their paths.
        probabilities: ``N x K`` float32, a row an image.
        classes: The ``K`` names.
        labels: What each image's folder says of its class, ``N``; -1 where it is named after none.
        unseen: Folders that are named after no class, with how many images lie in each.
        unreadable: Images that could not be read, with the reason.
        learned: Images that the network learned from, as equal files; they say nothing of new ones.
    """

    keys: tuple[str, ...]
    probabilities: NDArray[np.float32]
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    unseen: Mapping[str, int]
    unreadable: tuple[tuple[str, Sentence], ...]
    learned: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class of each image, ``N``."""
        found: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return found

    @property
    def confidence(self) -> NDArray[np.float32]:
        """The probability of that class, ``N``."""
        found: NDArray[np.float32] = self.probabilities.max(axis=1)
        return found

    def least_sure(self) -> list[int]:
        """Returns all rows, the least sure first."""
        return [int(row) for row in np.argsort(self.confidence, kind="stable")]

    def scores(self, limit: float = 0.0) -> Scores | None:
        """Returns the figures over the new images whose class is known and of which the network is sure enough.

        Args:
            limit: Probability below which the network abstains.

        Returns:
            ``None`` where there is no such image.
        """
        new = np.asarray([key not in self.learned for key in self.keys], dtype=bool)
        rows = np.flatnonzero((self.labels >= 0) & new & (self.confidence >= limit))
        return score(self.labels[rows], self.probabilities[rows], self.classes) if len(rows) else None

    def top(self, row: int, count: int) -> list[tuple[str, float]]:
        """Returns the most probable classes of an image with their probabilities."""
        order = self.probabilities[row].argsort(kind="stable")[::-1][:count]
        return [(self.classes[place], float(self.probabilities[row, place])) for place in order]


def answer(
    network: Network,
    dataset: Dataset,
    *,
    learned: frozenset[str] = frozenset(),
    device: torch.device | None = None,
    progress: Progress | None = None,
) -> Answers:
    """Asks a network about images, some at a time, so that any number fits.

    Args:
        network: In eval mode.
        dataset: The images, from :mod:`core.workflows.new_images.listing`.
        learned: Keys of those that it learned from, see :func:`core.workflows.images.learned_from`.
        device: Where to compute; by default on the CPU.
        progress: Called with images done and all; what it raises ends the work.

    Returns:
        The answers. An image that cannot be read costs the others nothing.
    """
    keys: list[str] = []
    rows: list[NDArray[np.float32]] = []
    unreadable: list[tuple[str, Sentence]] = []
    limit = settings.pixel_cache_limit()
    for start in range(0, len(dataset), TOGETHER):
        part = dataset.subset(range(start, min(start + TOGETHER, len(dataset))))
        with PixelStore(part, network.preprocessing, canvas=False, max_bytes=limit) as store:
            bad = {image.key: _sentence(image.reason, image.error) for image in store.fill()}
            good = [place for place, item in enumerate(part.items) if item.key not in bad]
            with network.lock:
                rows.append(predict_store(network, store, good, device or torch.device("cpu")))
        keys += [part.items[place].key for place in good]
        unreadable += bad.items()
        if progress is not None:
            progress(start + len(part), len(dataset))
    labels, unseen = truth(keys, network.classes)
    return Answers(
        tuple(keys),
        np.concatenate(rows) if rows else np.zeros((0, len(network.classes)), np.float32),
        network.classes,
        np.asarray(labels, dtype=np.int64),
        unseen,
        tuple(unreadable),
        learned & frozenset(keys),
    )


def _sentence(reason: str, error: InputError | None) -> Sentence:
    return Sentence("{reason}", {"reason": reason}) if error is None else Sentence(error.template, error.values)


def keep(folder: Path, found: Answers) -> None:
    """Writes answers into a folder, the probabilities first."""
    buffer = io.BytesIO()
    np.savez(buffer, probabilities=found.probabilities, labels=found.labels)
    write_atomic(folder / ARRAYS, buffer.getvalue())
    record: dict[str, Any] = {
        "keys": found.keys,
        "classes": found.classes,
        "unseen": dict(found.unseen),
        "learned": sorted(found.learned),
        "unreadable": [
            (key, sentence.template, {name: str(value) for name, value in sentence.values.items()})
            for key, sentence in found.unreadable
        ],
    }
    write_json(folder / RECORD, record)


def kept(folder: Path) -> Answers | None:
    """Reads what :func:`keep` wrote; ``None`` where it is not there or damaged."""
    record = read_json(folder / RECORD)
    try:
        with np.load(folder / ARRAYS) as file:
            probabilities, labels = file["probabilities"], file["labels"]
        found = Answers(
            _names(record["keys"]),
            probabilities,
            _names(record["classes"]),
            labels,
            record["unseen"],
            tuple((str(key), Sentence(str(text), dict(values))) for key, text, values in record["unreadable"]),
            frozenset(map(str, record["learned"])),
        )
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        return None
    return found if probabilities.shape == (len(found.keys), len(found.classes)) else None


def _names(values: Sequence[object]) -> tuple[str, ...]:
    return tuple(map(str, values))
