"""The whole main job, as somebody does it who opens the lab for the first time."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

TRAINING_MS = 150_000
PERCENT = re.compile(r"\d+(\.\d+)?\s?%")
Fact = Callable[[Page, str], Locator]
Turn = Callable[[Page, str], Page]


@pytest.fixture
def newcomer(calm: Page, visit: Callable[..., Page], folder: Path) -> Page:  # noqa: ARG001 - the folder must be there
    """Somebody on Home, with a folder of images on the server and nothing chosen yet."""
    return visit(calm)


def choose(page: Page, group: str, option: str) -> None:
    """Picks one of a row of options and waits until it is the chosen one."""
    button = page.get_by_role("radiogroup", name=group).get_by_role("radio", name=option, exact=True)
    button.click()
    expect(button).to_be_checked()


def pick(page: Page, box: str, option: str) -> None:
    """Picks an option of a list."""
    page.get_by_role("combobox", name=box).click()
    page.get_by_role("option", name=option).first.click()
    expect(page.get_by_role("combobox", name=box)).to_have_value(re.compile(re.escape(option)))


def chosen_now(page: Page, *values: str) -> None:
    """Looks into the sidebar for what is chosen."""
    for value in values:
        expect(page.locator(".st-key-bl-context")).to_contain_text(value)


def follow(page: Page, link: str, title: str, settled: Callable[[Page], Page]) -> None:
    """Takes the next step at the foot of a page."""
    page.get_by_role("main").get_by_role("link", name=link, exact=True).click()
    expect(page.get_by_role("heading", level=1, name=title, exact=True)).to_be_visible()
    settled(page)


def test_from_a_folder_of_images_to_heatmaps(
    newcomer: Page, turn_to: Turn, settled: Callable[[Page], Page], fact: Fact, badge: Callable[..., Locator]
) -> None:
    page = turn_to(newcomer, "Data")
    choose_folder(page, fact)
    follow(page, "Choose a backbone", "Backbone", settled)
    expect(page.get_by_role("combobox", name="Network")).to_have_value(re.compile("EfficientNet-Lite0"))
    follow(page, "Look into it", "Anatomy", settled)
    choose_freezing(page, fact)
    follow(page, "Train it", "Train", settled)
    train_and_watch(page, fact, badge)
    follow(page, "Judge it", "Evaluate", settled)
    judge(page, fact)
    turn_to(page, "Feature maps")
    look_at_maps(page, fact)
    turn_to(page, "Filters")
    look_at_filters(page, fact)
    turn_to(page, "Heatmaps")
    look_at_heatmap(page)
    choices_are_still_there(page, turn_to)


def choose_folder(page: Page, fact: Fact) -> None:
    expect(fact(page, "Images")).to_have_text("400")  # Shapes, which are offered first
    choose(page, "Where the images are", "Folder")
    pick(page, "Folder", "colours")
    expect(fact(page, "Images")).to_have_text("48")
    expect(fact(page, "Classes")).to_have_text("3")
    expect(page.get_by_role("img", name="Picture of class سبز").first).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("48 images are checked")
    chosen_now(page, "colours")


def choose_freezing(page: Page, fact: Fact) -> None:
    expect(fact(page, "Trainable")).to_have_text("3,843")  # 1280 features, 3 classes, 3 biases
    expect(fact(page, "Total")).to_have_text("3.4 M")
    choose(page, "What may learn", "Everything")
    expect(fact(page, "Frozen")).to_have_text("0")
    expect(fact(page, "Trainable")).to_have_text("3.4 M")
    choose(page, "What may learn", "Head only")
    expect(fact(page, "Trainable")).to_have_text("3,843")
    page.get_by_role("switch", name="Let Stage 5 learn", exact=True).click()
    expect(fact(page, "Trainable")).to_have_text("2.7 M")


def train_and_watch(page: Page, fact: Fact, badge: Callable[..., Locator]) -> None:
    main = page.get_by_role("main")
    expect(page.get_by_role("radio", name="Two phases")).to_be_checked()  # it follows from what may learn
    expect(main).to_contain_text("EfficientNet-Lite0, pretrained, learns the 3 classes of colours from 30 images")
    page.get_by_role("spinbutton", name="Epochs").fill("6")
    page.get_by_role("spinbutton", name="Epochs").press("Enter")
    expect(fact(page, "Epochs")).to_have_text("6")
    page.get_by_role("button", name="Start training").click()
    live = main.filter(has=page.get_by_role("button", name="Stop, keep the best"))
    expect(live.get_by_text(re.compile(r"Accuracy after epoch \d: training .* validation"))).to_be_visible(
        timeout=TRAINING_MS
    )
    expect(main.get_by_text(re.compile(r"Loss after epoch \d: training .* nats"))).to_be_visible()
    expect(main.locator("svg.marks .mark-line path").first).to_be_attached()
    expect(badge(page, "Finished")).to_be_visible(timeout=TRAINING_MS)
    expect(fact(page, "Validation accuracy")).to_have_text(PERCENT)
    expect(fact(page, "Test accuracy")).to_have_text(PERCENT)


def judge(page: Page, fact: Fact) -> None:
    main = page.get_by_role("main")
    expect(fact(page, "Accuracy")).to_have_text(PERCENT)
    expect(main.get_by_text(re.compile(r"\d+ of 9 right"))).to_be_visible()
    matrix = page.locator(".st-key-bl-eval-confusion")
    expect(matrix.locator(".bars .point path").first).to_be_attached()
    expect(matrix).to_contain_text("red fox")
    choose(page, "Show", "Shares of each true class")
    expect(main.get_by_role("heading", name="Class by class")).to_be_visible()


def look_at_maps(page: Page, fact: Fact) -> None:
    sheet = page.get_by_role("img", name=re.compile("channels of .* pixels")).first
    expect(sheet).to_be_visible()
    expect(fact(page, "Sparsity")).to_have_text(PERCENT)
    sheet.click(position={"x": 150, "y": 20})
    expect(page.get_by_role("heading", name=re.compile(r"Channel [1-9]\d*"))).to_be_visible()


def look_at_filters(page: Page, fact: Fact) -> None:
    expect(page.get_by_role("img", name=re.compile(r"\d+ filters of .* 3 × 3 weights")).first).to_be_visible()
    expect(fact(page, "Filters")).to_have_text("32")
    expect(page.get_by_role("img", name="Filter 0")).to_be_visible()


def look_at_heatmap(page: Page) -> None:
    expect(page.get_by_role("img", name=re.compile("Heatmap of the evidence for")).first).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("cropped as the network sees it")).first).to_be_visible()
    answers = page.locator(".bl-probabilities li")
    expect(answers).to_have_count(3)
    expect(answers.first).to_contain_text(PERCENT)


def choices_are_still_there(page: Page, turn_to: Turn) -> None:
    chosen_now(page, "colours", "EfficientNet-Lite0", "pretrained")
    turn_to(page, "Data")
    expect(page.get_by_role("radio", name="Folder", exact=True)).to_be_checked()
    expect(page.get_by_role("combobox", name="Folder")).to_have_value("colours")
    turn_to(page, "Anatomy")
    expect(page.get_by_role("switch", name="Freeze Stage 5", exact=True)).to_be_checked()
    expect(page.get_by_role("switch", name="Let Stage 4 learn", exact=True)).not_to_be_checked()
    turn_to(page, "Runs")
    expect(page.locator(".st-key-bl-one-run")).to_contain_text("colours, EfficientNet-Lite0, two phases")
    turn_to(page, "Evaluate")
    expect(page.get_by_role("combobox", name="Run")).to_have_value("colours, EfficientNet-Lite0, two phases")


def test_homes_film_ends_with_heatmaps_in_sight(newcomer: Page, settled: Callable[[Page], Page], fact: Fact) -> None:
    page, main = newcomer, newcomer.get_by_role("main")
    main.get_by_role("button", name="Watch it instead").click()
    expect(page.get_by_role("heading", level=1, name="Learning, as it happens")).to_be_visible()
    expect(page.get_by_role("heading", level=1, name="What it learned")).to_be_visible(timeout=TRAINING_MS)
    heatmaps = page.get_by_role("img", name=re.compile("Test image with heatmap for the class"))
    expect(heatmaps).to_have_count(6)
    expect(heatmaps.first).to_be_in_viewport()
    accuracy = fact(page, "Test accuracy")
    expect(accuracy).to_have_text(PERCENT)
    assert float(accuracy.inner_text().split()[0]) > 50, "four classes: guessing gives 25 %"
    chosen_now(page, "Shapes", "EfficientNet-Lite0")
    follow(page, "Judge it: how good, and where not?", "Evaluate", settled)
    expect(fact(page, "Accuracy")).to_have_text(accuracy_of(page))
    page.get_by_role("navigation", name="App pages").get_by_role("link", name="Home", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="What it learned")).to_be_visible()  # the result is kept
    page.get_by_role("button", name="Back to the beginning").click()
    expect(page.get_by_role("heading", level=1, name="See transfer learning happen")).to_be_visible()
    expect(page.locator(".st-key-bl-recent")).to_contain_text("First walk")


def accuracy_of(page: Page) -> Any:
    """Returns the pattern of an accuracy that agrees with the words under it."""
    words = page.get_by_role("main").get_by_text(re.compile(r"\d+ of \d+ right")).inner_text()
    right, images = map(int, re.findall(r"\d+", words))
    return re.compile(rf"{right / images:.1%}".replace("%", r"\s?%").replace(".0", r"(\.0)?"))
