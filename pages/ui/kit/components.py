"""Small parts that every page is built from."""

from __future__ import annotations

import base64
import io
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import IO

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.file_names import file_name
from core.runs.status_parts import LeakSearch
from pages.ui.kit import nav
from pages.ui.text import glossary, i18n, number_format
from pages.ui.text.i18n import N_, _, translate_error

STATES = {
    "queued": (N_("Waiting"), "schedule", "wait"),
    "starting": (N_("Starting"), "rocket_launch", "live"),
    "running": (N_("Training"), "play_circle", "live"),
    "stopping": (N_("Stopping"), "stop_circle", "wait"),
    "pausing": (N_("Pausing"), "pause_circle", "wait"),
    "paused": (N_("Paused"), "pause_circle", "wait"),
    "finished": (N_("Finished"), "check_circle", "good"),
    "stopped": (N_("Stopped"), "stop_circle", "wait"),
    "failed": (N_("Failed"), "error", "bad"),
    "interrupted": (N_("Interrupted"), "bolt", "bad"),
    "unreadable": (N_("Unreadable"), "report", "bad"),
}
"""A run's states: label, symbol, tone."""
WIDE = 12
"""Signs from which a figure takes the room of two, so that none is broken or cut."""
_LEFT = r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]+"
_LEFTWARD = re.compile(rf"{_LEFT}(?:[\s\d._-]+{_LEFT})*")
"""Words of Hebrew, Arabic and their like, one after the other."""
_TURNS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\N{REPLACEMENT CHARACTER}")
MIME = {
    "png": "image/png",
    "csv": "text/csv",
    "zip": "application/zip",
    "json": "application/json",
    "py": "text/x-python",
    "html": "text/html",
    "npz": "application/zip",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a metric row.

    Attributes:
        label: What it is, translated.
        value: The figure with its unit.
        note: Its reference, translated: of how many, compared with what.
        help: What the term means, behind the sign "?"; most are in :mod:`pages.ui.text.glossary`.
        exact: The exact value, where ``value`` is a rounded one: shown on the value itself.
    """

    label: str
    value: str
    note: str = ""
    help: str = ""
    exact: str = ""


def header(name: str) -> None:
    """Opens a page with its name and its question."""
    place = nav.PLACES[name]
    st.html(f'<header class="bl-header"><h1>{escape(_(place.title))}</h1><p>{escape(_(place.question))}</p></header>')


def section(title: str, text: str = "", *, help: str = "") -> None:
    """Opens a part of a page: a heading and, where it helps, one sentence, and what its term means."""
    below = f"<p>{phrase(text)}</p>" if text else ""
    st.html(f'<div class="bl-section"><h2>{escape(title)}{help_sign(help, title)}</h2>{below}</div>')


def help_sign(text: str, label: str) -> str:
    """Returns the HTML of the sign "?" that explains a term: on hover, on touch and by keyboard.

    Args:
        text: The explanation, translated; without one there is no sign.
        label: What is explained, for those who do not see it.
    """
    if not text:
        return ""
    label_text = escape(f"{label}: {text}")
    return f'<button type="button" class="bl-help" data-tip="{escape(text)}" aria-label="{label_text}">?</button>'


def phrase(text: str) -> str:
    """Returns a sentence as HTML, whose figures no line break takes apart.

    A name that is written from right to left stands by itself: it turns nothing that stands beside it.
    """
    line = escape(number_format.together(text))
    return line if i18n.direction() == "rtl" else _LEFTWARD.sub(r"<bdi>\g<0></bdi>", line)


def term(key: str) -> str:
    """Returns the HTML of a term of the glossary, with the sign that explains it."""
    name = glossary.title(key)
    return f"<span>{escape(name)}{help_sign(glossary.explain(key), name)}</span>"


def metrics(figures_: Sequence[Figure], *, compact: bool = False) -> None:
    """Draws figures side by side; they wrap where the window is narrow."""
    cells = "".join(
        f'<div class="{_room(f)}"><dt>{escape(f.label)}</dt>'
        f"<dd{_exact(f)}><bdi>{escape(number_format.together(f.value))}</bdi></dd>"
        f"<span>{phrase(f.note)}</span>{help_sign(f.help, f.label)}</div>"
        for f in figures_
    )
    st.html(f'<dl class="bl-metrics{" bl-compact" if compact else ""}">{cells}</dl>')


def _room(figure: Figure) -> str:
    return "bl-metric bl-wide" if len(figure.value) >= WIDE else "bl-metric"


def _exact(figure: Figure) -> str:
    if figure.exact in ("", figure.value):
        return ""
    return f' class="bl-exact" tabindex="0" data-tip="{escape(figure.exact)}"'


def figure_tables(groups: Sequence[Sequence[tuple[str, str, str, str]]], *, heads: tuple[str, str, str]) -> None:
    """Draws tables of figures side by side; they wrap where the window is narrow.

    Args:
        groups: The rows of each table: what the figure is called, what that means, its value, its interval.
        heads: What the three columns are called; those of the table behind are for those who do not see it.
    """
    head = "".join(f'<th scope="col">{escape(word)}</th>' for word in heads)
    tables = "".join(
        f"<table><thead><tr>{head}</tr></thead><tbody>"
        + "".join(
            f'<tr><th scope="row">{escape(name)}{help_sign(text, name)}</th><td><bdi>{escape(value)}</bdi></td>'
            f"<td><bdi>{escape(interval)}</bdi></td></tr>"
            for name, text, value, interval in rows
        )
        + "</tbody></table>"
        for rows in groups
        if rows
    )
    st.html(f'<div class="bl-figure-tables">{tables}</div>')


def badge(state: str) -> str:
    """Returns the HTML of a run state's badge."""
    label, symbol, tone = STATES.get(state, (state, "help", "wait"))
    return (
        f'<span class="bl-badge bl-{tone}"><span class="bl-symbol" aria-hidden="true">{symbol}</span>'
        f"{escape(_(label))}</span>"
    )


def leaky(leaks: LeakSearch | None) -> str:
    """Returns the HTML of the badge of a run whose pictures leak, with what that means; nothing of other runs."""
    if leaks is None or leaks.warning is None:
        return ""
    word = _("Leaky")
    sign = help_sign(translate_error(leaks.warning), word)
    return (
        '<span class="bl-leaky"><span class="bl-badge bl-bad"><span class="bl-symbol" aria-hidden="true">water_drop'
        f"</span>{escape(word)}</span>{sign}</span>"
    )


def note(text: str, *, term: str = "") -> None:
    """The line of text under a chart or picture that says what it shows, and what a term of the glossary means."""
    sign = help_sign(glossary.explain(term), glossary.title(term)) if term else ""
    st.html(f'<p class="bl-note">{phrase(text)}{sign}</p>')


def why(text: str, *, formula: str | None = None, paper: tuple[str, str] | None = None, key: str | None = None) -> None:
    """Draws the "Why?" that opens a short paragraph, a formula (LaTeX) and the paper (title, address)."""
    with st.expander(_("Why?"), icon=":material/help:", key=key):
        st.markdown(text)
        if formula:
            st.latex(formula)
        if paper:
            st.markdown(_("Read more: [{title}]({address})").format(title=paper[0], address=paper[1]))


def more(key: str) -> DeltaGenerator:
    """Returns the container behind "More" that holds the rare controls."""
    return st.expander(_("More"), icon=":material/tune:", key=key)


def download(
    label: str,
    data: bytes | str | Callable[[], bytes | str | io.RawIOBase],
    name: str,
    key: str,
    *,
    icon: str = "download",
    help: str | None = None,
) -> None:
    """Draws a button that saves a file, and leaves the page as it is: the one that all pages use.

    Args:
        label: What it does, translated.
        data: The file's bytes, or what makes them when it is clicked; :func:`on_disk` for what may be large.
        name: The file's name; its ending says what it is. Signs that a file's name cannot have become dashes.
        key: Stable key, of one module.
        icon: Name of its symbol.
        help: Shown on hover, translated.
    """
    stem, _dot, ending = name.rpartition(".")
    st.download_button(
        label,
        data,
        f"{file_name(stem)}.{ending}",
        MIME.get(ending, "application/octet-stream"),
        icon=f":material/{icon}:",
        key=key,
        on_click="ignore",
        help=help,
    )


def on_disk(write: Callable[[IO[bytes]], object]) -> Callable[[], io.RawIOBase]:
    """Returns what makes a large file for :func:`download`: it grows on the disk, and is read once, to be sent.

    Args:
        write: Writes the file into what it is given.
    """

    def made() -> io.RawIOBase:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - it is gone once the download has read and dropped it
        write(file)
        return file.detach()  # Streamlit takes a raw file, not one for reading and writing

    return made


def next_step(target: str, label: str, *, text: str = "", **params: str | None) -> None:
    """Draws the next step: one link at the foot of the page, always in one place. Arguments as :func:`nav.link`."""
    with st.container(key="bl-next", horizontal=True, vertical_alignment="center", horizontal_alignment="right"):
        if text:
            st.html(f'<p class="bl-note">{phrase(text)}</p>', width="content")
        nav.link(target, label, icon=":material/arrow_forward:", **params)


def bar(parts: Iterable[tuple[str, float, str]], *, label: str) -> None:
    """Draws one bar of shares.

    Args:
        parts: Translated name, size, and tone (``accent``, ``frozen``, ``train``, ``val``, ``test``) of each part.
        label: What the bar shows, for those who do not see it.
    """
    rows = [(name, value, tone) for name, value, tone in parts if value > 0]
    total = sum(value for _name, value, _tone in rows) or 1.0
    cells = "".join(
        f'<i class="bl-fill-{tone}" style="flex-grow:{max(value / total, 0.004):.5f}" title="{escape(name)}"></i>'
        for name, value, tone in rows
    )
    legend = "".join(
        f'<span><i class="bl-fill-{tone}"></i>{escape(name)} <bdi>{number_format.percent(value / total)}</bdi></span>'
        for name, value, tone in rows
    )
    st.html(
        f'<div class="bl-bar" role="img" aria-label="{escape(label)}">{cells}</div><p class="bl-legend">{legend}</p>'
    )


def probabilities(rows: Sequence[tuple[str, float]], *, marked: str | None = None) -> None:
    """Draws classes with their probabilities as horizontal bars, the marked one in the accent.

    Args:
        rows: Class name and probability, the largest first.
        marked: Name of the class to mark.
    """
    items = "".join(
        f'<li class="{"bl-marked" if name == marked else ""}"><span><bdi>{escape(name)}</bdi></span>'
        f'<i style="inline-size:{max(share, 0.002) * 100:.2f}%"></i>'
        f"<b><bdi>{number_format.percent(share)}</bdi></b></li>"
        for name, share in rows
    )
    st.html(f'<ol class="bl-probabilities">{items}</ol>')


def sparkline(values: Sequence[float | None], *, width: int = 96, height: int = 26) -> str:
    """Returns a small line as an ``<img>``: it spans at least 5 percentage points, with a dot at the last value."""
    points = [min(max(float(v), 0.0), 1.0) for v in values if v is not None]
    marks = ""
    if len(points) > 1:
        pad, low = 4, min(*points, max(points) - 0.05)
        span = max(points) - low
        step = (width - 2 * pad) / (len(points) - 1)
        place = [(pad + i * step, height - pad - (v - low) / span * (height - 2 * pad)) for i, v in enumerate(points)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in place)
        x, y = place[-1]
        marks = (
            f'<polyline points="{path}" fill="none" stroke="#D55E00" stroke-width="1.8" stroke-linejoin="round"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.8" fill="#D55E00"/>'
        )
    size = f'width="{width}" height="{height}"'
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}">{marks}</svg>'
    return f'<img class="bl-spark" {size} alt="" src="{svg_address(drawing)}">'


def svg_address(drawing: str) -> str:
    """Returns an SVG drawing as a ``data:`` address: inline SVG does not pass the browser's sanitiser."""
    return f"data:image/svg+xml;base64,{base64.b64encode(drawing.encode()).decode()}"


def plain(text: str) -> str:
    """Takes Markdown's own signs, and turns of direction, out of a value that goes into a label: a file's name."""
    safe = "".join("\\" + sign if sign in "\\`*_[]<>#:$~|" else sign for sign in text)
    return safe.translate(_TURNS)
