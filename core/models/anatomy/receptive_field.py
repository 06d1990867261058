"""Receptive fields: which pixels a cell of a feature map can see.

Along one axis, the windows of the cells of a feature map form a row: the first is centred at ``start``, each next one
lies ``jump`` pixels further, and all are ``size`` pixels wide. Convolutions and pools turn one such row into another
(Araujo, Norris and Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks", Distill,
https://doi.org/10.23915/distill.00021). Where paths meet, the window that holds both is taken.

Pixel ``i`` covers the interval from ``i`` to ``i + 1``, so the centre of the first pixel is 0.5 and a window of odd
size around it ends on pixel borders. Windows are not clipped at the image's border.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

Shape = tuple[int, ...]

WHOLE = "whole"
WINDOWS = "windows"
FLAT = "flat"
RESIZED = "resized"
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Row:
    """The windows along one axis, in input pixels.

    Attributes:
        size: Width of each window.
        jump: From one window's centre to the next one's.
        start: Centre of the first.
    """

    size: float = 1
    jump: float = 1
    start: float = 0.5

    def slid(self, kernel: int, stride: int = 1, before: int = 0, dilation: int = 1) -> Row:
        """Returns the windows behind a kernel that slides over the cells.

        Args:
            kernel: Cells it covers.
            stride: Cells from one place of it to the next.
            before: Cells of padding before the first.
            dilation: Cells from one tap of it to the next.
        """
        reach = (kernel - 1) * dilation
        return Row(self.size + reach * self.jump, self.jump * stride, self.start + (reach / 2 - before) * self.jump)

    def sliced(self, first: int, step: int) -> Row:
        """Returns the windows of every ``step``-th cell from the ``first`` on."""
        return Row(self.size, self.jump * step, self.start + first * self.jump)

    def joined(self, other: Row) -> Row | None:
        """Returns the windows that hold those of both; ``None`` if they move apart from cell to cell."""
        if self.jump != other.jump:
            return None
        low = min(self.start - self.size / 2, other.start - other.size / 2)
        high = max(self.start + self.size / 2, other.start + other.size / 2)
        return Row(high - low, self.jump, (low + high) / 2)


@dataclass(frozen=True, slots=True)
class Trail:
    """How a tensor that was computed from the image relates to it.

    Attributes:
        axes: Which axes of the tensor are the map's: rows and columns, or one for both (a sequence of patches);
            empty where the tensor is no map of the image (any more).
        rows: Windows along the height.
        columns: Windows along the width.
        why: Why there are no windows, one of the constants of this module; empty where there are.
        uniform: Whether the tensor has one value a channel for the whole image, as behind a global pool.
        born: When the values were computed, to distinguish new ones from those handed on.
    """

    axes: tuple[int, ...] = (2, 3)
    rows: Row = Row()
    columns: Row = Row()
    why: str = ""
    uniform: bool = False
    born: int = 0

    def lost(self, why: str, uniform: bool = False) -> Trail:
        """Returns the trail of a tensor without windows; the first reason stays."""
        if self.why:
            return self
        return replace(self, axes=(), why=why, uniform=uniform)

    def at(self, axes: tuple[int, ...]) -> Trail:
        """Returns the same windows on other axes of the tensor."""
        return self if axes == self.axes else replace(self, axes=axes)

    def joined(self, other: Trail) -> Trail:
        """Returns the trail of a tensor computed from both, cell by cell."""
        if self.why or other.why:
            return self if self.why else other
        if self.rows == other.rows and self.columns == other.columns:
            return self
        rows, columns = self.rows.joined(other.rows), self.columns.joined(other.columns)
        if rows is None or columns is None:
            return self.lost(OTHER)
        return replace(self, rows=rows, columns=columns)

    def slid(
        self,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        before: tuple[int, int],
        dilation: tuple[int, int] = (1, 1),
    ) -> Trail:
        """Returns the trail behind a kernel that slides over rows and columns."""
        return replace(
            self,
            rows=self.rows.slid(kernel[0], stride[0], before[0], dilation[0]),
            columns=self.columns.slid(kernel[1], stride[1], before[1], dilation[1]),
        )

    def reshaped(self, old: Shape, new: Shape) -> Trail:
        """Returns the trail after a ``reshape`` from one shape to another.

        An axis survives if its cells stay one axis; rows and columns may also become one sequence together. A map
        cut into pieces has windows no more, nor has one mixed with the channels.
        """
        if self.why or old == new:
            return self
        groups = regroup(old, new)
        places = [next(((ins, outs) for ins, outs in groups if axis in ins), ((), ())) for axis in self.axes]
        if len(places) == 2 and places[0] == places[1]:
            ins, outs = places[0]
            return self.at(outs) if ins == self.axes and len(outs) == 1 else self.lost(FLAT)
        found = []
        for axis, (ins, outs) in zip(self.axes, places, strict=True):
            if ins != (axis,):
                return self.lost(FLAT)
            if len(outs) == 1:
                found.append(outs[0])
            elif len(self.axes) == 1 and len(outs) == 2:
                found += outs
            else:
                return self.lost(WINDOWS)
        return self.at(tuple(found))


def regroup(old: Shape, new: Shape) -> list[tuple[Shape, Shape]]:
    """Pairs the axes of two shapes of the same number of values, in the smallest groups of the same product.

    Axes of size 1 that have no partner are left out, unless there is nothing else in their group.

    Example:
        >>> regroup((2, 8, 7, 7), (2, 8, 49))
        [((0,), (0,)), ((1,), (1,)), ((2, 3), (2,))]
    """
    groups: list[tuple[Shape, Shape]] = []
    i = j = 0
    while i < len(old) and j < len(new):
        ins, outs = [i], [j]
        here, there = old[i], new[j]
        i, j = i + 1, j + 1
        while here != there:
            if here < there:
                here *= old[i]
                ins.append(i)
                i += 1
            else:
                there *= new[j]
                outs.append(j)
                j += 1
        groups.append((tuple(ins), tuple(outs)))
    return [
        (
            tuple(axis for axis in ins if old[axis] != 1) or ins[:1],
            tuple(axis for axis in outs if new[axis] != 1) or outs[:1],
        )
        for ins, outs in groups
    ]
