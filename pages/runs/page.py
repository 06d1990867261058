"""Runs: which was better, and why? A table of all runs, and what can be done with one."""

from __future__ import annotations

import tempfile
from typing import Any

import streamlit as st

from core.errors import InputError
from core.runs.store import LIVE, RunStore
from pages.ui.kit import components, nav, one_shot_button
from pages.ui.kit.page_states import empty, guarded
from pages.ui.runs import queue_panel, reproduce, run_panel, series_panel
from pages.ui.session import caches, choices
from pages.ui.text import display_names, number_format
from pages.ui.text.i18n import _, _n

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
        pd.DataFrame(rows),
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
    picked = event["selection"]["rows"]
    if picked and picked[0] < len(rows) and rows[picked[0]]["id"] != choices.run_id():
        choices.choose_run(rows[picked[0]]["id"])
        st.rerun()


def _row(run: Any) -> dict[str, Any] | None:
    """Returns a run's row; ``None`` for one that went away in between or cannot be read."""
    try:
        status, spec = run.status(), caches.experiment(run)
    except InputError:
        return None
    label, _symbol, _tone = components.STATES[status["state"]]
    return {
        "id": run.id,
        "name": run.name,
        "state": _(label),
        "accuracy": status.get("best_val_accuracy"),
        "curve": caches.course(run),
        "data": display_names.data(spec.data.source),
        "backbone": f"{display_names.backbone(spec.model.backbone)}, {display_names.weights(spec.model.weights)}",
        "recipe": display_names.preset(spec.training.preset),
        "learns": number_format.count(status.get("trainable_parameters")),
        "time": number_format.duration(status.get("seconds")),
        "started": number_format.ago(status.get("started") or status.get("launched")),
    }


def _one(run: Any) -> None:
    """Draws the chosen run: its figures, what was set, and what can be done with it."""
    status, spec = run.status(), run.experiment
    choices.choose_run(run.id)
    with st.container(border=True, key="bl-one-run"):
        run_panel.title(run, status)
        if status["state"] in LIVE:
            nav.link("train", _("Watch it"), run=run.id)
        else:
            run_panel.ended(run, status)
            if run.can_resume:
                nav.link("train", _("Go on with it, or train it again"), icon=":material/resume:", run=run.id)
            components.metrics(run_panel.result_figures(status), compact=True)
            if run.has_weights:
                run_panel.links(run)
        _actions(run, status)
        with st.expander(_("What was set"), icon=":material/tune:", key="bl-set"):
            st.json(spec.to_json(), expanded=2)
        reproduce.draw(run)
    if status["state"] not in LIVE and run.has_weights:
        components.next_step("evaluate", _("Judge it"), run=run.id)


def _actions(run: Any, status: dict[str, Any]) -> None:
    with st.container(horizontal=True, key="bl-acts"):
        if st.button(_("Rename"), icon=":material/edit:", key="bl-rename"):
            _rename(run)
        components.download(
            _("Download"),
            lambda: _packed(run),
            f"{run.id}.zip",
            "bl-run-download",
            help=_("The whole folder: settings, curves, weights, predictions, log."),
        )
        alive = status["state"] in LIVE
        if st.button(
            _("Delete"),
            icon=":material/delete:",
            key="bl-delete",
            disabled=alive,
            help=_("Stop it first.") if alive else None,
        ):
            _delete(run)


def _packed(run: Any) -> Any:
    """Returns the run's folder as an open zip file, made when the download is asked for."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the download reads and closes it
    run.pack(file)
    file.seek(0)
    return file


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
