"""The first layer's filters after each epoch of a run, and how far they had come."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import InputError
from pages.ui import caches, charts, components, faces, figures, inside, spread
from pages.ui.components import Figure
from pages.ui.faces import guarded
from pages.ui.i18n import N_, _, _n, translate_error
from pages.ui.pickers import Target

SHOWN = {"after": N_("Filters then"), "change": N_("Change until then")}


def draw(target: Target) -> None:
    """Draws the view of a run."""
    from core.lab.filter_story import motion_of_run

    try:
        found = caches.remember("motion", _stamp(target.run), lambda: motion_of_run(target.run), entries=8)
    except InputError as error:
        faces.broken(_("These snapshots cannot be read"), translate_error(error), icon="broken_image", tone="warn")
        return
    if found is None:
        faces.empty(
            _("No snapshots of the filters"),
            _("A run keeps its first layer's filters after its epochs from the first one on; this one kept none."),
            icon="history_toggle_off",
        )
        return
    st.fragment(_panel)(target.run, found)  # a slider that is moved draws nothing else anew


def _stamp(run: Any) -> tuple[Any, ...]:
    from core.runs import snapshots

    folder = run.path / snapshots.FOLDER
    try:
        return (str(run.path), folder.stat().st_mtime_ns)
    except OSError:
        return (str(run.path), 0)


@guarded
def _panel(run: Any, found: Any) -> None:
    motion, start, later = found
    with st.container(key="bl-wrap-filters-epochs"):
        left, right = st.columns([1.6, 1], gap="large")
    with right:
        epoch = spread.epoch_slider(motion.epochs, key=f"bl-filters-epoch-{run.id}", label=_("After epoch"))
        shown = st.segmented_control(
            _("Show"), list(SHOWN), default="after", key="bl-filters-epoch-shown", required=True,
            format_func=lambda name: _(SHOWN[name]), persist_state="session",
        ) or "after"  # fmt: skip
        _figures(motion, epoch)
    with left:
        _sheet(start, later, epoch, str(shown))
    _course(motion)


def _sheet(start: Any, later: Any, epoch: int, shown: str) -> None:
    import numpy as np

    from core.interpret.moments import kernel_sheet

    wide = start.astype(np.float32)
    if shown == "after":
        values = later[epoch].astype(np.float32)
        limit = max(float(np.abs(kept.astype(np.float32)).max()) for kept in (start, *later.values()))
    else:
        values = later[epoch].astype(np.float32) - wide
        limit = max(float(np.abs(kept.astype(np.float32) - wide).max()) for kept in later.values())
    if shown == "change" and limit == 0:
        text = _("The first layer's filters stood still in every epoch: that part of the network was frozen.")
        inside.callout(text, icon="ac_unit", good=True)
        return
    alt = {
        "after": _("The first layer's {n} filters after epoch {epoch}"),
        "change": _("What training had added to the first layer's {n} filters until epoch {epoch}"),
    }[shown].format(n=len(values), epoch=epoch)
    drawn = kernel_sheet(values, limit=limit, columns=8, tile_px=48)
    inside.picture(drawn, alt=alt, sharp=True, most=620)
    components.note(
        alt + ". " + _("One scale for all epochs; its ends are ± {limit}.").format(limit=inside.number(limit))
    )


def _figures(motion: Any, epoch: int) -> None:
    row = motion.epochs.index(epoch)
    moved, turned = motion.moved[row], motion.turned[row]
    furthest = int(moved.argmax())
    rows = [
        Figure(_("Moved"), figures.percent(float(moved.mean())), _("of a filter's length, on average")),
        Figure(_("Turned"), f"{inside.number(float(turned.mean()), 2)}°", _("against the start, on average")),
        Figure(_("Furthest"), str(furthest), _("the filter that moved by {share}").format(
            share=figures.percent(float(moved[furthest])))),
    ]  # fmt: skip
    components.metrics(rows, compact=True)
    components.note(_n("{n} filter stood still.", "{n} filters stood still.", motion.still).format(n=motion.still))


def _course(motion: Any) -> None:
    """Draws how far the filters had come after each epoch."""
    import numpy as np

    if len(motion.epochs) < 2 or not motion.moved.any():
        return
    components.section(_("How far they had come"))
    chart = charts.figure(260)
    lines = {
        _("Furthest filter"): motion.moved.max(1), _("Half of them"): np.median(motion.moved, axis=1),
        _("Least"): motion.moved.min(1),
    }  # fmt: skip
    for name, values in lines.items():
        chart.add_scatter(
            x=list(motion.epochs), y=[float(v) for v in values], mode="lines+markers", name=name,
            hovertemplate="%{y:.2%}<extra>" + name + "</extra>",
        )  # fmt: skip
    chart.update_xaxes(title_text=_("Epoch"), dtick=max(1, -(-(motion.epochs[-1] - motion.epochs[0]) // 10)))
    chart.update_yaxes(title_text=_("Moved"), tickformat=".2~%", rangemode="tozero")
    charts.show(
        chart, key="bl-filters-course",
        alt=_("Distance of the first layer's filters from their start; half of them had moved by {share} in the end.")
        .format(share=figures.percent(float(np.median(motion.moved[-1])))),
    )  # fmt: skip
