"""Lessons that train small networks when asked to: nothing before the click, figures afterwards, and links on."""

from __future__ import annotations

import pytest

from core.lessons.trained import head_first, width
from pages.learn.number_grid import written
from pages.ui.text import number_format


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of one or two epochs."""
    monkeypatch.setattr("core.lessons.trained.transfer.EPOCHS", 2)
    monkeypatch.setattr("core.lessons.trained.transfer.FIRST_EPOCHS", 1)
    monkeypatch.setattr("core.lessons.trained.overfitting.EPOCHS", 1)
    race = width.race
    monkeypatch.setattr("core.lessons.trained.width.race", lambda budget, **more: race(budget, **{"epochs": 3} | more))


@pytest.mark.usefixtures("quick")
def test_three_ways_from_one_set_to_another_are_trained_by_a_click(open_page, words) -> None:
    app = open_page("learn", lesson="transfer", step="play", **{"learn-pair": "digits-clothes"})
    assert "Copied, only the last layer learns</td>" not in words(app)
    app.button(key="bl-work-go-learn-transfer").click().run()
    assert not app.exception
    said = words(app)
    assert "Copied, only the last layer learns</td><td><bdi>306</bdi>" in said
    assert "with the last layer alone" in said.lower()
    app.toggle(key="bl-learn-behind").set_value(True).run()
    assert "Copied, only the last layer learns</td>" not in words(app)
    app.toggle(key="bl-learn-behind").set_value(False).run()
    assert "Copied, only the last layer learns</td>" in words(app), "what was trained is kept"


@pytest.mark.usefixtures("quick")
def test_depth_against_width_counts_first_and_trains_by_a_click(open_page, words) -> None:
    app = open_page("learn", lesson="width", step="play", **{"learn-budget": "1500"})
    row = "<td><bdi>10</bdi></td><td><bdi>1,530</bdi></td>"
    assert f"<tr><td>8</td>{row}<td><bdi>–</bdi></td>" in words(app).replace(number_format.DASH, "–")
    app.button(key="bl-work-go-learn-width").click().run()
    assert not app.exception
    assert f"<tr><td>8</td>{row}<td><bdi>never, never, never</bdi></td>" in words(app)
    app.slider(key="bl-learn-reach").set_value(50).run()
    assert "Epochs to 50" in words(app)


@pytest.mark.usefixtures("quick")
def test_a_curve_is_learned_by_heart_and_digits_by_a_click(open_page, words) -> None:
    app = open_page("learn", lesson="by-heart", step="play", **{"learn-degree": "3"})
    from core.lessons.trained.overfitting import polynomial

    assert f">{written(polynomial(3, 10).new, 3)}<" in words(app)
    app.slider(key="bl-learn-points").set_value(60).run()
    assert f">{written(polynomial(3, 60).new, 3)}<" in words(app)
    app.button_group(key="bl-learn-heart").set_value("digits").run()
    app.button(key="bl-work-go-learn-overfitting").click().run()
    assert not app.exception
    assert "Accuracy by pictures a class" in words(app)


def test_one_step_and_head_first_are_compared_at_any_rate(open_page, words) -> None:
    app = open_page("learn", lesson="head-first", step="play")
    for rate in (0.1, 0.3):
        app.button_group(key="bl-learn-head-rate").set_value(rate).run()
        assert not app.exception
        first, later = (way.gradient for way in head_first.fine_tune((0, 30), rate=rate).values())
        assert f"{written(first, 3)} → {written(later, 3)}" in words(app)
