"""A sliding window, drawn, and the size of what comes out with its figures filled in."""

from __future__ import annotations

from html import escape

from core.models.anatomy.sliding_window import Window
from pages.ui.text.i18n import _

INPUT, OUTPUT, GAP = 250, 120, 90
"""Sides of the two drawn grids and the distance between them, in pixels."""


def formula(window: Window) -> str:
    """Returns the size of the output as LaTeX, filled in; empty where the rule does not give it."""
    if not window.rounding:
        return ""
    symbol = "k" if window.dilation == 1 else "(d(k-1)+1)"
    left, right = (rf"\left\l{window.rounding}", rf"\right\r{window.rounding}")
    padding = "p" if window.extra else "2p"
    return rf"{left}\frac{{h+{padding}-{symbol}}}{{s}}{right}+1={window.filled}={window.result}"


def drawing(window: Window) -> tuple[str, int]:
    """Returns the upper left corner of input and output as SVG, with the first two places of the window, and its width.

    The window's taps are filled; beside its first place stands its second, one stride further. Padding is dashed.
    """
    shown = min(window.reach + 2 * window.stride, window.size + 2 * window.padding)
    shown = max(shown, window.reach)
    cell = INPUT / shown
    parts = [_grid(0, 0, shown, cell, window.padding, window.size)]
    side = window.reach * cell
    if window.result > 1:
        parts.append(
            f'<rect class="next" x="{window.stride * cell:.1f}" y="1" width="{side:.1f}" height="{side:.1f}"/>'
        )
    parts.append(f'<rect class="window" x="1" y="1" width="{side - 1:.1f}" height="{side - 1:.1f}"/>')
    if window.dilation > 1:
        taps = [tap * window.dilation * cell for tap in range(window.kernel)]
        parts += [
            f'<rect class="tap" x="{x:.1f}" y="{y:.1f}" width="{cell:.1f}" height="{cell:.1f}"/>'
            for x in taps
            for y in taps
        ]
    count = min(4, window.result)
    small = OUTPUT / max(count, 3)
    left, top = INPUT + GAP, (INPUT - OUTPUT) / 2
    parts.append(_grid(left, top, count, small, 0, count))
    parts.append(f'<rect class="tap" x="{left}" y="{top}" width="{small:.1f}" height="{small:.1f}"/>')
    if count > 1:
        parts.append(f'<rect class="next" x="{left + small:.1f}" y="{top}" width="{small:.1f}" height="{small:.1f}"/>')
    middle = top + small / 2
    parts.append(
        f'<path class="arrow" d="M {side:.1f} {side / 2:.1f} C {side + GAP / 2:.1f} {side / 2:.1f} {left - GAP / 2} '
        f'{middle:.1f} {left - 4} {middle:.1f} m -9 -5 l 9 5 l -9 5"/>'
    )
    entering = _("in: {n} × {n}").format(n=window.size)
    if window.padding:
        entering = _("in: {n} × {n}, padding {p}").format(n=window.size, p=window.padding)
    leaving = _("out: {n} × {n}").format(n=window.result)
    below = INPUT + 20
    parts.append(f'<text class="middle" x="{INPUT / 2}" y="{below}">{escape(entering)}</text>')
    parts.append(f'<text class="middle" x="{left + OUTPUT / 2}" y="{top + OUTPUT + 20}">{escape(leaving)}</text>')
    width = left + OUTPUT + 2
    return f'<svg viewBox="-2 -2 {width + 4} {INPUT + 32}">{"".join(parts)}</svg>', width


def _grid(left: float, top: float, count: int, cell: float, padding: int, size: int) -> str:
    """Returns a square grid; the first ``padding`` cells, and those beyond ``size``, are the image's margin."""
    side = count * cell
    begin, end = padding * cell, min(count, padding + size) * cell
    lines = []
    if count <= 40:
        for index in range(count + 1):
            at = index * cell
            if begin - 0.1 <= at <= end + 0.1:
                lines.append(f"M {left + at:.1f} {top + begin:.1f} V {top + end:.1f}")
                lines.append(f"M {left + begin:.1f} {top + at:.1f} H {left + end:.1f}")
    margin = f'<rect class="margin" x="{left}" y="{top}" width="{side:.1f}" height="{side:.1f}"/>' if padding else ""
    inner = f'x="{left + begin:.1f}" y="{top + begin:.1f}" width="{end - begin:.1f}" height="{end - begin:.1f}"'
    return f'{margin}<rect class="cells" {inner}/><path class="grid" d="{" ".join(lines)}"/>'
