"""Predictions: computed over many images, written to and read from a run's folder."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from core.data.images import normalise, to_tensor
from core.data.pixel_store import PixelStore, centre, iterate
from core.data.sources import Item
from core.errors import InputError
from core.models.network import Network
from core.runs.files import write_atomic

BATCH_SIZE = 32


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a run answered on the images it did not learn from.

    Attributes:
        keys: The images.
        splits: Their splits, ``val`` or ``test``.
        labels: Their true classes, ``N``.
        probabilities: ``N x K`` float32.
        classes: The ``K`` names.
    """

    keys: tuple[str, ...]
    splits: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    classes: tuple[str, ...]

    def only(self, split: str) -> Predictions:
        """Returns the part of one split."""
        chosen = [index for index, name in enumerate(self.splits) if name == split]
        return Predictions(
            tuple(self.keys[i] for i in chosen),
            tuple(self.splits[i] for i in chosen),
            self.labels[chosen],
            self.probabilities[chosen],
            self.classes,
        )

    def mistakes(self) -> list[int]:
        """Returns the rows that are wrong, the most confident mistakes first."""
        predicted = self.probabilities.argmax(axis=1)
        wrong = np.flatnonzero(predicted != self.labels)
        return [int(row) for row in wrong[np.argsort(-self.probabilities[wrong, predicted[wrong]], kind="stable")]]


@torch.no_grad()
def predict_images(network: Network, images: Sequence[Image.Image]) -> np.ndarray:
    """Returns class probabilities ``N x K`` (float32) of pictures, preprocessed as the network's weights ask for."""
    rows = []
    with network.lock:
        device = next(network.model.parameters()).device
        network.model.eval()
        for image in images:
            logits = network.model(to_tensor(image, network.preprocessing).to(device))
            rows.append(logits.float().softmax(1).cpu().numpy())
    return np.concatenate(rows) if rows else np.zeros((0, len(network.classes)), np.float32)


@torch.no_grad()
def predict_store(network: Network, store: PixelStore, positions: Sequence[int], device: torch.device) -> np.ndarray:
    """Returns class probabilities ``N x K`` (float32) of stored images.

    Args:
        network: Moved to ``device``.
        store: Decoded images; canvases are cut to the network's input size.
        positions: Which images, in which order.
        device: Where to compute.
    """
    model = network.model.to(device).to(memory_format=torch.channels_last).eval()
    rows = []
    for images, _, _ in iterate(store, torch.as_tensor(positions, dtype=torch.long).split(BATCH_SIZE)):
        pixels = centre(images, network.preprocessing) if store.canvas else images
        inputs = normalise(pixels.to(device), network.preprocessing).contiguous(memory_format=torch.channels_last)
        rows.append(model(inputs).float().softmax(1).cpu().numpy())
    return np.concatenate(rows) if rows else np.zeros((0, len(network.classes)), np.float32)


def write_predictions(path: Path, items: Sequence[Item], probabilities: np.ndarray, classes: Sequence[str]) -> None:
    """Writes predictions as Parquet: ``key, split, label, predicted, probability`` and ``p_0 ... p_K-1``.

    Raises:
        OSError: The file cannot be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    predicted = probabilities.argmax(axis=1)
    table = pa.table(
        {
            "key": [item.key for item in items],
            "split": [item.split for item in items],
            "label": [classes[item.label] for item in items],
            "predicted": [classes[index] for index in predicted],
            "probability": probabilities.max(axis=1),
            **{f"p_{index}": probabilities[:, index] for index in range(len(classes))},
        }
    )
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    write_atomic(path, buffer.getvalue())


def read_predictions(path: Path, classes: Sequence[str]) -> Predictions | None:
    """Reads what :func:`write_predictions` wrote; ``None`` where the file is not there.

    Args:
        path: The run's ``predictions.parquet``.
        classes: Names in the order of the logits.

    Raises:
        InputError: The file is damaged, or is not of these classes.
    """
    from pyarrow import ArrowException, parquet

    if not path.is_file():
        return None
    place = {name: index for index, name in enumerate(classes)}
    try:
        table = parquet.read_table(path)
        columns = [table[f"p_{index}"].to_numpy().astype(np.float32) for index in range(len(classes))]
        return Predictions(
            keys=tuple(table["key"].to_pylist()),
            splits=tuple(table["split"].to_pylist()),
            labels=np.asarray([place[name] for name in table["label"].to_pylist()], dtype=np.int64),
            probabilities=np.stack(columns, axis=1),
            classes=tuple(classes),
        )
    except (OSError, KeyError, ValueError, TypeError, ArrowException) as error:
        raise InputError(
            "The answers that {run} left behind cannot be read: {file} is damaged, or of other classes. Judge its "
            "weights again.",
            run=path.parent.name,
            file=path.name,
        ) from error


class Answer(NamedTuple):
    """What a run answered to one image: the class it named, how probable it found it, and whether it was right."""

    said: str
    probability: float
    right: bool


def read_answers(path: Path) -> dict[str, Answer]:
    """Reads the answers alone of what :func:`write_predictions` wrote, by the images' keys.

    Args:
        path: The run's ``predictions.parquet``; no answers where it is not there or damaged.
    """
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.read_table(path, columns=["key", "label", "predicted", "probability"]).to_pydict()
        columns = (table["key"], table["label"], table["predicted"], table["probability"])
    except (OSError, KeyError, ArrowException):
        return {}
    return {
        key: Answer(said, float(probability), said == true)
        for key, true, said, probability in zip(*columns, strict=True)
    }
