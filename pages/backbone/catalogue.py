"""The catalogue: every network on a map and in a table, found by its family or its name, and the chosen one's card."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from core.errors import InputError
from core.specs import FreezePlan, ModelSpec
from pages.backbone import weights_picker
from pages.ui.kit import charts, components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import busy, empty
from pages.ui.plan import freeze_plan
from pages.ui.session import caches, choices
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n

ALL = ""
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
LIMITS = (1e6, 3e6, 10e6, 30e6, 100e6, 1e9)
VIEWS = {"map": N_("Map"), "table": N_("Table")}
_MAP, _TABLE = "bl-map", "bl-catalogue-table"
_VIEW_KEY = "bl-view"


def draw(spec: ModelSpec) -> ModelSpec:
    """Draws the choice of a network and its weights.

    Args:
        spec: What is chosen now.

    Returns:
        What is chosen after it; the caller keeps it.
    """
    with busy(_("Loading the catalogue …")):
        from core.models.catalog import catalog
    spec = _known(catalog, spec)
    spec = _clicked(catalog, spec)
    names = _filter(catalog)
    name = _select(catalog, spec, names)
    spec = switch(catalog, spec, name)
    shown = names if spec.backbone in names else [spec.backbone, *names]
    view = _view()
    if not names:
        empty(_("No network fits"), _("Take a word out of the search, or allow more parameters."), icon="search_off")
    elif view == "map":
        _map(catalog, spec, names)
    else:
        _table(catalog, shown)
    return _card(catalog, spec)


def switch(catalog: Any, spec: ModelSpec, name: str) -> ModelSpec:
    """Returns the choice after a change of network: what belongs to the network before it is left behind."""
    if name == spec.backbone:
        return spec
    weights = spec.weights if spec.weights in ("default", "none") else "default"
    if not catalog.entries(name):
        weights = "none"
    elif spec.weights == "none" and not catalog.entries(spec.backbone):
        weights = "default"
    chosen = replace(spec, backbone=name, weights=weights, image_size=None, channels=None, design=())
    # random weights that stay frozen never learn
    freeze_plan.change(FreezePlan(0 if catalog.entries(name) else "all"), chosen)
    return chosen


def _known(catalog: Any, spec: ModelSpec) -> ModelSpec:
    """Mends a choice that names what does not exist here, such as weights out of an old address."""
    try:
        catalog.backbone(spec.backbone)
    except InputError:
        return ModelSpec(choices.DEFAULT_BACKBONE)
    try:
        found = catalog.entry(spec.backbone, spec.weights)
    except InputError:
        return replace(spec, weights="default")
    return replace(spec, weights="none") if found is None and spec.weights == "default" else spec


def _clicked(catalog: Any, spec: ModelSpec) -> ModelSpec:
    """Takes what was clicked on the map, or in the table, since the page was last drawn."""
    for place in ("bl.map", "bl.table"):
        picked = st.session_state.pop(place + ".picked", None)
        if picked:
            spec = switch(catalog, spec, picked)
            choices.set_model(spec)
    return spec


# --- finding ---------------------------------------------------------------------------------------------------------


def _filter(catalog: Any) -> list[str]:
    """Draws search and filters, and returns the names of the networks that pass."""
    families = [ALL, *catalog.FAMILIES]
    choices.follow("bl-family", ALL)
    with st.container(key="bl-wrapsmall-find"):
        search, family, limit, more = st.columns([1.3, 1.1, 1.1, 1], vertical_alignment="bottom")
    text = search.text_input(
        _("Search"),
        key="bl-search",
        placeholder=_("resnet 50"),
        icon=":material/search:",
        help=_("All words must occur in the network's name or family."),
        persist_state="session",
    )
    chosen = family.selectbox(
        _("Family"), families, key="bl-family", format_func=lambda f: _family(catalog, f) if f else _("All families")
    )
    largest = limit.select_slider(
        _("At most"),
        LIMITS,
        value=LIMITS[-1],
        key="bl-largest",
        persist_state="session",
        format_func=lambda n: _("any size") if n == LIMITS[-1] else number_format.count(n).replace(".0", ""),
        help=_("Parameters of the network."),
    )
    with more, st.container(gap="xxsmall"):
        here = st.toggle(
            _("Weights here"),
            key="bl-here",
            persist_state="session",
            help=_("Only networks whose pretrained weights are on this machine, or that need none."),
        )
        timm = catalog.timm_available() and st.toggle(
            _("timm too"),
            key="bl-timm",
            persist_state="session",
            help=_("Some 1,100 further classifiers of the library timm, found by the search."),
        )
    found = []
    for name in _search(catalog, text, bool(timm)):
        row = catalog.BACKBONES.get(name)
        if chosen and (row is None or row.family != chosen):
            continue
        if row is not None and row.parameters > largest:
            continue
        if here and catalog.weights_state(name) == catalog.DOWNLOAD:
            continue
        found.append(name)
    return found


def _search(catalog: Any, text: str, timm: bool) -> tuple[str, ...]:
    if timm:
        with busy(_("Looking through timm …"), 60):
            return catalog.search(text, include_timm=True)
    return catalog.search(text)


def _family(catalog: Any, family: str) -> str:
    count = sum(row.family == family for row in catalog.BACKBONES.values())
    return _("{family} · {n}").format(family=_(family), n=count)


def _select(catalog: Any, spec: ModelSpec, names: Sequence[str]) -> str:
    """Draws the list of the networks that pass, the chosen one among them whatever the filters say."""
    options = list(names) if spec.backbone in names else [spec.backbone, *names]
    choices.follow("bl-backbone", spec.backbone)
    with st.container(key="bl-wrapsmall-network"):
        left, right = st.columns([2.4, 1], vertical_alignment="bottom")
    picked = left.selectbox(_("Network"), options, key="bl-backbone", format_func=lambda name: _line(catalog, name))
    form_fields.choice(_("Look at them as"), VIEWS, _VIEW_KEY, place=right, default="map")
    return str(picked or spec.backbone)


def _view() -> str:
    return str(st.session_state.get(_VIEW_KEY) or "map")


def _line(catalog: Any, name: str) -> str:
    """Returns a network's line in the list."""
    row = catalog.BACKBONES.get(name)
    if row is None:
        return name if name.startswith(catalog.TIMM) else _(catalog.backbone(name).title)
    parts = [row.title, _("{n} parameters").format(n=number_format.count(row.parameters)), f"{row.input_size} px"]
    if row.top1 is not None:
        parts.append(f"{row.top1:.1f} %")
    if catalog.weights_state(name) == catalog.AVAILABLE:
        parts.append(_("weights here"))
    return " · ".join(parts)


