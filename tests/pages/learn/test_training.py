"""A lesson's training in a thread: it goes on when the page is left, is seen by others, and ends when cancelled."""

from __future__ import annotations

import threading
import time

import pytest

from core.errors import Cancelled, InputError
from core.lessons.trained import width
from pages.learn import training
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
    monkeypatch.setattr(training, "PATIENCE", 0.05)
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
    app.button(key="bl-learn-go-learn-width").click().run()
    assert not app.exception
    assert "bl-learn-go-learn-width" not in {button.key for button in app.button}
    assert "Units of each" in words(app), "the rest of the page is there meanwhile"
    work = background.running(("learn-width", 12000))
    app.button(key="bl-learn-stop-learn-width").click().run()
    assert work.wait(5)
    assert isinstance(work.failure, Cancelled)
    app.run()
    assert not app.exception
    assert "bl-learn-go-learn-width" in {button.key for button in app.button}
    assert "Accuracy on 600 held-out" not in words(app)
