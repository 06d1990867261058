"""One picture of the data, and what training would see of it: eight random draws of the augmentation."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import compact
from core.errors import InputError
from core.specs import AugmentSpec
from pages.ui.kit import components
from pages.ui.kit.page_states import broken
from pages.ui.kit.tiles import Tile, grid
from pages.ui.session import caches, choices
from pages.ui.text import augmentation_words
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.data.dataset import Dataset

DRAWS = 8
SIGNS = ("digits", "letters", "mnist")
"""Built-in sets whose images mean something else, or nothing, when they are mirrored."""
_SHIFT = "bl.augment.shift"
_SIDE, _SHARP = 98, 64
_TRIED = 5


def draw(spec: AugmentSpec, dataset: Dataset, seed: int) -> None:
    """Draws the strip, and in words what is done.

    Args:
        spec: The augmentation.
        dataset: The images, divided.
        seed: Seed of the training.
    """
    name = spec.preset_name or "own"
    origin = components.help_sign(_(augmentation_words.ORIGINS[name]), augmentation_words.title(spec))
    st.html(f'<p class="bl-note">{escape(augmentation_words.sentence(spec))}{origin}</p>')
    if not spec.active:
        return
    if mirrors(spec) and dataset.name.partition("?")[0] in SIGNS:
        broken(
            _("Mirrored signs"),
            _(
                "A mirrored or flipped digit or letter is another sign or none, and it keeps its label. "
                "Choose My own with Mirror off, or TrivialAugment."
            ),
            icon="flip",
            tone="warn",
        )
    st.fragment(_strip)(spec, dataset, seed)


def mirrors(spec: AugmentSpec) -> bool:
    """Whether images are mirrored or flipped."""
    flips = [one for one in spec.operations if one.name in ("flip", "vertical-flip") and one.probability]
    return spec.flip or bool(flips)


def _strip(spec: AugmentSpec, dataset: Dataset, seed: int) -> None:
    shift = int(st.session_state.get(_SHIFT, 0))
    found = None
    for position in _candidates(dataset):
        try:
            found = pictures(spec, dataset, position, (seed + shift) % 2**31)
            break
        except InputError:  # the Data page lists what cannot be read
            continue
    if found is None:
        components.note(_("None of the first training images can be read, so no draws are shown."))
        return
    size, plain, drawn = found
    item = dataset.items[position]
    tiles = [Tile(plain, _("As it is"), alt=_("The image {name} as it is").format(name=item.key))]
    tiles += [Tile(one, alt=_("Draw {n}").format(n=number)) for number, one in enumerate(drawn, start=1)]
    grid(tiles, size=_SIDE, pixelated=size <= _SHARP)
    st.button(
        _("Other draws"),
        key="bl-augment-again",
        icon=":material/casino:",
        type="tertiary",
        on_click=partial(st.session_state.__setitem__, _SHIFT, shift + 1),
        help=_("Draws with another seed. The training keeps its own."),
    )


def _candidates(dataset: Dataset) -> list[int]:
    """Returns positions of the chosen image, where it is of these data, and of the first training images."""
    chosen = choices.image()
    first = dataset.positions("train")[:_TRIED]
    if chosen is None or chosen.kind != "dataset":
        return list(first)
    return [*(place for place, item in enumerate(dataset.items) if item.key == chosen.name), *first]


def pictures(spec: AugmentSpec, dataset: Dataset, position: int, seed: int) -> tuple[int, bytes, list[bytes]]:
    """Returns the side of a network's input, and as encoded files an image as it is and as it is drawn.

    Raises:
        InputError: The image cannot be read, or the network is unknown.
    """
    from core.models.catalog.catalog import prepared

    prep = prepared(choices.model())
    key = (id(dataset), dataset.name, dataset.items[position].key, prep)

    def square() -> Image:
        from core.data.images import canvas

        return canvas(dataset.load(position), prep)

    def made() -> tuple[bytes, list[bytes]]:
        from core.data.augment import views

        kept = caches.remember("augmentation-images", key, square, entries=8)
        (plain,) = views(kept, AugmentSpec(), prep.crop, seed=seed, position=position, epochs=[0])
        drawn = views(kept, spec, prep.crop, seed=seed, position=position, epochs=range(DRAWS))
        return compact(plain, 2 * _SIDE), [compact(one, 2 * _SIDE) for one in drawn]

    return prep.crop, *caches.remember("augmentation-draws", (*key, spec, seed), made, entries=32)
