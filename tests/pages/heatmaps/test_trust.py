"""Trust beside a heatmap: asked for, cancelled, kept, and said in words; from heat to object."""

from __future__ import annotations

from typing import Any

import pytest

from core.interpret.explanation_metrics.faithfulness import Settings
from core.workflows.inspection import trust as lab
from pages.heatmaps import region_panel, trust_panel
from pages.ui.session import caches

BACKBONE = {"backbone": "shufflenet_v2_x0_5", "weights": "none"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests as little as can be."""
    few = lab.Options(Settings(steps=2, windows=2, road=(0.5,)), randoms=2, jitters=1)
    monkeypatch.setattr(lab.Options, "affordable", classmethod(lambda _cls, _method: few))


def button(app: Any, label: str) -> Any:
    return next(item for item in app.button if item.label == label)


def test_a_map_is_tested_when_asked_and_kept(open_page, learned, words, monkeypatch) -> None:
    app = open_page("heatmaps", run=learned().id)
    assert not app.exception
    said = words(app)
    assert "Can this map be trusted?" in said
    assert "Infidelity" not in said
    button(app, "Test this map").click().run()
    assert not app.exception
    said = words(app)
    for title in (*trust_panel.TITLES.values(), "Sensitivity", "Same as untrained"):
        assert title in said
    assert "random maps, mean ± deviation" in said
    assert len({_ for _ in ("Trust it", "Partly", "Do not") if f">{_}<" in said}) == 1
    assert "Would a heatmap notice a shortcut?" in [link.proto.label for link in app.get("page_link")]
    assert [item.label for item in app.button].count("Test this map") == 0
    monkeypatch.setattr(lab, "trust", lambda *_args, **_more: pytest.fail("it was tested before"))
    app.run()
    assert not app.exception
    assert "Infidelity" in words(app)
    caches._shelf.cache_clear()  # as after the server's restart
    app.run()
    assert not app.exception
    assert "Infidelity" in words(app)


def test_the_word_stands_wherever_that_map_is_one_of_several(open_page, learned, words) -> None:
    run = learned()
    app = open_page("heatmaps", run=run.id, view="classes")
    assert not app.exception
    assert "Can Grad-CAM be trusted here?" in words(app)
    button(app, "Test this map").click().run()
    assert not app.exception
    assert "bl-verdict" in words(app)
    again = open_page("heatmaps", run=run.id)
    assert "bl-verdict" in words(again)
    assert "Test this map" not in [item.label for item in again.button]


def test_region_threshold_and_a_box_of_ones_own(open_page, learned, words) -> None:
    app = open_page("heatmaps", run=learned().id)
    assert "From heat to object" in words(app)
    assert "Heat in your box" not in words(app)
    app.toggle(key="bl-trust-boxed").set_value(True).run()
    assert "Heat in your box" in words(app)
    app.slider(key="bl-trust-across").set_value((0, 100)).run()
    app.slider(key="bl-trust-down").set_value((0, 100)).run()
    assert not app.exception
    assert "it covers 100 %" in words(app)
    app.slider(key="bl-trust-down").set_value((40, 40)).run()  # a box without area
    assert not app.exception


def test_boxes_always_have_an_area() -> None:
    assert region_panel.shares((25, 75), (0, 100)) == (0.25, 0, 0.75, 1)
    assert region_panel.shares((100, 100), (40, 40)) == (0.99, 0.4, 1.0, 0.41)


def test_giving_up_forgets_the_wish(open_page, monkeypatch) -> None:
    app = open_page("heatmaps", **BACKBONE)
    kept = {trust_panel.ASKED: ("some", "map")}
    monkeypatch.setattr(trust_panel.st, "session_state", kept)
    trust_panel._give_up()
    assert kept[trust_panel.ASKED] is None
    monkeypatch.undo()
    assert not app.run().exception
    assert "Test this map" in [item.label for item in app.button]
