"""Layers: which of them stand for a part of the network, what they are called, and the choice of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.kit import components, nav
from pages.ui.session import address
from pages.ui.text import layer_names
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.models.anatomy.records import Anatomy

MAPS = "bl-maps"
"""Start of the keys of the picker on Feature maps; what is chosen there is where other choices of a layer begin."""
_CHANNEL = "bl-maps-channel"


def main_layers(anatomy: Anatomy, names: Sequence[str]) -> tuple[str, ...]:
    """Returns the layers that stand for a part: whole blocks, and single layers that stand in no block.

    Args:
        anatomy: The network's anatomy.
        names: Layers that have something to show.
    """
    from core.interpret.layout import main_layers as layers  # torch comes with it

    return layers(anatomy, names)


def layer_label(anatomy: Anatomy, name: str) -> str:
    """Returns what a layer is called, with the shape of what it gives out."""
    layer = anatomy.layer(name)
    shape = layer.map_shape or layer.output_shape
    return f"{layer_names.layer(anatomy, name)} · {' × '.join(map(str, shape))}"


def path_help(name: str) -> str:
    """Says where a layer stands in the network's code."""
    return _("In the network's code: {path}").format(path=components.plain(name))


def stage_label(anatomy: Anatomy, name: str) -> str:
    """Returns a stage's name for people, with the size of its maps."""
    stage = anatomy.stages_by_name.get(name)
    title = layer_names.stage(name)
    return f"{title} · {stage.spatial[0]} × {stage.spatial[1]}" if stage is not None and stage.spatial else title


def picker(anatomy: Anatomy, names: Sequence[str], *, key: str, default: str | None = None, every: bool = False) -> str:
    """Draws the choice of a stage and of a layer in it; the layer is kept in the address.

    Args:
        anatomy: The network's anatomy.
        names: Layers to offer, in the network's order.
        key: Stable start of the widgets' keys.
        default: The layer to begin with; the last by default.
        every: Whether layers inside blocks are offered, too.
    """
    known = anatomy.layers_by_name
    bound = address.Bound("layer", kept=_kept(key))
    chosen = bound.among(names, default if default is not None and default in names else names[-1])
    offered = list(names) if every else [n for n in names if n in {*main_layers(anatomy, names), chosen}]
    stages = list(dict.fromkeys(known[name].stage for name in offered))
    first = {stage: next(name for name in reversed(offered) if known[name].stage == stage) for stage in stages}

    st.session_state[f"{key}-stage"], st.session_state[f"{key}-name"] = known[chosen].stage, chosen
    st.selectbox(
        _("How deep"),
        stages,
        key=f"{key}-stage",
        format_func=lambda s: stage_label(anatomy, s),
        width=190,
        help=_("A network works in stages; each sees a coarser picture, with more channels, than the one before."),
        on_change=lambda: bound.choose(first[st.session_state[f"{key}-stage"]]),
    )
    here = [name for name in offered if known[name].stage == known[chosen].stage]
    st.selectbox(
        _("Layer"),
        here,
        key=f"{key}-name",
        format_func=lambda n: layer_label(anatomy, n),
        help=path_help(chosen),
        on_change=lambda: bound.choose(st.session_state[f"{key}-name"]),
    )
    bound.choose(chosen)
    return chosen


def one_of(anatomy: Anatomy, names: Sequence[str], key: str, *, last: bool = False) -> str:
    """Draws the choice of one layer, of those that stand for a part; to begin with one in the middle, or the last."""
    layers = list(main_layers(anatomy, names))
    asked = st.session_state.get(_kept(MAPS))
    if asked in names and asked not in layers:
        layers = [name for name in names if name in {*layers, asked}]
    index = layers.index(asked) if asked in layers else len(layers) - 1 if last else len(layers) // 2
    key = f"{key}-{len(layers)}"
    return str(
        st.selectbox(
            _("Layer"),
            layers,
            index=index,
            key=key,
            format_func=lambda name: layer_label(anatomy, name),
            help=path_help(st.session_state.get(key, layers[index])),
        )
    )


def channel(layer: str, count: int) -> int:
    """Returns the channel under study: the last that was chosen, which holds for its layer only.

    Args:
        layer: The layer.
        count: Its number of channels.
    """
    kept = st.session_state.get(_CHANNEL)
    return kept[1] if kept and kept[0] == layer and kept[1] < count else 0


def choose_channel(layer: str, number: int) -> None:
    """Chooses the channel under study."""
    st.session_state[_CHANNEL] = (layer, number)


def go_to_channel(layer: str, number: int) -> None:
    """Leaves for the feature map of a channel of the network at hand."""
    choose_channel(layer, number)
    nav.go("feature_maps", layer=layer, **address.carried())


def _kept(key: str) -> str:
    return f"{key}-layer"
