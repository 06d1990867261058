"""Generator against discriminator and mode collapse: moves, their figures, and a link that opens after them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.training.gan.plane import Duel, Rules
from pages.learn.duel import moves
from pages.learn.number_grid import written
from pages.learn.table import LESSONS


@pytest.fixture(autouse=True)
def one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for is done in one go, however slow the machine."""
    monkeypatch.setattr(moves, "SECONDS", 60.0)


def test_the_answers_are_a_half_and_a_ninth() -> None:
    assert LESSONS["gan"].ask().answer == "half"
    assert LESSONS["mode-collapse"].ask().answer == "ninth"


def test_moves_are_counted_shown_and_kept_in_the_address(open_page: Callable[..., AppTest], words, params) -> None:
    app = open_page("learn", lesson="gan", step="play")
    assert not app.exception
    first = Duel(Rules())
    assert f">{written(first.history[0].discriminator, 4)}<" in words(app)
    app.button(key="bl-learn-move-b10").click().run()
    app.button(key="bl-learn-move-d1").click().run()
    assert not app.exception
    assert params(app)["moves"] == "b10.d1"
    for kind in "b" * 10 + "d":
        first.move(kind)
    for value in (first.history[-1].discriminator, first.history[-1].generator):
        assert f">{written(value, 4)}<" in words(app)
    app.button_group(key="bl-learn-duel-real").set_value("ring").run()
    assert "moves" not in params(app)
    app.button(key="bl-learn-move-g1").click().run()
    app.button(key="bl-learn-move-anew").click().run()
    assert "moves" not in params(app)


def test_a_link_opens_a_collapse_and_ways_are_compared(open_page: Callable[..., AppTest], words) -> None:
    app = open_page("learn", lesson="mode-collapse", step="play", rounds="b40")
    assert not app.exception
    assert "Generator: three steps for one</td><td><bdi>40" in words(app)
    app.button_group(key="bl-learn-collapse-way").set_value("both").run()
    app.button(key="bl-learn-move-b10").click().run()
    assert not app.exception
    said = words(app)
    assert "Three steps each</td><td><bdi>10" in said
    assert "Generator: three steps for one</td><td><bdi>40" in said


@pytest.mark.parametrize("asked", ["cat", "b", "b1e3", "x5.b2", "²", "b²"])
def test_moves_that_are_none_are_left_out(asked: str, open_page: Callable[..., AppTest], words) -> None:
    app = open_page("learn", lesson="gan", step="play", moves=asked)
    assert not app.exception
    assert f">{written(Duel(Rules()).history[0].generator, 4)}<" in words(app)


def test_what_takes_longer_than_a_go_comes_bit_by_bit(open_page: Callable[..., AppTest], monkeypatch) -> None:
    monkeypatch.setattr(moves, "SECONDS", 0.0)
    app = open_page("learn", lesson="gan", step="play", moves="b9999")
    assert not app.exception
    assert app.button(key="bl-learn-move-b1").disabled
    assert app.session_state["bl.learn.duel.ticks"]
    assert app.session_state["bl.learn.duels"]["gan"].moves == ""
