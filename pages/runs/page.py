"""Runs: which was better, and why? A table of all runs, and what can be done with one."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import InputError, RunMissing
from core.runs.status import LIVE, RunStatus
from core.runs.store import Run, RunStore
from core.specs import Experiment
from pages.ui.kit import components, nav, one_shot_button
from pages.ui.kit.page_states import broken, empty, guarded
from pages.ui.runs import queue_panel, reproduce, run_panel, series_panel
from pages.ui.session import caches, choices
from pages.ui.text import display_names, number_format
from pages.ui.text.i18n import _, _n, translate_error

LISTED = 5
"""Most runs of which it is said what cannot be read."""

_NEW_NAME = "bl-new-name"


def render() -> None:
    """Draws the page."""
    components.header("runs")
    runs = RunStore().list()
    if not runs:
        empty(
            _("No runs yet"),
            _("Every training is kept here with its settings, its curve and its best weights."),
            action=_("Start with images"),
            target="data",
            icon="history",
        )
        return
    one_shot_button.refusal()
    queue_panel.panel(key="bl-runs-queue")
    alive = any(run.state in LIVE for run in runs)
    st.fragment(_table, run_every=2.0 if alive else None)(alive)
    chosen = _chosen(runs)
    if chosen is not None:
        _one(chosen)
        series_panel.draw(chosen, runs)


def _chosen(runs: list[Any]) -> Any:
    wanted = choices.run_id()
    return next((run for run in runs if run.id == wanted), runs[0])


@guarded
def _table(was_alive: bool) -> None:
    import pandas as pd

    runs = RunStore().list()
    rows = [row for row in map(_row, runs) if row]
    if not rows:
        return
    if was_alive and not any(run.state in LIVE for run in runs):
        st.rerun()
    config = st.column_config
    event = st.dataframe(
        pd.DataFrame(rows).drop(columns="fault"),
        hide_index=True,
        key="bl-runs",
        on_select="rerun",
        selection_mode="single-row",
        column_order=["name", "state", "accuracy", "curve", "data", "backbone", "recipe", "learns", "time", "started"],
        height=min(38 * (len(rows) + 1) + 2, 460),
        row_height=38,
        alt=_("Table of all runs with state, accuracy, backbone, recipe and time."),
        column_config={
            "name": config.TextColumn(_("Run"), width="medium"),
            "state": config.TextColumn(_("State")),
            "accuracy": config.ProgressColumn(
                _("Best validation"), min_value=0, max_value=1, format="percent", help=_("Best validation accuracy")
            ),
            "curve": config.LineChartColumn(
                _("Curve"), width="small", y_min=0, y_max=1, help=_("Validation accuracy by epoch")
            ),
            "data": config.TextColumn(_("Data")),
            "backbone": config.TextColumn(_("Backbone")),
            "recipe": config.TextColumn(_("Recipe")),
            "learns": config.TextColumn(_("Learned"), help=_("Parameters that learned")),
            "time": config.TextColumn(_("Time")),
            "started": config.TextColumn(_("Started")),
        },
    )
    components.note(
        _n(
            "{n} run. Choose its row to open, rename, download or delete it.",
            "{n} runs, the newest first. Choose a row to open, rename, download or delete it.",
            len(rows),
        ).format(n=len(rows))
    )
    for row in [row for row in rows if row["fault"]][:LISTED]:
        components.note(f"{row['name']}: {row['fault']}")
    picked = event["selection"]["rows"]
    if picked and picked[0] < len(rows) and rows[picked[0]]["id"] != choices.run_id():
        choices.choose_run(rows[picked[0]]["id"])
        st.rerun()


def _row(run: Any) -> dict[str, Any] | None:
    """Returns a run's row; ``None`` for one that went away in between."""
    try:
        status, (spec, fault) = run.status(), _experiment(run)
    except RunMissing:
        return None
    label, _symbol, _tone = components.STATES["unreadable" if spec is None else status.state]
    return {
        "id": run.id,
        "name": run.name,
        "state": _(label),
        "accuracy": status.best_val_accuracy,
        "curve": caches.course(run),
        **_plan(spec),
        "learns": number_format.count(status.trainable_parameters),
        "time": number_format.duration(status.seconds),
        "started": number_format.ago(status.started or status.launched),
        "fault": run_panel.reasons(status) or (translate_error(fault) if fault else ""),
    }


