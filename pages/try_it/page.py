"""Try it: what a trained network says of new pictures, the least sure first, or of what the camera sees now."""

from __future__ import annotations

import streamlit as st

from core.errors import InputError
from pages.try_it import answers_view, giving, live
from pages.ui.kit import components, form_fields, page_states
from pages.ui.selection import checkpoint_picker, network_picker, subjects
from pages.ui.text.i18n import N_, _, translate_error

WAYS = {"files": N_("Pictures or a zip"), "folder": N_("A folder"), "camera": N_("Camera, live")}


def render() -> None:
    """Draws the page."""
    subjects.begin("try_it")
    if not network_picker.runs_with_weights():
        page_states.empty(
            _("Nothing to try yet"),
            _("Train a network first; here you then give it pictures that it has never seen."),
            action=_("Train one"),
            target="train",
            icon="photo_camera",
        )
        return
    with st.container(key="bl-try-look", horizontal=True, vertical_alignment="bottom"):
        run = network_picker.run_picker("bl-try-run", label_visibility="collapsed", width=220)
        target = None if run is None else checkpoint_picker.choose(network_picker.target_of(run))
        way = form_fields.choice(_("What you give"), WAYS, "bl-try-give", default="files", label_visibility="collapsed")
        lot = None if way == "camera" else giving.chosen()
        others = lot is not None and giving.others(lot)
    if target is None:
        return
    if way == "camera":
        live.draw(target)
        return
    if lot is None or others:
        giving.field(way)
    if lot is None:
        names = target.trained.classes()
        components.note(
            _("It tells apart: {classes}").format(classes=", ".join(names[:20]) + (" …" if len(names) > 20 else ""))
        )
        return
    try:
        answers_view.draw(target, lot)
    except InputError as error:
        page_states.broken(_("It cannot be asked about these"), translate_error(error), icon="report", tone="warn")
