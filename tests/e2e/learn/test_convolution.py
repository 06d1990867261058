"""The bench of convolution and the arithmetic of one's own layer, as a person uses them."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect


def total(page: Page) -> str:
    return page.locator(".bl-conv .total").inner_text().replace("\N{MINUS SIGN}", "-")


def test_a_prediction_is_scored_then_the_window_slides(
    calm: Page, visit: Callable[..., Page], settled: Callable[[Page], Page]
) -> None:
    page = visit(calm, "learn")
    page.get_by_role("main").get_by_role("link", name="Convolution on numbers").click()
    page.get_by_text("One, where the line is").click()
    settled(page).get_by_role("button", name="That is my prediction").click()
    expect(page.get_by_role("main")).to_contain_text("Now try it below")
    for _cell in range(3):
        settled(page).get_by_role("button", name="Step", exact=True).click()
    expect(page.locator(".bl-conv .where")).to_have_text("Row 1, column 3 of the answer")
    assert total(page) == "-70"
    settled(page).get_by_role("button", name="Play", exact=True).click()
    expect(page.locator(".bl-conv .out .cell:empty")).to_have_count(0, timeout=40_000)
    answer = [text.replace("\N{MINUS SIGN}", "-") for text in page.locator(".bl-conv .out .cell").all_inner_texts()]
    assert answer[:10] == ["0", "20", "-70", "20", "0", "0", "30", "-60", "30", "0"]
    settled(page).get_by_label("Kernel 2, 2").fill("cat")
    page.keyboard.press("Enter")
    expect(page.locator(".bl-conv .alarm")).to_contain_text("“cat” is no number")
    page.get_by_label("Kernel 2, 2").fill("-4")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("k="))
    answer_button = settled(page).get_by_role("button", name="Show the answer").element_handle()
    page.locator(".bl-conv .out .cell").nth(7).evaluate(
        "(cell, button) => { cell.click(); setTimeout(() => button.click()); }", answer_button
    )  # the second click ends what the first began
    expect(page.locator(".bl-conv .total")).to_have_text("\N{MINUS SIGN}20")
    expect(page.get_by_role("main")).to_contain_text("The answer: Three")
    page.wait_for_url(re.compile(r"cell=1\.2"))
    settled(page.goto(page.url) and page)
    expect(page.locator(".bl-conv .total")).to_have_text("\N{MINUS SIGN}20")


def test_a_click_on_a_map_of_ones_own_layer_writes_its_value_out(
    calm: Page, visit: Callable[..., Page], settled: Callable[[Page], Page]
) -> None:
    page = visit(
        calm,
        "learn",
        lesson="convolution",
        step="play",
        image="sample:cat",
        backbone="efficientnet_lite0",
        **{"learn-on": "own"},
    )
    sheet = page.locator(".bl-sheet")
    expect(sheet).to_be_visible(timeout=60_000)
    box = sheet.bounding_box()
    assert box
    sheet.click(position={"x": box["width"] * 0.25, "y": box["height"] * 0.25})
    expect(page.get_by_role("heading", name=re.compile("Row 2[78], column 2[78] of channel 0"))).to_be_visible()
    last = settled(page).locator(".bl-ladder tbody tr").last.locator("td").all_inner_texts()
    here, torch = (float(text.replace("\N{MINUS SIGN}", "-")) for text in last[-2:])
    assert abs(here - torch) <= 2e-6 * max(1.0, abs(torch))
