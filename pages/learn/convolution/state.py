"""What the bench holds: picture, kernels and how the window slides, all in the address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import streamlit as st

from core.lessons.kernels import PRESETS, Preset
from pages.ui.kit import form_fields
from pages.ui.session import address
from pages.ui.text.i18n import N_

if TYPE_CHECKING:
    from torch import Tensor

    from core.lessons.convolution import Mode, Sliding

PICTURE_MOST, KERNELS_MOST = (1, 4, 16, 16), (4, 4, 7, 7)
"""Kernels, channels, rows and columns at most."""
FIRST = "line"
PRESET = address.Bound("try", kept="bl.learn.conv.try")
X = address.Bound("x", kept="bl.learn.conv.x")
K = address.Bound("k", kept="bl.learn.conv.k")
CELL = address.Bound("cell", kept="bl.learn.conv.cell")
MAP = address.Bound("map", kept="bl.learn.conv.map")
NUMBERS = {"stride": (1, 1, 6), "padding": (0, 0, 6), "dilation": (1, 1, 4), "groups": (1, 1, 4)}
"""Of each number of the window: the usual value, least and most."""
OWN = "own"
"""Name of the preset that is none: picture or kernel were changed."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Picture, CxHxW, and kernels, KxC/groupsxhxw, under a window."""

    picture: Tensor
    kernels: Tensor
    sliding: Sliding


def key(name: str) -> str:
    """Returns the key of the widget of one number of the window."""
    return f"bl-learn-{name}"


def preset() -> Preset:
    """Returns the preset that picture, kernels and window begin with."""
    return PRESETS[PRESET.among(PRESETS, FIRST)]


def read() -> Bench:
    """Returns what is on the bench.

    Raises:
        InputError: What the address carries is no picture, no kernel, or does not fit.
    """
    from core.lessons.convolution import MODES, Sliding
    from core.lessons.numbers import read_grids

    begun = preset()
    picture = read_grids(X.asked() or begun.picture, most=PICTURE_MOST, what=N_("The picture"))[0]
    kernels = read_grids(K.asked() or begun.kernels, most=KERNELS_MOST, what=N_("The kernel"))
    numbers = {name: number(name, getattr(begun.sliding, name)) for name in NUMBERS}
    asked = form_fields.kept(key("mode")).asked() or begun.sliding.mode
    flipped = form_fields.kept(key("flipped")).asked()
    return Bench(
        picture,
        kernels,
        Sliding(
            **numbers,
            mode=cast("Mode", asked if asked in MODES else "zeros"),
            flipped=begun.sliding.flipped if flipped is None else flipped == "True",
        ),
    )


def number(name: str, usual: int) -> int:
    """Returns one number of the window, as the address has it, within what can be chosen."""
    _usual, low, high = NUMBERS[name]
    try:
        return min(high, max(low, int(float(form_fields.kept(key(name)).asked() or usual))))
    except (ValueError, OverflowError):
        return usual


def take(name: str) -> None:
    """Puts a preset on the bench, and nothing of what was there."""
    chosen = PRESETS.get(name, PRESETS[FIRST])
    PRESET.choose(name)
    for kept in (X, K, CELL, MAP):
        kept.choose(None)
    for field in NUMBERS:
        form_fields.kept(key(field)).choose(str(getattr(chosen.sliding, field)))
    form_fields.kept(key("mode")).choose(chosen.sliding.mode)
    form_fields.kept(key("flipped")).choose(str(chosen.sliding.flipped))
    for field in (*NUMBERS, "mode", "flipped"):
        st.session_state.pop(key(field), None)


def put(picture: Tensor | None = None, kernels: Tensor | None = None) -> None:
    """Puts another picture, or other kernels, on the bench."""
    from core.lessons.numbers import write_grids

    if picture is not None:
        X.choose(write_grids(picture[None]))
    if kernels is not None:
        K.choose(write_grids(kernels))


def place(event: dict[str, Any], columns: int) -> None:
    """Keeps where the window lies and which map is shown, as the bench tells it."""
    if "cell" in event:
        number_ = int(event["cell"])
        CELL.choose(None if number_ < 0 else f"{number_ // columns}.{number_ % columns}")
    elif event.get("all"):
        CELL.choose("all")
    elif "kernel" in event:
        MAP.choose(str(int(event["kernel"])))
