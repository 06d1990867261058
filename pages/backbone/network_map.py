"""All networks at a glance: accuracy over parameters on a map, or a table; a click on either chooses one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.specs import ModelSpec
from pages.ui.kit import charts, components
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from core.models.architectures.records import Backbone

GROUPS = {
    N_("Classics"): ("AlexNet", "VGG", "GoogLeNet", "Inception", "SqueezeNet"),
    N_("Residual"): ("ResNet", "Wide ResNet", "ResNeXt", "DenseNet"),
    N_("Mobile"): ("EfficientNet-Lite", "MobileNet", "ShuffleNet", "MNASNet"),
    N_("EfficientNet"): ("EfficientNet",),
    N_("RegNet"): ("RegNet",),
    N_("ConvNeXt"): ("ConvNeXt",),
    N_("Transformers"): ("Vision Transformer", "Swin Transformer", "MaxViT"),
}
"""Families by kin: the colours of the map."""
_MAP, _TABLE = "bl-map", "bl-catalogue-table"
_MAP_CLICK, _TABLE_CLICK = "bl.map", "bl.table"


def clicks() -> list[str]:
    """Returns the networks that were clicked since the page was last drawn; each is told once."""
    found = (st.session_state.pop(place + ".picked", None) for place in (_MAP_CLICK, _TABLE_CLICK))
    return [name for name in found if name]


def draw(catalog: ModuleType, spec: ModelSpec, names: Sequence[str]) -> None:
    """Draws accuracy over parameters, as large as the work for an image; a click chooses."""
    rows = [catalog.BACKBONES[name] for name in names if name in catalog.BACKBONES]
    placed = [row for row in rows if row.top1 is not None]
    unplaced = len(names) - len(placed)
    if not placed:
        components.note(_("None of these networks has a published accuracy to be placed by. They stand in the table."))
        return
    event = charts.show(figure(placed, spec.backbone), key=_MAP, alt=_alt(len(placed), unplaced), selectable=True)
    points = event.selection.points if event else []
    _take(_MAP_CLICK, points[0].get("customdata") if points else None)


def _alt(count: int, unplaced: int) -> str:
    text = _n(
        "{n} network by its parameters (on a logarithmic scale) and its ImageNet accuracy; the larger the dot, the "
        "more work an image is. Click it to choose it.",
        "{n} networks by their parameters (on a logarithmic scale) and their ImageNet accuracy; the larger a dot, the "
        "more work an image is. Click one to choose it.",
        count,
    ).format(n=count)
    if unplaced:
        more = _n(
            "{n} more without a published accuracy stands in the table.",
            "{n} more without a published accuracy stand in the table.",
            unplaced,
        )
        text += " " + more.format(n=number_format.exact(unplaced))
    return text


def _take(place: str, value: str | Sequence[str] | None) -> None:
    """Notes a click that is new, and draws the page again with it."""
    picked = value[0] if isinstance(value, list | tuple) else value
    if picked != st.session_state.get(place + ".seen"):
        st.session_state[place + ".seen"] = picked
        if picked:
            st.session_state[place + ".picked"] = picked
            st.rerun()


def figure(rows: Sequence[Backbone], chosen: str) -> Figure:
    """Returns the map.

    Args:
        rows: Records of the catalogue, each with an accuracy.
        chosen: Name of the network that is marked.
    """
    import plotly.graph_objects as go

    chart = charts.figure(420, hovermode="closest", clickmode="event+select")
    for colour, (group, families) in zip(charts.OTHERS, GROUPS.items(), strict=False):
        members = [row for row in rows if row.family in families]
        if not members:
            continue
        chart.add_trace(
            go.Scatter(
                x=[row.parameters / 1e6 for row in members],
                y=[row.top1 for row in members],
                mode="markers",
                name=_(group),
                customdata=[row.name for row in members],
                text=[_hover(row) for row in members],
                hovertemplate="%{text}<extra></extra>",
                marker={
                    "color": colour,
                    "opacity": 0.82,
                    "size": [_dot(row) for row in members],
                    "line": {"width": 1, "color": "rgba(255,255,255,.55)"},
                },
                selected={"marker": {"opacity": 0.95}},
                unselected={"marker": {"opacity": 0.82}},
            )
        )
    marked = next((row for row in rows if row.name == chosen), None)
    if marked is not None:
        size = _dot(marked)
        side = "bottom left" if marked.parameters > 60e6 else "bottom right"  # where fewest others are
        chart.add_trace(
            go.Scatter(
                x=[marked.parameters / 1e6],
                y=[marked.top1],
                mode="markers+text",
                text=[marked.title],
                textposition=side,
                textfont={"size": 16},
                hoverinfo="skip",
                showlegend=False,
                customdata=[marked.name],
                marker={"size": size + 9, "color": "rgba(0,0,0,0)", "line": {"width": 2.5, "color": charts.ACCENT}},
                unselected={"marker": {"opacity": 1}},
            )
        )
    ticks = (1, 2, 5, 10, 20, 50, 100, 200, 500)
    chart.update_xaxes(
        title_text=_("Parameters, in millions"),
        type="log",
        range=[-0.12, 3.0],
        tickvals=ticks,
        ticktext=[str(tick) for tick in ticks],
    )
    low = min((row.top1 for row in rows if row.top1 is not None), default=55.0)
    chart.update_yaxes(title_text=_("ImageNet top-1, in %"), range=[min(low, 60) - 4, 93])
    return chart


def _dot(row: Backbone) -> float:
    """Returns the diameter of a network's dot, in pixels; the same whatever else is shown."""
    return min(8 + 5 * (row.gflops or 0) ** 0.4, 40)


