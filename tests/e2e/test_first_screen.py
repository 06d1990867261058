"""The answer stands in the first screen: picture, map, what the network says, and whether the map can be trusted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

SCREENS = {"desk": (1440, 900), "projector": (1024, 768)}
VIEWS = ("one", "methods", "classes", "layers", "pictures", "epochs", "runs")
MAPS = re.compile("heat for|Heatmap of what speaks for")


def inside(part: Locator, height: int) -> None:
    """Checks that a part of the page is there as a whole without scrolling."""
    expect(part).to_be_visible()
    box = part.bounding_box()
    assert box is not None
    assert box["width"] > 40
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= height, (box, height)


@pytest.fixture(scope="module")
def two_runs(trained: Any, server: Any, copy_run: Callable[..., Any]) -> Any:
    """A run and a copy of it, so that there are two to compare."""
    copy_run(trained, server.runs, "again")
    return trained


@pytest.mark.parametrize("screen", SCREENS)
def test_every_view_of_heatmaps_answers_without_scrolling(
    calm: Page, two_runs: Any, visit: Callable[..., Page], settled: Callable[[Page], Page], screen: str
) -> None:
    width, height = SCREENS[screen]
    calm.set_viewport_size({"width": width, "height": height})
    for view in VIEWS:
        page = visit(calm, "heatmaps", run=two_runs.id, view=view)
        inside(page.get_by_role("img", name=MAPS).first, height)
        inside(page.get_by_role("img", name="The chosen picture, cropped as the network sees it"), height)
        inside(page.locator(".bl-answer, .bl-probabilities").first, height)
        inside(page.locator(".bl-trust-question"), height)
        inside(page.get_by_role("button", name="Test this map").or_(page.locator(".bl-verdict")).first, height)
        assert page.get_by_role("main").get_by_role("button", name="More").count() == 1
        overflow = "part => part.scrollWidth - part.clientWidth"
        assert page.get_by_test_id("stMain").evaluate(overflow) <= 0
    settled(calm)


@pytest.mark.parametrize("width", [1440, 1024, 800])
def test_a_formula_is_never_cut(calm: Page, trained: Any, visit: Callable[..., Page], width: int) -> None:
    calm.set_viewport_size({"width": width, "height": 768})
    page = visit(calm, "heatmaps", run=trained.id)
    page.get_by_role("main").get_by_role("button", name="More").click()
    formulas = page.locator(".katex-display")
    expect(formulas.first).to_be_visible()
    for formula in formulas.all():
        assert formula.evaluate("part => part.scrollWidth - part.clientWidth") <= 1
        box = formula.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def test_the_views_stand_in_the_same_place_on_every_page(calm: Page, trained: Any, visit: Callable[..., Page]) -> None:
    calm.set_viewport_size({"width": 1440, "height": 900})
    for name in ("heatmaps", "feature_maps", "filters"):
        page = visit(calm, name, run=trained.id)
        look, views = page.locator(".st-key-bl-look"), page.locator(".st-key-bl-views")
        expect(page.get_by_role("combobox", name="Moment of the training")).to_be_visible()
        above, below = look.bounding_box(), views.bounding_box()
        assert above is not None
        assert below is not None
        assert 0 <= below["y"] - (above["y"] + above["height"]) < 40
