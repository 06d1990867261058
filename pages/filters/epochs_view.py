"""Filters after each epoch of a run, and how far they had come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.runs import snapshots
from pages.filters import kernels_view
from pages.ui.kit import charts, components, form_fields, page_states
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import guarded
from pages.ui.runs import histograms
from pages.ui.selection import checkpoint_picker, subjects
from pages.ui.selection.network_picker import Target
from pages.ui.session import caches
from pages.ui.text import layer_names, number_format
from pages.ui.text.i18n import N_, _, _n, translate_error

if TYPE_CHECKING:
    from core.interpret.filters.movement import Motion
    from core.models.anatomy.records import Anatomy
    from core.models.network import Network
    from core.runs.store import Run
    from core.workflows.inspection.filter_history import FilterHistory, FilterMovement

MAX_FILTERS = 64
"""Filters drawn at once."""
SHOWN = {"after": N_("Filters then"), "change": N_("Change until then")}


def draw(target: Target, network: Network) -> None:
    """Draws the view of a run: every convolution where weights of epochs were kept, else the first from snapshots."""
    from core.workflows.checkpoints import epochs_of

    try:
        if epochs_of(target.trained):
            _of_weights(target.trained)
        else:
            _of_snapshots(target.trained, network.anatomy)
    except InputError as error:
        page_states.broken(_("These epochs cannot be read"), translate_error(error), icon="broken_image", tone="warn")


def _of_weights(run: Run) -> None:
    """Draws how far every convolution came, and the filters of the chosen one."""
    from core.interpret.filters.kernels import conv_layers
    from core.training.checkpoints import epoch_weights
    from core.workflows.inspection.filter_history import history_of_layer, movement_of_run

    before = checkpoint_picker.target_at(run, "start")
    with st.spinner(_("Building the network as it was before training …")):
        start = before.network()
    found = {row.name: row for row in conv_layers(start)}
    if not found:
        subjects.callout(_("This network has no convolutions, so it has no filters to show."))
        return
    stamp = _stamp(run.path / epoch_weights.WEIGHTS_FOLDER)
    with st.spinner(_("Reading the weights of the epochs …")):
        course = caches.remember("filter-course", stamp, lambda: movement_of_run(run, start), entries=8)
    _layers(course, start.anatomy)
    layer = kernels_view.layer_picker(start.anatomy, found, course.furthest[0])
    story = caches.remember("filter-story", (*stamp, layer), lambda: history_of_layer(run, start, layer), entries=16)
    called = layer_names.layer(start.anatomy, layer)
    st.fragment(_panel)(run, story, called)  # a slider that is moved draws nothing else anew


def _of_snapshots(run: Run, anatomy: Anatomy) -> None:
    from core.workflows.inspection.filter_history import history_of_snapshots

    stamp = _stamp(run.path / snapshots.SNAPSHOT_FOLDER)
    story = caches.remember("motion", stamp, lambda: history_of_snapshots(run), entries=8)
    if story is None:
        page_states.empty(
            _("No epochs to look back on"),
            _(
                "This run kept neither weights of single epochs nor snapshots of its filters. How much space weights "
                "may take is chosen on Train, under More, Stopping."
            ),
            icon="history_toggle_off",
        )
        return
    components.note(
        _(
            "Only the snapshots of the first layer tell this: the run kept no weights of single epochs (they were too "
            "large for the space it was given, or that was none)."
        )
    )
    st.fragment(_panel)(run, story, layer_names.layer(anatomy, story.layer))


def _stamp(folder: Path) -> tuple[str, int]:
    try:
        return (str(folder), folder.stat().st_mtime_ns)
    except OSError:
        return (str(folder), 0)


def _layers(course: FilterMovement, anatomy: Anatomy) -> None:
    """Draws how far each convolution had come after each epoch."""
    components.section(
        _("How far each convolution had come"),
        _(
            "The change of its weights since before training, as a share of their length. Frozen ones stand exactly "
            "still."
        ),
    )
    still = course.still
    if still == len(course.layers):
        text = _("No convolution moved: this run trained its head on a frozen backbone.")
        subjects.callout(text, icon="ac_unit", good=True)
        return
    go = charts.plotly()
    chart = charts.figure(min(900, 120 + 18 * len(course.layers)), hovermode="closest")
    hover = _("{layer} after epoch {epoch}: {share}").format(layer="%{y}", epoch="%{x}", share="%{z:$.2%}")
    chart.add_trace(
        go.Heatmap(
            z=course.moved.tolist(),
            x=[str(epoch) for epoch in course.epochs],
            y=[layer_names.layer(anatomy, name) for name in course.layers],
            zmin=0,
            hovertemplate=hover + "<extra></extra>",
            colorbar={"thickness": 10, "outlinewidth": 0, "tickformat": "$.2~%"},
            colorscale=charts.COLORSCALE,
        )
    )
    chart.update_xaxes(title_text=_("After epoch"), showgrid=False, type="category", nticks=12)
    chart.update_yaxes(showgrid=False, type="category", autorange="reversed", tickfont={"size": 12}, automargin=True)
    layer, moved = course.furthest
    text = (
        _n(
            "{n} of {all} convolutions stood exactly still. ", "{n} of {all} convolutions stood exactly still. ", still
        ).format(n=still, all=len(course.layers))
        if still
        else ""
    )
    text += _("Furthest by epoch {epoch}: {layer}, by {share} of its length.").format(
        epoch=course.epochs[-1], layer=layer_names.layer(anatomy, layer), share=number_format.percent(moved)
    )
    charts.show(chart, key="bl-filters-layers", alt=text)


@guarded
def _panel(run: Run, story: FilterHistory, called: str) -> None:
    with st.container(key="bl-wrap-filters-epochs"):
        left, right = st.columns([1.6, 1], gap="large")
    with right:
        epoch = histograms.epoch_slider(story.motion.epochs, key=f"bl-filters-epoch-{run.id}", label=_("After epoch"))
        shown = form_fields.choice(_("Show"), SHOWN, "bl-filters-epoch-shown", default="after")
        part = _input(story)
        if story.motion.moved.any():
            _figures(story.motion, epoch)
        else:
            text = _("The filters of {layer} stood still in every epoch: that part of the network was frozen.")
            subjects.callout(text.format(layer=called), icon="ac_unit", good=True)
    with left:
        _sheet(story, part, epoch, str(shown), called)
    _course(story.motion, called)


def _input(story: FilterHistory) -> int | None:
    """Draws the choice of an input channel where filters have many; ``None`` where they are drawn in their colours."""
    channels = story.start.shape[1]
    if channels in (1, 3):
        return None if channels == 3 else 0
    return int(
        st.number_input(
            _("Input channel"),
            0,
            channels - 1,
            0,
            key=f"bl-filters-epoch-in-{story.layer}",
            persist_state="session",
            help=_("A filter has one kernel for each channel that comes in; those for this one are drawn."),
        )
    )


def _sheet(story: FilterHistory, part: int | None, epoch: int, shown: str, called: str) -> None:
    from core.interpret.drawing.snapshot_images import kernel_sheet

    values, limit = story.shown(epoch, change=shown == "change", count=MAX_FILTERS, channel=part)
    if limit == 0:  # nothing was added: it is said beside
        return
    alt = {
        "after": _("{n} filters of {layer} after epoch {epoch}"),
        "change": _("What training had added to {n} filters of {layer} until epoch {epoch}"),
    }[shown].format(n=len(values), layer=called, epoch=epoch)
    drawn = kernel_sheet(values, limit=limit, columns=8, tile_px=48)
    subjects.picture(drawn, alt=alt, sharp=True, most=620)
    sentence = alt + ". " + _("One scale for all epochs; its ends are ± {limit}.").format(limit=subjects.number(limit))
    if len(story.start) > MAX_FILTERS:
        sentence += " " + _("The first {n} of {all} are drawn.").format(n=MAX_FILTERS, all=len(story.start))
    components.note(sentence)


def _figures(motion: Motion, epoch: int) -> None:
    row = motion.epochs.index(epoch)
    moved, turned = motion.moved[row], motion.turned[row]
    furthest = int(moved.argmax())
    rows = [
        Figure(_("Moved"), number_format.percent(float(moved.mean())), _("of a filter's length, on average")),
        Figure(_("Turned"), f"{subjects.number(float(turned.mean()), 2)}°", _("against the start, on average")),
        Figure(
            _("Furthest"),
            str(furthest),
            _("the filter that moved by {share}").format(share=number_format.percent(float(moved[furthest]))),
        ),
    ]
    components.metrics(rows, compact=True)
    if motion.still:
        components.note(_n("{n} filter stood still.", "{n} filters stood still.", motion.still).format(n=motion.still))


def _course(motion: Motion, layer: str) -> None:
    """Draws how far a layer's filters had come after each epoch."""
    if len(motion.epochs) < 2 or not motion.moved.any():
        return
    components.section(_("How far the filters of {layer} had come").format(layer=layer))
    chart = charts.figure(260)
    lines = {
        _("Furthest filter"): motion.moved.max(1),
        _("Half of them"): motion.usual,
        _("Least"): motion.moved.min(1),
    }
    for name, values in lines.items():
        chart.add_scatter(
            x=list(motion.epochs),
            y=[float(v) for v in values],
            mode="lines+markers",
            name=name,
            hovertemplate="%{y:$.2%}<extra>" + name + "</extra>",
        )
    chart.update_xaxes(title_text=_("Epoch"), dtick=max(1, -(-(motion.epochs[-1] - motion.epochs[0]) // 10)))
    chart.update_yaxes(title_text=_("Moved"), tickformat="$.2~%", rangemode="tozero")
    charts.show(
        chart,
        key="bl-filters-course",
        alt=_(
            "Distance of the filters of {layer} from their start; half of them had moved by {share} in the end."
        ).format(layer=layer, share=number_format.percent(float(motion.usual[-1]))),
    )
