"""One layer, large: all its channels side by side, sorted, with its figures and the card of one channel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from pages.feature_maps import channel_card, channel_top_images, download
from pages.ui.kit import components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import guarded
from pages.ui.kit.tile_sheet import Sheet, sheet
from pages.ui.selection import layer_picker, subjects, user_images
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches
from pages.ui.text import layer_names, number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from torch import Tensor

    from core.interpret.drawing.tile_sheets import FeatureSheet
    from core.interpret.features.activations import LayerStats
    from core.models.anatomy.records import Anatomy

LARGE = 24_000_000
"""Bytes from which a layer's maps are kept one layer at a time."""
SCALES = {"channel": N_("Each channel"), "layer": N_("Whole layer"), "network": N_("Whole network")}
SORTS = {
    "": N_("As they are"),
    "mean": N_("Mean"),
    "maximum": N_("Maximum"),
    "variance": N_("Variance"),
    "class": N_("Class-specificity"),
}
SIDE_PX = 200
_EVERY = "bl-maps-every"


def draw(subject: Subject, names: tuple[str, ...]) -> None:
    """Draws the view; a change of layer or channel draws nothing else of the page anew.

    Args:
        subject: What is looked at.
        names: Layers that give maps.
    """
    user_images.part(_view)(subject, names)


@guarded
def _view(subject: Subject, names: tuple[str, ...]) -> None:
    with st.container(key="bl-maps-controls", horizontal=True, vertical_alignment="bottom"):
        layer = _layer(subject, names)
        look = _look(subject, layer)
    with st.container(key="bl-wrap-maps"):
        side, main = st.columns([1, 4], gap="medium")
    with side:
        subjects.picture(
            subject.picture,
            title=_("What the network sees"),
            sharp=subject.picture.width <= 96,
            most=SIDE_PX,
            alt=_("The chosen picture, cropped as the network sees it: {words}").format(words=subject.crop_words()),
        )
        subjects.warn_random(subject.target)
    with main:
        maps, chosen = _draw_answer(subject, layer, look)
    with side:
        channel_card.kernel(subject, layer, chosen)
    channel_card.draw(subject, layer, maps, chosen, look[2])


def _layer(subject: Subject, names: tuple[str, ...]) -> str:
    anatomy = subject.network.anatomy
    every = bool(st.session_state.get(_EVERY))
    return layer_picker.picker(anatomy, names, key=layer_picker.MAPS, default=_first(anatomy, names), every=every)


def _first(anatomy: Anatomy, names: tuple[str, ...]) -> str:
    """Returns the layer to begin with: the first convolution, whose kernels can be seen; else an early layer."""
    from core.models.anatomy.layer_titles import layer_titles

    titles = layer_titles(anatomy)
    for name in names:
        if titles[name].sort in ("convolution", "depthwise", "grouped"):
            return name
    layers = layer_picker.main_layers(anatomy, names)
    first = anatomy.layer(layers[0]).stage
    return [name for name in layers if anatomy.layer(name).stage == first][-1]


def _look(subject: Subject, layer: str) -> tuple[int, str, str, str]:
    """Draws, behind "More", how maps are drawn; returns tiles a row, scale, colour map and order."""
    channels = subject.network.anatomy.layer(layer).channels
    with st.popover(_("More"), icon=":material/tune:", key="bl-maps-more"):
        sort = st.selectbox(
            _("Sorted by"),
            list(SORTS),
            format_func=lambda s: _(SORTS[s]),
            **form_fields.kept("bl-maps-sort").widget("bl-maps-sort", SORTS, next(iter(SORTS)), begun=True),
            help=_(
                "Mean, maximum and variance are of this picture's maps. Class-specificity asks how well a channel "
                "tells your classes apart (F of an analysis of variance over your images)."
            ),
        )
        columns = subjects.columns_slider(channels, key="bl-maps-columns")
        scale, colormap = scale_and_colours()
        st.toggle(
            _("Every layer"),
            key=_EVERY,
            persist_state="session",
            help=_("Offers the layers inside the blocks, too: each convolution, normalisation and activation."),
        )
    return columns, scale, colormap, str(sort or "")


def scale_and_colours() -> tuple[str, str]:
    """Draws the choice of a scale and of colours; both hold for all views of one network."""
    scale = form_fields.choice(
        _("Brightness of"),
        SCALES,
        f"{layer_picker.MAPS}-scale",
        default="channel",
        wrap=True,
        help=_(
            "Each channel: every map uses all colours, so faint patterns show. Whole layer, whole network: one "
            "scale for all, so that maps can be compared."
        ),
    )
    colormap = form_fields.choice(
        _("Colours"),
        [*subjects.COLORMAPS, "blue-red"],
        f"{layer_picker.MAPS}-colours",
        format_func=lambda name: subjects.COLORMAPS.get(name) or _("Around zero"),
        default="viridis",
        wrap=True,
        help=_("Around zero: blue below, near white at zero, red above."),
    )
    return str(scale), str(colormap)


