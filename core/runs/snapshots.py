"""What a run's pinned images looked like after some of its epochs, as small files in ``snapshots/``.

``pinned.json`` names the images, the layers and the channels; ``pinned.npz`` holds the images as the network sees them
and the first layer's kernels before training; ``epoch-000012.npz`` holds one epoch.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.runs.files import read_json, write_atomic, write_json

SNAPSHOT_FOLDER = "snapshots"
MAX_SNAPSHOTS = 200
"""Snapshots that a run keeps at most."""


@dataclass(frozen=True, slots=True)
class PinnedImage:
    """An image that is looked at after every epoch.

    Attributes:
        key: Its name in the data set.
        label: Its class.
        split: ``val``, or ``train`` where there are no others.
    """

    key: str
    label: str
    split: str


@dataclass(frozen=True, slots=True)
class PinnedLayer:
    """A layer whose maps are kept.

    Attributes:
        name: Its name in the network.
        stage: The stage it belongs to.
        channels: Which of its channels.
    """

    name: str
    stage: str
    channels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pinned:
    """What is looked at in a run.

    Attributes:
        images: The images.
        layers: The layers.
        cam_layer: The layer that the heatmaps weigh; empty if there are none.
        kernel_layer: The convolution whose kernels are kept; empty if there is none.
    """

    images: tuple[PinnedImage, ...]
    layers: tuple[PinnedLayer, ...]
    cam_layer: str
    kernel_layer: str


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One snapshot.

    Attributes:
        epoch: After which epoch, from 1.
        probabilities: Images x classes, float32.
        heat: Grad-CAM for each image's own class, images x height x width on the layer's own grid, uint8 from nothing
            to the image's strongest place; ``None`` where the network gives none.
        peaks: Grad-CAM's own figure at these strongest places; 0 where nothing speaks for the class.
        maps: For each layer: images x channels x height x width, uint8 from ``ranges``' first to its second value.
        ranges: For each layer its smallest and largest value in these maps.
        kernels: Outputs x inputs x height x width, float16; ``None`` while they are those before training.
    """

    epoch: int
    probabilities: NDArray[np.float32]
    heat: NDArray[np.uint8] | None
    peaks: NDArray[np.float32]
    maps: tuple[NDArray[np.uint8], ...]
    ranges: tuple[tuple[float, float], ...]
    kernels: NDArray[np.float16] | None


def request_pins(run_path: Path, keys: Sequence[str]) -> None:
    """Requests images by their keys, before the run begins."""
    folder = run_path / SNAPSHOT_FOLDER
    folder.mkdir(exist_ok=True)
    write_json(folder / "wished.json", {"keys": list(keys)})


def requested_keys(run_path: Path) -> tuple[str, ...]:
    """Returns the keys of the images that were requested."""
    keys = read_json(run_path / SNAPSHOT_FOLDER / "wished.json").get("keys", ())
    return tuple(str(key) for key in keys) if isinstance(keys, list) else ()


