"""Setting a training up in a browser: one's own phases, the chart that follows them, a reload that keeps them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from playwright.sync_api import Page, expect

Visit = Callable[..., Page]


def write(page: Page, label: str, value: str) -> None:
    """Fills a number in, as a person who presses Enter does, and again where the page was still being drawn."""
    field = page.get_by_role("spinbutton", name=label, exact=True)
    for _attempt in range(4):
        field.fill(value)
        field.press("Enter")
        page.wait_for_timeout(700)
        expect(page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_attached()
        if field.input_value() == value:
            return


def test_phases_are_edited_drawn_moved_and_kept_over_a_reload(
    calm: Page, visit: Visit, settled: Callable[[Page], Page]
) -> None:
    page = visit(calm, "train", data="shapes")
    summary = page.locator(".st-key-bl-summary")
    chart = page.locator(".st-key-bl-chart-bl-schedule")
    page.get_by_text("Two phases", exact=True).click()
    expect(page.get_by_role("radio", name="Two phases")).to_be_checked()
    expect(chart).to_contain_text("Fine-tune: from 0.0003 to nearly 0.")
    settled(page)
    page.get_by_role("button", name="Edit its phases").click()
    expect(page.get_by_role("radio", name="1 Head, 3 epochs")).to_be_checked()
    settled(page)
    write(page, "Epochs", "4")
    expect(summary).to_contain_text("Head 4 epochs, the head")
    page.get_by_role("radio", name="2 Fine-tune, 7 epochs").click()
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_value("Fine-tune")
    settled(page)
    write(page, "Warm-up, epochs", "2")
    expect(chart).to_contain_text("The shaded part is the warm-up.")
    write(page, "Warm-up, epochs", "9")
    expect(summary).to_contain_text("Choose a shorter warm-up")
    expect(page.get_by_role("button", name="Start training")).to_have_count(0)
    write(page, "Warm-up, epochs", "2")
    page.get_by_role("button", name="Earlier").click()
    expect(page.get_by_role("radio", name="1 Fine-tune, 7 epochs")).to_be_checked()
    expect(page.get_by_role("spinbutton", name="Warm-up, epochs", exact=True)).to_have_value("2")
    expect(summary.locator(".bl-phases li").nth(1)).to_contain_text("Head 4 epochs")
    settled(page)
    page.reload()
    settled(page)
    expect(page.get_by_role("radio", name="My own phases")).to_be_checked()
    expect(summary.locator(".bl-phases li").nth(0)).to_contain_text("warming up for 2 epochs")
    expect(summary.locator(".bl-phases li").nth(1)).to_contain_text("Head 4 epochs")


def test_start_and_the_plan_are_in_the_first_screen_of_a_projector(calm: Page, visit: Visit) -> None:
    for width, height in ((1024, 768), (800, 900), (1440, 900)):
        calm.set_viewport_size({"width": width, "height": height})
        page = visit(calm, "train", data="shapes")
        for wanted in (
            page.get_by_role("button", name="Start training"),
            page.get_by_role("textbox", name="Name of the run"),
            page.get_by_text("Linear probe: 10 epochs, the head. EfficientNet-Lite0 on Shapes."),
        ):
            expect(wanted).to_be_in_viewport(ratio=1)


def test_what_is_looked_at_stays_when_a_run_ends_and_on_reload(
    calm: Page, visit: Visit, settled: Callable[[Page], Page], server: Any, run_tools: SimpleNamespace
) -> None:
    run = run_tools.start(server.runs, "digits", images_per_class=20)
    run_tools.until(lambda: len(run.metrics()[0]) >= 3, what="three epochs")
    page = visit(calm, "train", run=run.id)
    page.get_by_role("radio", name="Coach").click()
    expect(page.get_by_role("radio", name="Coach")).to_be_checked()
    run.request("stop")
    expect(page.get_by_text("This run was stopped")).to_be_visible()
    expect(page.get_by_role("radio", name="Coach")).to_be_checked()
    page.reload()
    settled(page)
    expect(page.get_by_role("radio", name="Coach")).to_be_checked()


def test_a_look_at_another_source_of_recipes_changes_no_choice(
    calm: Page, visit: Visit, settled: Callable[[Page], Page]
) -> None:
    page = visit(calm, "train", data="shapes")
    summary, learns = page.locator(".st-key-bl-summary"), page.get_by_role("link", name="Learns")
    page.get_by_text("Two phases", exact=True).click()
    expect(summary).to_contain_text("the head and the last stage")
    expect(learns).to_contain_text("Last stage Two phases")
    page.get_by_role("radio", name="My own phases").click()
    expect(page.get_by_role("radio", name="1 Head, 3 epochs")).to_be_checked()
    page.get_by_role("radio", name="From the notes").click()
    expect(page.get_by_role("combobox", name="Training of the notes")).to_be_visible()
    settled(page)
    page.reload()
    settled(page)
    expect(page.get_by_role("radio", name="From the notes")).to_be_checked()
    page.get_by_role("radio", name="Presets").click()
    expect(page.get_by_role("radio", name="Two phases")).to_be_checked()
    expect(summary).to_contain_text("EfficientNet-Lite0, pretrained")
    expect(summary).to_contain_text("the head and the last stage")
    settled(page)
    page.reload()
    settled(page)
    expect(page.get_by_role("radio", name="Presets")).to_be_checked()
    expect(page.get_by_role("radio", name="Two phases")).to_be_checked()


def test_phases_are_still_there_on_the_way_back_from_another_page(
    calm: Page, visit: Visit, turn_to: Callable[[Page, str], Page], settled: Callable[[Page], Page]
) -> None:
    page = visit(calm, "train", data="shapes")
    page.get_by_role("radio", name="My own phases").click()
    expect(page.get_by_role("radio", name="1 Head, 10 epochs")).to_be_checked()
    settled(page)
    write(page, "Epochs", "17")
    expect(page.locator(".st-key-bl-summary")).to_contain_text("17 epochs, the head")
    turn_to(page, "Anatomy")
    turn_to(page, "Train")
    expect(page.get_by_role("radio", name="1 Head, 17 epochs")).to_be_checked()
    expect(page.locator(".st-key-bl-summary")).to_contain_text("17 epochs, the head")
