"""Lessons that train small networks when asked to: nothing before the click, figures afterwards, and links on."""

from __future__ import annotations

import pytest


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of one or two epochs."""
    monkeypatch.setattr("core.lessons.trained.transfer.EPOCHS", 2)
    monkeypatch.setattr("core.lessons.trained.transfer.FIRST_EPOCHS", 1)


@pytest.mark.usefixtures("quick")
def test_three_ways_from_one_set_to_another_are_trained_by_a_click(open_page, words) -> None:
    app = open_page("learn", lesson="transfer", step="play", **{"learn-pair": "digits-clothes"})
    assert "Copied, only the last layer learns</td>" not in words(app)
    app.button(key="bl-learn-transfer-go").click().run()
    assert not app.exception
    said = words(app)
    assert "Copied, only the last layer learns</td><td><bdi>306</bdi>" in said
    assert "with the last layer alone" in said.lower()
    app.toggle(key="bl-learn-behind").set_value(True).run()
    assert "Copied, only the last layer learns</td>" not in words(app)
    app.toggle(key="bl-learn-behind").set_value(False).run()
    assert "Copied, only the last layer learns</td>" in words(app), "what was trained is kept"
