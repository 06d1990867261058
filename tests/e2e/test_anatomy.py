"""A freeze plan clicked together in the drawing of the network, until a training has carried it out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

TRAINING_MS = 150_000
SMALL = {"backbone": "resnet18", "weights": "none"}
STAGE4, CONV = 2_099_712, 589_824
"""Parameters of ResNet-18's layer3, and of the first convolution in its second block."""


@pytest.fixture
def drawing(calm: Page, visit: Callable[..., Page]) -> Page:
    """The anatomy of a network for four classes of few small images."""
    page = visit(calm, "anatomy", **SMALL, data="shapes?per_class=12&size=64")
    expect(page.get_by_role("button", name=re.compile("^Stage 1: "))).to_be_visible()
    return page


def counted(page: Page, label: str, number: int) -> None:
    """Waits for a figure's exact value."""
    cell = page.get_by_role("main").locator(f'.bl-metric:has(dt:text-is("{label}"))').first
    expect(cell.locator("dd")).to_have_attribute("data-tip", f"{number:,} parameters")


def turn(page: Page, lock: str) -> None:
    page.get_by_role("switch", name=lock, exact=True).click()


def test_a_clicked_plan_is_what_the_training_does(
    drawing: Page,
    server: Any,
    run_tools: Any,
    fact: Callable[[Page, str], Locator],
    settled: Callable[[Page], Page],
    badge: Callable[[Page, str], Locator],
) -> None:
    page = drawing
    smaller_images(page, settled)
    head = 512 * 4 + 4
    counted(page, "Trainable", head)
    turn(page, "Let Stage 4 learn")
    counted(page, "Trainable", STAGE4 + head)
    expect(page.get_by_role("switch", name="Freeze Stage 4", exact=True)).to_be_focused()
    page.get_by_role("button", name=re.compile("^Stage 4: ")).click()
    page.get_by_role("button", name=re.compile(r"^Block 2, ")).click()
    turn(page, "Freeze Convolution 3 × 3 (1)")
    counted(page, "Trainable", STAGE4 - CONV + head)
    expect(page.get_by_role("switch", name="Let Stage 4 learn", exact=True)).to_have_attribute("aria-checked", "mixed")
    before = {run.id for run in run_tools.listed(server.runs)}
    page.get_by_role("main").get_by_role("link", name="Train it", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Train", exact=True)).to_be_visible()
    settled(page)
    expect(page.get_by_role("radio", name="Two phases")).to_be_checked()
    page.get_by_role("spinbutton", name="Epochs").fill("2")
    page.get_by_role("spinbutton", name="Epochs").press("Enter")
    expect(fact(page, "Epochs")).to_have_text("2")
    page.get_by_role("button", name="Start training").click()
    expect(badge(page, "Finished")).to_be_visible(timeout=TRAINING_MS)
    run = next(run for run in run_tools.listed(server.runs) if run.id not in before)
    plan = run.experiment.freeze
    assert (plan.trainable_stages, plan.thaw, plan.hold) == (0, ("stage4",), ("layer3.1.conv1",))
    assert run.experiment.model.image_size == 64
    assert run.state == "finished"
    assert run.status().trainable_parameters == STAGE4 - CONV + head


def smaller_images(page: Page, settled: Callable[[Page], Page]) -> None:
    """Sets the network to images of 64 pixels."""
    page.get_by_role("button", name=re.compile("Images of 224 × 224 px")).click()
    box = page.get_by_role("spinbutton", name="Side in pixels")
    box.fill("64")
    box.press("Enter")
    expect(page.get_by_role("button", name=re.compile("Images of 64 × 64 px"))).to_be_visible()
    page.keyboard.press("Escape")
    settled(page)


def test_from_the_whole_to_one_layers_arithmetic_with_the_keyboard(drawing: Page) -> None:
    page, main = drawing, drawing.get_by_role("main")
    page.get_by_role("button", name=re.compile("^Stage 1: ")).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    stage = page.get_by_role("button", name=re.compile("^Stage 2: "))
    expect(stage).to_have_attribute("aria-pressed", "true")
    expect(stage).to_be_focused()
    page.get_by_role("button", name=re.compile(r"^Block 1, ")).press("Enter")
    page.get_by_role("button", name=re.compile(r"^Convolution 3 × 3 \(1\), ")).press("Enter")
    expect(main.locator(".bl-section", has_text="layer1.0.conv1").get_by_role("heading")).to_be_visible()
    expect(main).to_contain_text("3*3*64*64 = 36,864")
    expect(main.get_by_role("img", name=re.compile("A window of 3 × 3"))).to_be_visible()
    expect(page).to_have_url(re.compile("layer=layer1.0.conv1"))
    page.reload()
    expect(main.locator(".bl-section", has_text="layer1.0.conv1").get_by_role("heading")).to_be_visible()


def test_the_drawing_scrolls_in_itself_and_stays_where_it_is(
    calm: Page, visit: Callable[..., Page], settled: Callable[[Page], Page]
) -> None:
    calm.set_viewport_size({"width": 800, "height": 900})
    visit(calm, "anatomy", backbone="densenet121", weights="none")
    row = calm.locator(".bl-anatomy .outer .parts")
    expect(row).to_be_visible()
    assert row.evaluate("row => row.scrollWidth - row.clientWidth") <= 1, "at 800 px every part is in sight"
    at_rest = row.bounding_box()
    turn(calm, "Let Stage 4 learn")
    expect(calm.get_by_role("switch", name="Freeze Stage 4", exact=True)).to_be_focused()
    settled(calm)
    assert row.bounding_box() == at_rest
    calm.set_viewport_size({"width": 300, "height": 900})
    settled(calm)
    assert (
        calm.evaluate(
            "() => { const m = document.querySelector('[data-testid=stMain]'); return m.scrollWidth - m.clientWidth; }"
        )
        <= 1
    )
    stage = calm.get_by_role("button", name=re.compile("^Stage 5: "))
    stage.click()
    expect(stage).to_have_attribute("aria-pressed", "true")
    settled(calm)
    calm.get_by_role("switch", name="Let Stage 5 learn", exact=True).scroll_into_view_if_needed()
    place = row.evaluate("row => row.scrollLeft")
    assert place > 0
    turn(calm, "Let Stage 5 learn")
    expect(calm.get_by_role("switch", name="Freeze Stage 5", exact=True)).to_be_focused()
    settled(calm)
    assert row.evaluate("row => row.scrollLeft") == place
