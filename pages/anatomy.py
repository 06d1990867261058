"""Anatomy: the network as a drawing that can be clicked - what is in it, what each layer does, and what will learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.errors import InputError
from core.specs import FreezePlan, ModelSpec
from pages.ui import caches, components, diagram, freezing, state
from pages.ui.diagram import Row
from pages.ui.faces import busy
from pages.ui.i18n import N_, _

SHEETS = {
    "layer": N_("Layer"),
    "head": N_("Head"),
    "rates": N_("Rates and norms"),
    "table": N_("All layers"),
    "field": N_("Receptive field"),
}


def render() -> None:
    """Draws the page."""
    components.header("anatomy")
    with busy(_("Examining the network …"), 320):
        spec = _network()
        anatomy = caches.anatomy(spec, classes())
    plan = freezing.plan_for(anatomy)
    plan = freezing.presets(anatomy, spec, plan)
    _drawing(anatomy, plan)
    freezing.counts(anatomy, plan)
    freezing.remarks(anatomy, spec, plan, freezing.current(anatomy, plan))
    components.next_step("train", _("Train it"), backbone=spec.backbone, weights=spec.weights)


def classes() -> int | None:
    """Returns how many classes the chosen data have; ``None`` before data were chosen (or if they are gone)."""
    data = state.data()
    if data is None:
        return None
    try:
        return len(caches.divided(data).classes)
    except InputError:
        return None


def _network() -> ModelSpec:
    """Returns the chosen network, and keeps it in the address."""
    spec = state.model()
    state.show_in_address(backbone=spec.backbone, weights=spec.weights)
    return spec


# --- what is chosen in the drawing ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Selection:
    """What is chosen: a stage, in it a block, in that a layer (``""`` for none)."""

    stage: str
    block: str = ""
    layer: str = ""


def selection(anatomy: Any, name: str) -> Selection:
    """Returns where a part lies; the first layer with parameters where there is no part of that name.

    Args:
        anatomy: The network's anatomy.
        name: A stage, a block or a layer.
    """
    stages = {stage.name: stage for stage in anatomy.stages}
    if name in stages:
        return Selection(name)
    for stage in anatomy.stages:
        for block in diagram.blocks(anatomy, stage):
            inside = block.layers
            if name == block.name:
                return Selection(stage.name, name, name if tuple(inside) == (name,) else "")
            if name in inside:
                return Selection(stage.name, block.name, name)
    known = {layer.name: layer for layer in anatomy.layers}
    if name in known and known[name].leaf:
        return Selection(known[name].stage, "", name)
    first = next((layer for layer in anatomy.layers if layer.leaf and layer.parameters), anatomy.layers[0])
    return selection(anatomy, first.name) if first.name != name else Selection(first.stage, "", first.name)


def _event(what: str, name: str) -> None:
    """Takes a click in the drawing: another part is chosen, or a lock is turned."""
    if what == "select":
        st.session_state["bl.anatomy.part"] = name
        state.show_in_address(layer=name)
        return
    toggle(name)


def toggle(name: str) -> None:
    """Freezes a part that learns, and lets any other learn."""
    from core.models.freeze import toggle as toggled

    spec = state.model()
    anatomy = caches.anatomy(spec, classes())
    plan = freezing.plan_for(anatomy)
    freezing.change(toggled(anatomy, plan, name), spec)


def _drawing(anatomy: Any, plan: FreezePlan) -> Selection:
    from core.models.freeze import part_state, stage_state

    states = {**part_state(anatomy, plan), **stage_state(anatomy, plan)}
    asked = st.query_params.get("layer") or st.session_state.get("bl.anatomy.part") or ""
    chosen = selection(anatomy, asked)
    rows: list[Row] = [diagram.stage_row(anatomy, states, chosen=chosen.stage, unit=chosen.block)]
    stage = next(stage for stage in anatomy.stages if stage.name == chosen.stage)
    blocks = {block.name: block for block in diagram.blocks(anatomy, stage)}
    if blocks:
        rows.append(diagram.block_row(anatomy, stage, states, chosen=chosen.block))
    if chosen.block and len(blocks[chosen.block].layers) > 1:
        inside = blocks[chosen.block].layers
        rows.append(diagram.layer_row(anatomy, chosen.block, inside, states, chosen=chosen.layer))
    elif not blocks:
        rows.append(
            diagram.layer_row(anatomy, diagram.stage_title(stage.name), stage.layers, states, chosen=chosen.layer)
        )
    learning = sum(state_ != "frozen" for state_ in stage_state(anatomy, plan).values())
    words = _(
        "From image to logits: the wider a part, the more parameters; the higher, the larger its feature maps. "
        "{learning} of {all} parts learn."
    ).format(learning=learning, all=len(anatomy.stages))
    diagram.diagram(rows, key="bl-anatomy", label=words, on_event=_event)
    components.note(words)
    return chosen


if __name__ == "__main__":
    from pages.ui.shell import run

    run()
