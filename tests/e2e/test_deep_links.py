"""Every page by its address: on a server that has drawn nothing yet, and for a run that somebody sends a link to."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

TITLES = {
    "": "Home",
    "data": "Data",
    "backbone": "Backbone",
    "anatomy": "Anatomy",
    "train": "Train",
    "evaluate": "Evaluate",
    "runs": "Runs",
    "feature_maps": "Feature maps",
    "filters": "Filters",
    "heatmaps": "Heatmaps",
    "shortcut": "Shortcut lab",
    "about": "Notes and terms",
}
SECTIONS = ("Build", "Judge", "Look inside", "Reference")
NAME = "Digits, trained"
SHOWS = {
    "": re.compile("Test image with heatmap for the class"),
    "train": re.compile("Accuracy after epoch"),
    "evaluate": re.compile("Accuracy after epoch"),
    "feature_maps": re.compile("channels of"),
    "filters": re.compile("filters of"),
    "heatmaps": re.compile("Heatmap of what speaks for"),
}
"""A picture or chart that a page shows of a run."""


def full_frame(page: Page) -> None:
    """Looks for the navigation with its titles in their sections, the logo, the context, and nothing else."""
    navigation = page.get_by_role("navigation", name="App pages")
    for title in TITLES.values():
        expect(navigation.get_by_role("link", name=title, exact=True)).to_be_visible()
    expect(navigation.get_by_role("link")).to_have_count(len(TITLES))
    for section in SECTIONS:
        expect(navigation.get_by_text(section, exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Sidebar").get_by_role("img", name="Logo")).to_be_visible()
    expect(page.locator(".st-key-bl-context")).to_contain_text("EfficientNet-Lite0")
    expect(page).to_have_title(re.compile("Backbone Lab"))


@pytest.mark.parametrize("name", TITLES)
def test_an_address_on_a_cold_server_shows_the_full_frame(
    name: str, calm: Page, visit: Callable[..., Page], cold_server: Callable[[], AbstractContextManager[Any]]
) -> None:
    with cold_server() as server:
        visit(calm, name, at=server, settle=False)  # what the page itself loads may take longer
        full_frame(calm)
        heading = calm.get_by_role("main").get_by_role("heading", level=1)
        expect(heading).to_have_text(TITLES[name] if name else "See transfer learning happen")
        expect(calm.get_by_role("dialog")).to_have_count(0)  # such as "Page not found"
        expect(calm.get_by_test_id("stException")).to_have_count(0)


def test_a_runs_link_opens_the_run_on_a_cold_server(
    calm: Page,
    trained: Any,
    copy_run: Callable[..., Any],
    visit: Callable[..., Page],
    cold_server: Callable[[], AbstractContextManager[Any]],
) -> None:
    with cold_server() as server:
        copy_run(trained, server.runs)
        visit(calm, "evaluate", at=server, run=trained.id)
        full_frame(calm)
        expect(calm.get_by_role("combobox", name="Run")).to_have_value(NAME)
        expect(calm.locator('dt:text-is("Accuracy") + dd')).to_be_visible()


@pytest.mark.parametrize("name", SHOWS)
def test_a_runs_link_opens_the_run(name: str, calm: Page, trained: Any, visit: Callable[..., Page]) -> None:
    visit(calm, name, run=trained.id)
    expect(calm.locator(".st-key-bl-context")).to_contain_text(NAME)
    main = calm.get_by_role("main")
    growing = main.get_by_test_id("stVegaLiteChart").and_(main.get_by_label(SHOWS[name]))
    expect(main.get_by_role("img", name=SHOWS[name]).or_(growing).first).to_be_visible()
    assert f"run={trained.id}" in calm.url


def test_a_runs_link_opens_the_run_in_the_table(
    calm: Page, trained: Any, copy_run: Callable[..., Any], visit: Callable[..., Page], server: Any
) -> None:
    other = copy_run(trained, server.runs, "another")  # the newest is another than the one asked for
    try:
        visit(calm, "runs", run=trained.id)
        expect(calm.locator(".st-key-bl-one-run")).to_contain_text(NAME)
    finally:
        import shutil

        shutil.rmtree(other.path)


def test_a_backbones_link_opens_the_backbone(calm: Page, visit: Callable[..., Page]) -> None:
    visit(calm, "backbone", backbone="resnet18", weights="none")
    expect(calm.get_by_role("combobox", name="Network")).to_have_value(re.compile("ResNet-18", re.IGNORECASE))
    expect(calm.get_by_role("radio", name="Random", exact=True)).to_be_checked()


def test_a_pretrained_backbones_heatmap_names_five_classes(calm: Page, visit: Callable[..., Page]) -> None:
    visit(calm, "heatmaps", backbone="efficientnet_lite0")
    expect(calm.get_by_role("main").get_by_role("img", name=SHOWS["heatmaps"])).to_be_visible()
    expect(calm.locator(".bl-probabilities li")).to_have_count(5)
    expect(calm.locator(".bl-probabilities li").first).to_contain_text("cat")


def test_a_link_to_a_run_that_never_was_says_so(calm: Page, visit: Callable[..., Page]) -> None:
    visit(calm, "train", run="20200101T000000Z-nothing-0000")
    expect(calm.get_by_role("heading", name="This run is gone")).to_be_visible()
    expect(calm.get_by_role("main")).to_contain_text("20200101T000000Z-nothing-0000 does not exist any more")
    calm.get_by_role("link", name="See the runs there are").click()
    expect(calm.get_by_role("heading", level=1, name="Runs", exact=True)).to_be_visible()


def test_a_hostile_address_opens_nothing_outside(calm: Page, server: Any, visit: Callable[..., Page]) -> None:
    visit(calm, "train", data="/etc")
    main = calm.get_by_role("main")
    expect(main.get_by_role("status")).to_contain_text("/etc")
    expect(calm.get_by_role("button", name="Start training")).to_have_count(0)
    visit(calm, "evaluate", run="../../etc")
    expect(calm.get_by_role("heading", name="This run is gone")).to_be_visible()
    expect(main).not_to_contain_text(str(server.runs))
