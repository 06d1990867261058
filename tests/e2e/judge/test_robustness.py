"""Robustness in the browser: a click measures what is chosen, the figures and the curves come by themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect


def test_a_click_measures_the_chosen_corruption_and_a_reload_shows_it(
    calm: Page, trained: Any, visit: Callable[..., Page]
) -> None:
    visit(calm, "evaluate", run=trained.id, view="robustness", corruptions="contrast")
    main = calm.get_by_role("main")
    expect(main).to_contain_text("Not measured yet: Contrast")
    calm.get_by_role("button", name="Measure 1 of them").click()
    expect(main).to_contain_text("Falls most", timeout=120_000)
    expect(main).to_contain_text("Contrast, strength 5")
    expect(calm.locator(".st-key-bl-robust-digital .js-plotly-plot")).to_be_visible()
    calm.reload()
    expect(main).to_contain_text("Falls most", timeout=60_000)
    expect(calm.get_by_role("button", name="Measure 1 of them")).to_have_count(0)