# --- the map and the table -------------------------------------------------------------------------------------------


def _map(catalog: Any, spec: ModelSpec, names: Sequence[str]) -> None:
    """Draws accuracy over parameters, as large as the work for an image; a click chooses."""
    rows = [catalog.BACKBONES[name] for name in names if name in catalog.BACKBONES]
    placed = [row for row in rows if row.top1 is not None]
    unplaced = len(names) - len(placed)
    if not placed:
        components.note(_("None of these networks has a published accuracy to be placed by. They stand in the table."))
        return
    event = charts.show(figure(placed, spec.backbone), key=_MAP, alt=_alt(len(placed), unplaced), selectable=True)
    points = event.selection.points if event else []
    _take("bl.map", points[0].get("customdata") if points else None)


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


def _take(place: str, value: Any) -> None:
    """Notes a click that is new, and draws the page again with it."""
    picked = value[0] if isinstance(value, list | tuple) else value
    if picked != st.session_state.get(place + ".seen"):
        st.session_state[place + ".seen"] = picked
        if picked:
            st.session_state[place + ".picked"] = picked
            st.rerun()


def figure(rows: Sequence[Any], chosen: str) -> Any:
    """Returns the map.

    Args:
        rows: Records of the catalogue, each with an accuracy.
        chosen: Name of the network that is marked.
    """
    import plotly.graph_objects as go

    chart = charts.figure(420, hovermode="closest", clickmode="event+select")
    for colour, (group, families) in zip(charts.OKABE_ITO, GROUPS.items(), strict=False):
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
                textfont={"size": 16, "color": charts.ACCENT},
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
    low = min((row.top1 for row in rows), default=55.0)
    chart.update_yaxes(title_text=_("ImageNet top-1, in %"), range=[min(low, 60) - 4, 93])
    return chart


