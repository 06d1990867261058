"""Three sheets in the same order of channels: one side, the other, and the difference; one channel of each, large."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.feature_maps.layer_view import Drawn
from pages.ui.kit import components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.kit.tile_sheet import sheet
from pages.ui.selection import subjects
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches
from pages.ui.text import layer_names, number_format
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    from torch import Tensor

    from core.interpret.features.similarity import Against

Part = tuple[str, "Tensor", Subject]
"""What a side is called, its maps CxHxW, and what they were made from."""
COUNTS = (16, 64, 0)
_CHANNEL = "bl-beside-channel"


def draw(first: Part, second: Part, layer: str, *, key: tuple[object, ...]) -> None:
    """Draws two sides and their difference.

    Args:
        first: One side.
        second: The other.
        layer: Name of the layer.
        key: What caches of the three sheets are keyed on.
    """
    from core.interpret.features.similarity import against

    try:
        diff = caches.remember("beside", key, lambda: against(first[1], second[1]), entries=8)
    except InputError as error:
        components.note(translate_error(error))
        return
    channels = len(diff.order)
    count = form_fields.choice(
        _("Channels"),
        [n for n in COUNTS if n < channels],
        f"bl-beside-count-{channels > 64}-{channels > 16}",
        format_func=lambda n: _("The {n} that differ most").format(n=n) if n else _("All of them"),
        default=16 if channels > 16 else 0,
    )
    order = list(diff.order[: count or None])
    drawn = caches.remember(
        "beside-sheets", (*key, count), lambda: _sheets(first[1], second[1], diff, order), entries=16
    )
    with st.container(key="bl-wrap-beside"):
        columns = st.columns(3, gap="medium")
    kept = st.session_state.get(_CHANNEL)
    place = order.index(kept) if kept in order else 0
    names = [str(channel) for channel in order]
    titles = (first[0], second[0], _("Second less first"))
    called = layer_names.layer(first[2].network.anatomy, layer)
    for index, (column, title) in enumerate(zip(columns, titles, strict=True)):
        with column:
            components.note(title)
            picked = sheet(
                drawn[index].sheet,
                key=f"bl-beside-sheet-{index}",
                label=_("Channel {n}"),
                names=names,
                chosen=place,
                alt=_("{n} channels of {layer}: {title}").format(n=len(order), layer=called, title=title),
            )
            colours = "blue-red" if index == 2 else "viridis"
            subjects.scale_bar(colours, subjects.number(drawn[index].low), subjects.number(drawn[index].high))
            if picked is not None and picked != place:
                st.session_state[_CHANNEL] = order[picked]
                st.rerun()
    components.note(
        _(
            "The same channels in the same order, the most different first. Both sides share one scale; red is more on "
            "the second side, blue less."
        )
    )
    if diff.broken:
        subjects.callout(
            _("{n} channels hold values that are no finite numbers; they are drawn as zeros, and come last.").format(
                n=number_format.exact(diff.broken)
            ),
            icon="error",
        )
    if diff.same == channels:
        components.note(
            _("Nothing differs here, to the last bit: what was changed lies behind this layer, as with a frozen part.")
        )
    _figures(diff)
    _large(first, second, order[place])


def _sheets(first: Tensor, second: Tensor, diff: Against, order: list[int]) -> list[Drawn]:
    from core.interpret.drawing.tile_sheets import feature_sheet, limits_of

    columns = 4 if len(order) <= 16 else 8 if len(order) <= 64 else 16
    tile = max(4, (300 + 2) // columns - 2)
    limits = limits_of([first[order], second[order]])
    made = [
        feature_sheet(maps[order], columns=columns, tile_px=tile, gutter=2, scale="network", limits=limits)
        for maps in (first, second)
    ]
    change = feature_sheet(
        diff.change[order], columns=columns, tile_px=tile, gutter=2, scale="layer", colormap="blue-red"
    )
    return [Drawn(made[0]), Drawn(made[1]), Drawn(change)]


def _figures(diff: Against) -> None:
    components.metrics(
        [
            Figure(_("Difference"), number_format.percent(diff.relative), _("of the activations' own size")),
            Figure(_("Agreement"), subjects.number(diff.agreement, 2), _("median correlation of a channel's two maps")),
            Figure(
                _("Unchanged"), number_format.exact(diff.same), _("of {n} channels, exactly").format(n=len(diff.order))
            ),
        ],
        compact=True,
    )


def _large(first: Part, second: Part, channel: int) -> None:
    """Draws one channel of each side over its picture."""
    from core.interpret.drawing.overlay import overlay, unit

    components.section(_("Channel {n}").format(n=channel))
    maps = [part[1][channel].float().cpu().nan_to_num(0.0, 0.0, 0.0).numpy() for part in (first, second)]
    low, high = min(float(m.min()) for m in maps), max(float(m.max()) for m in maps)
    with st.container(key="bl-wrap-beside-large"):
        columns = st.columns(2, gap="medium")
    for column, part, values in zip(columns, (first, second), maps, strict=True):
        with column:
            subjects.picture(
                overlay(part[2].picture, unit(values, low=low, high=high), opacity=0.75, fade=True),
                title=part[0],
                most=420,
                text=_("from {low} to {high}").format(
                    low=subjects.number(float(values.min())), high=subjects.number(float(values.max()))
                ),
                alt=_("Channel {n} over {name}").format(n=channel, name=part[0]),
            )
