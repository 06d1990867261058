"""The panel "Take the model": it asks for a file, says how far it agrees, and hands it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.jobs import JobStore
from core.runs.status import JobStatus
from core.runs.store import Run
from core.workflows.jobs import job_process
from core.workflows.jobs.heatmap_study import weights_stamp
from core.workflows.jobs.model_export import PACKAGE, ExportRequest
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


def test_whole_numbers_are_shown_beside_the_exact_file(learned: Callable[..., Run], words) -> None:
    from core.workflows.export.model import int8

    pytest.importorskip("onnxruntime")
    run = learned()
    request = ExportRequest(run.id, "best", weights_stamp(run), "onnx-int8")
    record = {
        **{"format": "onnx-int8", "bytes": 4_000_000, "max_difference": 0.13, "pictures": 90, "own": True},
        **{"milliseconds": 11.0, "before_milliseconds": 40.0},
        "int8": asdict(int8.Int8("val", 90, 120, 60, 0.911, 0.922, 0.978, 0.13, 13_000_000, 11.0, 22.0)),
    }
    job = JobStore(request.kind).create(request.as_record())
    job.write_result(record)
    (job.path / PACKAGE).write_bytes(b"zip")
    JobStatus(state="finished").write(job.path)
    app = panel(run)
    app.segmented_control(key="bl-take-format").set_value("onnx-int8").run()
    assert not app.exception
    said = words(app)
    exact = ("92.2 % by the exact file; 90 of 120 validation images", "13 MB the exact file")
    for words_of in ("91.1 %", "97.8 %", "up to 0.13", *exact):
        assert words_of in said
    assert len(app.get("download_button")) == 1
