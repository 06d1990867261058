"""A network's channels over a user's own images: collected in one pass, cached on disk, read again at once."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core import settings
from core.data.dataset import Dataset, Item, shuffle_key
from core.data.pixel_store import PixelStore
from core.disk_cache import DiskCache, name_of
from core.errors import InputError
from core.interpret.features import depth_profile
from core.interpret.features.activation_stats import Answers, survey
from core.messages import Progress, StagedProgress
from core.models.network import Network

ANSWERS = DiskCache("channels", ".npz", max_bytes=500_000_000)
"""Answers of layers to some images."""
DEPTHS = DiskCache("channels", ".json", max_bytes=50_000_000)
"""Figures of all layers of a network over some images."""
IMAGES = 200
"""Images that are looked at unless more are asked for."""
BUDGET = 20.0
"""Seconds after which no further images are read or run; those done until then count."""
READ_BATCH = 16
"""Images that are read at a time."""


class Fingerprints(NamedTuple):
    """Fingerprints that cached answers are found by.

    Attributes:
        weights: Of the network, as :func:`weights_key` makes it.
        images: Of the images, as :func:`images_key` makes it.
    """

    weights: str
    images: str


@dataclass(frozen=True, slots=True, eq=False)
class LayerAnswers:
    """One layer's answers to some of a user's images.

    Attributes:
        answers: The answers, an image a row.
        keys: The images' keys in the data set.
        labels: Their classes, N int64.
        classes: The classes' names.
        asked: How many images there were to look at; more than there are answers if time ran out.
    """

    answers: Answers
    keys: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    asked: int


@dataclass(frozen=True, slots=True)
class DepthProfile:
    """How a network's answers change with depth over some images.

    Attributes:
        rows: Its layers in order; those that stand for their part, and activations inside of blocks.
        images: How many images were looked at.
        asked: How many there were to look at.
        classes: Number of classes among them.
    """

    rows: tuple[depth_profile.LayerDepth, ...]
    images: int
    asked: int
    classes: int


def chosen(dataset: Dataset, split: str = "", limit: int = IMAGES, *, seed: int = 0) -> Dataset:
    """Returns some images of a split, class by class in turn, always the same ones.

    Args:
        dataset: The images.
        split: Which split; ``""`` for all images.
        limit: How many at most.
        seed: Seed of the draw.

    Raises:
        InputError: The split has no images.
    """
    by_class: dict[int, list[int]] = {}
    for index, item in enumerate(dataset.items):
        if not split or item.split == split:
            by_class.setdefault(item.label, []).append(index)
    if not by_class:
        raise InputError("{source} has no images in the split {split}.", source=dataset.title, split=split or "all")
    for places in by_class.values():
        places.sort(key=lambda index: shuffle_key(seed, dataset.items[index].key))
    rounds = range(max(map(len, by_class.values())))
    order = [places[turn] for turn in rounds for _, places in sorted(by_class.items()) if turn < len(places)]
    return dataset.subset(order[:limit])


def collect_answers(
    network: Network,
    images: Dataset,
    layer: str,
    *,
    budget: float | None = BUDGET,
    progress: StagedProgress | None = None,
    fingerprints: Fingerprints | None = None,
) -> LayerAnswers:
    """Collects all channels' answers to some images in one pass; from disk where that was done.

    Args:
        network: The network.
        images: The images, as :func:`chosen` gives them.
        layer: Name of a layer that gives maps.
        budget: Seconds after which no further images are begun; ``None`` for no limit. Answers of fewer images than
            were asked for are not cached: another call may have more time.
        progress: Called with ``reading`` or ``looking``, images done and images altogether; what it raises ends the
            work with nothing left behind.
        fingerprints: Fingerprints of network and images, where they are known already.

    Raises:
        InputError: The layer gives no maps, or no image can be read.
    """
    name = _name("layer", fingerprints or fingerprints_of(network, images), layer)
    cached = ANSWERS.read(name, _load_answers)
    if cached is not None:
        return LayerAnswers(
            _answers(layer, cached),
            tuple(cached["keys"].tolist()),
            cached["labels"],
            images.classes,
            int(cached["asked"]),
        )
    found, seen, asked = _look(network, images, (layer,), cells=0, budget=budget, progress=progress)
    answers = found[layer]
    collected = LayerAnswers(
        answers,
        tuple(item.key for item in seen),
        np.array([item.label for item in seen], np.int64),
        images.classes,
        asked,
    )
    if len(seen) == asked:
        ANSWERS.write({name: _packed(collected)})
    return collected


def known(fingerprints: Fingerprints, layer: str) -> bool:
    """Whether :func:`collect_answers` finds these answers on disk."""
    return ANSWERS.path(_name("layer", fingerprints, layer)).is_file()


def measure_depth(
    network: Network,
    images: Dataset,
    *,
    budget: float | None = BUDGET,
    progress: StagedProgress | None = None,
    fingerprints: Fingerprints | None = None,
) -> DepthProfile:
    """Measures how a network's answers change with depth; from disk where that was done.

    Arguments as :func:`collect_answers`.

    Raises:
        InputError: The network has no layers with maps, or no image can be read.
    """
    anatomy = network.anatomy
    compared = depth_profile.depth_layers(anatomy)
    names = _depth_layers(network)
    if not compared:
        raise InputError("No layer of this network keeps the picture's layout, so there is no depth to look into.")
    name = _name("depth profile", fingerprints or fingerprints_of(network, images), *names)
    cached = DEPTHS.read(name, _load_depth)
    if cached is not None:
        return cached
    found, seen, asked = _look(network, images, names, cells=depth_profile.CELLS, budget=budget, progress=progress)
    labels = np.array([item.label for item in seen], np.int64)
    measured = []
    for done, layer in enumerate(name for name in anatomy.layers_by_name if name in names):
        if progress is not None:
            progress("measuring", done, len(names))
        answers, shown = found.pop(layer), layer in compared
        measured.append(depth_profile.measure(anatomy, answers, labels, classes=len(images.classes), compared=shown))
    made = DepthProfile(tuple(measured), len(seen), asked, len(set(labels.tolist())))
    if len(seen) == asked:
        DEPTHS.write({name: json.dumps(dataclasses.asdict(made)).encode()})
    return made


def depth_known(network: Network, fingerprints: Fingerprints) -> bool:
    """Whether :func:`measure_depth` finds its figures on disk."""
    return DEPTHS.path(_name("depth profile", fingerprints, *_depth_layers(network))).is_file()


def _depth_layers(network: Network) -> tuple[str, ...]:
    anatomy = network.anatomy
    return tuple(dict.fromkeys((*depth_profile.depth_layers(anatomy), *depth_profile.activation_layers(anatomy))))


def fingerprints_of(network: Network, images: Dataset) -> Fingerprints:
    """Returns the fingerprints of a network's weights and of some images."""
    return Fingerprints(weights_key(network), images_key(images))


