"""A lesson's training in a thread: it goes on when the page is left, is seen by others, and ends when cancelled."""

from __future__ import annotations

import threading
import time

import pytest

from core.errors import Cancelled, InputError
from core.lessons.trained import width
from pages.ui.selection import background_work
from pages.ui.session import background, caches


def test_work_is_done_once_reports_and_is_cancelled() -> None:
    going, begun = threading.Event(), []

    def slow(progress):
        begun.append(1)
        for step in range(1000):
            progress(step, 1000)
            going.set()
            time.sleep(0.005)

    work = background.start(("slow",), slow)
    assert going.wait(5)
    assert background.start(("slow",), slow) is work is background.running(("slow",))
    assert work.done[1] == 1000
    work.cancel()
    assert work.wait(5)
    assert isinstance(work.failure, Cancelled)
    assert begun == [1]
    for _look in range(100):
        if background.running(("slow",)) is None:
            break
        time.sleep(0.01)
    assert background.running(("slow",)) is None

    def wrong(_progress):
        raise InputError("There is no picture.")

    failed = background.start(("wrong",), wrong)
    assert failed.wait(5)
    assert str(failed.failure) == "There is no picture."


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Trainings of a moment, counted."""
    race, asked = width.race, []

    def quick(budget, **more):
        asked.append(budget)
        return race(budget, **{"epochs": 2, "seeds": (0,)} | more)

    monkeypatch.setattr("core.lessons.trained.width.race", quick)
    return asked


def test_a_training_that_was_left_is_found_again(open_page, words, small) -> None:
    release, budget = threading.Event(), 6000

    def begun_elsewhere(_progress):
        assert release.wait(30)
        return caches.remember("learn-width", (budget,), lambda: width.race(budget))

    background.start(("learn-width", budget), begun_elsewhere)
    threading.Timer(0.5, release.set).start()
    app = open_page("learn", lesson="width", step="play", **{"learn-budget": str(budget)})
    assert not app.exception
    assert "Accuracy on 600 held-out digits by epoch" in words(app)
    assert small.count(budget) == 1, "the one that was begun: none by this page"


def test_a_training_under_way_shows_its_progress_and_is_cancelled(open_page, words, monkeypatch) -> None:
    monkeypatch.setattr(background_work, "PATIENCE", 0.05)
    race = width.race

    def slow(_budget, *, progress=None, **more):
        if progress is None:
            return race(_budget, **more)
        for step in range(2000):
            progress(step, 2000)
            time.sleep(0.01)
        return None

    monkeypatch.setattr("core.lessons.trained.width.race", slow)
    app = open_page("learn", lesson="width", step="play", **{"learn-budget": "12000"})
    app.button(key="bl-work-go-learn-width").click().run()
    assert not app.exception
    assert "bl-work-go-learn-width" not in {button.key for button in app.button}
    assert "Units of each" in words(app), "the rest of the page is there meanwhile"
    work = background.running(("learn-width", 12000))
    app.button(key="bl-work-stop-learn-width").click().run()
    assert work.wait(5)
    assert isinstance(work.failure, Cancelled)
    app.run()
    assert not app.exception
    assert "bl-work-go-learn-width" in {button.key for button in app.button}
    assert "Accuracy on 600 held-out" not in words(app)


def test_a_gradient_is_checked_by_itself_counted_cancelled_and_taken_up_again(open_page, words, monkeypatch) -> None:
    from core.lessons import backward

    monkeypatch.setattr(background_work, "PATIENCE", 0.3)
    own = {"learn-on": "own", "backbone": "squeezenet1_1", "weights": "none", "image": "sample:cat"}
    release, asked, true = threading.Event(), [], backward.gradient_check

    def slow(network, x, layer, *, progress, **more):
        asked.append(layer)
        progress(0, 3)
        while not release.wait(0.01):
            progress(1, 3)
        return true(network, x, layer, progress=progress, **more)

    monkeypatch.setattr(backward, "gradient_check", slow)
    app = open_page("learn", lesson="backward", step="play", **own)
    assert not app.exception
    assert "bl-work-go-learn-checks" not in {button.key for button in app.button}, "nobody has to ask for it"
    assert "1 of 3 weights" in words(app)
    assert "Gradient by autograd" not in words(app)
    app.button(key="bl-work-stop-learn-checks").click().run()
    app.run()
    assert "bl-work-go-learn-checks" in {button.key for button in app.button}, "it does not begin again by itself"
    app.selectbox(key="bl-learn-check").set_value("features.0").run()
    app.selectbox(key="bl-learn-check").set_value("features.3.squeeze").run()
    assert asked[1:] == ["features.0", "features.3.squeeze"], "another layer is another work"
    running = [name for (_shelf, *_more, name, _target) in list(background._WORKS) if _shelf == "learn-checks"]
    assert running.count("features.3.squeeze") == 1
    release.set()
    for _look in range(100):
        if "Gradient by autograd" in words(app.run()):
            break
    assert asked.count("features.3.squeeze") == 1


def test_a_work_that_is_being_cancelled_is_nobodys_any_more() -> None:
    release, ended = threading.Event(), []

    def slow(progress):
        release.wait(10)
        progress(1, 2)
        ended.append(1)

    first = background.start(("left",), slow)
    first.cancel()
    assert background.running(("left",)) is None
    second = background.start(("left",), slow)
    assert second is not first
    release.set()
    assert first.wait(5)
    assert second.wait(5)
    assert first.cancelled
    assert ended == [1]
