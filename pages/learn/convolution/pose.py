"""The picture and the kernel that the lesson's question is about, without an answer."""

from __future__ import annotations

from pages.learn import number_grid
from pages.learn.number_grid import Grid
from pages.ui.text.i18n import _


def draw() -> None:
    """Draws them."""
    from core.lessons.kernels import PRESETS
    from core.lessons.numbers import read_grids

    line = PRESETS["line"]
    picture = read_grids(line.picture, most=(1, 1, 5, 5))[0, 0].tolist()
    kernel = read_grids(line.kernels, most=(1, 1, 3, 3))[0, 0].tolist()
    number_grid.show(Grid(picture, _("Picture, with a margin of zeros")), "∗", Grid(kernel, _("Kernel")), "=", "?")
