"""Which filters of a layer look for the same, which are nearly nothing, and which the run's images never activate."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import png
from core.errors import InputError
from pages.filters import kernels_view
from pages.ui.kit import clicks, components, page_states
from pages.ui.kit.components import Figure
from pages.ui.selection import picture_list, subjects
from pages.ui.selection.network_picker import Target
from pages.ui.session import caches
from pages.ui.text import layer_names, number_format
from pages.ui.text.i18n import _, _n, translate_error

if TYPE_CHECKING:
    from core.interpret.filters.similarity import Alike
    from core.models.network import Network

GROUPS = 12
"""Groups of the same that are drawn, at most."""
MEMBERS = 16
BUDGET = 20.0
"""Seconds after which no further images are run."""
APART = 96
"""Filters up to which each cell of the map can be pointed at."""


def draw(target: Target, network: Network) -> None:
    """Draws the view.

    Args:
        target: What is looked into.
        network: Its loaded network, which has convolutions.
    """
    from core.interpret.filters.kernels import conv_layers, kernels
    from core.interpret.filters.similarity import alike

    rows = {row.name: row for row in conv_layers(network)}
    layer = kernels_view.layer_picker(network.anatomy, rows)
    subjects.warn_random(target)
    found = caches.remember("alike", (*target.key, layer), lambda: alike(kernels(network, layer)), entries=16)
    if not found.comparable:
        components.note(_("This layer has one filter: there is nothing to compare it with."))
        return
    with st.container(key="bl-wrap-filters-alike"):
        left, right = st.columns([1.4, 1], gap="large")
    with left:
        _map(target, layer, found, layer_names.layer(network.anatomy, layer))
    with right:
        _figures(found)
        _lists(found)
        components.why(
            _(
                "The cosine of two filters is 1 where they look for the same pattern, whatever their strength, 0 where "
                "they have nothing in common, and −1 where one is the other's negative. Many duplicates mean that a "
                "layer has more filters than it uses."
            ),
            formula=r"\cos(a, b) = \frac{a \cdot b}{\lVert a \rVert \, \lVert b \rVert}",
        )
    _duplicates(network, layer, found)
    _life(target, network, layer)


def _map(target: Target, layer: str, found: Alike, called: str) -> None:
    from core.interpret.filters.similarity_matrix import alike_map

    count = len(found.lengths)
    alt = _("How alike the {n} filters of {layer} are, similar ones side by side.").format(n=count, layer=called)
    if count <= APART:
        _chart(found, alt)
        return
    drawn = caches.remember("alike-maps", (*target.key, layer), lambda: png(alike_map(found)), entries=8)
    subjects.picture(drawn, alt=alt, sharp=True)
    subjects.scale_bar("blue-red", "−1", "+1")
    components.note(alt)


def _chart(found: Alike, alt: str) -> None:
    import numpy as np

    from core.interpret.drawing.colormaps import lookup
    from pages.ui.kit import charts

    order = list(found.order)
    names = [str(index) for index in order]
    colours = lookup("blue-red")
    scale = [[i / 8, "#{:02x}{:02x}{:02x}".format(*colours[round(i * 255 / 8)])] for i in range(9)]
    chart = charts.figure(560, hovermode="closest")
    chart.add_heatmap(
        z=np.round(found.cosine[np.ix_(order, order)], 3).tolist(),
        x=names,
        y=names,
        zmin=-1,
        zmax=1,
        colorscale=scale,
        hovertemplate=_("filters {a} and {b}: {value}").format(a="%{y}", b="%{x}", value="%{z:.2f}")
        + "<extra></extra>",
        colorbar={"thickness": 10, "outlinewidth": 0, "tickvals": [-1, 0, 1]},
    )
    chart.update_xaxes(showgrid=False, type="category", showticklabels=len(order) <= 24, constrain="domain")
    chart.update_yaxes(
        showgrid=False,
        type="category",
        showticklabels=len(order) <= 24,
        autorange="reversed",
        scaleanchor="x",
        constrain="domain",
    )
    charts.show(chart, key="bl-filters-alike", alt=alt)


def _figures(found: Alike) -> None:
    count = len(found.lengths)
    limit = f"{found.limit:.2f}"
    components.metrics(
        [
            Figure(
                _("Duplicates"),
                number_format.exact(found.redundant),
                _("of {n} filters could go").format(n=number_format.exact(count)),
                help=_("Beyond the first of each group with a cosine of {limit} or more").format(limit=limit),
            ),
            Figure(_("Opposites"), number_format.exact(len(found.opposites)), _("pairs, each the other's negative")),
            Figure(
                _("Nearly nothing"), number_format.exact(len(found.near_zero)), _("below 1 %\u00a0of the usual length")
            ),
            Figure(_("Likeness"), subjects.number(found.likeness, 2), _("mean cosine of two, without its sign")),
        ],
        compact=True,
    )


def _lists(found: Alike) -> None:
    """Names the filters that the figures count."""
    if not (found.duplicates or found.opposites or found.near_zero):
        subjects.callout(
            _("Every filter here is different from every other, and none is empty."), icon="check", good=True
        )
        return
    rows = []
    if found.near_zero:
        rows.append((_("nearly nothing"), _some(str(index) for index in found.near_zero)))
    if found.opposites:
        rows.append((_("opposites"), _some(f"{a} ↔ {b}" for a, b in found.opposites)))
    if found.duplicates:
        rows.append((_("the same"), _some(" = ".join(map(str, group[:4])) for group in found.duplicates)))
    subjects.facts(rows)


def _some(names: Iterable[str], most: int = 8) -> str:
    listed = list(names)
    return ", ".join(listed[:most]) + (" …" if len(listed) > most else "")


def _duplicates(network: Network, layer: str, found: Alike) -> None:
    """Draws the groups of filters that look for the same."""
    from core.interpret.filters.kernels import kernel_tiles

    if not found.duplicates:
        return
    components.section(
        _("The same more than once"),
        _("Groups of filters of which every two have a cosine of {limit} or more.").format(limit=f"{found.limit:.2f}"),
    )
    for group in found.duplicates[:GROUPS]:
        drawn = kernel_tiles(network, layer, outputs=group[:MEMBERS], inputs=None, columns=16, tile_px=44)
        title = " = ".join(str(index) for index in group[:MEMBERS]) + (" …" if len(group) > MEMBERS else "")
        subjects.picture(
            drawn.image,
            title=title,
            alt=_("Filters {names} beside each other").format(names=title),
            sharp=True,
            most=drawn.image.width,
        )
    if len(found.duplicates) > GROUPS:
        left = len(found.duplicates) - GROUPS
        components.note(_n("{n} more group.", "{n} more groups.", left).format(n=left))


def _life(target: Target, network: Network, layer: str) -> None:
    """Draws which filters the run's own images never activate."""
    if target.run is None:
        return
    components.section(_("Dead filters"), _("Filters whose channels none of the run's held-out images activates."))
    key = (*target.key, layer)
    if not caches.known("life", key):
        if not clicks.button(
            _("Run the run's images through it"), icon=":material/monitor_heart:", key="bl-filters-life"
        ):
            return
        if not _looked(target, network, layer, key):
            return
        st.rerun()
    found = caches.remember("life", key, lambda: None)
    if found is None:
        return
    dead, count = len(found.dead), len(found.highest)
    if not dead:
        text = _n(
            "Every one of the {count} filters was active on {n} image.",
            "Every one of the {count} filters was active on some of {n} images.",
            found.images,
        )
        subjects.callout(text.format(count=count, n=found.images), icon="check", good=True)
    else:
        text = _("Never active on {n} images: {dead} of {count} filters ({names}).")
        names = _some((str(index) for index in found.dead), 16)
        subjects.callout(text.format(dead=dead, count=count, n=found.images, names=names))
    where = _("Looked at {layer}.").format(layer=layer_names.layer(network.anatomy, found.judged))
    if found.cut:
        components.note(where + " " + _("A ReLU follows, so what is never above zero is lost."))
    else:
        components.note(where + " " + _("No ReLU follows directly, so only what never varies is dead."))


def _looked(target: Target, network: Network, layer: str, key: tuple[object, ...]) -> bool:
    """Runs the images through the filters, with progress and a cancel; returns whether there is a result."""
    from core.workflows.inspection.filter_history import life_of_run

    place = st.empty()
    with place.container(horizontal=True, vertical_alignment="center"):
        bar = st.progress(0.0, text=_("Reading the images …"), width="stretch")
        st.button(_("Cancel"), icon=":material/close:", key="bl-filters-life-stop")
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > 0.15:
            last = time.monotonic()
            bar.progress(min(1.0, done / total), text=_("{done} of {total} images").format(done=done, total=total))

    try:
        dataset = picture_list.reopened(target.trained)
        caches.remember(
            "life",
            key,
            lambda: life_of_run(target.trained, network, layer, dataset=dataset, budget=BUDGET, progress=progress),
        )
    except InputError as error:
        place.empty()
        page_states.broken(
            _("The filters could not be judged"), translate_error(error), icon="broken_image", tone="warn"
        )
        return False
    place.empty()
    return True
