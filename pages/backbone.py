"""Backbone: which network, and from which weights."""

from __future__ import annotations

from pages.ui import advisor, catalogue, components, state
from pages.ui.i18n import _


def render() -> None:
    """Draws the page."""
    components.header("backbone")
    spec = catalogue.draw(state.model())
    state.set_model(spec)
    shown = spec.weights if not spec.weights.startswith("file:") else None
    state.show_in_address(backbone=spec.backbone, weights=shown)
    advisor.draw(spec, state.data())
    query = {"backbone": spec.backbone} | ({"weights": shown} if shown else {})
    text = _("What is in it, layer by layer, and which of it may learn.")
    components.next_step("anatomy", _("Look into it"), text=text, **query)


if __name__ == "__main__":
    from pages.ui.shell import run

    run()
