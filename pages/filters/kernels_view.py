"""Kernels of a network's convolutions: the first layer in colour, deeper ones by input channel, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import png
from core.errors import InputError
from pages.ui.kit import charts, clicks, components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.kit.tile_sheet import Sheet, sheet
from pages.ui.selection import checkpoint_picker, subjects
from pages.ui.selection import layer_picker as layers
from pages.ui.selection.network_picker import Target
from pages.ui.session import address, caches
from pages.ui.text import layer_names, number_format
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from torch import nn

    from core.interpret.filters.kernels import ConvLayer, KernelSheet
    from core.models.anatomy.records import Anatomy
    from core.models.network import Network

HEIGHT = 960
"""Pixels that a table of filters by input channels may be high."""
LARGEST = 120
"""Pixels that a tile may be wide."""
MAX_FILTERS = 64
"""Filters, and input channels, drawn at once."""
VIEWS = {"after": N_("Trained"), "before": N_("Before"), "change": N_("Change")}
LAYER = address.Bound("layer", kept="bl.filters.layer")
_CHOSEN, _LAYER_KEY = "bl.filters.chosen", "bl-filters-name"


def draw(target: Target, network: Network) -> None:
    """Draws the kernels of one convolution, which the person chooses.

    Args:
        target: What is looked into.
        network: Its loaded network, which has convolutions.
    """
    from core.interpret.filters.kernels import conv_layers

    found = {row.name: row for row in conv_layers(network)}
    with st.container(key="bl-wrap-filters"):
        side, main = st.columns([1, 3], gap="large")
    with side:
        view = _view() if target.run is not None and getattr(target, "moment", "") != "start" else "after"
    with main:
        source = _source(target, network, view)
    if source is None:
        return
    with main:
        row = found[layer_picker(network.anatomy, found)]
    with side:
        outputs, inputs, columns = _which(source, row)
        subjects.warn_random(target)
    with main:
        _answer(source, row, outputs, inputs, columns, view, layer_names.layer(network.anatomy, row.name))
    if target.run is not None and view == "change":
        _moved(target, network)


def _view() -> str:
    """Draws the choice between a run's filters, those it began with, and the difference."""
    return form_fields.choice(_("Weights"), VIEWS, "bl-filters-view", default="after")


def _source(target: Target, network: Network, view: str) -> nn.Module | None:
    """Returns the module whose kernels are drawn, or ``None`` where a sentence was drawn instead."""
    if view == "after":
        return network.model
    try:
        with st.spinner(_("Building the network as it was before training …")):
            start = checkpoint_picker.target_at(target.trained, "start").network().model
    except InputError as error:
        subjects.callout(translate_error(error))
        return None
    if view == "before":
        return start
    from core.interpret.filters import weight_change

    return caches.remember("change", target.key, lambda: weight_change.difference(network.model, start), entries=1)


def layer_picker(anatomy: Anatomy, found: dict[str, ConvLayer], first: str | None = None) -> str:
    """Draws the choice of a convolution, kept from view to view and in the address; returns its name.

    Args:
        anatomy: The network's anatomy.
        found: The convolutions by name.
        first: The one that is shown until a person chooses; ``None`` for the first of all.
    """
    names = list(found)
    bound = LAYER.widget(_LAYER_KEY, names, first or names[0])
    path = layers.path_help(st.session_state[_LAYER_KEY])
    chosen = st.selectbox(
        _("Layer"),
        names,
        format_func=lambda n: f"{layer_names.layer(anatomy, n)} · {' × '.join(map(str, found[n].shape))}",
        help=_("Convolutions in order: filters × input channels × height × width.") + "\n\n" + path,
        **bound,
    )
    LAYER.choose(chosen)
    return str(chosen)


def _which(source: nn.Module, row: ConvLayer) -> tuple[list[int], list[int] | None, int]:
    """Draws which filters and input channels are shown, and how many a row; returns them."""
    count, channels = row.shape[0], row.shape[1]
    split = False
    if row.rgb:
        split = st.toggle(
            _("Red, green and blue apart"),
            key="bl-filters-split",
            persist_state="session",
            help=_("Shows a filter's weights for each colour, instead of the filter in its colours."),
        )
    first, last = _range(_("Filters"), count, MAX_FILTERS if row.rgb else 32, f"bl-filters-out-{row.name}")
    inputs: list[int] | None = None
    if not row.rgb or split:
        low, high = _range(_("Input channels"), channels, 16, f"bl-filters-in-{row.name}")
        inputs = list(range(low, high + 1))
    free = inputs is None or len(inputs) == 1
    with components.more("bl-filters-more"):
        order = form_fields.choice(
            _("Order"),
            {"index": _("As numbered"), "strength": _("Strongest first")},
            "bl-filters-order",
            default="index",
        )
        columns = subjects.columns_slider(last - first + 1, key="bl-filters-columns") if free else len(inputs or ())
    ranked = list(range(count)) if order == "index" else _ranked(source, row.name)
    return ranked[first : last + 1], inputs, columns


