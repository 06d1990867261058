"""Line drawings in the colours of the theme: SVG that a page makes, shown by a component of the browser."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import streamlit as st

from pages.ui.kit import components

_JS = """
export default ({data, parentElement}) => {
  const root = parentElement.querySelector('.bl-drawing');
  root.setAttribute('aria-label', data.alt);
  root.style.maxInlineSize = data.width + 'px';
  root.innerHTML = data.svg;
}
"""
_CSS = """
.bl-drawing { direction: ltr; inline-size: 100%; margin-inline: auto; }
.bl-drawing svg { inline-size: 100%; block-size: auto; display: block; overflow: visible; }
.bl-drawing text { font: 500 15px "Source Sans", system-ui, sans-serif; fill: var(--bl-text); }
.bl-drawing .quiet { fill: var(--bl-quiet); }
.bl-drawing .middle { text-anchor: middle; }
.bl-drawing .grid { stroke: var(--bl-quiet); stroke-width: .8; opacity: .75; }
.bl-drawing .cells { fill: var(--bl-ground); }
.bl-drawing .margin { fill: none; stroke: var(--bl-quiet); stroke-width: 1; stroke-dasharray: 3 3; opacity: .8; }
.bl-drawing .window { fill: var(--bl-accent-fill); fill-opacity: .35; stroke: var(--bl-accent); stroke-width: 2; }
.bl-drawing .next { fill: none; stroke: var(--bl-accent); stroke-width: 2; stroke-dasharray: 5 4; }
.bl-drawing .tap { fill: var(--bl-accent-fill); fill-opacity: .85; }
.bl-drawing .arrow { fill: none; stroke: var(--bl-accent); stroke-width: 1.6; }
"""


@lru_cache(maxsize=1)
def _component() -> Any:
    return st.components.v2.component(
        "backbone_lab_drawing", html='<div class="bl-drawing" role="img"></div>', css=_CSS, js=_JS
    )


def show(svg: str, *, width: int, alt: str, key: str) -> None:
    """Draws an SVG.

    Args:
        svg: Its markup, with classes of this module's style sheet and every foreign text escaped.
        width: How wide it may become, in CSS pixels.
        alt: What it shows, translated; also written under it.
        key: Stable key.
    """
    _component()(data={"svg": svg, "width": width, "alt": alt}, key=key)
    components.note(alt)
