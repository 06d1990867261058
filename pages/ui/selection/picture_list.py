"""The pictures of some data that can be picked: found by name, class and split, and put in an order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.data.encoding import png, webp
from core.errors import InputError
from core.specs import SPLITS
from pages.ui.session import caches, choices
from pages.ui.text.i18n import N_

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

    from core.data.dataset import Dataset
    from core.evaluation.predictions import Answer
    from core.runs.store import Run

ORDERS = {
    "turns": N_("Classes in turn"),
    "name": N_("By name"),
    "wrong": N_("Wrong ones, the surest first"),
    "unsure": N_("Least sure first"),
}
OF_ANSWERS = ("wrong", "unsure")
"""Orders that need a run's predictions."""
THUMBNAIL_PX = 120
SHARP_PX = 40
"""Longest side of pictures that are enlarged pixel by pixel."""
_SHELF, _THUMBNAILS = "picture-thumbnails", 4000


@dataclass(frozen=True, slots=True)
class Filter:
    """Which pictures are wanted, and in which order.

    Attributes:
        text: Part of a file's or a class's name, in any case; empty for all.
        label: Class; ``None`` for all.
        split: Split; empty for all.
        order: A key of :data:`ORDERS`.
    """

    text: str = ""
    label: int | None = None
    split: str = ""
    order: str = "turns"


@dataclass(frozen=True, slots=True)
class Pictures:
    """Some data whose pictures can be picked.

    Attributes:
        dataset: The images, divided.
        run: The run that they belong to, if any.
        key: What caches of things made from the list are keyed on.
    """

    dataset: Dataset
    run: Run | None
    key: tuple[object, ...]

    @property
    def places(self) -> dict[str, int]:
        """Position of each image by its key."""

        def made() -> dict[str, int]:
            return {item.key: place for place, item in enumerate(self.dataset.items)}

        return caches.remember("picture-places", self.key, made, entries=4)

    @property
    def splits(self) -> list[str]:
        """The splits that hold images."""
        items = self.dataset.items
        there = caches.remember("picture-splits", self.key, lambda: {item.split for item in items}, entries=4)
        return [split for split in SPLITS if split in there]

    @property
    def held_out(self) -> str:
        """The split that a run was judged on: test, else validation; empty where there is no run or division."""
        splits = self.splits if self.run is not None else []
        return next((split for split in ("test", "val") if split in splits), "")

    @property
    def answers(self) -> dict[str, Answer]:
        """What the run answered to its held-out images; none where nothing was recorded."""
        if self.run is None:
            return {}
        from core.evaluation.predictions import read_answers

        path = self.run.path / "predictions.parquet"
        try:
            stamp = path.stat().st_mtime_ns
        except OSError:
            return {}
        return caches.remember("picture-answers", (*self.key, stamp), lambda: read_answers(path), entries=4)

    def listed(self, wanted: Filter) -> tuple[int, ...]:
        """Returns the positions of the images that a filter lets through, in its order."""
        return caches.remember("picture-lists", (*self.key, wanted), lambda: _listed(self, wanted), entries=16)

    def thumbnails(self, positions: Sequence[int]) -> list[bytes | None]:
        """Returns small encoded views; ``None`` for what cannot be read. Each is made once."""
        missing = [p for p in positions if not caches.known(_SHELF, self._file(p), entries=_THUMBNAILS)]
        if len(missing) > 1:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(self._thumbnail, missing))
        return [self._thumbnail(position) for position in positions]

    def _thumbnail(self, position: int) -> bytes | None:
        def made() -> bytes | None:
            try:
                return thumbnail(self.dataset.thumbnail(position, THUMBNAIL_PX))
            except InputError:
                return None

        return caches.remember(_SHELF, self._file(position), made, entries=_THUMBNAILS)

    def _file(self, position: int) -> tuple[str, str]:
        return self.dataset.name, self.dataset.items[position].key


def of_run(run: Run) -> Pictures:
    """Returns the pictures that a run was trained and judged on.

    Raises:
        InputError: They are not there any more, or outside the allowed folders.
    """
    return Pictures(reopened(run), run, ("run", run.id))


def of_data() -> Pictures | None:
    """Returns the pictures of the data that are chosen on the Data page; ``None`` where none are.

    Raises:
        InputError: They are not there any more.
    """
    spec = choices.data()
    if spec is None:
        return None
    dataset = caches.divided(spec)
    return Pictures(dataset, None, ("data", spec, id(dataset)))


def reopened(run: Run) -> Dataset:
    """Returns a run's images as they were divided, opened once; only folders that the pages may read.

    Raises:
        InputError: They are not there any more, or outside the allowed folders.
    """
    from core.workflows.images import reopen

    return caches.remember("reopened", (run.id,), lambda: reopen(run, roots=caches.roots()), entries=4)


def positions(run: Run) -> dict[str, int]:
    """Returns where each of a run's images stands among them, by its key; read once.

    Raises:
        InputError: As for :func:`reopened`.
    """
    items = reopened(run).items
    return caches.remember("positions", (run.id,), lambda: {item.key: at for at, item in enumerate(items)}, entries=4)


def thumbnail(image: PILImage) -> bytes:
    """Encodes a small view of a picture: no larger than :data:`THUMBNAIL_PX`, and PNG up to :data:`SHARP_PX`."""
    if max(image.size) > THUMBNAIL_PX:
        image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    return png(image, repeats=True) if max(image.size) <= SHARP_PX else webp(image, quality=82)


def in_turn(labelled: Iterable[tuple[int, int]]) -> list[int]:
    """Returns positions so that the classes take turns.

    Args:
        labelled: Position and class of each, in order.
    """
    turns: dict[int, int] = {}
    rows = []
    for position, label in labelled:
        turns[label] = turns.get(label, -1) + 1
        rows.append((turns[label], label, position))
    return [position for _turn, _label, position in sorted(rows)]


def _listed(pictures: Pictures, wanted: Filter) -> tuple[int, ...]:
    items, classes = pictures.dataset.items, pictures.dataset.classes
    text = wanted.text.casefold().strip()
    named = {label for label, name in enumerate(classes) if text in name.casefold()}
    found = [
        position
        for position, item in enumerate(items)
        if (not wanted.split or item.split == wanted.split)
        and (wanted.label is None or item.label == wanted.label)
        and (not text or item.label in named or text in item.key.casefold())
    ]
    if wanted.order in OF_ANSWERS:
        answers = pictures.answers
        answered = [position for position in found if items[position].key in answers]
        sure = {position: answers[items[position].key].probability for position in answered}
        if wanted.order == "wrong":
            wrong = [position for position in answered if not answers[items[position].key].right]
            return tuple(sorted(wrong, key=lambda position: -sure[position]))
        return tuple(sorted(answered, key=lambda position: sure[position]))
    if wanted.order == "name":
        return tuple(sorted(found, key=lambda position: items[position].key))
    return tuple(in_turn((position, items[position].label) for position in found))