def _draw_answer(subject: Subject, layer: str, look: tuple[int, str, str, str]) -> tuple[Tensor, int]:
    """Draws all channels and the layer's figures; returns the maps and the channel under study."""
    from core.interpret.features.activations import layer_stats

    maps = maps_of(subject, layer)
    stats = caches.remember("map-stats", (*subject.key, layer), lambda: layer_stats(maps), entries=128)
    columns, scale, colormap, sort = look
    order = _order(subject, layer, maps, sort)
    drawn = _sheet(subject, layer, maps, columns, scale, colormap, sort if order is not None else "", order)
    chosen = layer_picker.channel(layer, stats.channels)
    names = None if order is None else [str(channel) for channel in order]
    place = chosen if order is None else order.index(chosen)
    alt = _("{n} channels of {layer}, each {h} × {w} pixels; the brighter, the higher the activation").format(
        n=stats.channels, layer=layer_names.layer(subject.network.anatomy, layer), h=stats.height, w=stats.width
    )
    picked = sheet(drawn.sheet, key="bl-maps-sheet", alt=alt, label=_("Channel {n}"), names=names, chosen=place)
    if picked is not None and picked != place:
        chosen = picked if order is None else order[picked]
        layer_picker.choose_channel(layer, chosen)
    _legend(drawn, scale, colormap)
    if stats.broken:
        subjects.callout(
            _("{n} values of this layer are no finite numbers; they are drawn as zeros.").format(
                n=number_format.exact(stats.broken)
            ),
            icon="error",
        )
    _figures(stats)
    download.layer(subject, layer, maps, drawn.sheet.png)
    return maps, chosen


def maps_of(subject: Subject, layer: str) -> Tensor:
    """Returns a layer's maps, CxHxW; a handful of layers is kept, of very large ones only the last."""
    from core.interpret.features.activations import activations

    volume = 4 * math.prod(subject.network.anatomy.layer(layer).output_shape)
    shelf, entries = ("maps-large", 1) if volume > LARGE else ("maps", 8)
    key = (*subject.key, layer)
    return caches.remember(
        shelf, key, lambda: activations(subject.network, subject.input(), [layer])[layer], entries=entries
    )


def network_limits(subject: Subject) -> tuple[float, float]:
    """Returns the lowest and highest value of all layers for the picture, found once in one pass."""
    from core.interpret.drawing.tile_sheets import limits_of
    from core.interpret.features.activations import activations

    return caches.remember(
        "map-limits", subject.key, lambda: limits_of(activations(subject.network, subject.input()).values()), entries=64
    )


class Drawn:
    """A sheet with the values at the ends of its scale."""

    def __init__(self, feature: FeatureSheet) -> None:
        self.low, self.high = feature.low, feature.high
        self.sheet = Sheet(
            feature.png, feature.width, feature.height, feature.columns, feature.channels, feature.tile, feature.gutter
        )


def _sheet(
    subject: Subject,
    layer: str,
    maps: Tensor,
    columns: int,
    scale: str,
    colormap: str,
    sort: str,
    order: list[int] | None,
) -> Drawn:
    from core.interpret.drawing.tile_sheets import feature_sheet

    tile = max(4, (subjects.WIDTH + subjects.GAP) // columns - subjects.GAP)
    limits = network_limits(subject) if scale == "network" else None
    own = tuple(order or ()) if sort == "class" else ()
    return caches.remember(
        "map-sheets",
        (*subject.key, layer, columns, scale, colormap, sort, hash(own)),
        lambda: Drawn(
            feature_sheet(
                maps if order is None else maps[order],
                columns=columns,
                tile_px=tile,
                gutter=subjects.GAP,
                colormap=colormap,
                scale=scale,
                limits=limits,
            )
        ),
        entries=64,
    )


def _order(subject: Subject, layer: str, maps: Tensor, sort: str) -> list[int] | None:
    """Returns the channels in the chosen order, the first first; ``None`` for their own order."""
    if not sort:
        return None
    if sort == "class":
        return _by_class(subject, layer)
    from core.interpret.features.activations import channel_order

    return caches.remember("map-orders", (*subject.key, layer, sort), lambda: channel_order(maps, sort), entries=64)


def _by_class(subject: Subject, layer: str) -> list[int] | None:
    """Returns the channels by how well they tell the person's classes apart; says what is missing for it."""
    own = user_images.choose(subject, "bl-maps-sort")
    if own is None:
        return None
    text = _("Your images are run through {layer} once, for all of its channels.").format(
        layer=layer_names.layer(subject.network.anatomy, layer)
    )
    found = user_images.gather_on_request(subject, own, layer, text, _("Measure them"), key="bl-maps-sort")
    if found is None:
        return None
    selectivity = channel_top_images.specific(found, (*subject.target.key, *own.key, layer))
    if selectivity is None:
        components.note(_("Your images are too few, or of one class, so no channel can be said to be specific."))
        return None
    return [int(channel) for channel in (-selectivity.f).argsort(kind="stable")]


def _legend(drawn: Drawn, scale: str, colormap: str) -> None:
    if scale != "channel":
        subjects.scale_bar(colormap, subjects.number(drawn.low), subjects.number(drawn.high))
        components.note(_("One scale for all: equal colours are equal values. Click a tile to see its card."))
        return
    subjects.scale_bar(colormap, _("weak"), _("strong"))
    components.note(_("Each channel is brightened by itself, two deviations either way. Click a tile to see its card."))


def _figures(stats: LayerStats) -> None:
    components.metrics(
        [
            Figure(_("Channels"), number_format.exact(stats.channels), _("one map each")),
            Figure(_("Map size"), f"{stats.height} × {stats.width}", _("pixels")),
            Figure(
                _("Sparsity"),
                number_format.percent(stats.sparsity),
                _("of all values at or below zero"),
                help=_("What a ReLU has set to zero, or would. Sparse activations are easier to tell apart."),
            ),
            Figure(
                _("Inactive"),
                f"{stats.silent}",
                _("of {n} channels").format(n=stats.channels),
                help=_("Channels without a single value above zero for this picture."),
            ),
            Figure(
                _("Range"),
                f"{subjects.number(stats.minimum, 2)}…{subjects.number(stats.maximum, 2)}",
                _("mean {x}").format(x=subjects.number(stats.mean)),
            ),
        ],
        compact=True,
    )