def _range(label: str, count: int, most: int, key: str) -> tuple[int, int]:
    """Draws a range of numbers from 0; a range that is too wide is cut."""
    if count < 2:
        return 0, 0
    low, high = st.slider(label, 0, count - 1, (0, min(count, most) - 1), key=key, persist_state="session")
    if high - low >= MAX_FILTERS:
        components.note(_("At most {n} are drawn at once; these are the first of your range.").format(n=MAX_FILTERS))
    return int(low), min(int(high), int(low) + MAX_FILTERS - 1)


def _ranked(source: nn.Module, layer: str) -> list[int]:
    """Returns the filters' numbers, the one with the largest weights first."""
    from core.interpret.filters.kernels import kernels

    return [int(index) for index in kernels(source, layer).flatten(1).norm(dim=1).argsort(descending=True)]


def _answer(
    source: nn.Module,
    row: ConvLayer,
    outputs: list[int],
    inputs: list[int] | None,
    columns: int,
    view: str,
    called: str,
) -> None:
    from core.interpret.filters.kernels import kernel_tiles

    gap = subjects.GAP
    rows = len(outputs) if inputs is not None and len(inputs) > 1 else 1
    tile = min((subjects.WIDTH + gap) // columns, HEIGHT // rows, LARGEST) - gap
    drawn = kernel_tiles(source, row.name, outputs=outputs, inputs=inputs, tile_px=tile, gutter=gap, columns=columns)
    pairs = [(o, i) for o in drawn.outputs for i in (drawn.inputs if not drawn.rgb else (None,))]
    if view == "change" and drawn.limit == 0 and not drawn.broken:
        text = _("Training changed none of these weights: this part of the network was frozen. Choose a deeper layer.")
        subjects.callout(text, icon="ac_unit", good=True)
        return
    shown = Sheet(
        png(drawn.image, repeats=True),
        drawn.image.width,
        drawn.image.height,
        drawn.columns,
        len(pairs),
        drawn.tile,
        drawn.gutter,
    )
    chosen = _chosen(row.name, pairs)
    names = [f"{o}" if i is None or row.shape[1] == 1 else f"{o} ← {i}" for o, i in pairs]
    picked = sheet(
        shown,
        key="bl-filters-sheet",
        alt=_alt(drawn, row, view, called),
        label=_("Filter {n}"),
        names=names,
        chosen=pairs.index(chosen),
    )
    if picked is not None and pairs[picked] != chosen:
        chosen = pairs[picked]
        st.session_state[_CHOSEN] = (row.name, chosen)
    _scale(drawn, view)
    if drawn.broken:
        subjects.callout(
            _("{n} of these weights are no finite numbers; they are drawn as zeros.").format(
                n=number_format.exact(drawn.broken)
            ),
            icon="error",
        )
    _figures(drawn, row)
    _detail(source, row, chosen)


def _chosen(layer: str, pairs: Sequence[tuple[int, int | None]]) -> tuple[int, int | None]:
    kept = st.session_state.get(_CHOSEN)
    return kept[1] if kept and kept[0] == layer and kept[1] in pairs else pairs[0]


def _alt(drawn: KernelSheet, row: ConvLayer, view: str, called: str) -> str:
    text = {
        "after": _("{n} filters of {layer}, each {h} × {w} weights"),
        "before": _("{n} filters of {layer} before training, each {h} × {w} weights"),
        "change": _("What training added to {n} filters of {layer}, each {h} × {w} weights"),
    }[view]
    return text.format(n=len(drawn.outputs), layer=called, h=row.shape[2], w=row.shape[3])


def _scale(drawn: KernelSheet, view: str) -> None:
    limit = subjects.number(drawn.limit)
    if drawn.rgb:
        text = _("Each tile is one filter in its own colours. Mid grey is a weight of zero; ends are ± {limit}.")
        components.note(text.format(limit=limit))
        return
    subjects.scale_bar("blue-red", f"−{limit}", f"+{limit}")
    if drawn.shape[2] == drawn.shape[3] == 1:
        components.note(_("Filters of 1 × 1 only mix channels: a row is a filter, a column an input channel."))
    elif len(drawn.inputs) > 1:
        components.note(_("A row is a filter, a column one of its input channels. Near white is zero."))
    else:
        components.note(_("Each tile is one filter. Near white is zero."))
    if view == "change":
        components.note(_("Red weights grew, blue ones fell."))


def _figures(drawn: KernelSheet, row: ConvLayer) -> None:
    count = row.shape[0] * row.shape[1] * row.shape[2] * row.shape[3]
    rows = [
        Figure(_("Filters"), number_format.exact(row.shape[0]), _("{n} shown").format(n=len(drawn.outputs))),
        Figure(_("Input channels"), number_format.exact(row.shape[1]), _("seen by each filter")),
        Figure(_("Size"), f"{row.shape[2]} × {row.shape[3]}", _("step {s}").format(s=row.stride[0])),
        Figure(_("Weights"), number_format.count(count), _("in this layer"), exact=number_format.exact(count)),
        Figure(
            _("Range"), f"{subjects.number(drawn.minimum, 2)}…{subjects.number(drawn.maximum, 2)}", _("of those shown")
        ),
    ]
    components.metrics(rows, compact=True)


def _detail(source: nn.Module, row: ConvLayer, chosen: tuple[int, int | None]) -> None:
    """Draws one filter large, and the ways to its feature map and to what it looks for."""
    from core.interpret.filters.kernels import kernel_tiles, kernels

    number, channel = chosen
    weights = kernels(source, row.name)[number]
    if channel is not None:
        weights = weights[channel : channel + 1]
    title = _("Filter {n}").format(n=number)
    if channel is not None and row.shape[1] > 1:
        title = _("Filter {n}, input channel {c}").format(n=number, c=channel)
    large = kernel_tiles(
        source, row.name, outputs=[number], inputs=None if channel is None else [channel], tile_px=168, gutter=0
    )
    components.section(title)
    if weights.numel() == 1:
        subjects.facts([(_("weight"), subjects.number(float(weights)))])
        _onward(row.name, number)
        return
    with st.container(key="bl-wrap-filter"):
        left, right = st.columns([1, 1.7], gap="medium")
    with left:
        subjects.picture(png(large.image), sharp=True, most=168, alt=title)
    with right:
        subjects.facts(
            [
                (_("smallest"), subjects.number(float(weights.min()))),
                (_("largest"), subjects.number(float(weights.max()))),
                (_("mean"), subjects.number(float(weights.mean()))),
                (_("length"), subjects.number(float(weights.norm()))),
            ]
        )
        components.note(_("Enlarged on a scale of its own, so that its pattern shows whatever its strength."))
        _onward(row.name, number)


def _onward(layer: str, number: int) -> None:
    """Draws the ways to a filter's feature map of the chosen picture, and to what it looks for."""
    from pages.ui.visualization import activation_maximization

    with st.container(horizontal=True):
        if clicks.button(
            _("See the feature map of filter {n}").format(n=number), icon=":material/grid_view:", key="bl-filters-map"
        ):
            layers.go_to_channel(layer, number)
        if clicks.button(_("See what it looks for"), icon=":material/blur_on:", key="bl-filters-dream"):
            activation_maximization.show_channel(layer, number)
            address.write(view="dreams", layer=layer)
            st.rerun()


def _moved(target: Target, network: Network) -> None:
    """Draws how far training moved each stage's filters."""
    start = checkpoint_picker.target_at(target.trained, "start").network().model
    from core.interpret.filters import weight_change

    moved = caches.remember("moved", target.key, lambda: weight_change.movement(network, start), entries=16)
    components.section(_("How far each stage moved"))
    if not any(moved.values()):
        components.note(_("No convolution moved: this run trained its head on a frozen backbone."))
        return
    anatomy = network.anatomy
    labels = [layers.stage_label(anatomy, name) for name in moved]
    chart = charts.bars(labels, list(moved.values()), unit=_("Change, as a share of the weights' length"), share=True)
    chart.update_xaxes(range=[0, 1.2 * max(moved.values())], tickformat="$.2~%")
    charts.show(
        chart,
        key="bl-filters-moved",
        alt=_("Change of each stage's convolutions; the largest is {stage} with {share}").format(
            stage=labels[max(range(len(labels)), key=lambda i: list(moved.values())[i])],
            share=number_format.percent(max(moved.values())),
        ),
    )
