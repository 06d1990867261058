"""The classification sets that torchvision knows: fetched, checked by torchvision's own checksums, and imported."""

from __future__ import annotations

import inspect
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core import settings, uploads
from core.data.folders.archive import hidden_folder
from core.data.importing.collected import Collected
from core.data.sources import open_dataset
from core.errors import InputError
from core.messages import StagedProgress

WAIT_SECONDS = 10
"""A server that says nothing for so long is given up."""
_OTHER = frozenset(
    (
        *("MovingMNIST", "PhotoTour", "SBU", "VOCSegmentation", "VOCDetection", "CelebA", "WIDERFace", "SBDataset"),
        *("Kinetics", "Kitti", "LFWPairs", "Middlebury2014Stereo", "INaturalist", "StanfordCars", "HMDB51", "UCF101"),
    )
)
"""Sets whose pictures have no single class, or films, or that torchvision no longer fetches by itself."""
_SPLITS = {"train": "train", "trainval": "train", "val": "val", "valid": "val", "test": "test"}
_SETTINGS: dict[str, dict[str, object]] = {"EMNIST": {"split": "letters"}, "Imagenette": {"size": "320px"}}
_CHUNK = 1 << 18


@lru_cache(maxsize=1)
def known_sets() -> tuple[str, ...]:
    """Returns the names of the sets that can be fetched, as torchvision calls them."""
    from torchvision import datasets

    return tuple(sorted(name for name in datasets.__all__ if name not in _OTHER and _fetched(getattr(datasets, name))))


def _fetched(kind: object) -> bool:
    return isinstance(kind, type) and "download" in _parameters(kind)


def _parameters(kind: type) -> set[str]:
    """Returns what a set can be asked for, whichever of its classes takes it."""
    makers = (vars(base).get("__init__") for base in kind.__mro__)
    return {name for made in makers if inspect.isfunction(made) for name in inspect.signature(made).parameters}


def fetch_set(name: str, called: str, *, progress: StagedProgress = lambda *_: None) -> Path:
    """Fetches a set and makes a data source of it.

    Args:
        name: One of :func:`known_sets`.
        called: What the source is called.
        progress: Called with ``fetching`` and bytes, then with ``taking in`` and images; 0 of all where that is not
            known. What it raises ends the work, and nothing is left behind.

    Returns:
        The source's folder among the uploads.

    Raises:
        InputError: There is no such set, no network or no room; the files are not what torchvision's checksums say;
            or the name is taken.
    """
    if name not in known_sets():
        raise InputError(
            "torchvision has no classification set {name} to fetch. It has: {known}.",
            name=name,
            known=", ".join(known_sets()),
        )
    target = Collected(called, name)  # a name that cannot be used is refused before anything is fetched
    folder = hidden_folder(target.root)
    try:
        with _fetching(name, folder, progress):
            parts = _parts(name, folder)
        with Collected(called, name, progress=lambda done, total: progress("taking in", done, total)) as target:
            target.expected = sum(len(part) for part, _ in parts)
            several = len({split for _, split in parts}) > 1
            for part, split in parts:
                _collect(part, split if several else "", target)
        open_dataset(str(target.path))
        return target.path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _parts(name: str, folder: Path) -> list[tuple[Any, str]]:
    """Returns torchvision's data sets of all splits that there are, with our name of the split."""
    from torchvision import datasets

    kind = getattr(datasets, name)
    names = _parameters(kind)
    fixed = _SETTINGS.get(name, {})
    if "train" in names:
        return [
            (kind(folder, train=learned, download=True, **fixed), "train" if learned else "test")
            for learned in (True, False)
        ]
    word = next((key for key in ("image_set", "split") if key in names and key not in fixed), None)
    if word is None:
        return [(kind(folder, download=True, **fixed), "")]
    found: list[tuple[Any, str]] = []
    for value, split in _SPLITS.items():
        if value == "trainval" and found:
            continue
        try:
            found.append((kind(folder, download=True, **{word: value}, **fixed), split))
        except ValueError:  # it has no such split
            continue
    return found


@contextmanager
def _fetching(name: str, folder: Path, progress: StagedProgress) -> Iterator[None]:
    """Has torchvision fetch with our progress, our limit and a time-out, and turns what it raises into a sentence."""
    from torchvision.datasets import utils

    usual, waited = utils._urlretrieve, socket.getdefaulttimeout()
    room = min(settings.upload_quota() - uploads.usage(), shutil.disk_usage(folder).free)
    utils._urlretrieve = _retriever(name, room, progress)
    socket.setdefaulttimeout(WAIT_SECONDS)
    try:
        yield
    except InputError:
        raise
    except ImportError as error:
        raise InputError(
            "torchvision needs the package {package} for {name}, which is not installed here. Install it, or take "
            "another set.",
            package=error.name or str(error)[:60],
            name=name,
        ) from error
    except (OSError, RuntimeError, EOFError) as error:
        if isinstance(error, RuntimeError) and "corrupted" in str(error).lower():
            raise InputError(
                "What was fetched of {name} is not what its checksum says: cut short or exchanged. Fetch it again.",
                name=name,
            ) from error
        reason = getattr(error, "reason", None) or str(error).strip().split("\n")[-1] or type(error).__name__
        raise InputError(
            "{name} cannot be fetched: there is no network here, or its server does not answer ({reason}). Take a "
            "built-in set, or bring the files and import them.",
            name=name,
            reason=str(reason)[:120],
        ) from error
    finally:
        utils._urlretrieve = usual
        socket.setdefaulttimeout(waited)


def _retriever(name: str, room: int, progress: StagedProgress) -> Callable[..., None]:
    written = 0

    def retrieve(url: str, filename: str | Path, chunk_size: int = _CHUNK) -> None:  # noqa: ARG001 - torchvision's own
        nonlocal written
        request = urllib.request.Request(url, headers={"User-Agent": "pytorch/vision"})
        with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as answer, Path(filename).open("wb") as file:
            length, done = int(answer.headers.get("Content-Length") or 0), 0
            progress("fetching", 0, length)
            while chunk := answer.read(_CHUNK):
                done, written = done + len(chunk), written + len(chunk)
                if max(written, written - done + length) > room:
                    raise InputError(
                        "There is no room for {name}: all uploads together may take {quota} MB. Delete an older one "
                        "first.",
                        name=name,
                        quota=round(settings.upload_quota() / 1e6),
                    )
                file.write(chunk)
                progress("fetching", done, length)

    return retrieve


def _collect(part: Any, split: str, target: Collected) -> None:  # noqa: ANN401 - torchvision's sets share no type
    classes = [name[0] if isinstance(name, tuple) else str(name) for name in getattr(part, "classes", ())]
    files = _files(part)
    for place in range(len(part)):
        image, label = part[place]
        title = classes[int(label)] if 0 <= int(label) < len(classes) else str(int(label))
        if files is not None:
            target.add_file(files[place], title, split)
        else:
            picture = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
            gray = picture.mode in ("L", "1")
            target.add_pixels(np.asarray(picture.convert("L" if gray else "RGB")), title, f"{place:06d}", split)


def _files(part: Any) -> Sequence[Path] | None:  # noqa: ANN401 - as above
    """Returns the pictures' files where torchvision keeps them one by one, so that they are not encoded anew."""
    for name in ("_image_files", "_images", "samples", "_samples"):
        found = getattr(part, name, None)
        if isinstance(found, list) and len(found) == len(part):
            paths = [Path(row[0] if isinstance(row, tuple) else row) for row in found[: len(part)]]
            if all(path.is_file() for path in paths[:1]):
                return paths
    return None
