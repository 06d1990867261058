"""Where a layer's output keeps its channels and its picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

from torch import Tensor

if TYPE_CHECKING:
    from core.models.anatomy import Anatomy

Layout = Literal["NCHW", "NHWC", "tokens"]
_CHANNELS_LAST = ("Linear", "LayerNorm")  # layers that by their nature work on the last axis
_MOST_EXTRA_TOKENS = 8  # class, distillation and register tokens together


def layout_of(shape: Sequence[int], *, kind: str = "", grid: tuple[int, int] | None = None) -> Layout | None:
    """Tells where channels, rows and columns are in a layer's output.

    Three axes are a map: channels first, unless only the first two are equal (pictures are square here, as every
    network's input is), or all three are and the layer works on the last axis by its nature. Two axes are tokens, if
    they are as many as the token grid has cells, with a few extra ones (the class token) before them.

    Args:
        shape: Shape of the output without the batch.
        kind: The layer's class name; only settles a draw.
        grid: Rows and columns of the network's token grid; ``None`` for a network without tokens.

    Returns:
        The layout, or ``None`` for an output that keeps no picture: a vector, a single pixel, windows of attention.
    """
    if len(shape) == 2 and grid is not None:
        extra = shape[0] - grid[0] * grid[1]
        return "tokens" if 0 <= extra <= _MOST_EXTRA_TOKENS and min(grid) > 1 else None
    if len(shape) != 3:
        return None
    first, second, third = shape
    last = first == second and (second != third or kind in _CHANNELS_LAST)
    height, width = (first, second) if last else (second, third)
    if min(height, width) < 2:
        return None
    return "NHWC" if last else "NCHW"


def to_maps(output: Tensor, layout: Layout, grid: tuple[int, int] | None = None) -> Tensor:
    """Turns a layer's output into one map a channel.

    Args:
        output: Output for one image: 1xCxHxW, 1xHxWxC, or 1xNxC tokens.
        layout: As :func:`layout_of` tells.
        grid: Rows and columns that tokens fold to.

    Returns:
        A view, CxHxW; extra tokens (the class token) are left out.
    """
    if layout == "NCHW":
        return output[0]
    if layout == "NHWC":
        return output[0].permute(2, 0, 1)
    if grid is None:
        raise ValueError("tokens need a grid")
    rows, columns = grid
    return output[0, -rows * columns :].T.reshape(-1, rows, columns)


def token_grid(anatomy: Anatomy) -> tuple[int, int] | None:
    """Returns the grid that a network's tokens fold to, ``None`` for a network whose maps are not tokens."""
    return (anatomy.grid[0], anatomy.grid[1]) if anatomy.layout == "tokens" else None


def layer_layout(output: Tensor, layer: str, anatomy: Anatomy) -> Layout | None:
    """Tells the layout of an output that a probe kept; for the anatomy's own CAM layer the anatomy has the word.

    Args:
        output: The kept output for one image, batch first.
        layer: The layer's name.
        anatomy: The network's anatomy.
    """
    if output.shape[0] != 1:
        return None  # windows of attention are stacked in the batch
    kind = next((entry.kind for entry in anatomy.layers if entry.name == layer), "")
    found = layout_of(output.shape[1:], kind=kind, grid=token_grid(anatomy))
    told = anatomy.layout
    same_axes = output.ndim == (3 if told == "tokens" else 4)
    if layer == anatomy.cam_layer and found is not None and same_axes and told in get_args(Layout):
        return told
    return found
