"""Figures as text: counts, shares, durations, sizes, moments. Digits stay data; units are translated.

Between a figure and its unit stands the space at which no line breaks, :data:`NBSP`.
"""

from __future__ import annotations

import math
import re
import time

from pages.ui.text.i18n import _

DASH = "–"
NBSP = "\N{NO-BREAK SPACE}"
_INSIDE = re.compile(
    r"(?<=\d) (?=(?:%|px|ms|s|min|h|B|[kMG]B|[kMG])(?!\w)|× \d)|(?<=\d ×) (?=\d)| (?=· )|(?<=±) (?=\d)"
    r"|(?<=[\d)]) (?=[=≈·] [−(]{0,2}\d)|(?<=[\d)] [=≈·]) (?=[−(]{0,2}\d)"
)
"""Spaces inside a figure: before its unit, about the × of a size, within a product and before what a sum is; and before
a dot that parts two facts."""


def count(value: float | None) -> str:
    """``134309708`` -> ``134.3 M``; four digits and fewer stay as they are."""
    if value is None:
        return DASH
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            scaled = value / (1e3 if unit == "k" else limit)
            return f"{scaled:,.1f}{NBSP}{unit}"
    return exact(value)


def exact(value: float | None) -> str:
    """``134309708`` -> ``134,309,708``."""
    return DASH if value is None else f"{value:,.0f}"


def percent(share: float | None, digits: int = 1) -> str:
    """``0.9833`` -> ``98.3 %``; whole hundreds lose the decimals, and what is not nothing or all never reads so."""
    if share is None or math.isnan(share):
        return DASH
    text = f"{share * 100:.{digits}f}"
    least = 10.0**-digits
    if share > 0 and float(text) == 0:
        return f"<{NBSP}{least:.{digits}f}{NBSP}%"
    if share < 1 and float(text) == 100:
        return f">{NBSP}{100 - least:.{digits}f}{NBSP}%"
    return f"{text.removesuffix('.' + '0' * digits) if digits else text}{NBSP}%"


def number(value: float | None, digits: int = 3) -> str:
    """A figure with so many significant digits, without an exponent where it reads well."""
    if value is None or math.isnan(value):
        return DASH
    if value and abs(value) < 1e-4:
        return f"{value:.1e}"
    return f"{value:.{digits}g}" if abs(value) < 10**digits else exact(value)


def duration(seconds: float | None) -> str:
    """``95`` -> ``1 min 35 s``; no line breaks within it."""
    if seconds is None or seconds < 0:
        return DASH
    whole = round(seconds)
    if seconds < 10:
        text = _("{s} s").format(s=f"{seconds:.1f}")
    elif whole < 60:
        text = _("{s} s").format(s=whole)
    elif whole < 3600:
        text = _("{m} min {s} s").format(m=whole // 60, s=whole % 60)
    else:
        text = _("{h} h {m} min").format(h=whole // 3600, m=whole % 3600 // 60)
    return text.replace(" ", NBSP)


def size(byte_count: float | None) -> str:
    """``357000000`` -> ``357 MB``."""
    if byte_count is None:
        return DASH
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if byte_count >= limit:
            scaled = byte_count / limit
            return f"{scaled:.1f}{NBSP}{unit}" if scaled < 10 else f"{scaled:.0f}{NBSP}{unit}"
    return f"{byte_count:.0f}{NBSP}B"


def ago(moment: float | None) -> str:
    """Unix seconds -> how long ago that was, in one unit."""
    if not moment:
        return DASH
    passed = max(0.0, time.time() - moment)
    if passed < 60:
        return _("just now")
    if passed < 3600:
        return _("{n} min ago").format(n=int(passed // 60))
    if passed < 86400:
        return _("{n} h ago").format(n=int(passed // 3600))
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))


def together(text: str) -> str:
    """Returns a sentence whose figures no line break takes apart: ``632 ms``, ``98.3 %``, ``224 × 224``."""
    return _INSIDE.sub(NBSP, text)


def rate(per_second: float | None) -> str:
    """Images a second, with the digits that mean something."""
    if not per_second:
        return DASH
    return exact(per_second) if per_second >= 10 else f"{per_second:.1f}"