def _hover(row: Backbone) -> str:
    return _(
        "<b>{title}</b><br>{top1} %\u00a0of ImageNet's photos right<br>{parameters} parameters, {work} multiply-adds"
    ).format(
        title=row.title,
        top1=f"{row.top1:.1f}",
        parameters=number_format.count(row.parameters),
        work=number_format.count((row.gflops or 0) * 1e9),
    )


def table(catalog: ModuleType, names: Sequence[str]) -> None:
    """Draws the networks as a table that sorts by any column; a click on a row chooses it."""
    import pandas as pd

    names = list(names)
    frame = pd.DataFrame([_row(catalog, name) for name in names])
    config = st.column_config
    # Rows are told apart by their place, so each list of names has a table of its own.
    digest = hashlib.sha1("\n".join(names).encode()).hexdigest()[:10]
    event = st.dataframe(
        frame,
        hide_index=True,
        height=420,
        key=f"{_TABLE}-{digest}",
        on_select="rerun",
        selection_mode="single-row",
        alt=_("Table of the networks with their family, parameters, work, accuracy and weights."),
        column_config={
            "title": config.TextColumn(_("Network"), width="medium"),
            "family": config.TextColumn(_("Family")),
            "parameters": config.NumberColumn(_("Parameters"), format="localized"),
            "gflops": config.NumberColumn(_("Work, G multiply-adds"), format="%.3g"),
            "top1": config.NumberColumn(_("Top-1, %"), format="%.1f"),
            "size": config.NumberColumn(_("Input, px")),
            "year": config.NumberColumn(_("Year"), format="%d"),
            "mb": config.NumberColumn(_("Weights, MB"), format="%.0f"),
            "here": config.CheckboxColumn(_("Here")),
        },
    )
    rows = event.selection.rows
    _take(_TABLE_CLICK, names[rows[0]] if rows else None)
    components.note(
        _n(
            "{n} network. Click a row's left end to choose it.",
            "{n} networks. Click a column's name to sort by it, and a row's left end to choose its network.",
            len(names),
        ).format(n=number_format.exact(len(names)))
    )


def _row(catalog: ModuleType, name: str) -> dict[str, Any]:
    row = catalog.BACKBONES.get(name)
    here = catalog.weights_state(name) == catalog.AVAILABLE
    if row is None:
        return {
            "title": name,
            "family": "timm",
            "parameters": None,
            "gflops": None,
            "top1": None,
            "size": None,
            "year": None,
            "mb": None,
            "here": here,
        }
    return {
        "title": row.title,
        "family": _(row.family),
        "parameters": row.parameters,
        "gflops": row.gflops,
        "top1": row.top1,
        "size": row.input_size,
        "year": row.year or None,
        "mb": row.weights_mb,
        "here": here,
    }
