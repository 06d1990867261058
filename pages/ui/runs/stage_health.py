"""A training from the inside: gradients, steps, weights and activations of each stage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.runs.status import RunStatus
from pages.ui.kit import components, form_fields, growing_chart, style
from pages.ui.kit.charts import OTHERS
from pages.ui.kit.network_diagram import stage_title
from pages.ui.kit.page_states import guarded
from pages.ui.runs import histograms
from pages.ui.session import caches
from pages.ui.text import i18n, number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from pathlib import Path

    from core.runs.store import Run

WHAT = {
    "gradient": (N_("Gradient norm"), N_("Length of a stage's gradient, before clipping, of one step an epoch.")),
    "update": (
        N_("Step over weights"),
        N_("How far one step moves a stage's weights, over their length. About 1e-3 is usual."),
    ),
    "distance": (N_("Distance from the start"), N_("How far a stage has come from its start, over its length there.")),
}
"""What is drawn over epochs: its name, and what it is."""
VANISHING, STRIKING = 1e-3, 0.4
"""From where gradients are called vanishing, and dead units marked; as in the coach's conventions."""
POINTS = 400


def draw(run: Run, status: RunStatus, *, key: str) -> None:
    """Draws what was seen inside a run: figures of each stage, their course, and histograms with an epoch slider.

    Args:
        run: The :class:`core.runs.store.Run`.
        status: Its status.
        key: Stable start of the keys.
    """
    st.fragment(_panel)(run, status, key)  # a slider that is moved draws nothing else anew


@guarded
def _panel(run: Run, status: RunStatus, key: str) -> None:
    rows = rows_of(run)
    if not rows:
        alive = status.state in ("queued", "starting", "running")
        components.note(
            _("The first look inside is taken in the first epoch.") if alive else _("This run was not looked into.")
        )
        return
    style.send("watching.css")
    st.html(_table(rows))
    components.note(sentence(rows))
    what = form_fields.choice(
        _("Over the epochs"), list(WHAT), f"{key}-what", format_func=lambda name: _(WHAT[name][0]), default="gradient"
    )
    _course(run, status, rows, what, key)
    histograms.draw(run, rows, key)


def rows_of(run: Run) -> list[dict[str, Any]]:
    """Returns the rows of ``health.jsonl``, read once for each state of the file."""
    from core.runs.files import read_lines

    path = run.path / "health.jsonl"
    return list(caches.remember("health", (str(path), stamp(path)), lambda: read_lines(path)[0], entries=16))


def stamp(path: Path) -> int:
    """Returns what changes whenever a file does; 0 for one that is not there."""
    try:
        found = path.stat()
    except OSError:
        return 0
    return int(found.st_mtime_ns + found.st_size)


