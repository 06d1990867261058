"""Filters: the small patterns that a network's convolutions look for, and the pictures that activate its channels."""

from __future__ import annotations

from pages.ui.kit import components
from pages.ui.selection import subjects, view_strip
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
    without = frozenset[str]() if target.run else frozenset({"epochs"})
    view = view_strip.choose(VIEWS, VIEW, "bl-filters-what", without=without)
    network = subjects.load(target)
    if network is None:
        return
    if view == "dreams":
        from pages.ui.visualization import activation_maximization

        activation_maximization.draw(target, network)
    elif view == "epochs":
        from pages.filters import epochs_view

        epochs_view.draw(target, network)
    else:
        from core.interpret.filters.kernels import conv_layers
        from pages.filters import kernels_view, similar_view

        if conv_layers(network):
            (similar_view if view == "alike" else kernels_view).draw(target, network)
        else:
            subjects.callout(_("This network has no convolutions, so it has no filters to show."))
    components.next_step("heatmaps", _("See where it looks"), run=target.run.id if target.run else None)
