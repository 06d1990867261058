"""How a stage's weights and activations are spread, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui.kit import components, form_fields, growing_chart
from pages.ui.kit.charts import ACCENT, HAIR
from pages.ui.kit.network_diagram import stage_title
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from core.runs.store import Run

DRAWN = {"weights": N_("Weights"), "activations": N_("Activations")}
"""What is counted in histograms."""


def draw(run: Run, rows: Sequence[Mapping[str, Any]], key: str) -> None:
    """Draws how a stage's weights or activations are spread in an epoch, over how they were at first.

    Args:
        run: The run.
        rows: Of ``health.jsonl``, at least one.
        key: Stable start of the keys.
    """
    drawn = [int(row["epoch"]) for row in rows if any(e.get(name) for e in row["stages"] for name in DRAWN)]
    if not drawn:
        return
    stages = stages_of(rows)
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{key}-spread"):
        what = form_fields.choice(_("How are they spread?"), DRAWN, f"{key}-drawn", default="weights")
        stage = st.selectbox(
            _("Stage"),
            stages,
            index=len(stages) - 1,
            key=f"{key}-stage",
            format_func=stage_title,
            persist_state="session",
        )
    at = epoch_slider(drawn, key=f"{key}-{run.id}")
    epoch, now = latest(rows, stage, what, at)
    first, start = _earliest(rows, stage, what)
    if now is None or start is None:
        components.note(_("Nothing was measured here up to this epoch."))
        return
    low = min(entry[what]["low"] for row in rows for entry in row["stages"] if _is(entry, stage, what))
    high = max(entry[what]["high"] for row in rows for entry in row["stages"] if _is(entry, stage, what))
    spec = _spread(now, start, (low, high))
    text = _("{what} of {stage} after epoch {n}, from {low} to {high}; behind them as after epoch {first}.").format(
        what=_(DRAWN[what]),
        stage=stage_title(stage),
        n=epoch,
        low=number_format.number(now["low"]),
        high=number_format.number(now["high"]),
        first=first,
    )
    growing_chart.show(spec, key=f"{key}-histogram", alt=text)


def stages_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the names of the stages, in the network's order."""
    return [entry["stage"] for entry in rows[-1].get("stages", ())]


def entry_of(row: Mapping[str, Any], stage: str) -> Mapping[str, Any]:
    """Returns what a row says of a stage."""
    return next((entry for entry in row.get("stages", ()) if entry.get("stage") == stage), {})


def latest(rows: Sequence[Mapping[str, Any]], stage: str, name: str, epoch: float = math.inf) -> tuple[int, Any]:
    """Returns the last epoch up to one in which something was measured of a stage, and what; 0 and nothing if never."""
    for row in reversed(rows):
        entry = entry_of(row, stage)
        if row["epoch"] <= epoch and entry.get(name) is not None:
            return int(row["epoch"]), entry[name]
    return 0, None


def _is(entry: Mapping[str, Any], stage: str, what: str) -> bool:
    return entry["stage"] == stage and entry.get(what) is not None


def _earliest(rows: Sequence[Mapping[str, Any]], stage: str, what: str) -> tuple[int, Any]:
    for row in rows:
        entry = entry_of(row, stage)
        if entry.get(what) is not None:
            return int(row["epoch"]), entry[what]
    return 0, None


def _spread(now: Mapping[str, Any], start: Mapping[str, Any], limits: tuple[float, float]) -> dict[str, Any]:
    """Returns two histograms on the same axes, as densities, so that bins of different width compare."""
    both = {"now": now, "start": start}
    tables = {}
    for name, counted in both.items():
        width = (counted["high"] - counted["low"]) / len(counted["counts"])
        total = sum(counted["counts"]) or 1
        left = [counted["low"] + width * index for index in range(len(counted["counts"]))]
        tables[name] = growing_chart.arrow(
            epoch=left,
            right=[edge + width for edge in left],
            value=[count / total / width for count in counted["counts"]],
        )
    x = {
        "field": "epoch",
        "type": "quantitative",
        "title": None,
        "scale": {"domain": list(limits), "nice": False},
        "axis": {"tickCount": 7},
    }
    y = {"field": "value", "type": "quantitative", "title": None, "axis": None, "scale": {"zero": True}}
    return {
        "datasets": tables,
        "height": 220,
        "layer": [
            {
                "data": {"name": "start"},
                "mark": {"type": "rect", "color": HAIR, "opacity": 0.45, "clip": True},
                "encoding": {"x": x, "x2": {"field": "right"}, "y": y, "y2": {"datum": 0}},
            },
            {
                "data": {"name": "now"},
                "mark": {"type": "rect", "color": ACCENT, "opacity": 0.65, "clip": True},
                "encoding": {"x": x, "x2": {"field": "right"}, "y": y, "y2": {"datum": 0}},
            },
        ],
    }


def epoch_slider(epochs: Sequence[int], *, key: str, label: str | None = None) -> int:
    """Draws a slider over the epochs there are; it stays at the newest until a person moves it away from there.

    Args:
        epochs: In order, at least one.
        key: Stable key, with the run's id in it.
        label: Translated; by default it names the epoch.

    Returns:
        The chosen epoch.
    """
    kept = f"bl.slid.{key}"
    if len(epochs) == 1:
        return epochs[0]
    chosen = st.session_state.get(kept)
    here = next((epoch for epoch in reversed(epochs) if chosen is not None and epoch <= chosen), epochs[-1])
    st.session_state[key] = here

    def moved() -> None:
        value = st.session_state[key]
        st.session_state[kept] = None if value == epochs[-1] else value

    return int(st.select_slider(label or _("Epoch"), list(epochs), key=key, on_change=moved))
