"""What channels look for, grown in the browser: watched, found again, chosen, and cancelled."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

SMALL = {"backbone": "shufflenet_v2_x0_5", "weights": "none", "layer": "conv1", "view": "dreams"}


def test_pictures_grow_are_kept_and_can_be_given_up(
    calm: Page, visit: Callable[..., Page], settled: Callable[[Page], Page]
) -> None:
    page = visit(calm, "filters", **SMALL)
    page.get_by_role("button", name="Grow 16 pictures").click()
    tiles = page.locator(".bl-gallery button")
    expect(tiles).to_have_count(16)
    settled(page)
    expect(tiles.first).to_have_attribute("aria-pressed", "true")
    expect(tiles.first).to_contain_text(re.compile(r"Channel 0.*noise", re.DOTALL))
    tiles.nth(5).click()
    expect(page.get_by_role("heading", name="Channel 5", exact=True)).to_be_visible()
    page = visit(page, "filters", **SMALL)
    expect(tiles).to_have_count(16)
    expect(page.get_by_role("button", name="Grow 16 pictures")).to_have_count(0)
    page.get_by_role("button", name="Grow it larger: 256 px, 384 steps").click()
    page.get_by_role("button", name="Cancel", exact=True).click()
    settled(page)
    expect(page.get_by_role("button", name="Grow it larger: 256 px, 384 steps")).to_be_enabled()
