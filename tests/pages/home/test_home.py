"""Home: the button, the live run, the recent runs."""

from __future__ import annotations

import pytest

from core.runs import launch
from core.runs.store import RunStore
from pages.ui.walks.table import FIRST_WALK, WALKS


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list:
    """Replaces the launch by one that only makes the folder; returns the experiments."""
    found = []

    def start(experiment, runs_dir=None):
        found.append(experiment)
        return RunStore(runs_dir).create(experiment)

    monkeypatch.setattr(launch, "start", start)
    return found


def test_without_runs_home_says_so(open_page, words) -> None:
    app = open_page("home")
    assert not app.exception
    assert "No runs yet" in words(app)
    assert "See transfer learning happen" in words(app)


def test_the_button_starts_a_linear_probe_and_follows_it(open_page, words, launched) -> None:
    app = open_page("home")
    app.button(key="bl-tour").click().run()
    assert not app.exception
    (experiment,) = launched
    assert experiment.model.backbone == "efficientnet_lite0"
    assert experiment.training.preset == "linear-probe"
    assert experiment.data.source == "shapes"
    assert app.query_params["run"] == RunStore().list()[0].id
    assert "Learning, as it happens" in words(app)


def test_the_result_stays_until_the_person_goes_back(open_page, words, make_run) -> None:
    run = make_run("finished")
    app = open_page("home", run=run.id)
    assert "What it learned" in words(app)
    del app.query_params["run"]  # another page, and Home again
    assert "What it learned" in words(app.run())
    app.button(key="bl-home-back").click().run()
    assert "See transfer learning happen" in words(app)


def test_a_kept_result_whose_run_is_deleted_is_forgotten(open_page, words, make_run) -> None:
    import shutil

    run = make_run("finished")
    app = open_page("home", run=run.id)
    del app.query_params["run"]
    shutil.rmtree(run.path)
    app.run()
    assert not app.exception
    assert "See transfer learning happen" in words(app)


def test_every_walk_has_a_card_and_a_link_for_a_class(open_page, words) -> None:
    said = words(open_page("home"))
    for name, walk in WALKS.items():
        assert f"?walk={name}" in said
        assert name == FIRST_WALK or walk.about in said


def test_recent_runs_are_listed_with_their_state(open_page, words, make_run) -> None:
    make_run("finished")
    make_run("running")  # without a process: interrupted
    text = words(open_page("home"))
    assert "Finished" in text
    assert "Interrupted" in text
    assert "70 %" in text


def test_a_run_that_is_gone_has_a_face(open_page, words) -> None:
    app = open_page("home", run="20200101T000000Z-gone-0000")
    assert not app.exception
    assert "This run is gone" in words(app)