def _dot(row: Any) -> float:
    """Returns the diameter of a network's dot, in pixels; the same whatever else is shown."""
    return min(8 + 5 * (row.gflops or 0) ** 0.4, 40)


def _hover(row: Any) -> str:
    return _(
        "<b>{title}</b><br>{top1} %\u00a0of ImageNet's photos right<br>{parameters} parameters, {work} multiply-adds"
    ).format(
        title=row.title,
        top1=f"{row.top1:.1f}",
        parameters=number_format.count(row.parameters),
        work=number_format.count((row.gflops or 0) * 1e9),
    )


def _table(catalog: Any, names: Sequence[str]) -> None:
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
    _take("bl.table", names[rows[0]] if rows else None)
    components.note(
        _n(
            "{n} network. Click a row's left end to choose it.",
            "{n} networks. Click a column's name to sort by it, and a row's left end to choose its network.",
            len(names),
        ).format(n=number_format.exact(len(names)))
    )


def _row(catalog: Any, name: str) -> dict[str, Any]:
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


# --- the card of the chosen network ----------------------------------------------------------------------------------


def _card(catalog: Any, spec: ModelSpec) -> ModelSpec:
    """Draws what the chosen network is, its figures, and where its weights come from."""
    from core.models.architectures import families, small_networks

    row = catalog.backbone(spec.backbone)
    course = small_networks.find(spec.backbone)
    components.section(row.title, _(course.description if course else families.describe(row.family)))
    place = st.container()
    spec = weights_picker.choose(catalog, spec)
    with place:
        _figures(catalog, spec, row)
    _papers(row)
    return spec


def _figures(catalog: Any, spec: ModelSpec, row: Any) -> None:
    entry = catalog.entry(spec.backbone, spec.weights)
    top1 = entry.top1 if entry else None
    work = entry.gflops * 1e9 if entry and entry.gflops else _anatomy(spec, "macs")
    parameters = _anatomy(spec, "total") if row.source == "course" else row.parameters
    side = catalog.preprocessing(spec.backbone, spec.image_size, weights=spec.weights, channels=spec.channels)
    colour = _("square, gray") if side.channels == 1 else _("square, RGB")
    shown = [
        Figure(
            _("Parameters"),
            number_format.count(parameters),
            _("with its own head"),
            _("{n} parameters").format(n=number_format.exact(parameters)),
        ),
        Figure(_("Input"), f"{side.crop} px", colour),
        Figure(
            _("Work per image"),
            number_format.count(work),
            _("multiply-adds"),
            _("A multiply-add is one multiplication and one addition."),
        ),
    ]
    if entry is not None and spec.weights != "none" and not spec.weights.startswith(("run:", "file:")):
        here = _("on this machine") if entry.state == catalog.AVAILABLE else _("to be downloaded")
        right = f"{top1:.1f} %" if top1 else number_format.DASH
        more = _("top-5 {share}").format(share=f"{entry.top5:.1f} %") if entry.top5 else _("of 50,000 photos right")
        shown += [
            Figure(_("ImageNet top-1"), right, more, _("Share of the 50,000 validation photos it names right.")),
            Figure(
                _("Weight file"), number_format.size(entry.size_mb * 1e6) if entry.size_mb else number_format.DASH, here
            ),
        ]
    if row.year:
        shown.append(Figure(_("Year"), str(row.year), _("of its paper")))
    components.metrics(shown, compact=True)


def _anatomy(spec: ModelSpec, figure: str) -> int | None:
    """Returns a figure of the network's anatomy, where nobody published it: ``macs`` or ``total``."""
    try:
        return getattr(caches.anatomy(replace(spec, weights="none")), figure) or None
    except InputError:  # a network of one's own without pieces yet
        return None


def _papers(row: Any) -> None:
    from core.models.architectures import families

    lines = [
        _("[{title}]({address}), {year}").format(title=line.paper_title, address=line.paper, year=line.year)
        for line in families.papers(row.family)
    ]
    if not lines and row.paper:
        lines = [_("[Where it comes from]({address})").format(address=row.paper)]
    if lines:
        st.markdown(_("Read more: {papers}.").format(papers="; ".join(lines)))
