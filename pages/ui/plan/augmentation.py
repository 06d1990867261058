"""How training images are changed at random: one of the presets, or each change by itself."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core.specs import AugmentSpec
from pages.ui.kit import form_fields
from pages.ui.text.i18n import N_, _

KINDS = {"none": N_("None"), "basic": N_("Basic"), "strong": N_("Strong"), "own": N_("My own")}
_OWN = "bl.augment.own"
_FLIP, _CROP, _TURN, _COLOUR = "bl-augment-flip", "bl-augment-crop", "bl-augment-turn", "bl-augment-colour"


def draw(spec: AugmentSpec) -> AugmentSpec:
    """Draws the choice, and returns what is chosen."""
    current = "own" if st.session_state.get(_OWN) else spec.preset_name or "own"
    name = form_fields.choice(
        _("Augmentation"),
        KINDS,
        "bl-augment",
        help=_("Training images are changed at random each time they are seen: details are not learned by heart."),
        value=current,
    )
    st.session_state[_OWN] = name == "own"
    return _own(spec) if name == "own" else AugmentSpec.preset(name or "none")


def read_again(spec: AugmentSpec) -> None:
    """Lets the fields be read from a record that something other than themselves has changed."""
    st.session_state[_OWN] = spec.preset_name is None
    for key in (_FLIP, _CROP, _TURN, _COLOUR):
        st.session_state.pop(key, None)


def _own(spec: AugmentSpec) -> AugmentSpec:
    """Draws each change by itself."""
    for key, value in (
        (_FLIP, spec.flip),
        (_CROP, round(spec.crop_scale * 100)),
        (_TURN, int(spec.rotation)),
        (_COLOUR, round(spec.color * 100)),
    ):
        st.session_state.setdefault(key, value)
    first, second, third, fourth = st.columns(4)
    flip = first.toggle(_("Mirror"), key=_FLIP, persist_state="session")
    crop = second.slider(
        _("Smallest crop"),
        5,
        100,
        key=_CROP,
        format="%d %%",
        persist_state="session",
        help=_("Share of the image's area that a random crop keeps at least."),
    )
    turn = third.slider(_("Rotation"), 0, 90, key=_TURN, format="± %d°", persist_state="session")
    colour = fourth.slider(_("Colour"), 0, 100, key=_COLOUR, format="± %d %%", persist_state="session")
    return replace(spec, flip=bool(flip), crop_scale=crop / 100, rotation=float(turn), color=colour / 100)
