"""What a training costs, as the pages show it before it is launched: memory, time, and measuring the network."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.jobs import Job, JobRequest, JobStore
from core.runs.recorder import Recorder
from core.specs import ModelSpec
from core.training.estimate import layer_timing
from core.workflows.jobs import profile
from core.workflows.jobs.profile import profile_request
from pages.ui.plan import cost_estimate
from pages.ui.session import caches

SMALL = ModelSpec("mnist_cnn", "none")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Estimates are worked out in the page's own thread."""
    monkeypatch.setattr(cost_estimate, "QUIET", 0.0)
    monkeypatch.setattr(
        caches, "later", lambda shelf, key, make, entries: caches.remember(shelf, key, make, entries=entries)
    )


def _panel(batch: int) -> None:
    import streamlit as st

    from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
    from core.training.recipes import make_recipe
    from pages.ui.plan import cost_estimate

    made = make_recipe("full", epochs=7)
    training = TrainingSpec("full", made.phases, batch_size=batch, device="cpu")
    experiment = Experiment(
        DataSpec("shapes?per_class=8&size=64"),
        ModelSpec("mnist_cnn", "none"),
        training,
        freeze=made.freeze,
        name="mine",
    )
    st.session_state["seconds"] = cost_estimate.figures_before_launch(experiment)


def panel(batch: int = 16) -> AppTest:
    app = AppTest.from_function(_panel, kwargs={"batch": batch}, default_timeout=120).run()
    return app.run().run()


def job(**status: object) -> Job:
    made = JobStore("profiles").create(profile_request(SMALL, "cpu").as_record())
    Recorder(made).update(state="running", **status) if "state" not in status else Recorder(made).update(**status)
    return made


def test_memory_is_there_and_measuring_is_offered(words: Callable[[AppTest], str]) -> None:
    app = panel()
    assert not app.exception
    text = words(app)
    assert "parameters" in text
    assert "not measured here yet" in text
    assert app.session_state["seconds"] is None
    assert [button.key for button in app.button] == ["bl-costs-measure"]
    assert "may not fit" not in text


def test_a_click_starts_a_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[JobRequest] = []
    monkeypatch.setattr(cost_estimate, "start_job", started.append)
    app = panel()
    app.button(key="bl-costs-measure").click().run()
    assert not app.exception
    assert started == [profile_request(SMALL, "cpu")]


def test_a_measurement_is_told_and_can_be_cancelled(words: Callable[[AppTest], str]) -> None:
    made = job(done=3, total=48)
    app = panel()
    assert "measuring, 3 of 48" in words(app)
    app.button(key="bl-costs-cancel").click().run()
    assert not app.exception
    assert made.stop_requested
    assert app.button(key="bl-costs-cancel").disabled


def test_a_measured_network_has_times(words: Callable[[AppTest], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_timing, "MAX_SECONDS", 0.0)
    profile.profile_now(SMALL, "cpu")
    app = panel()
    assert not app.exception
    assert "measured here" in words(app)
    assert app.session_state["seconds"] > 0
    assert not app.button


def test_a_failed_measurement_says_why(words: Callable[[AppTest], str]) -> None:
    job(state="failed", message_template="There is no {thing}.", message_values={"thing": "room"}, message="")
    app = panel()
    assert not app.exception
    assert "There is no room." in words(app)
    assert app.button(key="bl-costs-measure")


def test_what_does_not_fit_is_warned_of(words: Callable[[AppTest], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.device.memory_free", lambda _device: 1000)
    app = panel()
    assert not app.exception
    assert "may not fit" in words(app)
