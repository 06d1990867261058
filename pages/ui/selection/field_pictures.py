"""What a value of a layer sees of a picture, drawn: the window that it could see, and the pixels that move it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

    from core.interpret.features.receptive_field import Field
    from core.models.network import Network

MAX_SIDE_PX = 420
WINDOW, UNDER = (230, 159, 0), (20, 20, 20)
"""Colours of the window's frame and of the line that sets it off."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A layer's field as a page keeps it: two pictures and the figures."""

    theory: PILImage
    measured: PILImage
    field: Field


def draw(network: Network, picture: PILImage, layer: str, cell: tuple[int, int] | None = None) -> Drawn:
    """Measures the field of one value of a layer and draws it.

    Args:
        network: The network.
        picture: The picture as the network sees it, in colour.
        layer: Name of a layer that gives maps.
        cell: Row and column in its map; ``None`` for the one in the middle.
    """
    from core.data.images import to_tensor
    from core.interpret.drawing.overlay import overlay
    from core.interpret.features.receptive_field import receptive_field

    field = receptive_field(network, to_tensor(picture, network.preprocessing, fitted=True), layer, cell=cell)
    large, scale = _enlarged(picture)
    dark = large.point(lambda value: value * 0.45)
    measured = overlay(dark, field.effective**0.5, opacity=0.95, colormap="magma", fade=True)
    return Drawn(seen(picture, field.window), _framed(measured, field.window, scale), field)


def seen(picture: PILImage, window: tuple[float, float, float, float]) -> PILImage:
    """Returns a picture, enlarged, dark outside of a window and with its frame.

    Args:
        picture: The picture as the network sees it, in colour.
        window: Borders in its pixels: top, left, bottom, right.
    """
    large, scale = _enlarged(picture)
    return _framed(_dimmed(large, window, scale), window, scale)


def _enlarged(picture: PILImage) -> tuple[PILImage, float]:
    """Returns a picture of at least :data:`MAX_SIDE_PX`, and by how much it is larger."""
    large = picture.resize(
        (max(MAX_SIDE_PX, picture.width), max(MAX_SIDE_PX, picture.height)), 0 if picture.width < 96 else 3
    )
    return large, large.width / picture.width


def _dimmed(image: PILImage, window: tuple[float, float, float, float], scale: float) -> PILImage:
    """Returns the picture, dark outside of the window."""
    dark = image.point(lambda value: value * 0.35)
    top, left, bottom, right = (round(side * scale) for side in window)
    box = (left, top, max(right, left + 1), max(bottom, top + 1))
    dark.paste(image.crop(box), box)
    return dark


def _framed(image: PILImage, window: tuple[float, float, float, float], scale: float) -> PILImage:
    """Returns the picture with the window's frame."""
    from PIL import ImageDraw

    image = image.copy()
    top, left, bottom, right = (side * scale for side in window)
    draw = ImageDraw.Draw(image)
    for grow, colour, width in ((1, UNDER, 4), (0, WINDOW, 2)):
        box = (
            max(0, left - grow),
            max(0, top - grow),
            min(image.width - 1, max(right + grow, left + 3)),
            min(image.height - 1, max(bottom + grow, top + 3)),
        )
        draw.rectangle(box, outline=colour, width=width)
    return image
