"""A small convolution forward and backward: every gradient, and the products that it is the sum of."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.learn import number_grid, typed_grid
from pages.learn.number_grid import Grid, signed, written
from pages.ui.kit import components, form_fields
from pages.ui.kit.page_states import broken, guarded
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from core.lessons.backward import Backward

X, F = "2,3,4;3,1,5;4,-1,-2", "0,3;1,-2"
"""The notes' picture and kernel."""
LOSSES = {"sum": N_("Sum: ones come from above"), "mean": N_("Mean: 1/n comes from above")}
WHICH = {"kernel": N_("dL/dF, of the kernel"), "picture": N_("dL/dX, of the picture")}


def draw() -> None:
    """Draws it; a change of it draws nothing else of the page anew."""
    st.fragment(_bench)()


@guarded
def _bench() -> None:
    from core.lessons.backward import LOSSES as LOSS_NAMES
    from core.lessons.backward import backward

    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-learn-back-row"):
        chosen = form_fields.choice(_("The loss is the answer's"), LOSSES, "bl-learn-loss", default="sum")
        which = form_fields.choice(_("Written out"), WHICH, "bl-learn-which", default="kernel")
        with st.popover(_("Other numbers"), icon=":material/edit:", key="bl-learn-back-numbers"):
            picture = typed_grid.grid(_("Picture X"), "bl-learn-xb", X, rows=6, columns=6, what=N_("The picture"))
            kernel = typed_grid.grid(_("Kernel F"), "bl-learn-fb", F, rows=4, columns=4, what=N_("The kernel"))
    if picture is None or kernel is None:
        components.note(_("What was typed as picture or kernel cannot be read; “Other numbers” says why."))
        return
    try:
        found = backward(picture, kernel, loss="mean" if chosen == LOSS_NAMES[1] else "sum")
    except InputError as error:
        broken(_("This cannot be convolved"), translate_error(error), icon="report", tone="warn")
        return
    target = found.to_kernel if which == "kernel" else found.to_picture
    row, column = _cell(target.shape[0], target.shape[1])
    _terms(found, which, row, column)
    _grids(found, which, (row, column))
    if chosen == "mean":
        components.note(
            _(
                "The slip of the notes: with the mean as the loss, each of the {n} answers hands back 1/{n}, not 1. "
                "All gradients are a {n}th of those with ones above."
            ).format(n=found.output.numel())
        )


def _cell(rows: int, columns: int) -> tuple[int, int]:
    """Draws the choice of a gradient's cell; returns its row and column, from 0."""
    with st.container(horizontal=True, key="bl-learn-cell-row"):
        found = []
        for label, key, most in ((_("Its row"), "bl-learn-row", rows), (_("Its column"), "bl-learn-column", columns)):
            found.append(int(st.number_input(label, 1, most, width=130, **form_fields.number(key, 1, 1, most))) - 1)
    return found[0], found[1]


def _grids(found: Backward, which: str, place: tuple[int, int]) -> None:
    under = {term.place for term in found.kernel_terms(*place)} if which == "kernel" else {place}
    over = {place} if which == "kernel" else {term.place for term in found.picture_terms(*place)}
    with st.container(key="bl-wrap-learn-back"):
        forward, back = st.columns([1.25, 1], gap="large")
    with forward:
        components.section(_("Forward"), _("X under F gives O; the loss L is one number."))
        number_grid.show(
            Grid(found.picture.tolist(), "X", at=under),
            "∗",
            Grid(found.kernel.tolist(), "F", at=over),
            "=",
            Grid(found.output.tolist(), "O"),
            "→",
            Grid([[found.value]], _("L, the sum") if found.loss == "sum" else _("L, the mean")),
        )
    with back:
        components.section(_("Backward"), _("What comes from above, times what it was multiplied with."))
        number_grid.show(
            Grid(found.above.tolist(), "dL/dO"),
            "→",
            Grid(found.to_kernel.tolist(), "dL/dF", at={place} if which == "kernel" else ()),
            Grid(found.to_picture.tolist(), "dL/dX", at={place} if which == "picture" else ()),
        )


def _terms(found: Backward, which: str, row: int, column: int) -> None:
    terms = found.kernel_terms(row, column) if which == "kernel" else found.picture_terms(row, column)
    total = float((found.to_kernel if which == "kernel" else found.to_picture)[row, column])
    name = "dL/dF" if which == "kernel" else "dL/dX"
    sums = " + ".join(f"{signed(term.above)} · {signed(term.factor)}" for term in terms) or "0"
    st.html(
        f'<p class="bl-learn-terms"><bdi>{name}[{row + 1}, {column + 1}] = {escape(sums)} = '
        f"<b>{escape(written(total))}</b></bdi></p>"
    )
    if which == "kernel":
        components.note(_("Each product: what comes from above at a place, times the pixel under this weight there."))
    else:
        components.note(
            _("Each product: what comes from above where the window saw this pixel, times its weight there.")
        )
