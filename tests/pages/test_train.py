"""Train: the choices become the experiment; a run is watched in each of its states."""

from __future__ import annotations

import pytest

from core.runs import launch
from core.runs.store import RunStore
from core.specs import DataSpec, FreezePlan


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list:
    """Replaces the launch by one that only makes the folder; returns the experiments."""
    found = []

    def start(experiment, runs_dir=None):
        found.append(experiment)
        return RunStore(runs_dir).create(experiment)

    monkeypatch.setattr(launch, "start", start)
    return found


@pytest.fixture
def shapes() -> dict:
    return {"bl.data": DataSpec("shapes?per_class=10&size=32", test_share=0.2)}


def test_without_data_it_asks_for_images(open_page, words) -> None:
    app = open_page("train")
    assert not app.exception
    assert "No images chosen yet" in words(app)


def test_choices_become_the_experiment(open_page, shapes, launched) -> None:
    app = open_page("train", session=shapes)
    assert not app.exception
    app.radio(key="bl-preset").set_value("two-phase").run()
    app.slider(key="bl-stages").set_value(2).run()
    app.number_input(key="bl-epochs").set_value(6).run()
    app.selectbox(key="bl-batch").set_value(16).run()
    app.selectbox(key="bl-optimizer").set_value("sgd").run()
    app.button(key="bl-launch").click().run()
    assert not app.exception
    (experiment,) = launched
    assert experiment.training.preset == "two-phase"
    assert experiment.freeze == FreezePlan(2)
    assert experiment.training.epochs == 6
    assert experiment.training.batch_size == 16
    assert {phase.optimizer for phase in experiment.training.phases} == {"sgd"}
    assert app.query_params["run"] == RunStore().list()[0].id


def test_from_scratch_takes_random_weights(open_page, shapes, launched) -> None:
    app = open_page("train", session=shapes)
    app.radio(key="bl-preset").set_value("scratch").run()
    app.button(key="bl-launch").click().run()
    (experiment,) = launched
    assert experiment.model.weights == "none"
    assert experiment.freeze.trainable_stages == "all"


@pytest.mark.parametrize(
    ("state", "said"),
    [("failed", "This run failed"), ("stopped", "This run was stopped"), ("running", "This run was interrupted")],
)
def test_a_run_that_ended_badly_says_so(open_page, words, make_run, state, said) -> None:
    run = make_run(state, message_template="The disk of {name} is full.", message_values={"name": "box"})
    app = open_page("train", run=run.id)
    assert not app.exception
    assert said in words(app)
    if state == "failed":
        assert "The disk of box is full." in words(app)


def test_a_live_run_is_watched_and_can_be_stopped(open_page, words, make_run, alive) -> None:
    run = make_run("running", **alive)
    app = open_page("train", run=run.id)
    assert not app.exception
    assert "Epoch 3 of 10" in words(app)
    app.button(key="bl-train-live-stop").click().run()
    assert run.stop_requested
    assert run.state == "stopping"


def test_names_are_shown_as_text_not_as_markup(open_page, words, make_run) -> None:
    run = make_run("finished")
    assert "A run &lt;b&gt;of&lt;/b&gt; mine" in words(open_page("train", run=run.id))
