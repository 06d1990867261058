"""Walks: their table, what a link sets up, and what each stop's button does."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.runs import launch
from core.runs.store import Run, RunStore
from core.specs import Experiment, FreezePlan
from core.training.recipes import make_recipe
from pages.ui.kit import nav
from pages.ui.walks import bar
from pages.ui.walks.actions import ACTIONS, worst
from pages.ui.walks.table import FIRST_WALK, WALKS, Stop, Walk

STOPS = [(name, number) for name, walk in WALKS.items() for number in range(1, len(walk.stops) + 1)]


def _bar(page: str) -> None:
    from pages.ui.session import choices
    from pages.ui.walks import bar

    bar.draw(page)
    import streamlit as st

    st.session_state["seen"] = (choices.data(), choices.model(), choices.freeze(), choices.train_choice())


@pytest.fixture
def at_stop() -> Callable[..., AppTest]:
    """Draws the bar alone: on a stop's own page, or on ``page``."""

    def drawn(walk: str, page: str = "", **query: str) -> AppTest:
        name, _dot, number = walk.partition(".")
        app = AppTest.from_function(
            _bar, args=(page or WALKS[name].stops[int(number or 1) - 1].page,), default_timeout=60
        )
        for key, value in {"walk": walk, **query}.items():
            app.query_params[key] = value
        return app.run()

    return drawn


def test_there_is_a_walk_of_six_stops_and_five_walks() -> None:
    assert [stop.page for stop in WALKS[FIRST_WALK].stops] == [
        "data",
        "backbone",
        "anatomy",
        "train",
        "evaluate",
        "heatmaps",
    ]
    assert set(WALKS) - {FIRST_WALK} == {"overfitting", "freezing", "augmentation", "shortcut", "trust"}


@pytest.mark.parametrize(("name", "number"), STOPS)
def test_a_stop_has_a_page_a_sentence_and_a_button_that_there_is(name: str, number: int) -> None:
    stop = WALKS[name].stops[number - 1]
    assert stop.page in nav.PLACES
    assert stop.title
    assert stop.text.endswith((".", "?"))
    if stop.act:
        assert stop.act in ACTIONS
        assert stop.label
    else:
        assert "Press " in stop.text, "the page has the button: say which"
        assert stop.look


@pytest.mark.parametrize(("name", "number"), STOPS)
def test_a_stop_is_drawn_on_its_page_and_waits_on_others(name: str, number: int, at_stop, words) -> None:
    stop = WALKS[name].stops[number - 1]
    app = at_stop(f"{name}.{number}")
    assert not app.exception
    assert stop.title in words(app)
    assert app.query_params["walk"] == f"{name}.{number}"
    app = at_stop(f"{name}.{number}", page="runs")
    assert "waits at stop" in words(app)
    assert app.button(key="bl-guide-back")


@pytest.mark.parametrize("name", WALKS)
def test_a_bare_link_sets_the_walk_up_and_a_later_one_leaves_all_as_it_is(name: str, at_stop) -> None:
    setup = WALKS[name].stops[0].setup
    app = at_stop(name)
    data, model, freeze, train = app.session_state["seen"]
    assert app.query_params["walk"] == f"{name}.1"
    if setup is not None:
        assert (data, model, freeze, train) == (setup.data, setup.model, setup.freeze, setup.train)
    app = at_stop(f"{name}.1", backbone="resnet18")
    assert app.session_state["seen"][1].backbone == "resnet18"


@pytest.mark.parametrize("asked", ["nonsense", "first-walk.99", "first-walk.0", "../../etc", "x" * 5000])
def test_an_address_that_names_no_walk_does_no_harm(asked: str) -> None:
    app = AppTest.from_function(_bar, args=("data",))
    app.query_params["walk"] = asked
    app.run()
    assert not app.exception
    assert bool(app.button) == asked.startswith("first")


def test_a_link_from_when_walks_were_called_lessons_opens_the_walk(words) -> None:
    app = AppTest.from_function(_bar, args=("train",), default_timeout=60)
    app.query_params["lesson"] = "overfitting"
    app.run()
    assert app.query_params["walk"] == "overfitting.1"
    assert "lesson" not in app.query_params
    assert WALKS["overfitting"].stops[0].title in words(app)


def test_freeze_freezes_and_says_what_to_look_at(at_stop, words) -> None:
    app = at_stop("freezing")
    assert app.session_state["seen"][2] == FreezePlan("all")
    app.button(key="bl-guide-act").click().run()
    assert not app.exception
    assert app.session_state["seen"][2].trainable_stages == 0
    assert app.session_state["seen"][3].preset == "linear-probe"
    assert "Look at this:" in words(app)
    assert app.button(key="bl-guide-next")


def test_a_run_behind_another_waits_and_does_not_learn_yet(at_stop, words) -> None:
    walk = WALKS[FIRST_WALK]
    run = RunStore().create(Experiment(walk.stops[0].setup.data, walk.stops[0].setup.model, make_recipe("full")))
    said = words(at_stop(f"{FIRST_WALK}.4", run=run.id))
    assert "It waits for its turn" in said
    assert "It learns" not in said


@pytest.fixture
def pressed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Stop], Experiment]:
    """Presses a stop's button that trains; returns what would be trained."""

    def press(stop: Stop) -> Experiment:
        launched: list[Experiment] = []

        def start(experiment: Experiment, **_settings: object) -> Run:
            launched.append(experiment)
            return RunStore().create(experiment)

        with monkeypatch.context() as patched:
            patched.setattr(launch, "start", start)
            patched.setattr(bar, "WALKS", {"alone": Walk("Alone", "", "", (stop,))})
            app = AppTest.from_function(_bar, args=("train",), default_timeout=60)
            app.query_params["walk"] = "alone"
            app.run().button(key="bl-guide-act").click().run()
        assert not app.exception
        (experiment,) = launched
        (run,) = RunStore().list()
        assert app.query_params["run"] == run.id
        shutil.rmtree(run.path)  # what is trained next would wait for its turn behind it
        return experiment

    return press


@pytest.mark.parametrize(("name", "number"), [(n, k) for n, k in STOPS if WALKS[n].stops[k - 1].act == "train"])
def test_train_starts_what_the_stop_sets_up(name: str, number: int, pressed: Callable[[Stop], Experiment]) -> None:
    stop = WALKS[name].stops[number - 1]
    experiment, setup = pressed(stop), stop.setup
    assert setup is not None
    assert experiment.name == setup.train.name
    assert experiment.training.preset == setup.train.preset
    assert experiment.model == setup.model
    assert experiment.data == setup.data
    assert experiment.augment == setup.train.augment


def test_the_surest_mistake_is_opened(learned: Callable[..., Run]) -> None:
    from core.workflows.evaluate import recorded

    run = learned()
    predictions = recorded(run)["test"].predictions
    row = predictions.keys.index(worst(run))
    assert predictions.probabilities[row].argmax() != predictions.labels[row]


@pytest.mark.slow
def test_the_walk_on_overfitting_ends_in_the_coach_saying_so(pressed: Callable[[Stop], Experiment]) -> None:
    from core.api import train
    from core.workflows.coach.diagnose import advise_run

    run = train(pressed(WALKS["overfitting"].stops[0]))
    counts: dict[str, Counter[str]] = {"train": Counter(), "val": Counter()}
    for row in run.split_rows():
        counts[row["split"]][row["label"]] += 1
    found = advise_run(run.metrics()[0], [], run.status(), run.experiment, counts)
    assert found[0].id == "overfitting"
