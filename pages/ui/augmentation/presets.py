"""How training images are changed at random: one of the presets, or each change by itself."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core.specs import AugmentSpec, titles
from pages.ui.kit import form_fields
from pages.ui.text import augmentation_words
from pages.ui.text.i18n import _

_OWN = "bl.augment.own"
_FLIP, _CROP, _TURN, _COLOUR = "bl-augment-flip", "bl-augment-crop", "bl-augment-turn", "bl-augment-colour"


def draw(spec: AugmentSpec) -> AugmentSpec:
    """Draws the choice, and returns what is chosen."""
    current = "own" if st.session_state.get(_OWN) else spec.preset_name or "own"
    name = form_fields.choice(
        _("Augmentation"), titles.AUGMENTATIONS, "bl-augment", help=_help(), wrap=True, value=current
    )
    st.session_state[_OWN] = name == "own"
    if name != "own":
        return AugmentSpec.preset(name or "none")
    # a preset's operations have no sliders here; those of settings that came from elsewhere stay
    return _own(spec if spec.preset_name is None else replace(spec, operations=(), pick=0))


def _help() -> str:
    """Says what each choice does, and where it comes from."""
    rows = [_("Training images are changed at random each time they are seen: details are not learned by heart."), ""]
    for name, title in titles.AUGMENTATIONS.items():
        done = "" if name in ("none", "own") else f"{augmentation_words.changes(AugmentSpec.preset(name))}. "
        rows.append(f"- **{_(title)}**: {done}{_(augmentation_words.ORIGINS[name])}")
    return "\n".join(rows)


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
