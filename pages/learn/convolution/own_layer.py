"""Any convolution of one's own network on one's own picture: a click on its map, and the sum behind that value."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.learn import map_click, number_grid, own_network
from pages.learn.number_grid import Grid, signed, written
from pages.ui.kit import components, form_fields
from pages.ui.kit.page_states import broken
from pages.ui.selection import field_pictures, subjects
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches
from pages.ui.text import layer_names
from pages.ui.text.i18n import N_, _, _n, translate_error

if TYPE_CHECKING:
    from core.lessons.layer_arithmetic import Cell, Recorded, Step

AT = form_fields.kept("bl-learn-at")
LAYER, CHANNEL, SLICE = "bl-learn-layer", "bl-learn-channel", "bl-learn-slice"
MAP_PX, PATCH_PX = 392, 260
STEPS = {
    "sum": N_("Sum over all channels"),
    "bias": N_("plus the bias"),
    "norm": N_("Batch norm"),
    "activation": N_("Activation"),
}


@own_network.on_subject
def draw(subject: Subject) -> None:
    """Draws the choice of network and picture, and the arithmetic of one value."""
    from core.lessons.layer_arithmetic import cell, convolutions

    names = convolutions(subject.network.anatomy)
    if not names:
        subjects.callout(_("This network has no convolution: there is no kernel that slides over a map."))
        return
    with st.container(key="bl-learn-own-row", horizontal=True, vertical_alignment="bottom"):
        layer = own_network.layer(subject, names, LAYER)
        recorded = recorded_of(subject, layer)
        count = len(recorded.output)
        channel = int(
            st.number_input(
                _("Channel of {all}, from 0").format(all=count),
                0,
                count - 1,
                width=190,
                **form_fields.number(CHANNEL, 0, 0, count - 1),
            )
        )
    with st.container(key="bl-wrap-learn-own"):
        left, right = st.columns([1, 1.15], gap="large")
    with left:
        row, column = _map(subject, recorded, channel)
    try:
        found = cell(recorded, channel, row, column)
    except InputError as error:
        broken(_("This value cannot be written out"), translate_error(error), icon="report", tone="warn")
        return
    with right:
        _ladder(subject, recorded, found)
        _patch(subject, layer, row, column)
    _channels(found)


def recorded_of(subject: Subject, layer: str) -> Recorded:
    """Returns what a pass left of a layer; a few are kept."""
    from core.lessons.layer_arithmetic import record

    return caches.remember(
        "learn-layers", (*subject.key, layer), lambda: record(subject.network, subject.input(), layer), entries=6
    )


def _map(subject: Subject, recorded: Recorded, channel: int) -> tuple[int, int]:
    """Draws a channel's map, of which a cell can be clicked; returns its row and column."""
    rows, columns = recorded.output.shape[1:]
    chosen = map_click.place(AT, rows, columns, usual=(rows // 2, columns // 2))
    drawn = caches.remember(
        "learn-maps",
        (*subject.key, recorded.layer, channel),
        lambda: map_click.picture(recorded.output[channel], MAP_PX),
        entries=32,
    )
    alt = _("Map of channel {n}, {h} × {w}: blue below zero, red above; click a cell for its sum").format(
        n=channel, h=rows, w=columns
    )
    if map_click.draw(drawn, (rows, columns), AT, chosen, key="bl-learn-feature-map", alt=alt, side_px=MAP_PX):
        st.rerun(scope="fragment")
    components.note(alt)
    return chosen


def _patch(subject: Subject, layer: str, row: int, column: int) -> None:
    """Draws the patch of the picture that a cell of the layer sees, marked and enlarged."""
    from core.models.anatomy.records import NO_FIELD

    found = subject.network.anatomy.layer(layer)
    if found.receptive is None:
        reason = NO_FIELD.get(found.receptive_reason, "")
        components.note(_("It sees the whole picture.") + (f" {_(reason)}" if reason else ""))
        return
    picture = subject.picture.convert("RGB")
    top, left, bottom, right = found.receptive.window(row, column)
    window = (max(0.0, top), max(0.0, left), min(float(picture.height), bottom), min(float(picture.width), right))
    height, width = found.receptive.size
    title = _("What this cell sees of the picture: {h} × {w} px").format(h=height, w=width)
    text = _("rows {top} to {bottom}, columns {left} to {right}").format(
        top=math.floor(window[0]),
        bottom=math.ceil(window[2]) - 1,
        left=math.floor(window[1]),
        right=math.ceil(window[3]) - 1,
    )
    outside = (top, left, bottom, right) != window
    subjects.picture(
        field_pictures.seen(picture, window),
        alt=title,
        title=title,
        text=f"{text} · " + _("the rest lies outside of the picture") if outside else text,
        most=PATCH_PX,
    )


def _ladder(subject: Subject, recorded: Recorded, found: Cell) -> None:
    """Draws the steps from the sum to what the next layer gets, each beside torch's own value."""
    where = layer_names.layer(subject.network.anatomy, recorded.layer)
    products, channels = found.patch.numel(), len(found.channels)
    counted = (
        _n("{n} product", "{n} products", products).format(n=products),
        _n("{n} channel of the input", "{n} channels of the input", channels).format(n=channels),
    )
    components.section(
        _("Row {row}, column {column} of channel {n}").format(row=found.row, column=found.column, n=found.channel),
        " · ".join(counted),
    )
    body = "".join(
        _line(step, previous, subject.network.anatomy.layer(step.name).kind)
        for step, previous in zip(found.steps, (None, *found.steps), strict=False)
    )
    last = found.steps[-1]
    heads = (_("Step"), _("Figures"), _("Here"), _("torch"))
    head = "".join(f"<th>{escape(word)}</th>" for word in heads)
    st.html(
        f'<table class="bl-ladder" aria-label="{escape(where)}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )
    if last.torch_value is not None:
        components.note(
            _("The network itself has {value} there, worked out with 7 digits; the difference is {gap}.").format(
                value=written(last.torch_value), gap=written(abs(last.value - last.torch_value), 2)
            )
        )
    if len(found.steps) < 3:
        components.note(
            _(
                "Nothing else of this value is shown: what follows mixes channels, adds another path, or is one module "
                "that runs in several places."
            )
        )


def _line(step: Step, previous: Step | None, module: str) -> str:
    """Returns a step as a row of the table: its name, its figures, its value, torch's value.

    Args:
        step: The step.
        previous: The one before.
        module: Name of the class of the step's layer.
    """
    before = previous.value if previous is not None else 0.0
    parts = step.parts
    if step.kind == "bias":
        text = f"{written(before)} + {signed(parts['b'])}"
    elif step.kind == "norm":
        text = (
            f"({written(before)} − {signed(parts['μ'])}) / √({written(parts['σ²'])} + {written(parts['ε'])})"
            f" · {signed(parts['γ'])} + {signed(parts['β'])}"
        )
    elif step.kind == "activation":
        text = f"{module}({written(before)})"
    else:
        text = ""
    own = "" if step.torch_value is None else written(step.torch_value)
    return (
        f"<tr><td>{escape(_(STEPS[step.kind]))}</td><td><bdi>{escape(text)}</bdi></td>"
        f"<td><bdi>{escape(written(step.value))}</bdi></td><td><bdi>{escape(own)}</bdi></td></tr>"
    )


def _channels(found: Cell) -> None:
    """Draws patch and kernel of one channel, the strongest at first, and the sums of all."""
    order = found.sums.abs().argsort(descending=True).tolist()
    components.section(
        _("Patch × kernel, channel by channel"),
        _("A bar a channel of the input: what it adds to the sum. Choose one to see its products."),
    )
    options = [found.channels[place] for place in order]
    with st.container(key="bl-learn-slice-row", horizontal=True, vertical_alignment="bottom"):
        chosen = int(
            st.selectbox(
                _("Channel of the input, strongest first"),
                options,
                format_func=lambda channel: _("Channel {n}: {sum}").format(
                    n=channel, sum=written(float(found.sums[channel - found.channels.start]))
                ),
                width=330,
                **form_fields.kept(SLICE).widget(SLICE, options, options[0]),
            )
        )
    place = chosen - found.channels.start
    patch, kernel = found.patch[place], found.kernel[place]
    margin = {(i, j) for i, line in enumerate(found.margin.tolist()) for j, out in enumerate(line) if out}
    number_grid.show(
        Grid(patch.tolist(), _("Patch"), outside=margin),
        "×",
        Grid(kernel.tolist(), _("Kernel")),
        "=",
        Grid((patch * kernel).tolist(), _("Products")),
        "→",
        Grid([[float(found.sums[place])]], _("Their sum")),
    )
    if margin:
        components.note(_("Dashed cells lie in the margin: padding, not picture."))
    _sums(found, order)


def _sums(found: Cell, order: list[int]) -> None:
    shown = order[:12]
    most = float(found.sums.abs().max()) or 1.0
    items = "".join(
        f'<li class="{"bl-below" if float(found.sums[p]) < 0 else ""}"><span>{found.channels[p]}</span>'
        f'<i style="inline-size:{max(1.0, 100 * abs(float(found.sums[p])) / most):.1f}%"></i>'
        f"<b><bdi>{escape(written(float(found.sums[p])))}</bdi></b></li>"
        for p in shown
    )
    label = escape(_("What each channel adds"))
    st.html(f'<ol class="bl-sums" aria-label="{label}">{items}</ol>')
    rest = float(found.sums[order[len(shown) :]].sum())
    if len(order) == len(shown):
        components.note(_("These add up to {total}.").format(total=written(found.steps[0].value)))
    else:
        text = _("These twelve add up to {shown}, the other {n} to {rest}").format(
            shown=written(float(found.sums[shown].sum())), n=len(order) - len(shown), rest=written(rest)
        )
        components.note(_("{parts}: {total} in all.").format(parts=text, total=written(found.steps[0].value)))
