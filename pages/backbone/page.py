"""Backbone: which network, and from which weights."""

from __future__ import annotations

import streamlit as st

from core.errors import InputError
from core.specs import ModelSpec
from pages.backbone import advisor, catalogue, network_builder
from pages.ui.kit import components
from pages.ui.plan import freeze_plan
from pages.ui.session import address, caches, choices
from pages.ui.text.i18n import _


def render() -> None:
    """Draws the page."""
    components.header("backbone")
    spec = catalogue.draw(choices.model(), _classes())
    choices.set_model(spec)
    address.write(**choices.model_params(spec), **choices.data_params())
    _layers(spec)
    advisor.draw(spec, choices.data())
    text = _("What is in it, layer by layer, and which of it may learn.")
    components.next_step("anatomy", _("Look into it"), text=text, **choices.model_params(spec))


def _layers(spec: ModelSpec) -> None:
    """Draws the layers of a small network, to be changed; for any other network the way to one of one's own."""
    from core.models.architectures import small_networks

    if small_networks.find(spec.backbone) is None:
        st.button(
            _("Build a network of your own"),
            key="bl-build-own",
            icon=":material/construction:",
            type="tertiary",
            on_click=_take,
            args=(ModelSpec(small_networks.OWN.name, "none"),),
        )
        return
    own = spec.backbone == small_networks.OWN.name
    label = _("Its layers") if own else _("Its layers: change one, and the network becomes your own")
    with st.expander(label, icon=":material/layers:", expanded=own, key="bl-layers-own" if own else "bl-layers-known"):
        made = network_builder.draw(spec, _classes())
    if made != spec:
        _take(made)
        st.rerun()


def _take(spec: ModelSpec) -> None:
    """Chooses another network; what is frozen named the layers of the one before."""
    before = choices.model()
    choices.set_model(spec)
    if (spec.backbone, spec.design) != (before.backbone, before.design):
        freeze_plan.another_network(spec, pretrained=spec.weights != "none")
    address.write(**choices.model_params(spec))


def _classes() -> int | None:
    """Returns how many classes the chosen data have; ``None`` where there are none (any more)."""
    data = choices.data()
    try:
        return len(caches.divided(data).classes) if data else None
    except InputError:
        return None
