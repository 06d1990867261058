"""Networks that give pictures back, in a browser: a picture grows; an autoencoder learns and is walked through."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

Visit = Callable[..., Page]


def test_a_picture_is_painted_and_its_way_can_be_gone_back(calm: Page, visit: Visit) -> None:
    small = {"style-size": "128", "style-steps": "20"}
    page = visit(calm, "style", content="sample:cat", style="sample:rocket", **small)
    page.get_by_role("button", name="Paint", exact=True).click()
    main = page.get_by_role("main")
    expect(page.get_by_role("heading", name="What the network calls style")).to_be_visible(timeout=180_000)
    expect(main).to_contain_text(re.compile(r"Style from .* in 20 steps"))
    expect(page.get_by_role("img", name="What was painted, after step 20")).to_be_visible()
    page.get_by_role("slider", name="After step").first.press("Home")
    expect(page.get_by_role("img", name="What was painted, after step 1", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile("style-step=1"))


def test_an_autoencoder_learns_and_its_plane_is_walked_through(
    calm: Page, visit: Visit, click_point: Callable[[Locator], None]
) -> None:
    page = visit(
        calm, "autoencoder", data="digits", **{"auto-design": "plane", "auto-epochs": "3", "auto-images": "200"}
    )
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("heading", name="What the narrow place keeps")).to_be_visible(timeout=180_000)
    expect(page.get_by_role("main")).to_contain_text("PCA of equal width")
    before = page.get_by_role("img", name="The picture at this place").get_attribute("src")
    page.get_by_role("slider", name="Across").first.press("End")
    expect(page).to_have_url(re.compile("auto-walk-x=100"))
    expect(page.get_by_role("img", name="The picture at this place")).not_to_have_attribute("src", before or "")
    points = page.locator("[class*=st-key-bl-auto-points] path.point")
    click_point(points.nth(5))
    expect(page).to_have_url(re.compile("auto-picture="))
