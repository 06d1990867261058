"""Which classes are taken, in which order, and what they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from core.errors import InputError
from core.specs import DataSpec
from pages.ui.kit import components, form_fields
from pages.ui.session import caches, choices
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

WAYS = {"take": N_("Take"), "leave": N_("Leave out")}
_REFUSED = "bl.classes.refused"
_MERGED, _NAME = "bl-merge-classes", "bl-merge-name"


def draw_chooser(spec: DataSpec) -> None:
    """Draws, behind buttons, the choice of classes and the field that renames or merges some of them."""
    whole = replace(spec, classes=(), images_per_class=None)
    try:
        known = caches.listed(whole).classes
    except InputError:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="bl-classes-change"):
        with st.popover(_("Choose classes"), icon=":material/checklist:", key="bl-classes-choose"):
            _choose(spec, known)
        with st.popover(_("Rename or merge"), icon=":material/call_merge:", key="bl-classes-merge"):
            _merge(spec, known)
        if spec.classes:
            components.note(
                _("{n} of {all} classes are taken.").format(
                    n=number_format.exact(len(spec.classes)), all=number_format.exact(len(known))
                )
            )
            st.button(
                _("Take all"), key="bl-classes-all", type="tertiary", on_click=lambda: _set(replace(spec, classes=()))
            )
    refused = st.session_state.pop(_REFUSED, None)
    if refused is not None:
        st.warning(components.plain(translate_error(refused)), icon=":material/warning:")


def _choose(spec: DataSpec, known: tuple[str, ...]) -> None:
    way = form_fields.choice(_("Of the classes below"), WAYS, "bl-classes-way", default="take")
    key = f"bl-classes-{way}"
    left = [name for name in known if name not in spec.classes]
    choices.follow(key, list(spec.classes) if way == "take" else left if spec.classes else [])
    picked = st.multiselect(
        _("Classes"),
        known,
        key=key,
        placeholder=_("search {n} classes").format(n=number_format.exact(len(known))),
        help=_("Taken in the order in which you pick them; that is the order of the network's outputs."),
    )
    wanted = tuple(picked if way == "take" else (name for name in known if name not in picked))
    if picked:
        text = _("{n} classes will be taken: {names}").format(n=len(wanted), names=", ".join(wanted[:12]) or "–")
        components.note(text + (" …" if len(wanted) > 12 else ""))
    st.button(
        _("Use these"),
        type="primary",
        key="bl-classes-use",
        disabled=not picked,
        on_click=lambda: _set_classes(spec, known, wanted),
    )


def _set_classes(spec: DataSpec, known: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    try:
        _set(replace(spec, classes=() if wanted == known else wanted))
    except InputError as error:
        st.session_state[_REFUSED] = error


def _merge(spec: DataSpec, known: tuple[str, ...]) -> None:
    shown = spec.classes or known
    picked = st.multiselect(_("Classes to be called otherwise"), shown, key=_MERGED)
    name = st.text_input(_("What they are called together"), key=_NAME, max_chars=100).strip()
    components.note(_("The files stay as they are: this makes a revision, and earlier ones can be taken again."))
    st.button(
        _("Merge") if len(picked) > 1 else _("Rename"),
        type="primary",
        key="bl-merge-do",
        disabled=not picked or not name,
        on_click=lambda: _renamed(spec, dict.fromkeys(picked, name)),
    )


def _renamed(spec: DataSpec, names: Mapping[str, str]) -> None:
    """Makes the revision under which classes have other names, and chooses it if its images can be used."""
    from core.data.revisions import store
    from core.data.sources import revise

    try:
        source = caches.listed(replace(spec, classes=(), images_per_class=None)).name
        revision = store.of(source, spec.revision).merging(names)
        wanted = revise(spec, revision, roots=caches.roots(), check=caches.divided)
    except InputError as error:
        st.session_state[_REFUSED] = error
        return
    _set(wanted)
    st.session_state[_MERGED], st.session_state[_NAME] = [], ""


def _set(spec: DataSpec) -> None:
    choices.set_data(spec, choices.data_title())
