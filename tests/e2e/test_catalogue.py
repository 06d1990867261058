"""The catalogue in a real browser: a click on the map, and one in the table."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect


def test_a_dot_on_the_map_and_a_row_of_the_table_choose_a_network(
    calm: Page, visit: Callable[..., Page], settled: Callable[[Page], Page], click_point: Callable[[Locator], None]
) -> None:
    visit(calm, "backbone", backbone="resnet18", weights="none")
    chosen = calm.get_by_role("combobox", name="Network")
    expect(chosen).to_have_value(re.compile("ResNet-18"))
    dots = calm.locator(".st-key-bl-map .scatterlayer .trace").first.locator("path.point")
    expect(dots).not_to_have_count(0)
    boxes = [dots.nth(index).bounding_box() for index in range(dots.count())]
    lowest = max(range(len(boxes)), key=lambda index: (boxes[index] or {"y": 0.0})["y"])  # AlexNet, far below the rest
    click_point(dots.nth(lowest))
    expect(chosen).to_have_value(re.compile("AlexNet"))
    expect(calm).to_have_url(re.compile("backbone=alexnet"))
    settled(calm)
    calm.get_by_role("textbox", name="Search").fill("shufflenet 1.5")
    calm.get_by_role("textbox", name="Search").press("Enter")
    calm.wait_for_timeout(700)  # the search is on its way
    settled(calm).get_by_role("radio", name="Table").click(force=True)
    table = calm.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    expect(calm.get_by_role("main")).to_contain_text("Click a column's name to sort")
    table.click(position={"x": 18, "y": 35 * 2 + 17})  # the second row's left end; the first is what is chosen
    expect(chosen).to_have_value(re.compile("ShuffleNet"))
