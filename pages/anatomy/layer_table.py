"""Every layer in a table: filter, sort, totals, download; a click on a row opens the layer's card."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.specs import FreezePlan
from pages.anatomy import layer_card
from pages.ui.kit import components, form_fields, network_diagram
from pages.ui.kit.components import Figure
from pages.ui.kit.network_diagram import STATES, States
from pages.ui.text import layer_names, number_format
from pages.ui.text.glossary import explain
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from pandas import DataFrame

    from core.models.anatomy.records import Anatomy, Layer

_TABLE, _TABLE_KIND, _TABLE_STAGE = "bl-table", "bl-table-kind", "bl-table-stage"


def table(anatomy: Anatomy, plan: FreezePlan, title: str, select: Callable[[str], None]) -> None:
    """Draws the table.

    Args:
        anatomy: The network's anatomy.
        plan: What learns.
        title: The network's name, for the downloads' names.
        select: Called with a layer's name when its row is clicked.
    """
    rows = [layer for layer in anatomy.layers if layer.leaf or layer.own_parameters or layer.own_macs]
    shown = _filtered(rows)
    _totals(anatomy, shown, len(rows))
    names = [layer.name for layer in shown]

    def clicked() -> None:
        picked = st.session_state[_TABLE]["selection"]["cells"]
        if picked and picked[0][0] < len(names):
            select(names[picked[0][0]])

    st.dataframe(
        _frame(anatomy, shown, States(anatomy, plan)),
        hide_index=True,
        height=420,
        key=_TABLE,
        on_select=clicked,
        selection_mode="single-cell",
        placeholder="",
        column_config=_columns(),
        alt=_("Table of the network's layers, in the order in which they work, with sizes, parameters and work."),
    )
    components.note(_("A click on a row opens the layer, above and below; a click on a column's name sorts."))
    _downloads(anatomy, plan, title)


def _filtered(rows: list[Layer]) -> list[Layer]:
    """Draws the filter and returns the layers that pass."""
    with st.container(key="bl-wrapsmall-table"):
        first, second, third, fourth = st.columns([1.3, 1, 1, 1], vertical_alignment="bottom")
    text = first.text_input(_("Name or kind holds"), **form_fields.words("bl-table-text"))
    kinds = list(dict.fromkeys(layer.kind for layer in rows))
    if any(kind not in kinds for kind in st.session_state.get(_TABLE_KIND) or ()):
        st.session_state[_TABLE_KIND] = []
    kind = second.multiselect(_("Kind"), kinds, key=_TABLE_KIND, placeholder=_("all"))
    stages = list(dict.fromkeys(layer.stage for layer in rows))
    if any(stage not in stages for stage in st.session_state.get(_TABLE_STAGE) or ()):
        st.session_state[_TABLE_STAGE] = []
    stage = third.multiselect(
        _("Stage"), stages, key=_TABLE_STAGE, placeholder=_("all"), format_func=network_diagram.stage_title
    )
    only = fourth.toggle(_("Only with parameters"), **form_fields.flag("bl-table-only"))
    wanted = text.strip().lower()
    return [
        layer
        for layer in rows
        if (not wanted or wanted in layer.name.lower() or wanted in layer.kind.lower())
        and (not kind or layer.kind in kind)
        and (not stage or layer.stage in stage)
        and (not only or layer.own_parameters)
    ]


def _totals(anatomy: Anatomy, shown: list[Layer], count: int) -> None:
    parameters = sum(layer.own_parameters for layer in shown)
    macs = sum(layer.own_macs for layer in shown)
    memory = sum(layer.activation_bytes for layer in shown if layer.leaf)
    whole = len(shown) == count
    components.metrics(
        [
            Figure(_("Layers"), number_format.exact(len(shown)), "" if whole else _("of {n}").format(n=count)),
            Figure(
                _("Parameters"),
                number_format.count(parameters),
                "" if whole else _("of {n}").format(n=number_format.count(anatomy.total)),
                exact=layer_card.exact(parameters),
            ),
            Figure(
                _("Multiply-adds"),
                number_format.count(macs),
                _("for one image"),
                explain("multiply-adds"),
                number_format.exact(macs),
            ),
            Figure(
                _("Activations"),
                number_format.size(memory),
                _("for one image, in fp32"),
                _("{n} bytes").format(n=number_format.exact(memory)),
            ),
        ],
        compact=True,
    )


def _frame(anatomy: Anatomy, rows: list[Layer], states: States) -> DataFrame:
    import pandas as pd

    def side(value: tuple[int, ...] | None) -> str:
        return network_diagram.shape_words(value) if value else ""

    return pd.DataFrame(
        {
            "stage": [network_diagram.stage_title(layer.stage) for layer in rows],
            "title": [layer_names.layer(anatomy, layer.name) for layer in rows],
            "name": [layer.name for layer in rows],
            "kind": [layer.kind for layer in rows],
            "input": [side(layer.input_shape) for layer in rows],
            "output": [side(layer.output_shape) for layer in rows],
            "kernel": [side(layer.kernel) for layer in rows],
            "stride": [side(layer.stride) for layer in rows],
            "padding": [side(layer.padding) for layer in rows],
            "dilation": [side(layer.dilation) for layer in rows],
            "groups": pd.array([layer.groups for layer in rows], dtype="Int64"),
            "parameters": [layer.own_parameters for layer in rows],
            "formula": [layer.formula for layer in rows],
            "macs": [layer.own_macs for layer in rows],
            "memory": [layer.activation_bytes / 1000 for layer in rows],
            "field": [layer.receptive.size[0] if layer.receptive else None for layer in rows],
            "jump": [layer.receptive.jump[0] if layer.receptive else None for layer in rows],
            "start": [layer.receptive.start[0] if layer.receptive else None for layer in rows],
            "learns": [_(STATES.get(states.of(layer.name), "")) for layer in rows],
        }
    )


def _columns() -> dict[str, Any]:
    config = st.column_config
    number = config.NumberColumn
    return {
        "stage": config.TextColumn(_("Stage"), width="small"),
        "title": config.TextColumn(_("Layer"), width="large"),
        "name": config.TextColumn(_("Module path")),
        "kind": config.TextColumn(_("Kind")),
        "input": config.TextColumn(_("Input"), help=_("Channels, height and width, as the layer gets them.")),
        "output": config.TextColumn(_("Output"), help=_("Channels, height and width, as the layer gives them.")),
        "kernel": config.TextColumn(_("Kernel"), width="small"),
        "stride": config.TextColumn(_("Stride"), width="small"),
        "padding": config.TextColumn(_("Padding"), width="small"),
        "dilation": config.TextColumn(_("Dilation"), width="small"),
        "groups": number(_("Groups"), width="small", help=_("Parts of the channels that do not see each other.")),
        "parameters": number(_("Parameters"), format="localized"),
        "formula": config.TextColumn(_("Formula")),
        "macs": number(_("Multiply-adds"), format="localized", help=_("For one image.")),
        "memory": number(_("Activation, kB"), format="%.1f", help=_("Memory of its output for one image, in fp32.")),
        "field": number(
            _("Receptive field, px"),
            format="%d",
            help=_("Side of the window that one value sees; empty where there is no one window."),
        ),
        "jump": number(_("Jump, px"), format="%g", help=_("Pixels of the image from one value to the next.")),
        "start": number(_("First centre, px"), format="%g"),
        "learns": config.TextColumn(_("Learns"), width="small"),
    }


def _downloads(anatomy: Anatomy, plan: FreezePlan, title: str) -> None:
    from core.models.layer_table import to_csv, to_excel

    with st.container(horizontal=True, key="bl-table-downloads"):
        components.download(_("Download as CSV"), lambda: to_csv(anatomy, plan), f"{title}-layers.csv", "bl-table-csv")
        components.download(
            _("Download for Excel"), lambda: to_excel(anatomy, plan), f"{title}-layers.xlsx", "bl-table-excel"
        )
