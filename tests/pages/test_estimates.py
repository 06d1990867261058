"""What a training will need, as the pages show it: memory at once, time after a measurement."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.lab import profile
from core.runs.jobs import JobStore
from core.specs import FreezePlan, ModelSpec
from core.training import stopwatch
from pages.ui import estimates

SMALL = ModelSpec("mnist_cnn", "none")


def _panel(batch: int = 16, stages: int | str = "all") -> None:
    from core.specs import FreezePlan, ModelSpec
    from pages.ui import estimates

    made = estimates.for_plan(ModelSpec("mnist_cnn", "none"), FreezePlan(stages), batch_size=batch)
    estimates.draw(made, 10, {"train": 60, "val": 20, "test": 20}, key="t")


def panel(**choice: object) -> AppTest:
    return AppTest.from_function(_panel, kwargs=choice, default_timeout=120).run()


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopwatch, "PATIENCE", 0.0)
    profile.profile_now(SMALL, "auto")


def test_memory_is_there_at_once_and_time_is_offered(words: Callable[[AppTest], str]) -> None:
    app = panel()
    assert not app.exception
    text = words(app)
    assert "Memory" in text
    assert "parameters" in text
    assert "not measured here yet" in text
    assert [button.key for button in app.button] == ["t-measure"]


def test_a_click_starts_the_measurement_which_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[ModelSpec] = []

    def start(spec: ModelSpec, device: str) -> object:
        started.append(spec)
        return JobStore(profile.KIND).create(profile._request(spec, device))

    monkeypatch.setattr(profile, "start", start)
    app = panel()
    app.button(key="t-measure").click().run()
    assert not app.exception
    assert started == [SMALL]
    app.button(key="t-cancel").click().run()
    assert not app.exception
    (job,) = JobStore(profile.KIND).list()
    assert job.stop_requested


@pytest.mark.usefixtures("measured")
def test_measured_networks_have_times_for_every_plan(words: Callable[[AppTest], str]) -> None:
    for stages in (0, "all"):
        app = panel(stages=stages)
        assert not app.exception
        text = words(app)
        assert "Time an epoch" in text
        assert "8 epochs" in text
        assert not app.button


def test_a_failed_measurement_says_why(words: Callable[[AppTest], str]) -> None:
    from core.runs.recorder import Recorder

    experiment = estimates.for_plan(SMALL, FreezePlan(0))
    job = JobStore(profile.KIND).create(profile._request(SMALL, experiment.training.device))
    Recorder(job).update(
        state="failed", message_template="There is no {thing}.", message_values={"thing": "room"}, message=""
    )
    app = panel()
    assert not app.exception
    assert "There is no room." in words(app)
    assert app.button(key="t-measure")


def test_what_does_not_fit_is_warned_of(words: Callable[[AppTest], str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "may not fit" not in words(panel())
    monkeypatch.setattr("core.device.memory_free", lambda _device: 1000)
    app = panel()
    assert not app.exception
    assert "may not fit" in words(app)


def test_a_plan_that_does_not_fit_the_network_is_said_so(words: Callable[[AppTest], str]) -> None:
    app = panel(stages=50)
    assert not app.exception
    assert "cannot be estimated" in words(app)


def test_a_plan_is_an_experiment_with_everything_else_as_usual() -> None:
    made = estimates.for_plan(SMALL, FreezePlan(1), batch_size=4, epochs=3)
    assert made.training.epochs == 3
    assert made.plan(made.training.phases[0]) == FreezePlan(1)
    assert dataclasses.replace(made, freeze=FreezePlan(0)).freeze == FreezePlan(0)
