"""The first step of the shortcut lab: which pictures, which class, which mark; and how the pictures look then."""

from __future__ import annotations

import streamlit as st

from core.data.encoding import compact
from core.data.marks import CORNERS, MARK_KINDS, Mark
from core.errors import InputError
from core.workflows.shortcut.experiment import Plan, usual
from pages.ui.kit import components, form_fields, tiles
from pages.ui.kit.page_states import broken
from pages.ui.kit.tiles import Tile
from pages.ui.selection import lab_setup
from pages.ui.session import caches
from pages.ui.text import display_names
from pages.ui.text.i18n import N_, _, translate_error

KIND_NAMES = {"corner": N_("Coloured corner"), "watermark": N_("Watermark")}
CORNER_NAMES = {
    "top-left": N_("Top left"),
    "top-right": N_("Top right"),
    "bottom-left": N_("Bottom left"),
    "bottom-right": N_("Bottom right"),
}
OFFERED = ("mnist", "shapes", "textures")
SHOWN = 4
_SOURCE, _CLASS, _CORNER = "bl-shortcut-source", "bl-shortcut-class", "bl-shortcut-corner"


def draw() -> Plan | None:
    """Draws the choices and a preview; returns the plan, or ``None`` where the pictures are not to be had."""
    components.section(
        _("1 · Plant a mark"),
        _("Every picture of one class gets the same mark, as a scanner or a photo agency would leave it."),
    )
    return lab_setup.draw("bl-wrap-shortcut", _choices, _preview)


def _choices() -> Plan | None:
    sources = lab_setup.sources(OFFERED)
    source = st.selectbox(
        _("Pictures"),
        sources,
        format_func=display_names.data,
        **form_fields.kept(_SOURCE).widget(_SOURCE, sources, sources[0], begun=True),
        help=_(
            "Digits are easy to learn, and still a mark is easier. Shapes are hard for a small network. Textures are "
            "so easy that it has no need of a mark."
        ),
    )
    try:
        classes = caches.listed(Plan(source=source).data).classes
    except InputError as error:
        broken(_("These pictures cannot be used"), translate_error(error), icon="report", tone="warn")
        return None
    marked = st.selectbox(
        _("Class that gets the mark"),
        classes,
        **form_fields.kept(_CLASS).widget(_CLASS, classes, usual(source, classes)),
    )
    kind = form_fields.choice(_("Mark"), MARK_KINDS, "bl-shortcut-kind", names=KIND_NAMES, default="corner")
    size = st.slider(
        _("Size"),
        8,
        30,
        format="%d %%",
        **form_fields.number("bl-shortcut-size", 20, 8, 30),
        help=_("Side of the mark, as a share of the picture's side."),
    )
    with components.more("bl-shortcut-more"):
        corner = st.selectbox(
            _("Where"),
            CORNERS,
            format_func=lambda name: _(CORNER_NAMES[name]),
            **form_fields.kept(_CORNER).widget(_CORNER, CORNERS, CORNERS[3]),
        )
        share = st.slider(
            _("Marked training pictures of the class"),
            10,
            100,
            step=10,
            format="%d %%",
            **form_fields.number("bl-shortcut-share", 100, 10, 100),
        )
        most = max(3, min(len(classes), 6))
        count = st.slider(_("Classes that take part"), 2, most, **form_fields.number("bl-shortcut-classes", 2, 2, most))
    return Plan(
        source=source,
        marked=str(marked),
        mark=Mark(kind, size / 100, corner or "bottom-right"),
        share=share / 100,
        classes=min(count, len(classes)),
    )


def _preview(plan: Plan) -> None:
    """Draws some pictures of the marked class with the mark, and of the others without."""
    try:
        shown = caches.remember("shortcut-preview", (plan,), lambda: _pictures(plan), entries=24)
    except InputError as error:
        components.note(translate_error(error))
        return
    for cells in shown:
        tiles.grid(cells, row=True)
    components.note(
        _("For a network the mark is the easiest thing in these pictures; who looks at the object sees through it.")
    )


def _pictures(plan: Plan) -> list[list[Tile]]:
    from core.data.marks import planted
    from core.workflows.shortcut.experiment import choice, square

    dataset, marked = choice(plan, roots=caches.roots())
    shown: list[list[Tile]] = []
    for name in sorted(dataset.classes, key=lambda name: name != marked):
        own = [place for place, item in enumerate(dataset.items) if dataset.classes[item.label] == name]
        cells: list[Tile] = []
        for place in own:
            try:
                image = square(dataset.load(place))
                image = planted(image, plan.mark) if name == marked else image
            except InputError:
                continue  # the lab leaves it out, too
            note = _("with mark") if name == marked else ""
            cells.append(Tile(compact(image, 256), name, note, f"{name} {note}"))
            if len(cells) == SHOWN:
                break
        shown.append(cells)
    return shown[:2]
