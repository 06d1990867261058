"""The race of the optimizers, as a person runs it: optimizers are added, and one rate for all shows who explodes."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect


def test_optimizers_race_on_a_surface_and_a_rate_that_is_too_large_explodes(
    calm: Page, visit: Callable[..., Page], settled: Callable[[Page], Page]
) -> None:
    page = visit(calm, "learn", lesson="race", step="play")
    places = page.locator(".bl-ladder tbody tr")
    expect(places).to_have_count(4)
    settled(page).get_by_role("button", name="Nesterov").click()
    expect(places).to_have_count(5)
    settled(page).get_by_role("radio", name="One rate for all").click()
    rate = page.get_by_role("slider", name="Rate, as a power of ten")
    rate.focus()
    page.keyboard.press("End")
    expect(page.get_by_role("row", name="SGD")).to_contain_text("exploded")
    expect(page.get_by_role("main")).to_contain_text("The ways of 5 optimizers over 60 steps")
