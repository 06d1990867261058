"""Finding a learning rate on the Train page: start, watch, cancel, read the curve, take the rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.jobs import Job, JobStore
from core.runs.recorder import Recorder
from core.specs import DataSpec, Experiment, ModelSpec, Phase, TrainingSpec
from core.training.lr_finder import RateCurve
from core.training.lr_suggestion import NEVER_FELL, suggest
from core.workflows.jobs.lr_finder import RateRequest, rate_request
from pages.train import lr_finder

RATES = tuple(1e-7 * 1e8 ** (step / 99) for step in range(100))


def experiment(*phases: Phase) -> Experiment:
    training = TrainingSpec("custom", phases or (Phase("head", "head", 3),), device="cpu")
    return Experiment(DataSpec("shapes?per_class=8&size=64"), ModelSpec("mnist_cnn", "none"), training, name="mine")


def _panel(task) -> None:
    from pages.train import lr_finder

    lr_finder.draw(task)


def panel(task: Experiment, **session: Any) -> AppTest:
    app = AppTest.from_function(_panel, kwargs={"task": task}, default_timeout=120)
    for key, value in session.items():
        app.session_state[key] = value
    return app.run()


def curve(losses: list[float]) -> RateCurve:
    found = suggest(RATES, losses)
    return RateCurve(*dataclasses.astuple(found), RATES, tuple(losses), True, "head", "adamw", 32, "fp32", True, 3.0)


FALLS = [2.0 - 1.5 * min(1.0, max(0.0, (step - 40) / 30)) for step in range(100)]


def job(task: Experiment, result: RateCurve | None = None, **status: Any) -> Job:
    made = JobStore("rates").create(rate_request(task).as_record())
    Recorder(made).update(**{"state": "running", **status})
    if result is not None:
        made.write_result(result.as_record())
    return made


def test_a_click_starts_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[RateRequest, dict[str, Any]]] = []
    monkeypatch.setattr(lr_finder, "start_job", lambda request, **more: started.append((request, more)))
    app = panel(experiment())
    assert not app.exception
    app.button(key="bl-finder-start").click().run()
    assert not app.exception
    ((request, more),) = started
    assert request == rate_request(experiment())
    assert request.experiment.name == ""
    assert request.phase == 0
    assert more["roots"], "the process must be held to the folders that the page may read"


def test_a_search_is_told_and_can_be_cancelled(words: Callable[[AppTest], str]) -> None:
    made = job(experiment(), doing="trying rates", done=30, total=100, rate=1e-4, loss=0.7)
    app = panel(experiment())
    assert "step 30 of 100, rate 0.0001, loss 0.7" in words(app)
    app.button(key="bl-finder-stop").click().run()
    assert not app.exception
    assert made.stop_requested
    assert app.button(key="bl-finder-stop").disabled


def test_the_curve_is_drawn_and_its_rate_taken(words: Callable[[AppTest], str]) -> None:
    found = curve(FALLS)
    assert found.suggested is not None
    job(experiment(), found, state="finished")
    app = panel(experiment())
    assert not app.exception
    text = words(app)
    assert f"Suggested: {found.suggested:.2g}." in text
    assert app.button(key="bl-finder-use").label == f"Use {found.suggested:.2g}"
    app.button(key="bl-finder-use").click().run()
    assert app.session_state["bl.train"].lr == found.suggested
    faster = experiment(Phase("head", "head", 3, lr=found.suggested))
    assert panel(faster).button(key="bl-finder-use"), "the test is found again after its rate was taken"


def test_a_rate_goes_into_the_phase_it_was_found_for() -> None:
    from pages.ui.session.train_form import TrainChoice

    phases = (Phase("head", "head", 3), Phase("all", "plan", 3, lr=1e-4))
    task = experiment(*phases)
    found = curve(FALLS)
    made = JobStore("rates").create(rate_request(task, 1).as_record())
    Recorder(made).update(state="finished")
    made.write_result(found.as_record())
    app = panel(task, **{"bl.train": TrainChoice(preset="custom", phases=phases)})
    assert not [button for button in app.button if button.key == "bl-finder-use"]
    app.selectbox(key="bl-finder-phase").select(1).run()
    app.button(key="bl-finder-use").click().run()
    assert not app.exception
    rates = [phase.lr for phase in app.session_state["bl.train"].phases]
    assert rates == [phases[0].lr, found.suggested]


def test_a_curve_without_a_fall_says_why(words: Callable[[AppTest], str]) -> None:
    job(experiment(), curve([2.0] * 100), state="finished")
    app = panel(experiment())
    assert NEVER_FELL in words(app)
    assert not [button for button in app.button if button.key == "bl-finder-use"]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            {"state": "failed", "message_template": "There is no {thing}.", "message_values": {"thing": "room"}},
            "no room",
        ),
        ({"state": "running", "pid": 1, "create_time": 1.0}, "was interrupted"),
    ],
)
def test_a_search_that_ended_badly_says_so(status: dict[str, Any], said: str, words: Callable[[AppTest], str]) -> None:
    made = job(experiment())
    Recorder(made).update(**status)
    app = panel(experiment())
    assert not app.exception
    assert said in words(app)
    assert app.button(key="bl-finder-start")


def test_the_train_page_offers_it(open_page: Callable[..., AppTest]) -> None:
    app = open_page("train", session={"bl.data": DataSpec("shapes?per_class=10&size=32", test_share=0.2)})
    assert not app.exception
    assert app.button(key="bl-finder-start")
