"""Filters: the small patterns that a network's convolutions look for, and the pictures that excite its channels."""

from __future__ import annotations

import streamlit as st

from pages.ui.kit import components
from pages.ui.selection import checkpoint_picker, subjects
from pages.ui.selection.network_picker import Target
from pages.ui.session import address
from pages.ui.text.i18n import N_, _

VIEWS = {
    "kernels": N_("Kernels"),
    "dreams": N_("What they look for"),
    "alike": N_("Alike"),
    "epochs": N_("Over epochs"),
}
VIEW = address.Bound("view", kept="bl.filters.view")


def render() -> None:
    """Draws the page."""
    subjects.begin("filters")
    target = subjects.choose(image=False)
    if not isinstance(target, Target):
        return
    view = _view(target)
    then = target if view == "epochs" else checkpoint_picker.choose_target(target)
    network = subjects.load(target) if then is target else checkpoint_picker.load(then)
    if network is None:
        return
    target = then
    if view == "dreams":
        from pages.ui.visualization import activation_maximization

        activation_maximization.draw(target, network)
    elif view == "epochs":
        from pages.filters import epochs_view

        epochs_view.draw(target)
    else:
        from core.interpret.filters.kernels import conv_layers
        from pages.filters import kernels_view, similar_view

        if conv_layers(network):
            (similar_view if view == "alike" else kernels_view).draw(target, network)
        else:
            subjects.callout(_("This network has no convolutions, so it has no filters to show."))
    components.next_step("heatmaps", _("See where it looks"), run=target.run.id if target.run else None)


def _view(target: Target) -> str:
    """Draws the choice of what is asked of the filters; it is kept in the address."""
    views = [name for name in VIEWS if name != "epochs" or target.run is not None]
    chosen = st.segmented_control(
        _("What to see"),
        views,
        format_func=lambda name: _(VIEWS[name]),
        required=True,
        wrap=True,
        label_visibility="collapsed",
        **VIEW.widget("bl-filters-what", views, views[0]),
    )
    VIEW.choose(None if chosen == views[0] else chosen)
    return str(chosen)