def pin(run_path: Path, pinned: Pinned, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Writes what is looked at.

    Args:
        run_path: The run's folder.
        pinned: Names.
        arrays: ``images``, uint8, images x height x width x 3; ``kernels``, float16, where there are any.

    Raises:
        OSError: The folder cannot be written.
    """
    folder = run_path / SNAPSHOT_FOLDER
    folder.mkdir(exist_ok=True)
    write_atomic(folder / "pinned.npz", _packed(arrays))
    record = {
        "images": [{"key": i.key, "label": i.label, "split": i.split} for i in pinned.images],
        "layers": [{"name": r.name, "stage": r.stage, "channels": list(r.channels)} for r in pinned.layers],
        "cam_layer": pinned.cam_layer,
        "kernel_layer": pinned.kernel_layer,
    }
    write_json(folder / "pinned.json", record)


def pinned_of(run_path: Path) -> Pinned | None:
    """Returns what is looked at in a run; ``None`` if nothing is (yet)."""
    record = read_json(run_path / SNAPSHOT_FOLDER / "pinned.json")
    try:
        return Pinned(
            tuple(PinnedImage(i["key"], i["label"], i["split"]) for i in record["images"]),
            tuple(PinnedLayer(r["name"], r["stage"], tuple(r["channels"])) for r in record["layers"]),
            record["cam_layer"],
            record["kernel_layer"],
        )
    except (KeyError, TypeError):
        return None


def pinned_arrays(run_path: Path) -> dict[str, NDArray[Any]]:
    """Returns ``images`` and, where there are any, the ``kernels`` before training.

    Raises:
        InputError: They cannot be read.
    """
    return _unpacked(run_path / SNAPSHOT_FOLDER / "pinned.npz")


def write(run_path: Path, snapshot: Snapshot) -> None:
    """Writes a snapshot.

    Raises:
        OSError: The folder cannot be written.
    """
    arrays: dict[str, NDArray[Any]] = {"probabilities": snapshot.probabilities, "peaks": snapshot.peaks}
    if snapshot.heat is not None:
        arrays["heat"] = snapshot.heat
    if snapshot.kernels is not None:
        arrays["kernels"] = snapshot.kernels
    for index, (maps, limits) in enumerate(zip(snapshot.maps, snapshot.ranges, strict=True)):
        arrays[f"maps{index}"], arrays[f"range{index}"] = maps, np.array(limits, np.float32)
    write_atomic(_file(run_path, snapshot.epoch), _packed(arrays))


def read(run_path: Path, epoch: int) -> Snapshot:
    """Returns a snapshot.

    Raises:
        InputError: There is none of this epoch, or it cannot be read.
    """
    found = _unpacked(_file(run_path, epoch))
    layers = range(sum(name.startswith("maps") for name in found))
    try:
        return Snapshot(
            epoch,
            found["probabilities"],
            found.get("heat"),
            found["peaks"],
            tuple(found[f"maps{index}"] for index in layers),
            tuple((float(low), float(high)) for low, high in (found[f"range{index}"] for index in layers)),
            found.get("kernels"),
        )
    except KeyError as error:
        raise _damaged(epoch) from error


def epochs(run_path: Path) -> list[int]:
    """Returns the epochs of which there are snapshots, in order."""
    try:
        names = [path.name for path in (run_path / SNAPSHOT_FOLDER).iterdir()]
    except OSError:
        return []
    return sorted(int(match[1]) for name in names if (match := re.fullmatch(r"epoch-(\d+)\.npz", name)))


def drop(run_path: Path, doomed: Collection[int]) -> None:
    """Removes snapshots."""
    for epoch in doomed:
        _file(run_path, epoch).unlink(missing_ok=True)


def clear(run_path: Path) -> None:
    """Removes all snapshots and what is pinned, but not the request for it."""
    drop(run_path, epochs(run_path))
    for name in ("pinned.json", "pinned.npz"):
        (run_path / SNAPSHOT_FOLDER / name).unlink(missing_ok=True)


def surplus(there: Sequence[int], keep: Collection[int], most: int = MAX_SNAPSHOTS) -> list[int]:
    """Returns which of some epochs to give up so that at most ``most`` are left, as evenly spread as can be.

    Args:
        there: The epochs, in order.
        keep: Those that stay whatever happens; so do the first and the last.
        most: How many may stay, at least 2.
    """
    left, gone = list(there), []
    while len(left) > most:
        inner = [index for index in range(1, len(left) - 1) if left[index] not in keep]
        if not inner:
            break
        gone.append(left.pop(min(inner, key=lambda index: left[index + 1] - left[index - 1])))
    return gone


def _file(run_path: Path, epoch: int) -> Path:
    return run_path / SNAPSHOT_FOLDER / f"epoch-{epoch:06d}.npz"


def _packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **dict(arrays))
    return stream.getvalue()


def _unpacked(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(path.stem) from error


def _damaged(what: int | str) -> InputError:
    return InputError("The snapshot {name} is not there any more, or cannot be read.", name=what)
