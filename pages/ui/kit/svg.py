"""Line drawings in the colours of the theme: SVG that a page makes, shown by a component of the browser."""

from __future__ import annotations

from pages.ui.kit import components
from pages.ui.kit.style import component


def show(svg: str, *, width: int, alt: str, key: str) -> None:
    """Draws an SVG.

    Args:
        svg: Its markup, with classes of this module's style sheet and every foreign text escaped.
        width: How wide it may become, in CSS pixels.
        alt: What it shows, translated; also written under it.
        key: Stable key.
    """
    made = component("drawing", '<div class="bl-drawing" role="img"></div>', "drawing.js", "drawing.css")
    made(data={"svg": svg, "width": width, "alt": alt}, key=key)
    components.note(alt)
