"""A heatmap laid over its picture, its colours, and what it is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pages.ui.explaining.choice import Look
from pages.ui.selection import subjects
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from core.interpret.attribution.heatmap import Heatmap


def scale(look: Look, *, signed: bool) -> None:
    """Draws the colours of a map."""
    if signed:
        subjects.scale_bar("blue-red", _("against"), _("for"))
    else:
        subjects.scale_bar(look.colormap, _("nothing"), _("most"))


def named(classes: Sequence[str], heat: Heatmap) -> str:
    """Returns the class that a map is about, and the one it is held against."""
    if heat.against is None:
        return classes[heat.target]
    return _("{name} rather than {other}").format(name=classes[heat.target], other=classes[heat.against])


def over(picture: Image.Image, heat: Heatmap, look: Look, level: NDArray[np.float32] | None = None) -> Image.Image:
    """Lays a heatmap over the picture; single pixels go over a grey one.

    Args:
        picture: The picture as the network saw it.
        heat: The map.
        look: How it is drawn.
        level: What is drawn of it, see :func:`core.interpret.drawing.scales.levels`; by default on its own scale.
    """
    from PIL import Image

    from core.interpret.drawing.overlay import overlay
    from core.interpret.drawing.scales import OWN, levels

    values = levels([heat], [1.0], OWN)[0] if level is None else level
    opacity, ground = look.opacity, picture
    if heat.per_pixel:
        grey = picture.convert("L").convert("RGB")
        ground = Image.blend(grey, Image.new("RGB", grey.size, "white"), 0.55)
        opacity = min(1.0, 1.6 * look.opacity)
    return overlay(
        ground,
        values,
        opacity=opacity,
        colormap="blue-red" if heat.signed else look.colormap,
        signed=heat.signed,
        fade=heat.signed or heat.per_pixel,
    )
