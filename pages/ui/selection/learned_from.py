"""The images that a network of a page's own learns from: the chosen ones, or built-in digits until some are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.specs import DataSpec
from pages.ui.kit import components, form_fields, nav, page_states
from pages.ui.session import caches, choices
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from core.data.dataset import Dataset

CHANNELS = {1: N_("Gray"), 3: N_("Colour")}


def opened(usual: DataSpec) -> tuple[DataSpec, Dataset] | None:
    """Returns the images, divided; says why they cannot be used, and returns ``None``.

    Args:
        usual: What it learns from where nothing was chosen.
    """
    try:
        data = caches.anchored(choices.data() or usual)
        return data, caches.divided(data)
    except InputError as error:
        page_states.broken(_("These images cannot be used"), translate_error(error), icon="broken_image", tone="warn")
        nav.link("data", _("Choose images"))
        return None


def say(dataset: Dataset, usual: str) -> None:
    """Says which images they are, with a link to others.

    Args:
        dataset: The images.
        usual: What is said where nothing was chosen, translated.
    """
    own = _("Your images: {name}.").format(name=components.plain(choices.data_title() or dataset.title))
    components.note(usual if choices.data() is None else own)
    nav.link("data", _("Choose others"))


def gray(data: DataSpec, dataset: Dataset) -> bool:
    """Returns whether a few of the images have no colour."""
    from core.workflows.advisor.dataset_facts import looks

    return bool(caches.remember("gray", (data,), lambda: looks(dataset)[1], entries=8))


def sizes(
    places: Sequence[DeltaGenerator], prefix: str, sides: Sequence[int], most: int, *, gray: bool
) -> dict[str, int]:
    """Draws how many pictures are learned from, and how they are taken.

    Args:
        places: Columns for the number, the side and the colours.
        prefix: What the keys begin with.
        sides: Sides on offer, in pixels.
        most: Most pictures.
        gray: Whether the pictures have no colour.

    Returns:
        ``images``, ``side`` and ``channels``.
    """
    images = places[0].number_input(
        _("Training pictures at most"), 16, most, step=100, **form_fields.number(f"{prefix}-images", 2000, 16, most)
    )
    side = places[1].select_slider(
        _("Side of the pictures"),
        sides,
        **form_fields.kept(f"{prefix}-side").widget(f"{prefix}-side", sides, 28, begun=True),
        format_func=lambda n: _("{n} px").format(n=n),
    )
    channels = form_fields.choice(
        _("Colours"),
        CHANNELS,
        f"{prefix}-channels-{'gray' if gray else 'rgb'}",
        place=places[2],
        default=1 if gray else 3,
    )
    return {"images": int(images), "side": int(side), "channels": int(channels)}


def epoch(key: str, epochs: Sequence[int]) -> int:
    """Draws the choice of an epoch, the last one at first; returns it."""
    if len(epochs) < 2:
        return epochs[-1]
    return int(
        st.select_slider(
            _("After epoch"),
            epochs,
            **form_fields.kept(key).widget(key, epochs, epochs[-1], begun=True),
            help=_("0 is before the first step."),
        )
    )
