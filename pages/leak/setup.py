"""The first step of the leak lab: which pictures, who their relatives are, whose labels, and a look at them."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core.data.encoding import compact
from core.errors import InputError
from core.workflows.leak.record import LeakPlan
from pages.ui.kit import components, form_fields, tiles
from pages.ui.kit.page_states import broken
from pages.ui.kit.tiles import Tile
from pages.ui.selection import lab_setup
from pages.ui.session import caches, choices
from pages.ui.text import display_names, glossary
from pages.ui.text.i18n import N_, _, translate_error

OFFERED = ("brains", "shapes", "textures", "mnist")
LABELS = {"lot": N_("Drawn by lot"), "own": N_("Their own")}
RELATIVES = {"": N_("Copies only"), "folder": N_("Pictures of one folder"), "stem": N_("One name, other number")}
SHOWN = 4


def draw() -> LeakPlan | None:
    """Draws the choices and some relatives; returns the plan, or ``None`` where the pictures are not to be had."""
    components.section(
        _("1 · Pictures with relatives"),
        _("Slices of one head, or copies of one photograph: what is known of one is known of all."),
        help=glossary.explain("leak"),
    )
    return lab_setup.draw("bl-wrap-leak", _choices, _preview)


def _choices() -> LeakPlan | None:
    sources = lab_setup.sources(OFFERED)
    key = "bl-leak-pictures"
    source = st.selectbox(
        _("Pictures"),
        sources,
        format_func=display_names.data,
        help=_("Phantom brains are slices of many patients. Of other pictures changed copies are made."),
        **form_fields.kept(key).widget(key, sources, sources[0]),
    )
    usual = LeakPlan.usual(source)
    ways = ["", "folder", "stem"] if source not in OFFERED else [usual.group_by]
    group_by = usual.group_by
    if len(ways) > 1:
        key = "bl-leak-relatives"
        group_by = st.selectbox(
            _("Relatives are"),
            ways,
            format_func=lambda way: _(RELATIVES[way]),
            help=_("What must never stand on both sides of a division."),
            **form_fields.kept(key).widget(key, ways, usual.group_by, lambda way: way or "none"),
        )
    least = 0 if group_by else 1
    key = "bl-leak-copies-grouped" if group_by else "bl-leak-copies"
    copies = st.slider(
        _("Changed copies of each picture"),
        least,
        8,
        help=_("Mirrored, cropped and shifted by the preset basic: what people write to disk to have more pictures."),
        **form_fields.number(key, usual.copies if usual.group_by == group_by else 4 - 4 * bool(group_by), least, 8),
    )
    labels = form_fields.choice(
        _("Labels"),
        LABELS,
        "bl-leak-labels-brains" if source == "brains" else "bl-leak-labels",
        default="lot" if usual.by_lot else "own",
        help=_("Drawn by lot, one for each group of relatives, they hold nothing to learn: what is right is luck."),
    )
    data = choices.data() if source not in OFFERED else None
    images = min(usual.images, 120 if copies else usual.images)
    try:
        caches.listed(replace(data or usual.data, source=source))
        return replace(usual, group_by=group_by, copies=int(copies), by_lot=labels == "lot", images=images)
    except InputError as error:
        broken(_("These pictures cannot be used"), translate_error(error), icon="report", tone="warn")
        return None


def _preview(plan: LeakPlan) -> None:
    """Draws two groups of relatives."""
    try:
        shown = caches.remember("leak-preview", (replace(plan, by_lot=False),), lambda: _pictures(plan), entries=24)
    except InputError as error:
        components.note(translate_error(error))
        return
    for number, group in enumerate(shown, 1):
        components.note(_("Group {n}").format(n=number))
        tiles.grid(group, size=132, row=True)
    components.note(_("Two groups of relatives. Whoever has learned one of a group knows the others."))


def _pictures(plan: LeakPlan) -> list[list[Tile]]:
    from core.workflows.leak.experiment import relatives_shown

    found = []
    for number, group in enumerate(relatives_shown(plan, SHOWN, roots=caches.roots()), 1):
        title = _("Group {n}").format(n=number)
        found.append([Tile(compact(image, 152), alt=f"{title}, {place}") for place, image in enumerate(group, 1)])
    return found
