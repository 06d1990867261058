"""Map: every image a point, alike ones near each other; a click or a ring shows the pictures and acts on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from core.errors import InputError
from core.runs.jobs import latest_job
from core.runs.launch import start_job
from core.specs import DataSpec
from core.workflows.data_check.findings import Finding, Kind, Unit, open_findings
from core.workflows.jobs.picture_map import MapRequest
from pages.data.problems import card, repairs
from pages.ui.kit import charts, clicks, components, form_fields
from pages.ui.kit.page_states import broken
from pages.ui.runs import job_panel, queue_panel
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from core.data.dataset import Dataset
    from core.workflows.data_check.picture_map import PictureMap

DISPLAY = job_panel.JobDisplay(
    failed=N_("The map could not be drawn"),
    interrupted=N_("The map was interrupted"),
    doing={
        "reading images": N_("Checking the images"),
        "looking with the network": N_("Looking at the images with the network"),
        "laying out": N_("Laying the map out"),
    },
)
METHODS = {"pacmap": "PaCMAP", "t-sne": "t-SNE", "pca": "PCA"}
"""Names of methods are names: they are not translated."""
WAYS: dict[Literal["points", "lasso"], str] = {"points": N_("A click"), "lasso": N_("A ring")}
"""How pictures are chosen: by a click, or by dragging a ring round them."""
COLOURED = {"class": N_("Class"), "split": N_("Split"), "finding": N_("Finding")}
CHOSEN = Kind(
    "map",
    N_("Chosen on the map"),
    N_("Pictures that lie where others of their class do not are worth a look: untick those that are right."),
    "warn",
    lambda _check: (),
    ("exclude", "relabel"),
    ticked=frozenset({"relabel"}),
)
"""What is chosen on the map is acted on like a finding."""
_SEEN = "bl.map.chosen"
_VECTOR = 2000
"""Up to so many points are drawn as vectors, which every browser can."""


def draw(spec: DataSpec, dataset: Dataset) -> None:
    """Draws the map, or offers to make one; below it what is chosen there."""
    request = MapRequest.of(caches.check_request(spec))
    job = latest_job(request)
    if job_panel.draw(job, DISPLAY, key="bl-map-job"):
        return
    found = None if job is None else job_panel.result(job)
    if found is None:
        _offer(request, dataset)
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-map-controls"):
        by = form_fields.choice(_("Colours"), COLOURED, "bl-map-colours", default="class")
        way = form_fields.choice(_("Choose by"), WAYS, "bl-map-way", default="points")
    named = _named(spec, dataset, by)
    event = charts.show(
        _figure(found, named, way), key=f"bl-map-chart-{way}", alt=_alt(found, named, by), selectable=True, modes=(way,)
    )
    keys = _chosen(event, named)
    if not keys:
        components.note(
            _("Click a point to see its picture.")
            if way == "points"
            else _("Draw a ring round some points by dragging to see their pictures.")
        )
        return
    _act(spec, dataset, keys)


def _offer(request: MapRequest, dataset: Dataset) -> None:
    components.note(
        _("Here every image will be a point: those that a pretrained network finds alike lie near each other.")
    )
    if clicks.button(
        _("Draw the map of {n} images").format(n=number_format.exact(len(dataset))),
        icon=":material/scatter_plot:",
        key="bl-map-draw",
        help=_("In a process of its own; what the check has looked at already is not looked at again."),
    ):
        try:
            start_job(request, roots=caches.roots(), owner=queue_panel.owner())
        except InputError as error:
            broken(_("The map could not be drawn"), translate_error(error), icon="report", tone="warn")
            return
        st.rerun()


def _named(spec: DataSpec, dataset: Dataset, by: str) -> dict[str, str]:
    """Returns for each image what it is coloured by."""
    if by == "class":
        return {item.key: dataset.classes[item.label] for item in dataset.items}
    if by == "split":
        return {item.key: charts.split_label(item.split) if item.split else _("none") for item in dataset.items}
    nothing, check = _("nothing found"), caches.checked(spec)
    named = dict.fromkeys((item.key for item in dataset.items), nothing)
    rows = open_findings(check, repairs.current(spec, dataset)) if check is not None else []
    for row in reversed(rows):  # the gravest last, so that it is what is seen
        named |= {key: _(row.kind.title) for unit in row.units for key in unit.keys if key in named}
    return named


def _figure(found: PictureMap, named: dict[str, str], way: str) -> Figure:
    go = charts.plotly()
    drawn = charts.figure(520, hovermode="closest", dragmode="lasso" if way == "lasso" else False)
    names = sorted(set(named.values()), key=lambda name: (-list(named.values()).count(name), name))
    shown = names[: len(charts.OTHERS)]
    points = go.Scatter if len(found.keys) <= _VECTOR else go.Scattergl
    for number, name in enumerate([*shown, _("others")]):
        own = [
            row
            for row, key in enumerate(found.keys)
            if key in named and (named[key] == name if number < len(shown) else named[key] not in shown)
        ]
        if not own:
            continue
        keys = [found.keys[row] for row in own]
        colour = charts.OTHERS[number] if number < len(shown) else charts.SPLIT_COLOURS["all"]
        drawn.add_trace(
            points(
                name=charts.text(name, 30),
                x=found.points[own, 0],
                y=found.points[own, 1],
                mode="markers",
                marker={"size": 8, "opacity": 0.75, "color": colour},
                customdata=keys,
                text=[charts.text(f"{named[key]} · {key}", 60) for key in keys],
                hovertemplate="%{text}<extra></extra>",
            )
        )
    drawn.update_xaxes(visible=False)
    drawn.update_yaxes(visible=False)
    return drawn


def _alt(found: PictureMap, named: dict[str, str], by: str) -> str:
    there = sum(key in named for key in found.keys)
    return _("{n} images as points by {method}, coloured by {what}; near means alike to a pretrained network.").format(
        n=number_format.exact(there), method=METHODS.get(found.method, found.method), what=_(COLOURED[by]).lower()
    )


def _chosen(event: Any, named: dict[str, str]) -> list[str]:  # noqa: ANN401 - what the browser sends
    """Returns the images that are chosen and still there."""
    try:
        data = [point["customdata"] for point in event["selection"]["points"]]
    except (KeyError, TypeError):
        return []
    keys = [str(value[0] if isinstance(value, list) else value) for value in data]
    return [key for key in dict.fromkeys(keys) if key in named]


def _act(spec: DataSpec, dataset: Dataset, keys: list[str]) -> None:
    """Draws the chosen pictures, ticked to begin with, and what can be done about them."""
    if st.session_state.get(_SEEN) != keys:
        st.session_state[_SEEN] = keys
        st.session_state[f"{repairs.TICKED}{CHOSEN.id}"] = set(keys)
    check = caches.checked(spec)
    finding = Finding(CHOSEN, tuple(Unit((key,)) for key in keys))
    components.section(_("Chosen on the map"))
    card.inside(spec, dataset, check, finding)
