"""All heatmaps of a run together: started as a job, followed, drawn, and clicked through."""

from __future__ import annotations

from typing import Any

import pytest

from core.runs import launch
from core.runs.jobs import JobStore
from core.workflows.jobs import job_process
from pages.heatmaps import study_result


def button(app: Any, label: str) -> Any:
    return next(item for item in app.button if item.label == label)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs wait for the test to do them."""
    monkeypatch.setattr(launch, "spawn", lambda *_args, **_more: None)


@pytest.mark.usefixtures("held")
def test_a_study_from_the_button_to_its_pictures(open_page, learned, words) -> None:
    run = learned()
    app = open_page("heatmaps", run=run.id, view="study")
    assert not app.exception
    button(app, "Study all held-out pictures").click().run()
    assert not app.exception
    (job,) = JobStore("heat-studies").list()
    assert "Waiting for the device" in words(app)
    job_process.work(job)
    app.run()
    assert not app.exception
    said = words(app)
    for part in ("Where it looks as a rule", "Ways of deciding", "Evidence outside", "25 % if the heat were even"):
        assert part in said
    app.segmented_control(key="bl-study-inside").set_value("box").run()
    assert not app.exception
    assert "more than half of the heat lies outside" in words(app)
    assert button(app, "Study them again")


@pytest.mark.usefixtures("held")
def test_a_study_that_failed_says_why(open_page, learned, words) -> None:
    run = learned()
    app = open_page("heatmaps", run=run.id, view="study")
    button(app, "Study all held-out pictures").click().run()
    (job,) = JobStore("heat-studies").list()
    (job.path / "request.json").write_text(
        (job.path / "request.json").read_text().replace('"of": "predicted"', '"of": "nobody"')
    )
    with pytest.raises(ValueError, match="nobody"):
        job_process.work(job)
    (job.path / "request.json").write_text(
        (job.path / "request.json").read_text().replace('"of": "nobody"', '"of": "predicted"')
    )
    app.run()
    assert not app.exception
    assert "These heatmaps could not be studied" in words(app)


def test_words_on_where_the_heat_leans() -> None:
    assert "to the middle" in study_result.bias(0.6, 0.1, 0.36)
    assert "to the border" in study_result.bias(0.1, 0.6, 0.36)
    assert "neither" in study_result.bias(0.25, 0.36, 0.36)