def sentence(rows: Sequence[Mapping[str, Any]]) -> str:
    """Says in words how the gradients reach the first stages, and how large the steps are."""
    norms = {
        stage: value for stage in histograms.stages_of(rows) if (value := histograms.latest(rows, stage, "gradient")[1])
    }
    if not norms:
        return _("No gradients were measured yet.")
    first, last = next(iter(norms)), list(norms)[-1]
    steps = [value for stage in norms if (value := histograms.latest(rows, stage, "update")[1])]
    text = (
        _("One step moves the weights by {low} to {high} of their length.").format(
            low=number_format.number(min(steps), 2), high=number_format.number(max(steps), 2)
        )
        if steps
        else ""
    )
    if len(norms) < 2:
        return _("Only {stage} learns; its gradient's norm is {value}.").format(
            stage=stage_title(first), value=number_format.number(norms[first])
        ) + (f" {text}" if text else "")
    ratio = norms[first] / norms[last]
    if ratio < VANISHING:
        words = _("The gradients vanish on their way back: {first} gets {ratio} of what {last} gets.")
    elif ratio < 1:
        words = _("The gradients reach {first}: it gets {ratio} of what {last} gets.")
    else:
        words = _("The gradients reach {first}: it gets {ratio} times what {last} gets.")
    sentence = words.format(first=stage_title(first), last=stage_title(last), ratio=number_format.number(ratio, 2))
    return f"{sentence} {text}".strip()


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns the stages with their latest figures as a table."""
    head = "".join(
        f"<th>{escape(title)}{components.help_sign(help_, title)}</th>"
        for title, help_ in (
            (_("Stage"), ""),
            (_("Gradient norm"), _(WHAT["gradient"][1])),
            (_("Step over weights"), _(WHAT["update"][1])),
            (_("From the start"), _(WHAT["distance"][1])),
            (_("Dead ReLU units"), _("Channels that gave nothing but zeros on a few validation images.")),
        )
    )
    body = "".join(_line(rows, stage, index) for index, stage in enumerate(histograms.stages_of(rows)))
    return f'<div class="bl-scroll"><table class="bl-stages"><tr>{head}</tr>{body}</table></div>'


def _line(rows: Sequence[Mapping[str, Any]], stage: str, index: int) -> str:
    learns = bool(histograms.entry_of(rows[-1], stage).get("learns"))
    figures_ = {
        name: histograms.latest(rows, stage, name)[1] for name in ("gradient", "update", "distance", "units", "dead")
    }
    dead, tone = number_format.DASH, ""
    if figures_["units"]:
        share = figures_["dead"] / figures_["units"]
        dead = _("{n} of {all}").format(
            n=number_format.exact(figures_["dead"]), all=number_format.exact(figures_["units"])
        )
        tone = ' class="bl-warn"' if share >= STRIKING and learns else ""
    shown = [
        number_format.number(figures_["gradient"]) if learns else _("frozen"),
        number_format.number(figures_["update"], 2) if learns else number_format.DASH,
        number_format.percent(figures_["distance"]),
    ]
    cells = "".join(f"<td><bdi>{escape(text)}</bdi></td>" for text in shown)
    return (
        f'<tr class="{"" if learns else "bl-frozen"}"><td><i style="background:{_colour(index)}"></i>'
        f"{escape(stage_title(stage))}</td>{cells}<td{tone}><bdi>{escape(dead)}</bdi></td></tr>"
    )


def _colour(index: int) -> str:
    return OTHERS[index % len(OTHERS)]


# --- over epochs ------------------------------------------------------------------------------------------------------


def _course(run: Run, status: RunStatus, rows: Sequence[Mapping[str, Any]], what: str, key: str) -> None:
    epochs = status.epochs
    spec = caches.remember(
        "health charts",
        (str(run.path), stamp(run.path / "health.jsonl"), what, epochs, i18n.language()),
        lambda: chart(rows, what, epochs),
        entries=32,
    )
    text = _(WHAT[what][1])
    growing_chart.show(spec, key=f"{key}-{what}", alt=text)


def chart(rows: Sequence[Mapping[str, Any]], what: str, epochs: int) -> dict[str, Any]:
    """Returns one line a stage over the epochs, on a scale of powers of ten, as a Vega-Lite specification.

    Args:
        rows: Of ``health.jsonl``.
        what: One of :data:`WHAT`.
        epochs: Epochs that the run is meant to have.
    """
    picked = list(rows[:: max(1, len(rows) // POINTS)])
    picked += [rows[-1]] if picked[-1] is not rows[-1] else []
    columns = {
        stage: [_positive(histograms.entry_of(row, stage).get(what)) for row in picked]
        for stage in histograms.stages_of(rows)
    }
    shown = {stage: values for stage, values in columns.items() if not all(map(math.isnan, values))}
    values = [value for line in shown.values() for value in line if not math.isnan(value)] or [1e-3]
    domain = [10 ** math.floor(math.log10(min(values))), 10 ** math.ceil(math.log10(max(values) * 1.0001))]
    titles = {stage: stage_title(stage) for stage in shown}
    colours = [_colour(list(columns).index(stage)) for stage in shown]
    return {
        "datasets": {"rows": growing_chart.arrow(epoch=[row["epoch"] for row in picked], **shown)},
        "height": 240,
        "layer": [
            growing_chart.line_layer("rows", titles, colours, width=2, point=28 if len(picked) <= 30 else 0),
            growing_chart.pointer_layer("rows", titles, ".2~g"),
        ],
        "encoding": {
            "x": growing_chart.epoch_axis(int(rows[-1]["epoch"]), epochs),
            "y": {
                "field": "value",
                "type": "quantitative",
                "title": _(WHAT[what][0]),
                "axis": {"format": "~g", "tickCount": 5},
                "scale": {"type": "log", "domain": domain, "nice": False},
            },
        },
    }


def _positive(value: float | None) -> float:
    return float(value) if value else math.nan  # a scale of powers of ten has no zero
