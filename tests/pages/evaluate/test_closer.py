"""Evaluate's views that ask the network anew: spoilt pictures and several views of each."""

from __future__ import annotations

from typing import Any

import pytest

from core.data.corruptions.table import CORRUPTIONS
from core.evaluation.attacks import ATTACKS
from core.runs.jobs import JobStore, latest_job
from core.workflows.jobs import job_process
from core.workflows.jobs.heatmap_study import weights_stamp
from core.workflows.jobs.judging.robustness import RobustnessRequest
from core.workflows.judging.robustness import FOLDER, GROUPS
from core.workflows.judging.test_time import WAYS
from pages.evaluate.closer import robustness_view, views_view
from pages.evaluate.closer import words as said_of


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are done in this process before the page goes on."""

    def start(request: Any, **_: Any) -> Any:
        job = JobStore(request.kind).create(request.as_record())
        job_process.work(job)
        return job

    monkeypatch.setattr("pages.evaluate.closer.pictures.start_job", start)


def test_every_row_has_its_words() -> None:
    names = {*CORRUPTIONS, *ATTACKS}
    assert set(said_of.TITLES) == set(said_of.STEPS) == names
    assert set(said_of.GROUPS) == set(GROUPS)
    assert {row.origin for row in CORRUPTIONS.values()} | {"attack"} == set(said_of.ORIGINS)
    assert set(views_view.WAYS) == set(views_view.ABOUT) == set(WAYS)
    assert set(robustness_view.USUAL) <= names


@pytest.mark.usefixtures("at_once")
def test_spoilt_pictures_are_measured_and_drawn(open_page, learned, words) -> None:
    run = learned()
    app = open_page("evaluate", run=run.id, view="robustness", corruptions="fog,fgsm")
    assert not app.exception
    assert "Not measured yet: Fog, FGSM." in words(app)
    app.button(key="bl-robust-start").click().run()
    assert not app.exception
    said = words(app)
    assert "Not measured yet" not in said
    for part in ("As they are", "Mean corruption accuracy", "Falls most", "Fog: ", "FGSM: ", "Wilson intervals"):
        assert part in said
    assert (run.path / FOLDER).is_dir()
    assert "Strength 5" in said  # the strip
    app.multiselect(key="bl-robust-names").set_value(["fog", "jpeg"]).run()
    assert not app.exception
    assert "Not measured yet: JPEG." in words(app)
    assert app.query_params["corruptions"] in ("fog,jpeg", ["fog,jpeg"])


def test_nonsense_in_the_address_is_said(open_page, learned) -> None:
    app = open_page("evaluate", run=learned().id, view="robustness", corruptions="frost")
    assert not app.exception
    assert app.multiselect(key="bl-robust-names").value == sorted(robustness_view.USUAL, key=list(said_of.TITLES).index)


def test_a_measurement_at_work_can_be_cancelled(open_page, learned, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.runs.jobs import Job

    run = learned()
    request = RobustnessRequest(run.id, weights_stamp(run), "test", 0, ("fog", "pgd"))
    JobStore("robustness").create(request.as_record())
    monkeypatch.setattr(Job, "state", "running")
    app = open_page("evaluate", run=run.id, view="robustness", corruptions="fog,pgd")
    assert not app.exception
    assert any(button.key == "bl-robust-job-stop" for button in app.button)
    assert not any(button.key == "bl-robust-start" for button in app.button)


@pytest.mark.usefixtures("at_once")
def test_several_views_are_judged(open_page, learned, words) -> None:
    run = learned()
    app = open_page("evaluate", run=run.id, view="views")
    assert not app.exception
    app.button(key="bl-views-start").click().run()
    assert not app.exception
    said = words(app)
    for part in ("Each picture alone", "Mean of 2 views", "McNemar", "Right only with the views"):
        assert part in said


def test_a_run_without_weights_has_neither(open_page, make_run) -> None:
    run = make_run()
    run.checkpoint.unlink(missing_ok=True)
    app = open_page("evaluate", run=run.id, view="robustness")
    assert not app.exception
    assert not app.multiselect
    assert latest_job(RobustnessRequest(run.id, "0", "test", 0, ())) is None
