"""One picture of the data, and what training would see of it: eight random draws of the augmentation."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.specs import AugmentSpec
from pages.ui.augmentation import cards, draws
from pages.ui.kit import components, nav
from pages.ui.kit.tiles import Tile, grid
from pages.ui.session import choices
from pages.ui.text import augmentation_words
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.data.dataset import Dataset

DRAWS = 8
_SHIFT = "bl.augment.shift"
_SIDE, _SHARP = 98, 64


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
    if spec.active:
        cards.warn(dataset, spec)
        st.fragment(_strip)(spec, dataset, seed)
    nav.link(
        "data",
        _("Set each operation, see 24 draws and the batch"),
        icon=":material/tune:",
        view="augmentation",
        **choices.data_params(),
    )


def _strip(spec: AugmentSpec, dataset: Dataset, seed: int) -> None:
    shift = int(st.session_state.get(_SHIFT, 0))
    try:
        shown = draws.picture(dataset)
    except InputError:  # the summary says what is wrong with the network
        shown = None
    if shown is None:
        components.note(_("None of the first training images can be read, so no draws are shown."))
        return
    drawn = draws.draws(shown, spec, (seed + shift) % 2**31, range(DRAWS), 2 * _SIDE)
    plain = draws.as_it_is(shown, 2 * _SIDE)
    tiles = [Tile(plain, _("As it is"), alt=_("The image {name} as it is").format(name=shown.name))]
    tiles += [Tile(one, alt=_("Draw {n}").format(n=number)) for number, one in enumerate(drawn, start=1)]
    grid(tiles, size=_SIDE, pixelated=shown.prep.crop <= _SHARP)
    st.button(
        _("Other draws"),
        key="bl-augment-again",
        icon=":material/casino:",
        type="tertiary",
        on_click=partial(st.session_state.__setitem__, _SHIFT, shift + 1),
        help=_("Draws with another seed. The training keeps its own."),
    )
