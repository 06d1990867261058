"""A job as pages show it, whatever its kind: waiting, at work, cancelled, failed, interrupted, found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.jobs import Job, JobStore
from core.runs.recorder import Recorder
from core.workflows.jobs import ranking
from pages.ui.runs import job_panel


def _page(folder: str | None) -> None:
    from pathlib import Path

    import streamlit as st

    from core.runs.jobs import Job
    from pages.ui.runs import job_panel

    display = job_panel.JobDisplay("It failed", "It was interrupted", {"counting": "Counting"})
    busy = job_panel.draw(Job(Path(folder)) if folder else None, display, key="bl-it", kept="Some is kept.")
    st.caption(f"busy: {busy}")


@pytest.fixture
def job() -> Job:
    return JobStore("rankings").create({})


def shown(job: Job | None, **status: Any) -> AppTest:
    if job is not None:
        Recorder(job).update(**status)
    app = AppTest.from_function(_page, args=(str(job.path) if job else None,), default_timeout=30).run()
    assert not app.exception
    return app


def test_no_job_is_nothing(words: Callable[[AppTest], str]) -> None:
    assert words(shown(None)).split("\n")[-1] == "busy: False"


def test_a_job_that_waits_has_a_place(job: Job, words: Callable[[AppTest], str]) -> None:
    text = words(shown(job, state="queued", doing="queued", ahead=2, done=1, total=4))
    assert "Waiting for the device · 2 ahead" in text
    assert "images" not in text
    assert "busy: True" in text


def test_a_job_at_work_says_how_far_it_is_and_can_be_cancelled(job: Job, words: Callable[[AppTest], str]) -> None:
    app = shown(job, state="running", doing="counting", done=1, total=4)
    bar = app.main.get("progress")[0].proto
    assert (bar.value, bar.text) == (25, "Counting · 1 of 4 images")
    assert app.button(key="bl-it-stop").label == "Cancel"
    app.button(key="bl-it-stop").click().run()
    assert job.stop_requested
    assert app.button(key="bl-it-stop").disabled
    assert "Cancelling" in app.button(key="bl-it-stop").label
    Recorder(job).update(state="stopped", doing="")
    text = words(app.run())
    assert "It failed" not in text
    assert "interrupted" not in text
    assert "busy: False" in text


def test_what_many_kinds_do_has_words(job: Job, words: Callable[[AppTest], str]) -> None:
    assert "Reading the images" in words(shown(job, state="running", doing="reading images"))
    assert "something new" in words(shown(job, state="running", doing="something new"))


def test_a_failure_is_a_sentence(job: Job, words: Callable[[AppTest], str]) -> None:
    text = words(shown(job, state="failed", message_template="There is no {x}.", message_values={"x": "disk"}))
    assert "It failed" in text
    assert "There is no disk." in text
    assert "Some is kept." not in text


def test_a_process_that_is_gone(job: Job, words: Callable[[AppTest], str]) -> None:
    text = words(shown(job, state="running", pid=2**22 + 1, create_time=1.0, boot=None, ticks=None))
    for part in ("It was interrupted", "Its process ended without a word.", "Some is kept."):
        assert part in text


def test_a_result_is_read_once_until_there_is_another(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Job] = []
    monkeypatch.setattr(ranking, "result", lambda one: read.append(one) or len(read))
    assert job_panel.result(None) is None
    assert job_panel.result(job) is None
    job.write_result({"rows": 1})
    assert (job_panel.result(job), job_panel.result(job)) == (1, 1)
    job.write_result({"rows": 2})
    assert job_panel.result(job) == 2
    assert read == [job, job]
