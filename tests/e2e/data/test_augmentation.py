"""Cards of augmentation in a browser: a preset, a card on top of it, the batch, and Train with the same plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect


def test_a_card_on_top_of_a_preset_is_what_train_uses(
    calm: Page, visit: Callable[..., Page], settled: Callable[[Page], Page]
) -> None:
    page = visit(calm, "data", data="shapes", view="augmentation")
    main = page.get_by_role("main")

    def said(text: str) -> None:
        expect(main.get_by_text(text).first).to_be_visible()

    main.get_by_text("Strong", exact=True).click()
    said("Augmentation Strong, at random: mirrored")
    expect(main.locator(".bl-tiles").nth(1).locator("img")).to_have_count(24)
    before = pictures(main)
    main.get_by_role("button", name="Shear", exact=True).click()
    said("sheared by up to 10°")
    said("a fifth of a degree")
    expect(main.locator(".bl-tiles").nth(1).locator("img").first).not_to_have_attribute("src", before[0])
    main.get_by_text("Show the batch", exact=True).click()
    said("32 of the 32 images of step 1 with seed 0: 32 × 3 × 224 × 224")
    shown = pictures(main)
    settled(page).reload()
    said("sheared by up to 10°")
    expect(main.locator(".bl-tiles").nth(1).locator("img").first).to_have_attribute("src", shown[0])
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    page.get_by_role("link", name="Train", exact=True).first.click()
    said("sheared by up to 10°")


def pictures(main: Any) -> list[str]:
    """Returns the addresses of the 24 draws."""
    found: list[str] = main.locator(".bl-tiles").nth(1).locator("img").evaluate_all("all => all.map(one => one.src)")
    return found
