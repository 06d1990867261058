"""Backbone: which network, and from which weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from core.specs import FreezePlan, ModelSpec
from pages.ui import components, figures, state
from pages.ui.components import Figure
from pages.ui.faces import busy
from pages.ui.i18n import _

NONE = "none"


def render() -> None:
    """Draws the page."""
    components.header("backbone")
    with busy(_("Loading the catalogue …")):
        from core.models.catalog import BACKBONES, weights_state
    spec = _choose(BACKBONES, weights_state)
    entry = BACKBONES[spec.backbone]
    _paper(entry)
    text = _("What is in it, layer by layer, and which of it may learn.")
    components.next_step(
        "anatomy", _("Look into it"), text=text, backbone=spec.backbone, weights=spec.weights
    )  # fmt: skip


def _choose(catalogue: Any, weights_state: Any) -> ModelSpec:
    """Draws family, network and weights, and keeps the choice."""
    spec = state.model()
    if spec.backbone not in catalogue:
        spec = ModelSpec(state.DEFAULT_BACKBONE)
    families = list(dict.fromkeys(entry.family for entry in catalogue.values()))
    # The record is the truth: widgets are set from it before they are drawn.
    state.follow("bl-family", catalogue[spec.backbone].family)
    with st.container(key="bl-wrapsmall-network"):
        first, second, third = st.columns([1, 1.4, 1], vertical_alignment="bottom")
    family = first.selectbox(_("Family"), families, key="bl-family")
    members = [name for name, entry in catalogue.items() if entry.family == family]
    state.follow("bl-backbone", spec.backbone if spec.backbone in members else members[0])
    name = second.selectbox(
        _("Network"), members, key="bl-backbone", format_func=lambda n: _entry(catalogue[n], weights_state(n))
    )
    labels = {"default": _("Pretrained"), NONE: _("Random")}
    state.follow("bl-weights", spec.weights)
    weights = third.segmented_control(
        _("Weights"), list(labels), key="bl-weights", format_func=lambda w: labels[w], required=True,
        help=_("Pretrained: learned on ImageNet's 1.3 million photos. Random: the architecture alone."),
    )  # fmt: skip
    size = spec.image_size if name == spec.backbone else None
    chosen = replace(spec, backbone=name, weights=weights or spec.weights, image_size=size)
    if name != spec.backbone:
        state.set_freeze(FreezePlan())
    state.set_model(chosen)
    state.show_in_address(backbone=chosen.backbone, weights=chosen.weights)
    _facts(catalogue[name], weights_state(name), chosen)
    return chosen


def _entry(entry: Any, available: str) -> str:
    """Returns a network's line in the list: name, parameters, input, and whether its weights are here."""
    line = _("{name} · {parameters} parameters · {side} px").format(
        name=entry.title, parameters=figures.count(entry.parameters), side=entry.input_size
    )
    return line + (" · " + _("weights here") if available == "available" else "")


def _facts(entry: Any, available: str, spec: ModelSpec) -> None:
    here = {"available": _("on this machine"), "needs download": _("to be downloaded"), NONE: _("none exist")}[
        available
    ]
    components.metrics(
        [
            Figure(_("Parameters"), figures.count(entry.parameters), _("with its own head"),
                   _("{n} parameters").format(n=figures.exact(entry.parameters))),
            Figure(_("Input"), f"{entry.input_size} px", _("square, RGB")),
            Figure(_("Work per image"), f"{entry.gflops:.2g} G", _("multiply-adds")),
            Figure(_("ImageNet top-1"), f"{entry.top1:.1f} %", _("of 50,000 photos right")),
            Figure(_("Weights"), figures.size(entry.weights_mb * 1e6), here),
        ],
        compact=True,
    )  # fmt: skip
    if spec.weights == "default" and available == "needs download":
        components.note(
            _("Pretrained weights are fetched when they are first used. Without network access, choose random ones.")
        )


def _paper(entry: Any) -> None:
    with components.more("bl-backbone-more"):
        st.markdown(_("[{title} in its paper]({address}), {year}.").format(
            title=entry.family, address=entry.paper, year=entry.year))  # fmt: skip


if __name__ == "__main__":
    from pages.ui.shell import run

    run()
