"""The panel "Take the model": it asks for a file, says how far it agrees, and hands it out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.jobs import JobStore
from core.runs.store import Run
from core.workflows.jobs import job_process
from core.workflows.jobs.heatmap_study import weights_stamp
from core.workflows.jobs.model_export import ExportRequest
from pages.ui.runs import take_model


def _panel(run_id: str) -> None:
    from core.runs.store import RunStore
    from pages.ui.runs import take_model

    take_model.draw(RunStore().get(run_id))


def panel(run: Run, *, opened: bool = True) -> AppTest:
    app = AppTest.from_function(_panel, kwargs={"run_id": run.id}, default_timeout=120)
    if opened:
        app.session_state["bl-take"] = True
    return app.run()


def test_a_closed_panel_asks_for_nothing(learned: Callable[..., Run]) -> None:
    app = panel(learned(), opened=False)
    assert not app.exception
    assert not app.button


def test_a_click_starts_the_job_of_the_chosen_format(
    learned: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[ExportRequest] = []
    monkeypatch.setattr(take_model, "start_job", lambda request, **_more: started.append(request))
    run = learned()
    app = panel(run)
    app.session_state["bl-take-format"] = "pt2"
    app.button(key="bl-take-start").click().run()
    assert not app.exception
    assert started[-1].run == run.id
    assert started[-1].stamp == weights_stamp(run)


def test_a_finished_file_is_shown_with_its_figures(learned: Callable[..., Run], words) -> None:
    run = learned()
    request = ExportRequest(run.id, "best", weights_stamp(run), "onnx")
    job_process.work(JobStore(request.kind).create(request.as_record()))
    app = panel(run)
    assert not app.exception
    said = words(app)
    assert "Largest difference" in said
    assert "of your pictures" in said
    assert len(app.get("download_button")) == 1


def test_without_the_packages_it_says_what_to_install(
    learned: Callable[..., Run], words, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from core.workflows.export.model import formats

    monkeypatch.setitem(formats.FORMATS, "onnx", replace(formats.FORMATS["onnx"], needs=("nowhere_to_be_found",)))
    app = panel(learned())
    assert not app.exception
    assert "nowhere_to_be_found" in words(app)
    assert not app.button