def _plan(spec: Experiment | None) -> dict[str, str]:
    if spec is None:
        return dict.fromkeys(("data", "backbone", "recipe"), number_format.DASH)
    return {
        "data": display_names.data(spec.data.source),
        "backbone": f"{display_names.backbone(spec.model.backbone)}, {display_names.weights(spec.model.weights)}",
        "recipe": display_names.preset(spec.training.preset),
    }


def _experiment(run: Run) -> tuple[Experiment | None, InputError | None]:
    """Returns what a run does, or why that cannot be read.

    Raises:
        RunMissing: It went away.
    """
    try:
        return caches.experiment(run), None
    except RunMissing:
        raise
    except InputError as error:
        return None, error


def _one(run: Any) -> None:
    """Draws the chosen run: its figures, what was set, and what can be done with it."""
    status, (spec, fault) = run.status(), _experiment(run)
    choices.choose_run(run.id)
    with st.container(border=True, key="bl-one-run"):
        run_panel.title(run, status)
        if fault is not None and not status.faults:
            broken(_("This run cannot be read"), translate_error(fault), icon="report", tone="warn")
        if status.state in LIVE:
            nav.link("train", _("Watch it"), run=run.id)
        else:
            run_panel.ended(run, status)
            if run.can_resume:
                nav.link("train", _("Go on with it, or train it again"), icon=":material/resume:", run=run.id)
            components.metrics(run_panel.result_figures(status), compact=True)
            if run.has_weights:
                run_panel.links(run)
        _actions(run, status)
        if spec is not None:
            with st.expander(_("What was set"), icon=":material/tune:", key="bl-set"):
                st.json(spec.to_json(), expanded=2)
            reproduce.draw(run)
    if status.state not in LIVE and run.has_weights:
        components.next_step("evaluate", _("Judge it"), run=run.id)


def _actions(run: Any, status: RunStatus) -> None:
    with st.container(horizontal=True, key="bl-acts"):
        if st.button(_("Rename"), icon=":material/edit:", key="bl-rename"):
            _rename(run)
        components.download(
            _("Download"),
            components.on_disk(run.pack),
            f"{run.id}.zip",
            "bl-run-download",
            help=_("The whole folder: settings, curves, weights, predictions, log."),
        )
        alive = status.state in LIVE
        if st.button(
            _("Delete"),
            icon=":material/delete:",
            key="bl-delete",
            disabled=alive,
            help=_("Stop it first.") if alive else None,
        ):
            _delete(run)


def _rename(run: Any) -> None:
    @st.dialog(_("Rename this run"))
    def ask() -> None:
        st.text_input(_("Name"), value=run.name, max_chars=120, key=_NEW_NAME)
        if st.button(
            _("Rename"),
            type="primary",
            key="bl-rename-now",
            on_click=lambda: one_shot_button.attempt(lambda: run.rename(st.session_state[_NEW_NAME] or "")),
        ):
            st.rerun()

    ask()


def _delete(run: Any) -> None:
    @st.dialog(_("Delete this run?"))
    def ask() -> None:
        st.markdown(
            _("**{name}** with its weights, curves and predictions is removed for good.").format(
                name=components.plain(run.name)
            )
        )
        with st.container(horizontal=True):
            gone = st.button(
                _("Delete for good"),
                type="primary",
                icon=":material/delete:",
                key="bl-delete-now",
                on_click=lambda: one_shot_button.attempt(lambda: _remove(run)),
            )
            if st.button(_("Keep it"), key="bl-delete-not") or gone:
                st.rerun()

    ask()


def _remove(run: Any) -> None:
    RunStore().delete(run)
    choices.choose_run(None)
