"""The arithmetic of a window that slides over a map: kernel, stride, padding, and the size of what comes out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.models.anatomy.records import Layer


@dataclass(frozen=True, slots=True)
class Window:
    """A window that slides along one axis.

    Attributes:
        size: Cells of the input along the axis.
        result: Cells of the output along it.
        kernel: Cells under the window.
        stride: Cells from one place of it to the next.
        padding: Cells added at each end.
        dilation: Cells from one tap of the window to the next.
        extra: Cells that the layer adds by itself besides, over both ends; of an odd number, the last at the end.
    """

    size: int
    result: int
    kernel: int
    stride: int
    padding: int
    dilation: int = 1
    extra: int = 0

    @property
    def reach(self) -> int:
        """Cells from the window's first to its last tap."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def rounding(self) -> str:
        """``floor`` or ``ceil``, whichever gives the output's size; empty where neither does."""
        free = self.size + 2 * self.padding + self.extra - self.reach
        if free // self.stride + 1 == self.result:
            return "floor"
        return "ceil" if -(-free // self.stride) + 1 == self.result else ""

    @property
    def filled(self) -> str:
        """The size of the output as LaTeX, with its figures filled in; empty where no rule gives it."""
        if not self.rounding:
            return ""
        kernel = str(self.kernel) if self.dilation == 1 else rf"({self.dilation}\cdot({self.kernel}-1)+1)"
        padded = rf"{self.size}+{self.extra}" if self.extra else rf"{self.size}+2\cdot{self.padding}"
        return rf"\left\l{self.rounding}\frac{{{padded}-{kernel}}}{{{self.stride}}}\right\r{self.rounding}+1"


def window_of(layer: Layer) -> Window | None:
    """Returns the window that a layer slides over its input; ``None`` where it slides none."""
    if not layer.kernel or len(layer.input_shape) != 3 or len(layer.output_shape) != 3:
        return None
    first = [side[0] for side in (layer.kernel, layer.stride, layer.padding, layer.dilation) if side]
    if len(first) < 4:
        return None
    kernel, stride, padding, dilation = first
    axis = 0 if layer.layout == "NHWC" else 1
    window = Window(layer.input_shape[axis], layer.output_shape[axis], kernel, stride, padding, dilation)
    if window.rounding == "floor" or padding or "Pool" in layer.kind:  # a pool may round up
        return window
    extra = (window.result - 1) * stride + window.reach - window.size
    return replace(window, extra=extra) if extra > 0 else window
