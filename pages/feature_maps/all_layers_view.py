"""All channels of all layers in one scroll, sixteen a row, as the course's book shows them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.feature_maps import download, layer_view
from pages.ui.kit import clicks, components, form_fields
from pages.ui.kit.page_states import guarded
from pages.ui.selection import layer_picker, subjects
from pages.ui.selection.subjects import Subject
from pages.ui.session import address, caches
from pages.ui.text import layer_names, number_format
from pages.ui.text.i18n import N_, _, _n, translate_error

if TYPE_CHECKING:
    from core.interpret.drawing.tile_sheets import FeatureSheet
    from core.interpret.features.activations import LayerStats

COLUMNS = 16
LAYER_KINDS = {
    "conv": N_("Convolutions"),
    "norm": N_("Norms"),
    "activation": N_("Activations"),
    "pool": N_("Pools"),
    "attention": N_("Attention"),
    "mix": N_("Other layers"),
    "block": N_("Blocks"),
}
SIZES = {16: N_("Small"), 28: N_("Medium"), 44: N_("Large")}
USUAL = ("conv", "pool", "attention")


def draw(subject: Subject, open_layer: Callable[[str], None]) -> None:
    """Draws the scroll.

    Args:
        subject: What is looked at.
        open_layer: Called with a layer's name when it is asked for large.
    """
    st.fragment(_view)(subject, open_layer)


@guarded
def _view(subject: Subject, open_layer: Callable[[str], None]) -> None:
    names, size, scale, colormap = _choices(subject)
    if not names:
        components.note(_("No layer of these kinds keeps the picture's layout. Choose another kind."))
        return
    key = (*subject.key, names, size, scale, colormap)
    try:
        here = caches.known("all-maps", key, entries=3)
        with nullcontext() if here else st.spinner(_("Drawing {n} layers …").format(n=len(names)), show_time=True):
            found = caches.remember("all-maps", key, lambda: _drawn(subject, names, size, scale, colormap), entries=3)
    except InputError as error:
        components.note(translate_error(error))
        return
    sheets, seconds = found
    total = sum(row[1].channels for row in sheets)
    components.note(
        _("{maps} feature maps of {layers} layers, drawn in {time}. Click a layer's name to see it large.").format(
            maps=number_format.exact(total), layers=len(sheets), time=number_format.duration(seconds)
        )
    )
    subjects.warn_random(subject.target)
    with st.container(horizontal=True, vertical_alignment="center"):
        _legend(sheets, scale, colormap)
        download.several(subject, names, {row[0]: row[1].png for row in sheets})
    for index, (name, drawn, stats) in enumerate(sheets):
        _row(subject, index, name, drawn, stats, open_layer)


def _choices(subject: Subject) -> tuple[tuple[str, ...], int, str, str]:
    from core.interpret.layout import kind_of, layers_of_kinds, map_layout

    anatomy = subject.network.anatomy
    there = {kind_of(layer) for layer in anatomy.layers if map_layout(layer, anatomy) is not None}
    offered = [kind for kind in LAYER_KINDS if kind in there]
    usual = [kind for kind in offered if kind in USUAL] or offered[:1]
    kinds = st.pills(
        _("Layers"),
        offered,
        default=usual,
        selection_mode="multi",
        key="bl-all-kinds",
        persist_state="session",
        format_func=lambda kind: _(LAYER_KINDS[kind]),
    )
    with components.more("bl-all-more"):
        size = form_fields.choice(_("Size"), SIZES, "bl-all-size", default=28)
        scale, colormap = layer_view.scale_and_colours()
    return layers_of_kinds(anatomy, list(kinds or ())), int(size or 28), scale, colormap


def _drawn(
    subject: Subject, names: tuple[str, ...], size: int, scale: str, colormap: str
) -> tuple[list[tuple[str, FeatureSheet, LayerStats]], float]:
    """Returns each layer's name, sheet and figures, and how long it took; all from one pass."""
    import time

    from core.interpret.drawing.tile_sheets import feature_sheet, limits_of
    from core.interpret.features.activations import activations, layer_stats

    begin = time.perf_counter()
    maps = activations(subject.network, subject.input(), names)
    limits = limits_of(maps.values()) if scale == "network" else None
    rows = []
    for name in names:
        layer = maps.pop(name)
        sheet = feature_sheet(
            layer, columns=COLUMNS, tile_px=size, gutter=1, colormap=colormap, scale=scale, limits=limits
        )
        rows.append((name, sheet, layer_stats(layer)))
    return rows, time.perf_counter() - begin


def _legend(sheets: list[tuple[str, FeatureSheet, LayerStats]], scale: str, colormap: str) -> None:
    if scale == "network":
        subjects.scale_bar(colormap, subjects.number(sheets[0][1].low), subjects.number(sheets[0][1].high))
    elif scale == "channel":
        subjects.scale_bar(colormap, _("weak"), _("strong"))


def _row(
    subject: Subject, index: int, name: str, drawn: FeatureSheet, stats: LayerStats, open_layer: Callable[[str], None]
) -> None:
    """Draws one layer: its name as a button, its figures, its maps."""
    with st.container(key=f"bl-all-row-{index}", gap="xxsmall"):
        with st.container(horizontal=True, vertical_alignment="center"):
            if clicks.button(
                components.plain(layer_names.layer(subject.network.anatomy, name)),
                key=f"bl-all-open-{index}",
                type="tertiary",
                icon=":material/zoom_in:",
                help=layer_picker.path_help(name),
            ):
                open_layer(name)
            text = _n(
                "{n} channel of {h} × {w}, {share} at or below zero",
                "{n} channels of {h} × {w}, {share} at or below zero",
                stats.channels,
            ).format(n=stats.channels, h=stats.height, w=stats.width, share=number_format.percent(stats.sparsity))
            if stats.broken:
                text += _("; {n} values are no finite numbers").format(n=number_format.exact(stats.broken))
            components.note(text)
        st.image(drawn.png, width=drawn.width, output_format="PNG")


def open_in_layer_view(name: str) -> None:
    """Shows a layer large: in the view of one layer."""
    address.write(layer=name, view=None)
    st.rerun()
