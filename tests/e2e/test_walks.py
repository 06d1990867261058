"""The first walk, by a person's own hand, and the walks' links."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

TRAINING_MS = 240_000
HEADINGS = {"train": "Train", "anatomy": "Anatomy", "shortcut": "Shortcut lab", "heatmaps": "Heatmaps"}
LINKS = {
    "overfitting": "train",
    "freezing": "anatomy",
    "augmentation": "train",
    "shortcut": "shortcut",
    "trust": "heatmaps",
}


def bar(page: Page) -> Locator:
    return page.locator(".st-key-bl-guide")


def press(page: Page, name: str) -> None:
    bar(page).get_by_role("button", name=name).click()


def heading(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", level=1, name=name, exact=True)).to_be_visible()


def is_one_row(page: Page) -> None:
    """Whether the bar leaves the first screen to the page, on a projector and on a desktop."""
    for width, height in ((1024, 768), (1440, 900)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function("document.querySelector('.st-key-bl-guide').offsetHeight <= 64")


def test_the_walk_goes_from_images_to_where_it_looked(
    calm: Page, visit: Callable[..., Page], settled: Callable[[Page], Page], new_calm: Callable[[], Page]
) -> None:
    page = visit(calm)
    page.get_by_role("button", name="Take the walk").click()
    heading(page, "Data")
    press(page, "Take these images")
    heading(page, "Backbone")
    press(page, "Take this network")
    heading(page, "Anatomy")
    expect(page.get_by_role("switch", name="Freeze Stage 5", exact=True)).to_be_checked()
    press(page, "Freeze the backbone")
    expect(page.get_by_role("switch", name="Let Stage 5 learn", exact=True)).to_be_attached()
    settled(page.goto(page.url) and page)
    expect(bar(page)).to_contain_text("stop 3 of 6")
    is_one_row(page)
    expect(page.get_by_role("switch", name="Let Stage 5 learn", exact=True)).to_be_attached()
    page.get_by_role("navigation", name="App pages").get_by_role("link", name="Runs", exact=True).click()
    expect(bar(page)).to_contain_text("First walk waits at stop 3 of 6: Freeze")
    press(page, "Go on")
    heading(page, "Anatomy")
    press(page, "Next: Train")
    heading(page, "Train")
    press(page, "Start the training")
    expect(bar(page).get_by_role("button", name="Next: Find a mistake")).to_be_visible(timeout=TRAINING_MS)
    press(page, "Next: Find a mistake")
    heading(page, "Evaluate")
    sent = settled(page).url
    press(page, "Open its surest mistake")
    heading(page, "Heatmaps")
    expect(page.get_by_role("img", name=re.compile("Heatmap of the evidence for"))).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text(re.compile("Wrong: its class is|Right: its class is"))
    press(page, "Finish")
    heading(page, "What it learned")
    expect(bar(page)).to_have_count(0)

    other = new_calm()  # who gets the link of stop 5 stands there, too
    other.goto(sent)
    expect(bar(other)).to_contain_text("stop 5 of 6")
    expect(other.get_by_role("combobox", name="Run")).to_have_value("First walk")


@pytest.mark.parametrize("name", LINKS)
def test_a_walks_link_opens_it_set_up(name: str, calm: Page, visit: Callable[..., Page]) -> None:
    visit(calm, LINKS[name], walk=name)
    heading(calm, HEADINGS[LINKS[name]])
    expect(bar(calm)).to_contain_text("Guess first:")
    expect(calm.locator(".st-key-bl-context")).to_contain_text("EfficientNet-Lite0")
    is_one_row(calm)
    if name == "overfitting":
        expect(calm.locator(".st-key-bl-summary")).to_contain_text("15 epochs, everything")
        expect(calm.locator(".st-key-bl-summary")).to_contain_text("from 40 images")
    if name == "trust":
        expect(calm.get_by_role("radio", name="Backbone", exact=True)).to_be_checked()
    press(calm, "Leave")
    expect(bar(calm)).to_have_count(0)
    assert "walk=" not in calm.url


def test_a_walks_training_starts_with_one_click(
    calm: Page, visit: Callable[..., Page], run_tools: Any, server: Any
) -> None:
    visit(calm, "train", walk="overfitting")
    press(calm, "Start the training")
    expect(calm.get_by_role("main")).to_contain_text("Walk: overfitting")
    moments = "It waits for its turn|It learns|Look at this"  # it may wait for long, and 40 images are soon learned
    expect(bar(calm)).to_contain_text(re.compile(moments))
    calm.wait_for_url(re.compile("run="))
    (run,) = [run for run in run_tools.listed(server.runs) if run.name == "Walk: overfitting"]
    try:
        run_tools.until(lambda: run.has_weights, TRAINING_MS / 1000, "the first epoch of the walk's training")
        run.request_stop()  # the other epochs show nothing new
        run_tools.until(lambda: run.state in ("finished", "stopped"), what="the end of the walk's training")
        expect(bar(calm).get_by_role("button", name="Next: The cure")).to_be_visible()
        expect(bar(calm)).to_contain_text("Look at this")
    finally:
        run_tools.end(run)
