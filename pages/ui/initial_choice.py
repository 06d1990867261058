"""Random weights: the choice of how they are drawn."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core.specs import ModelSpec
from pages.ui import components, state
from pages.ui.i18n import _


def choose(spec: ModelSpec) -> ModelSpec:
    """Draws how random weights are drawn; returns the spec with the choice.

    Args:
        spec: A network with random weights, or with weights handed on (what does not fit is random then).
    """
    from core.models.initial import SCHEMES

    with st.container(key="bl-init", horizontal=True, vertical_alignment="bottom"):
        state.follow("bl-init-scheme", spec.init)
        init = st.selectbox(
            _("Random weights"), ["own", *SCHEMES], key="bl-init-scheme", width=300,
            format_func=lambda name: _(SCHEMES[name].title) if name in SCHEMES else _("The network's own way"),
        )  # fmt: skip
        bias = spec.init_bias
        if init != "own":
            state.follow("bl-init-bias", spec.init_bias)
            bias = st.number_input(_("Biases"), -10.0, 10.0, key="bl-init-bias", step=0.01, width=130)
    if init in SCHEMES:
        scheme = SCHEMES[init]
        components.note(_(scheme.description))
        if scheme.paper:
            st.caption(_("Read more: [{title}]({address})").format(title=scheme.paper[0], address=scheme.paper[1]))
    else:
        components.note(_("Each kind of layer draws its weights as its authors set it."))
    return replace(spec, init=init or spec.init, init_bias=spec.init_bias if bias is None else bias)
