"""The catalogue: networks found by family, size or name, on a map and in a table, and the chosen one's card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType

import streamlit as st

from core.errors import InputError
from core.specs import ModelSpec
from pages.backbone import network_card, network_map
from pages.ui.kit import form_fields
from pages.ui.kit.page_states import busy, empty
from pages.ui.plan import freeze_plan
from pages.ui.session import choices
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _

ALL = ""
LIMITS = (1e6, 3e6, 10e6, 30e6, 100e6, 1e9)
VIEWS = {"map": N_("Map"), "table": N_("Table")}
_VIEW_KEY = "bl-view"


def draw(spec: ModelSpec, classes: int | None) -> ModelSpec:
    """Draws the choice of a network and its weights.

    Args:
        spec: What is chosen now.
        classes: Of the chosen data; ``None`` where there are none.

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
        network_map.draw(catalog, spec, names)
    else:
        network_map.table(catalog, shown)
    return network_card.draw(catalog, spec, classes)


def switch(catalog: ModuleType, spec: ModelSpec, name: str) -> ModelSpec:
    """Returns the choice after a change of network: what belongs to the network before it is left behind."""
    if name == spec.backbone:
        return spec
    weights = spec.weights if spec.weights in ("default", "none") else "default"
    if not catalog.entries(name):
        weights = "none"
    elif spec.weights == "none" and not catalog.entries(spec.backbone):
        weights = "default"
    chosen = replace(spec, backbone=name, weights=weights, image_size=None, channels=None, design=())
    freeze_plan.another_network(chosen, pretrained=bool(catalog.entries(name)))
    return chosen


def _known(catalog: ModuleType, spec: ModelSpec) -> ModelSpec:
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


def _clicked(catalog: ModuleType, spec: ModelSpec) -> ModelSpec:
    """Takes what was clicked on the map, or in the table, since the page was last drawn."""
    for picked in network_map.clicks():
        spec = switch(catalog, spec, picked)
        choices.set_model(spec)
    return spec


# --- finding ---------------------------------------------------------------------------------------------------------


def _filter(catalog: ModuleType) -> list[str]:
    """Draws search and filters, and returns the names of the networks that pass."""
    families = [ALL, *catalog.FAMILIES]
    with st.container(key="bl-wrapsmall-find"):
        search, family, limit, more = st.columns([1.3, 1.1, 1.1, 1], vertical_alignment="bottom")
    text = search.text_input(
        _("Search"),
        placeholder=_("resnet 50"),
        icon=":material/search:",
        help=_("All words must occur in the network's name or family."),
        **form_fields.words("bl-search"),
    )
    chosen = family.selectbox(
        _("Family"),
        families,
        format_func=lambda f: _family(catalog, f) if f else _("All families"),
        **form_fields.kept("bl-family").widget("bl-family", families, ALL),
    )
    largest = limit.select_slider(
        _("At most"),
        LIMITS,
        format_func=lambda n: _("any size") if n == LIMITS[-1] else number_format.count(n).replace(".0", ""),
        help=_("Parameters of the network."),
        **form_fields.kept("bl-largest").widget("bl-largest", LIMITS, LIMITS[-1], lambda n: f"{n:g}"),
    )
    with more, st.container(gap="xxsmall"):
        here = st.toggle(
            _("Weights here"),
            help=_("Only networks whose pretrained weights are on this machine, or that need none."),
            **form_fields.flag("bl-here"),
        )
        timm = catalog.timm_available() and st.toggle(
            _("timm too"),
            help=_("Some 1,100 further classifiers of the library timm, found by the search."),
            **form_fields.flag("bl-timm"),
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


def _search(catalog: ModuleType, text: str, timm: bool) -> tuple[str, ...]:
    if timm:
        with busy(_("Looking through timm …"), 60):
            return catalog.search(text, include_timm=True)
    return catalog.search(text)


def _family(catalog: ModuleType, family: str) -> str:
    count = sum(row.family == family for row in catalog.BACKBONES.values())
    return _("{family} · {n}").format(family=_(family), n=count)


def _select(catalog: ModuleType, spec: ModelSpec, names: Sequence[str]) -> str:
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


def _line(catalog: ModuleType, name: str) -> str:
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