def weights_key(network: Network) -> str:
    """Returns a fingerprint of a network's weights and of what it does to an image first."""
    found = hashlib.blake2b(repr((network.name, network.preprocessing)).encode(), digest_size=16)
    with network.lock:
        for name, tensor in network.model.state_dict().items():
            found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            found.update(memoryview(flat.numpy()).cast("B") if flat.numel() else b"")
    return found.hexdigest()


def images_key(images: Dataset) -> str:
    """Returns a fingerprint of some images: their keys, labels, and the size and time of their files."""
    found = hashlib.blake2b(repr((images.name, images.classes)).encode("utf-8", "surrogatepass"), digest_size=16)
    for index, item in enumerate(images.items):
        stamp: tuple[int, int] | None = None
        path = images.path(index)
        if path is not None:
            try:
                stat = path.stat()
                stamp = (stat.st_size, stat.st_mtime_ns)
            except OSError:
                stamp = (-1, -1)
        found.update(repr((item.key, item.label, stamp)).encode("utf-8", "surrogatepass"))
    return found.hexdigest()


# --- the pass --------------------------------------------------------------------------------------------------------


def _look(
    network: Network,
    images: Dataset,
    layers: Sequence[str],
    *,
    cells: int,
    budget: float | None,
    progress: StagedProgress | None,
) -> tuple[dict[str, Answers], tuple[Item, ...], int]:
    """Returns each layer's answers, the images they are of, and how many there were to look at."""
    report = progress or (lambda _doing, _done, _total: None)
    begin = time.monotonic()
    with PixelStore(images, network.preprocessing, canvas=False, max_bytes=settings.pixel_cache_limit()) as store:
        positions, asked = read_ahead(store, budget=budget, progress=partial(report, "reading"))
        left = None if budget is None else budget - (time.monotonic() - begin)
        found = survey(network, store, positions, layers, cells=cells, budget=left, progress=partial(report, "looking"))
    count = len(next(iter(found.values())))
    return found, tuple(images.items[place] for place in positions[:count]), asked


def read_ahead(store: PixelStore, *, budget: float | None, progress: Progress) -> tuple[list[int], int]:
    """Reads a store's images, and finds out which can be read; half of the time there is may go into that.

    Args:
        store: The images.
        budget: Seconds that reading and all that follows may take; ``None`` for no limit.
        progress: Called with images read and images altogether.

    Returns:
        Places of those that were read, and how many can be read as far as it is known.

    Raises:
        InputError: None can be read.
    """
    begin, total = time.monotonic(), len(store)
    places: list[int] = []
    gone = 0
    for start in range(0, total, READ_BATCH):
        part = range(start, min(start + READ_BATCH, total))
        bad = {entry.key for entry in store.fill(part)}
        places += [place for place in part if store.dataset.items[place].key not in bad]
        gone += len(bad)
        progress(part.stop, total)
        if places and budget is not None and time.monotonic() - begin > budget / 2:
            break
    if not places:
        raise InputError("None of the images of {source} can be read.", source=store.dataset.title)
    return places, total - gone


# --- on disk ---------------------------------------------------------------------------------------------------------


def _name(kind: str, fingerprints: Fingerprints, *layers: str) -> str:
    return name_of(repr((1, kind, *fingerprints, layers)))


_ARRAYS = ("means", "squares", "maxima", "places", "off", "zeros", "hoyer", "broken")


def _packed(collected: LayerAnswers) -> bytes:
    answers = collected.answers
    stream = io.BytesIO()
    np.savez(
        stream,
        keys=np.array(collected.keys, dtype=str),
        labels=collected.labels,
        asked=np.int64(collected.asked),
        grid=np.array(answers.grid),
        **{name: getattr(answers, name) for name in _ARRAYS},
    )
    return stream.getvalue()


def _answers(layer: str, cached: dict[str, Any]) -> Answers:
    count, channels = cached["means"].shape
    nothing = np.zeros((count, 0, channels), np.float32)
    grid = (int(cached["grid"][0]), int(cached["grid"][1]))
    arrays = {name: cached[name] for name in _ARRAYS}
    return Answers(layer, grid, **arrays, cells=nothing, colours=np.zeros((count, 0, 3), np.float32))


def _load_answers(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in (*_ARRAYS, "keys", "labels", "asked", "grid")}


def _load_depth(path: Path) -> DepthProfile:
    record = json.loads(path.read_text(encoding="utf-8"))
    rows = tuple(depth_profile.LayerDepth(**{**row, "grid": tuple(row["grid"])}) for row in record.pop("rows"))
    return DepthProfile(rows, **record)
