"""The settings in which runs differ, in words, beside what came of them: as a table and as parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.errors import InputError
from pages.ui.kit import charts, components, style
from pages.ui.plan import settings_table
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import _, _n

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from core.runs.store import Run
    from pages.compare.looks import Look

AXES = 5
"""Settings of the parallel coordinates, at most: more names do not fit beside one another."""
LONGEST = 14
"""Signs of a value on an axis."""


def differing(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Returns the settings that are not the same in all runs: what each is called, and its value in each run."""
    known = []
    for run in runs:
        try:
            known.append(settings_table.words(caches.experiment(run)))
        except InputError:
            known.append({})
    names = dict.fromkeys(name for one in known for name in one)
    columns = {name: [one.get(name, "") for one in known] for name in names}
    found = {name: values for name, values in columns.items() if len(set(values)) > 1}
    data, folders = found.get(_("Data"), []), found.get(_("Folder"), [])
    if len(set(zip(data, folders, strict=False))) == len(set(data)):  # then the path says no more than the name
        found.pop(_("Folder"), None)
    return found


def table(runs: Sequence[Run], labels: Mapping[str, str], looks: Mapping[str, Look] | None = None) -> None:
    """Draws a row a run: its line's look, what it reached, and the settings in which the runs differ.

    Args:
        runs: The runs.
        labels: What each is called.
        looks: How each is drawn in the chart above, where there is one.
    """
    columns = differing(runs)
    heads = [_("Run"), _("Best validation"), _("Test"), _("Time"), *columns]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{_sample(looks[run.id]) if looks else ""}<bdi>{escape(labels[run.id])}</bdi></th>'
        + "".join(f"<td><bdi>{escape(value) or number_format.DASH}</bdi></td>" for value in values)
        + "</tr>"
        for run, values in ((run, _values(run, place, columns)) for place, run in enumerate(runs))
    )
    style.send("compare.css")
    st.html(
        f'<div class="bl-scroll"><table class="bl-compared"><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
        "</table></div>"
    )
    if not columns:
        components.note(_("No setting differs: they are repetitions of one recipe with one seed."))
        return
    one, many = "{n} setting differs; what all share is left out.", "{n} settings differ; what all share is left out."
    text = _n(one, many, len(columns))
    components.note(text.format(n=len(columns)))


def _values(run: Run, place: int, columns: Mapping[str, Sequence[str]]) -> list[str]:
    status = run.recorded
    return [
        number_format.percent(status.val_accuracy or status.best_val_accuracy),
        number_format.percent(status.test_accuracy),
        number_format.duration(status.seconds or status.spent_seconds or None),
        *(values[place] for values in columns.values()),
    ]


def _sample(look: Look) -> str:
    """Returns a small piece of a line as it is drawn in the chart."""
    dashes = {"solid": "none", "dash": "6 3", "dot": "2 3"}[look.dash]
    drawn = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="26" height="10"><line x1="1" y1="5" x2="25" y2="5" '
        f'stroke="{look.colour}" stroke-width="3" stroke-dasharray="{dashes}"/></svg>'
    )
    return f'<img width="26" height="10" alt="" src="{components.svg_address(drawn)}">'


def draw(runs: Sequence[Run], labels: Mapping[str, str]) -> None:
    """Draws the parallel coordinates of the runs, and the table.

    Args:
        runs: The runs.
        labels: What each is called.
    """
    columns = differing(runs)
    reached = [_reached(run) for run in runs]
    known = [value for value in reached if value is not None]
    if columns and len(known) > 1:
        components.section(
            _("What led to what"),
            _("A line a run, through each setting that differs to its accuracy: the brighter, the higher."),
        )
        charts.show(_parallel(columns, reached), key="bl-compare-parallel", alt=_alt(columns, known))
    components.section(_("What differs"))
    table(runs, labels)


def _alt(columns: Mapping[str, Sequence[str]], known: Sequence[float]) -> str:
    text = _("Each run as a line through its settings. The best reached {best}, the worst {worst}.").format(
        best=number_format.percent(max(known)), worst=number_format.percent(min(known))
    )
    if len(columns) > AXES:
        text += " " + _("The first {n} settings are drawn; all that differ are in the table.").format(n=AXES)
    return text


def _reached(run: Run) -> float | None:
    status = run.recorded
    return status.test_accuracy if status.test_accuracy is not None else status.val_accuracy or status.best_val_accuracy


def _parallel(columns: Mapping[str, Sequence[str]], reached: Sequence[float | None]) -> Figure:
    rows = [place for place, value in enumerate(reached) if value is not None]
    values = [float(reached[row] or 0.0) for row in rows]
    dimensions = [_dimension(name, [column[row] for row in rows]) for name, column in list(columns.items())[:AXES]]
    span = [min(values), max(values)] if min(values) < max(values) else [min(values) - 0.01, max(values) + 0.01]
    dimensions.append({"label": _("Accuracy"), "values": values, "range": span, "tickformat": "$.1%"})
    chart = charts.figure(420)
    chart.update_layout(margin={"l": 90, "r": 60, "t": 60, "b": 30})
    chart.add_trace(
        charts.plotly().Parcoords(
            dimensions=dimensions,
            line={"color": values, "colorscale": charts.COLORSCALE, "cmin": span[0], "cmax": span[1]},
            labelfont={"size": 14},
            tickfont={"size": 13},
        )
    )
    return chart


def _dimension(name: str, words: Sequence[str]) -> dict[str, Any]:
    """Returns one axis: in numbers where every value is one, on a logarithmic scale where they lie far apart."""
    numbers = [_number(word) for word in words]
    label = charts.text(name.rpartition(" · ")[2], LONGEST)
    if any(number is None for number in numbers):
        places = {word: place for place, word in enumerate(dict.fromkeys(words))}
        texts = [charts.text(word or number_format.DASH, LONGEST) for word in places]
        ticks = {"tickvals": list(places.values()), "ticktext": texts}
        return {"label": label, "values": [places[word] for word in words], "range": [-0.3, len(places) - 0.7], **ticks}
    exact = [float(number or 0.0) for number in numbers]
    if min(exact) > 0 and max(exact) > 30 * min(exact):
        exact = [math.log10(value) for value in exact]
    named = dict(zip(exact, words, strict=True))
    return {
        "label": label,
        "values": exact,
        "tickvals": list(named),
        "ticktext": [charts.text(w) for w in named.values()],
    }


def _number(word: str) -> float | None:
    try:
        return float(word.replace("%", "").replace("px", "").replace("\u00a0", "").replace(",", "").strip())
    except ValueError:
        return None
