"""Feature maps: what each layer answers to one picture, all channels side by side."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from pages.ui import caches, components, figures, inside, layers
from pages.ui.components import Figure
from pages.ui.i18n import N_, _
from pages.ui.inside import Subject
from pages.ui.sheet import Sheet, sheet

LARGE = 24_000_000
"""Bytes from which a layer's maps are kept one layer at a time."""
SCALES = {"channel": N_("Each channel"), "layer": N_("Whole layer")}


def render() -> None:
    """Draws the page."""
    inside.begin("feature_maps")
    subject = inside.choose()
    if not isinstance(subject, Subject):
        return
    from core.interpret.activations import spatial_layers

    names = spatial_layers(subject.network.anatomy)
    if not names:
        inside.callout(_("No layer of this network keeps the picture's layout, so there are no maps to show."))
        return
    with st.container(key="bl-wrap-maps"):
        side, main = st.columns([1, 3], gap="large")
    with main:
        layer = _layer(subject, names)
    with side:
        inside.picture(
            subject.picture, title=_("What the network sees"), text=subject.crop_words(),
            sharp=subject.picture.width <= 96, most=260,
            alt=_("The chosen picture, cropped as the network sees it"),
        )  # fmt: skip
        inside.warn_random(subject.target)
        look = _look(subject.network.anatomy, layer)
    with main:
        _answer(subject, layer, look)
    components.next_step("filters", _("See what the first layer looks for"), **_params(subject))


def _params(subject: Subject) -> dict[str, str]:
    return {"run": subject.target.reference} if subject.target.run is not None else {}


def _layer(subject: Subject, names: tuple[str, ...]) -> str:
    anatomy = subject.network.anatomy
    told = layers.main_layers(anatomy, names)
    stage = {layer.name: layer.stage for layer in anatomy.layers}
    early = [name for name in told if stage[name] == stage[told[0]]][-1]
    every = bool(st.session_state.get("bl-maps-every"))
    return layers.picker(anatomy, names, key="bl-maps", default=early, every=every)


def _look(anatomy: Any, layer: str) -> tuple[int, str, str]:
    """Draws the rarer choices and returns tiles a row, scale and colour map."""
    shape = layers.map_shape(anatomy.layer(layer))
    channels = shape[0] if shape else anatomy.layer(layer).output_shape[-1]
    with components.more("bl-maps-more"):
        columns = inside.columns_slider(channels, key="bl-maps-columns")
        scale = st.segmented_control(
            _("Brightness of"), list(SCALES), default="channel", format_func=lambda s: _(SCALES[s]),
            key="bl-maps-scale", required=True, persist_state="session",
            help=_("Each channel: every map uses all colours, so faint patterns show. Whole layer: one scale for all, "
                   "so maps can be compared."),
        )  # fmt: skip
        colormap = st.segmented_control(
            _("Colours"), [*inside.COLORMAPS, "blue-red"], default="viridis", key="bl-maps-colours", required=True,
            format_func=lambda name: inside.COLORMAPS.get(name) or _("Around zero"), persist_state="session",
            help=_("Around zero: blue below, near white at zero, red above."),
        )  # fmt: skip
        st.toggle(
            _("Every layer"), key="bl-maps-every", persist_state="session",
            help=_("Offers the layers inside the blocks, too: each convolution, normalisation and activation."),
        )  # fmt: skip
    return columns, str(scale or "channel"), str(colormap or "viridis")


def _answer(subject: Subject, layer: str, look: tuple[int, str, str]) -> None:
    from core.interpret.activations import layer_stats

    maps = _maps(subject, layer)
    stats = caches.remember("map-stats", (*subject.key, layer), lambda: layer_stats(maps), entries=128)
    columns, scale, colormap = look
    drawn = _sheet(subject, layer, maps, columns, scale, colormap)
    chosen = _chosen(layer, stats.channels)
    alt = _("{n} channels of {layer}, each {h} × {w} pixels; the brighter, the stronger the answer").format(
        n=stats.channels, layer=layer, h=stats.height, w=stats.width
    )
    picked = sheet(
        drawn.sheet, key="bl-maps-sheet", alt=alt, label=_("Channel {n}"), chosen=chosen
    )  # fmt: skip
    if picked is not None and picked != chosen:
        st.session_state["bl-maps-channel"] = (layer, picked)
        chosen = picked
    _legend(drawn, scale, colormap)
    _figures(stats)
    _channel(subject, layer, maps, chosen, colormap)


def _maps(subject: Subject, layer: str) -> Any:
    """Returns a layer's maps, CxHxW; a handful of layers is kept, of very large ones only the last."""
    from core.interpret.activations import activations

    volume = 4 * math.prod(subject.network.anatomy.layer(layer).output_shape)
    shelf, entries = ("maps-large", 1) if volume > LARGE else ("maps", 8)
    key = (*subject.key, layer)
    return caches.remember(
        shelf, key, lambda: activations(subject.network, subject.input(), [layer])[layer], entries=entries
    )


