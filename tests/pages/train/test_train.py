"""Train: the choices become the experiment; a run is watched in each of its states."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from core import settings
from core.runs import launch
from core.runs.store import RunStore
from core.specs import DataSpec, FreezePlan, ModelSpec
from pages.ui.plan import cost_estimate
from pages.ui.session.train_form import TrainChoice

PROJECT = settings.PROJECT


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


def test_a_run_is_handed_the_seconds_that_the_page_shows(open_page, shapes, launched, monkeypatch) -> None:
    told = []
    start = launch.start
    monkeypatch.setattr(
        launch, "start", lambda *args, **more: told.append(more["estimate_seconds"]) or start(*args, **more)
    )
    monkeypatch.setattr(cost_estimate, "figures_before_launch", lambda _experiment: 42.5)
    app = open_page("train", session=shapes | {"bl.train": TrainChoice(name="mine")})
    app.button(key="bl-launch").click().run()
    assert not app.exception
    assert [experiment.name for experiment in launched] == ["mine"]
    assert told == [42.5]


def test_a_folder_named_from_the_root_is_launched_by_its_full_path(open_page, image_folder, launched) -> None:
    folder = image_folder("colours")
    app = open_page("train", data="colours")
    app.button(key="bl-launch").click().run()
    assert not app.exception
    (experiment,) = launched
    assert experiment.data.source == str(folder.resolve())


def test_a_run_of_the_command_line_is_trained_again_only_within_the_roots(
    open_page, make_run, launched, tmp_path
) -> None:
    run = make_run("failed")
    record = json.loads((run.path / "experiment.json").read_text())
    record["data"]["source"] = str(tmp_path / "elsewhere")
    (run.path / "experiment.json").write_text(json.dumps(record))
    app = open_page("train", run=run.id)
    app.button(key="bl-again").click().run()
    assert not app.exception
    assert len(launched) == 1  # with roots, as the launch in these tests asserts


@pytest.mark.parametrize(
    "query",
    [{"run": "a" * 300}, {"run": ".."}, {"data": " "}, {"data": "/"}, {"data": "/proc"}, {"data": "b" * 5000}],
    ids=["long run", "dots", "blank", "root", "unreadable", "long path"],
)
def test_no_address_breaks_the_frame(query, caplog) -> None:
    def framed() -> None:
        from pages.train import page
        from pages.ui.kit.page_states import boundary
        from pages.ui.shell import sidebar

        with sidebar.beside(), boundary():
            page.render()

    app = AppTest.from_function(framed, default_timeout=120)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    assert "page failed" not in caplog.text


def test_a_linked_set_of_images_is_not_called_by_the_last_one_s_title(open_page) -> None:
    app = open_page("train", session={"bl.data": DataSpec("digits"), "bl.data.title": "Digits"}, data="shapes")
    assert app.session_state["bl.data"].source == "shapes"
    assert app.session_state["bl.data.title"] is None


def test_names_of_runs_tell_them_apart(open_page, shapes, launched, monkeypatch) -> None:
    monkeypatch.setattr(launch, "REPEAT_SECONDS", 0.0)
    for name in ("Shapes, EfficientNet-Lite0, linear probe", "Shapes, EfficientNet-Lite0, linear probe 2"):
        app = open_page("train", session=shapes)
        assert app.text_input(key="bl-name").placeholder == name
        app.button(key="bl-launch").click().run()
        assert launched[-1].name == name
    app = open_page("train", session=shapes)
    app.text_input(key="bl-name").set_value("Mine")
    app.button(key="bl-launch").click().run()
    assert launched[-1].name == "Mine"


def test_from_scratch_takes_random_weights(open_page, shapes, launched) -> None:
    app = open_page("train", session=shapes)
    app.radio(key="bl-preset").set_value("scratch").run()
    app.button(key="bl-launch").click().run()
    (experiment,) = launched
    assert experiment.model.weights == "none"
    assert experiment.freeze.trainable_stages == "all"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("failed", "This run failed"),
        ("stopped", "This run was stopped"),
        ("running", "This run was interrupted"),
        ("interrupted", "This run was interrupted"),
    ],
)
def test_a_run_that_ended_badly_says_so(open_page, words, make_run, state, said) -> None:
    run = make_run(state, message_template="The disk of {name} is full.", message_values={"name": "box"})
    app = open_page("train", run=run.id)
    assert not app.exception
    assert said in words(app)
    if state in ("failed", "interrupted"):
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


def test_gradual_unfreezing_becomes_phases(open_page, shapes, launched) -> None:
    app = open_page("train", session=shapes)
    app.radio(key="bl-preset").set_value("gradual").run()
    app.button(key="bl-launch").click().run()
    assert not app.exception
    (experiment,) = launched
    phases = experiment.training.phases
    assert [phase.name for phase in phases[:2]] == ["head", "unfreeze-1"]
    assert phases[1].freeze.trainable_stages == 1
    assert phases[-1].freeze.trainable_stages == "all"
    assert sum(phase.epochs for phase in phases) == experiment.training.epochs


def test_too_few_epochs_for_a_schedule_cannot_be_asked_for(open_page, shapes) -> None:
    session = {**shapes, "bl.train": TrainChoice(preset="gradual", gradual=(("stage5", 4), ("stage4", 9)))}
    app = open_page("train", session=session)
    assert not app.exception
    assert app.number_input(key="bl-epochs").min == 9


def test_parts_and_rates_chosen_on_the_anatomy_page_are_trained(open_page, shapes, launched, words) -> None:
    plan = FreezePlan(1, thaw=("stage2",), norm="train")
    choice = TrainChoice(preset="two-phase", stage_decay=0.4, stage_factors=(("stage2", 0.01),))
    app = open_page("train", session={**shapes, "bl.freeze": plan, "bl.train": choice})
    assert not app.slider
    assert "own choice of parts" in words(app)
    app.button(key="bl-launch").click().run()
    assert not app.exception
    (experiment,) = launched
    assert experiment.freeze == plan
    assert experiment.training.phases[-1].stage_factors == (("stage2", 0.01),)


def test_a_network_without_weights_is_offered_no_recipe_that_needs_them(open_page, shapes, launched, words) -> None:
    app = open_page("train", session={**shapes, "bl.model": ModelSpec("mnist_cnn", "none")})
    assert not app.exception
    assert app.radio(key="bl-preset").options == ["From scratch"]
    assert "this network has none" in words(app)
    app.button(key="bl-launch").click().run()
    assert launched[0].training.preset == "scratch"


def test_a_part_that_the_network_has_not_is_said_before_launch(open_page, shapes, words) -> None:
    choice = TrainChoice(preset="two-phase", stage_factors=(("stage9", 0.01),))
    app = open_page("train", session={**shapes, "bl.train": choice})
    assert not app.exception
    assert "stage9" in words(app)
    assert not [button for button in app.button if button.key == "bl-launch"]


def test_the_result_proves_that_freezing_froze(open_page, make_run, words) -> None:
    run = make_run("finished")
    status = json.loads((run.path / "status.json").read_text())
    status |= {"frozen_values": 21_300_000, "frozen_changed": 0}
    (run.path / "status.json").write_text(json.dumps(status))
    assert "0 of 21.3 M frozen values changed" in words(open_page("train", run=run.id))
