"""The answer stands in the first screen of a laptop and of a projector; a picture is picked from its thumbnail."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

Visit = Callable[..., Page]
SCREENS = ((1440, 900), (1024, 768))


def lies_within(page: Page, selector: str, share: float) -> bool:
    """Whether this share of an element's height stands in the window."""
    box = page.locator(selector).first.bounding_box()
    size = page.viewport_size
    assert box is not None
    assert size is not None
    seen = min(box["y"] + box["height"], size["height"]) - max(box["y"], 0)
    return seen >= share * box["height"] and box["x"] >= 0 and box["x"] + box["width"] <= size["width"] + 1


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_picture_and_maps_stand_in_the_first_screen(
    calm: Page, trained: Any, visit: Visit, width: int, height: int
) -> None:
    calm.set_viewport_size({"width": width, "height": height})
    page = visit(calm, "feature_maps", run=trained.id)
    expect(page.locator(".bl-sheet img").first).to_be_visible()
    assert lies_within(page, ".bl-picture img", 1.0)
    assert lies_within(page, ".bl-sheet", 0.6)
    expect(page.get_by_text(re.compile(r"^The kernel of channel 0$"))).to_be_attached()
    assert page.get_by_role("button", name="More", exact=True).count() == 1


def test_a_picture_is_picked_from_the_strip_and_stays_after_a_reload(
    calm: Page, trained: Any, visit: Visit, settled: Callable[[Page], Page]
) -> None:
    page = visit(calm, "heatmaps", run=trained.id)
    strip = page.locator(".bl-strip")
    expect(strip.locator(".row button")).not_to_have_count(0)
    first = strip.locator('.row button[aria-pressed="true"]').get_attribute("title")
    strip.get_by_role("button", name="The next picture").click()
    expect(strip.locator(".row button").nth(1)).to_have_attribute("aria-pressed", "true")
    second = strip.locator('.row button[aria-pressed="true"]').get_attribute("title")
    assert second != first
    expect(page).to_have_url(re.compile("image="))
    settled(page).reload()
    chosen = page.locator('.bl-strip .row button[aria-pressed="true"]')
    expect(chosen).to_have_attribute("title", str(second))


def test_several_own_files_join_the_strip(
    calm: Page, trained: Any, visit: Visit, settled: Callable[[Page], Page]
) -> None:
    def file(name: str, kind: str, colour: str) -> dict[str, Any]:
        data = io.BytesIO()
        Image.new("RGB", (80, 60), colour).save(data, kind)
        return {"name": name, "mimeType": "application/octet-stream", "buffer": data.getvalue()}

    page = visit(calm, "heatmaps", run=trained.id)
    page.get_by_role("button", name="Pictures", exact=True).last.click()
    page.get_by_text("Your own", exact=True).click()
    page.locator('input[type="file"]').set_input_files(
        [
            file("*one*.jfif", "JPEG", "teal"),
            {"name": "torn.png", "mimeType": "image/png", "buffer": b"no picture"},
            file("$two$.avif", "AVIF", "red"),
        ]
    )
    row = page.locator(".bl-strip .row button")
    expect(row.nth(0)).to_have_attribute("title", "*one*.jfif · Yours")
    expect(row.nth(1)).to_have_attribute("title", "$two$.avif · Yours")
    expect(row.nth(0)).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text(re.compile("torn.png is not an image"))).to_be_visible()
    settled(page).keyboard.press("Escape")
    row.nth(1).click()
    expect(row.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(settled(page).get_by_role("img", name=re.compile("Heatmap of what speaks for"))).to_be_visible()
