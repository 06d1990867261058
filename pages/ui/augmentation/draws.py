"""Draws of an augmentation on a picture, as a training sees them; small enough to send, and made once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.data.encoding import compact
from core.errors import InputError
from core.specs import AugmentSpec
from pages.ui.session import caches, choices
from pages.ui.session.choices import ImageChoice

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.data.dataset import Dataset
    from core.specs import Preprocessing
    from core.workflows.advisor.augmentation_risks import Facts

_TIMED = 6
_TRIED = 5


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is drawn.

    Attributes:
        name: What to call it.
        position: Its place in the data set, on which its numbers depend; 0 for one that is not of the data.
        square: What the pixel store would keep of it.
        prep: Size and normalisation of the chosen network.
        key: What it is kept under.
    """

    name: str
    position: int
    square: Image
    prep: Preprocessing
    key: tuple[object, ...]


def picture(dataset: Dataset) -> Picture | None:
    """Returns the chosen image, else the first training image that can be read; ``None`` where there is none.

    Raises:
        InputError: The network is unknown.
    """
    chosen = choices.image()
    if chosen is not None and chosen.kind != "dataset":
        found = _own(chosen)
        if found is not None:
            return found
    first = list(dataset.positions("train")[:_TRIED])
    if chosen is not None:
        first = [*(place for place, item in enumerate(dataset.items) if item.key == chosen.name), *first]
    for position in first:
        try:
            return _of_data(dataset, position)
        except InputError:  # the Data page lists what cannot be read
            continue
    return None


def _of_data(dataset: Dataset, position: int) -> Picture:
    from core.data.images import canvas

    prep = preprocessing()
    key = (id(dataset), dataset.name, dataset.items[position].key, prep)
    square = caches.remember("augmentation-images", key, lambda: canvas(dataset.load(position), prep), entries=16)
    return Picture(dataset.items[position].key, position, square, prep, key)


def _own(choice: ImageChoice) -> Picture | None:
    from core.data.images import canvas, open_image

    prep = preprocessing()
    key = (choice.sha256, prep)
    try:
        square = caches.remember(
            "augmentation-images", key, lambda: canvas(open_image(choice.data, name=choice.name), prep), entries=16
        )
    except InputError:
        return None
    return Picture(choice.name, 0, square, prep, key)


def preprocessing() -> Preprocessing:
    """Returns how the chosen network takes the chosen images.

    Raises:
        InputError: The network is unknown.
    """
    from core.models.catalog.catalog import prepared

    return prepared(choices.model())


def as_it_is(shown: Picture, side: int) -> bytes:
    """Returns the picture as evaluation sees it, encoded; ``side`` is its largest, in pixels."""
    return draws(shown, AugmentSpec(), 0, range(1), side)[0]


def draws(shown: Picture, spec: AugmentSpec, seed: int, epochs: Sequence[int], side: int) -> list[bytes]:
    """Returns what a training with this seed sees of the picture in some epochs, from 0, encoded."""

    def made() -> list[bytes]:
        from core.data.augment import views

        seen = views(shown.square, spec, shown.prep.crop, seed=seed, position=shown.position, epochs=epochs)
        return [compact(one, side, quick=True) for one in seen]

    key = (*shown.key, shown.position, spec, seed, tuple(epochs), side)
    return caches.remember("augmentation-draws", key, made, entries=64)


def cost(dataset: Dataset, spec: AugmentSpec, name: str) -> float | None:
    """Returns ms an image, measured on the first training images; ``None`` where none can be read.

    Args:
        dataset: The images, divided.
        spec: What is done.
        name: What the figure is kept under: a strength more or less costs the same.
    """

    def measured() -> float | None:
        from core.workflows.advisor.augmentation_cost import milliseconds

        found = []
        for position in dataset.positions("train")[: 2 * _TIMED]:
            try:
                found.append(_of_data(dataset, position).square)
            except InputError:
                continue
        return milliseconds(found[:_TIMED], spec, preprocessing().crop) if found else None

    return caches.remember(
        "augmentation-costs", (id(dataset), dataset.name, preprocessing(), name), measured, entries=64
    )


def facts(dataset: Dataset) -> Facts:
    """Returns what warnings are based on; measured once for a data set."""
    from core.workflows.advisor.augmentation_risks import measure

    return caches.remember("augmentation-facts", (id(dataset), dataset.name), lambda: measure(dataset), entries=8)
