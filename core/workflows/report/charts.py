"""Charts as inline SVG: lines over epochs, and how sure against how often right. Colours are the page's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from core.evaluation.calibration import Bin

WIDTH, HEIGHT = 520, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 26, 38
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart: what it is called, the class that colours it, and its points."""

    title: str
    colour: str
    points: Sequence[tuple[float, float]]


def ticks(low: float, high: float, least: float = 0.0) -> list[float]:
    """Returns round values that cover a range, a handful of them; the least step between them may be given."""
    span = high - low if high > low else max(abs(high), 1.0)
    rough = span / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = max(least, next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 10) for place in range(first, max(last, first + 1) + 1)]


def lines(
    rows: Sequence[Line], *, across: str, up: str, marks: Sequence[tuple[float, str]] = (), share: bool = False
) -> str:
    """Draws lines over epochs.

    Args:
        rows: The lines; points that are no numbers are left out.
        across: What the horizontal axis shows.
        up: What the vertical axis shows.
        marks: Places with a hairline and a word: where a phase begins, the best epoch.
        share: Whether values are shares, written as percentages.

    Returns:
        The SVG, or nothing where there is no point.
    """
    kept = [Line(r.title, r.colour, [p for p in r.points if all(map(math.isfinite, p))]) for r in rows]
    kept = [row for row in kept if row.points]
    if not kept:
        return ""
    xs, ys = [p[0] for row in kept for p in row.points], [p[1] for row in kept for p in row.points]
    plot = _Plot(ticks(min(xs), max(xs), least=1), ticks(min(ys), max(ys)), share)
    plot.left, plot.right = min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1
    parts = [plot.axes(across, up)]
    for place, word in marks:
        if plot.left <= place <= plot.right:
            x, foot = plot.x(place), HEIGHT - _BOTTOM
            high = foot - 6 if share else _TOP + 12  # where lines seldom are: shares rise, losses fall
            side, shift = ("end", -4) if place > (plot.left + plot.right) / 2 else ("start", 4)
            parts.append(
                f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{foot}"/>'
                f'<text class="{side}" x="{x + shift:.1f}" y="{high}">{escape(word)}</text>'
            )
    for row in kept:
        path = " ".join(f"{plot.x(x):.1f},{plot.y(y):.1f}" for x, y in row.points)
        parts.append(f'<polyline class="line {row.colour}" points="{path}"/>')
        parts += [
            f'<circle class="dot {row.colour}" cx="{plot.x(x):.1f}" cy="{plot.y(y):.1f}" r="2.6"/>'
            for x, y in (row.points if len(row.points) <= 30 else row.points[-1:])
        ]
    legend = "".join(f'<span class="{row.colour}"><i></i>{escape(row.title)}</span>' for row in kept)
    return _svg("".join(parts), f"{up}: " + ", ".join(row.title for row in kept)) + f'<p class="legend">{legend}</p>'


def reliability(bins: Sequence[Bin], *, across: str, up: str, title: str) -> str:
    """Draws a reliability diagram: mean confidence across, share that is right up, and the line where they agree.

    Args:
        bins: Images of like confidence.
        across: What the horizontal axis shows.
        up: What the vertical axis shows.
        title: What the drawing is called for those who do not see it.
    """
    plot = _Plot([0, 0.25, 0.5, 0.75, 1], [0, 0.25, 0.5, 0.75, 1], True, across_share=True)
    most = max(row.images for row in bins)
    dots = "".join(
        f'<circle class="dot val" cx="{plot.x(row.confidence):.1f}" cy="{plot.y(row.accuracy):.1f}" '
        f'r="{3 + 4 * row.images / most:.1f}"/>'
        for row in bins
    )
    diagonal = f'<line class="mark" x1="{plot.x(0)}" y1="{plot.y(0)}" x2="{plot.x(1)}" y2="{plot.y(1)}"/>'
    return _svg(plot.axes(across, up) + diagonal + dots, title)


class _Plot:
    """Where values lie on the drawing."""

    def __init__(self, across: list[float], up: list[float], share: bool, across_share: bool = False) -> None:
        self._across, self._up, self._share, self._across_share = across, up, share, across_share
        self.left, self.right = across[0], across[-1]

    def x(self, value: float) -> float:
        return _LEFT + (value - self.left) / (self.right - self.left) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self._up[0], self._up[-1]
        return HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)

    def axes(self, across: str, up: str) -> str:
        parts = [
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{self.y(v):.1f}" y2="{self.y(v):.1f}"/>'
            f'<text class="tick end" x="{_LEFT - 7}" y="{self.y(v) + 4:.1f}">{_written(v, self._share)}</text>'
            for v in self._up
        ]
        parts += [
            f'<text class="tick middle" x="{self.x(v):.1f}" y="{HEIGHT - _BOTTOM + 17}">'
            f"{_written(v, self._across_share)}</text>"
            for v in self._across
            if self.left <= v <= self.right
        ]
        middle = (_LEFT + WIDTH - _RIGHT) / 2
        return "".join(parts) + (
            f'<text class="tick middle" x="{middle}" y="{HEIGHT - 5}">{escape(across)}</text>'
            f'<text class="tick" x="2" y="10">{escape(up)}</text>'
        )


def _written(value: float, share: bool) -> str:
    return f"{100 * value:g} %" if share else f"{value:g}"


def _svg(inside: str, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg">{inside}</svg>'
    )