class _Drawn:
    """A sheet with the values at the ends of its scale."""

    def __init__(self, feature: Any) -> None:
        self.low, self.high = feature.low, feature.high
        self.sheet = Sheet(
            feature.png, feature.width, feature.height, feature.columns, feature.channels, feature.tile, feature.gutter
        )


def _sheet(subject: Subject, layer: str, maps: Any, columns: int, scale: str, colormap: str) -> _Drawn:
    from core.interpret.render import feature_sheet

    tile = max(4, (inside.WIDTH + inside.GAP) // columns - inside.GAP)
    return caches.remember(
        "map-sheets", (*subject.key, layer, columns, scale, colormap),
        lambda: _Drawn(
            feature_sheet(maps, columns=columns, tile_px=tile, gutter=inside.GAP, colormap=colormap, scale=scale)
        ),
        entries=64,
    )  # fmt: skip


def _chosen(layer: str, channels: int) -> int:
    """Returns the channel under study: the last clicked, which holds for its layer only."""
    kept = st.session_state.get("bl-maps-channel")
    return kept[1] if kept and kept[0] == layer and kept[1] < channels else 0


def _legend(drawn: _Drawn, scale: str, colormap: str) -> None:
    if scale == "layer":
        inside.scale_bar(colormap, inside.number(drawn.low), inside.number(drawn.high))
        components.note(_("One scale for all: equal colours are equal values. Click a tile to see it large."))
        return
    inside.scale_bar(colormap, _("weak"), _("strong"))
    components.note(_("Each channel is brightened by itself, two deviations either way. Click a tile to see it large."))


def _figures(stats: Any) -> None:
    components.metrics(
        [
            Figure(_("Channels"), figures.exact(stats.channels), _("one map each")),
            Figure(_("Map size"), f"{stats.height} × {stats.width}", _("pixels")),
            Figure(
                _("Sparsity"), figures.percent(stats.sparsity), _("of all values at or below zero"),
                help=_("What a ReLU has silenced, or would. Sparse answers are easier to tell apart."),
            ),
            Figure(_("Silent"), f"{stats.silent}", _("of {n} channels").format(n=stats.channels),
                   help=_("Channels without a single value above zero for this picture.")),
            Figure(_("Range"), f"{inside.number(stats.minimum, 2)}…{inside.number(stats.maximum, 2)}",
                   _("mean {x}").format(x=inside.number(stats.mean))),
        ],
        compact=True,
    )  # fmt: skip


def _channel(subject: Subject, layer: str, maps: Any, chosen: int, colormap: str) -> None:
    """Draws one channel large, alone and over the picture."""
    values = maps[chosen].float().cpu().numpy()
    low, high = float(values.min()), float(values.max())
    large, over = caches.remember(
        "map-channels", (*subject.key, layer, chosen, colormap),
        lambda: _enlarged(subject.picture, values, colormap), entries=64,
    )  # fmt: skip
    components.section(_("Channel {n}").format(n=chosen))
    with st.container(key="bl-wrap-channel"):
        left, right = st.columns(2, gap="medium")
    with left:
        inside.picture(
            large, sharp=True, most=420, title=_("The map"),
            text=_("{h} × {w} values from {low} to {high}; {share} at or below zero").format(
                h=values.shape[0], w=values.shape[1], low=inside.number(low), high=inside.number(high),
                share=figures.percent(float((values <= 0).mean())),
            ),
            alt=_("Map of channel {n} of {layer}").format(n=chosen, layer=layer),
        )  # fmt: skip
    with right:
        inside.picture(
            over, most=420, title=_("Over the picture"), text=_("Where this channel answers most strongly"),
            alt=_("Map of channel {n} laid over the picture").format(n=chosen),
        )  # fmt: skip


def _enlarged(picture: Any, values: Any, colormap: str) -> tuple[bytes, Any]:
    import numpy as np

    from core.interpret.render import heat_image, overlay, png

    signed = colormap == "blue-red"
    spread = float(np.abs(values).max() if signed else values.max() - values.min()) or 1.0
    unit = values / spread if signed else (values - values.min()) / spread
    small = heat_image(unit, colormap=colormap, signed=signed)
    factor = max(1, 420 // max(small.size))
    enlarged = small.resize((small.width * factor, small.height * factor), 0)
    return png(enlarged, enlarged=True), overlay(
        picture, unit, opacity=0.75, colormap=colormap, signed=signed, fade=True
    )


if __name__ == "__main__":
    from pages.ui.shell import run

    run()
