"""Every page by its address: on a server that has drawn nothing yet, for a run that somebody sends a link to, and back.

What is chosen survives a reload, opens in a second tab, and is undone by one press of the browser's Back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

Visit = Callable[..., Page]
Settled = Callable[[Page], Page]

TITLES = {
    "": "Home",
    "data": "Data",
    "backbone": "Backbone",
    "anatomy": "Anatomy",
    "train": "Train",
    "evaluate": "Evaluate",
    "runs": "Runs",
    "studies": "Studies",
    "compare": "Compare",
    "feature_maps": "Feature maps",
    "filters": "Filters",
    "heatmaps": "Heatmaps",
    "shortcut": "Shortcut lab",
    "leak": "Leak lab",
    "learn": "Lessons",
    "try_it": "Try it",
    "autoencoder": "Autoencoder",
    "gan": "GAN",
    "style": "Style transfer",
    "about": "Notes and terms",
}
SECTIONS = ("Build", "Judge", "Look inside", "Learn", "Reference")
NAME = "Digits, trained"
SHOWS = {
    "": re.compile("Test image with heatmap for the class"),
    "train": re.compile("Accuracy after epoch"),
    "evaluate": re.compile("Accuracy after epoch"),
    "feature_maps": re.compile("channels of"),
    "filters": re.compile("filters of"),
    "heatmaps": re.compile("Heatmap of the evidence for"),
}
"""A picture or chart that a page shows of a run."""


def full_frame(page: Page, network: str = "EfficientNet-Lite0") -> None:
    """Looks for the navigation with its titles in their sections, the logo, the context, and nothing else."""
    navigation = page.get_by_role("navigation", name="App pages")
    for title in TITLES.values():
        expect(navigation.get_by_role("link", name=title, exact=True)).to_be_visible()
    expect(navigation.get_by_role("link")).to_have_count(len(TITLES))
    for section in SECTIONS:
        expect(navigation.get_by_text(section, exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Sidebar").get_by_role("img", name="Logo")).to_be_visible()
    expect(page.locator(".st-key-bl-context")).to_contain_text(network)
    expect(page).to_have_title(re.compile("Backbone Lab"))


@pytest.mark.parametrize("name", [*TITLES, "home"])
def test_an_address_on_a_cold_server_shows_the_full_frame(
    name: str, calm: Page, visit: Callable[..., Page], cold_server: Callable[[], AbstractContextManager[Any]]
) -> None:
    with cold_server() as server:
        visit(calm, name, at=server, settle=False)  # what the page itself loads may take longer
        full_frame(calm)
        heading = calm.get_by_role("main").get_by_role("heading", level=1)
        expect(heading).to_have_text("See transfer learning happen" if name in ("", "home") else TITLES[name])
        expect(calm.get_by_role("dialog")).to_have_count(0)  # such as "Page not found"
        expect(calm.get_by_test_id("stException")).to_have_count(0)


def test_home_has_an_address_of_its_own_on_a_warm_server(calm: Page, visit: Callable[..., Page]) -> None:
    visit(calm, "data")
    visit(calm, "home")
    full_frame(calm)
    expect(calm.get_by_role("dialog")).to_have_count(0)
    expect(calm.get_by_role("button", name="Take the walk")).to_be_visible()


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
        full_frame(calm, "SqueezeNet 1.1")
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


def test_a_pretrained_backbones_heatmap_names_three_classes(calm: Page, visit: Callable[..., Page]) -> None:
    visit(calm, "heatmaps", backbone="efficientnet_lite0")
    expect(calm.get_by_role("main").get_by_role("img", name=SHOWS["heatmaps"])).to_be_visible()
    expect(calm.locator(".bl-probabilities li")).to_have_count(3)
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


# --- what is chosen ---------------------------------------------------------------------------------------------------

RUN = "run"
SENT_MS = 250
"""Within this time a choice has left the browser, and what is still drawn differs from what was drawn before."""
FIELDS = """fields => fields.filter(f => f.type !== 'file')
    .map(f => (f.ariaLabel ?? '') + '=' + (['radio', 'checkbox'].includes(f.type) ? f.checked : f.value))"""
"""What every field of the page holds."""


def main(page: Page) -> Any:
    return page.get_by_role("main")


def pick(text: str) -> Callable[[Page], None]:
    """Returns a step: a click on a choice or button of the main column."""
    return lambda page: main(page).get_by_text(text, exact=True).first.click()


def slide(name: str) -> Callable[[Page], None]:
    return lambda page: main(page).get_by_role("slider", name=name).first.press("ArrowRight")


CASES: dict[str, tuple[str, dict[str, str], tuple[Callable[[Page], None], ...]]] = {
    "division": ("data", {"data": "digits"}, (slide("Validation"), slide("Tile size"), pick("Show others"))),
    "another set": ("data", {"data": "shapes"}, (pick("Small digits"),)),
    "no upload yet": ("data", {"data": "shapes"}, (pick("Upload"),)),
    "weights": ("backbone", {"data": "digits"}, (pick("Random"), pick("Table"))),
    "own network": ("backbone", {"data": "digits"}, (pick("Build a network of your own"),)),
    "freezing": ("anatomy", {"data": "digits", "backbone": "resnet18", "weights": "none"}, (pick("Last block"),)),
    "head": ("anatomy", {"data": "digits"}, (pick("Head"), pick("Linear(256)-ReLU-Dropout-Linear"))),
    "recipe": ("train", {"data": "digits"}, (pick("Two phases"),)),
    "tab of a run": ("train", {RUN: ""}, (pick("Coach"),)),
    "judged": ("evaluate", {RUN: ""}, (pick("Shares of each true class"),)),
    "runs": ("runs", {RUN: ""}, ()),
    "studies": ("studies", {"data": "digits"}, (pick("Of your own"), pick("Sobol"))),
    "maps": ("feature_maps", {RUN: ""}, (pick("All layers"),)),
    "filters": ("filters", {RUN: ""}, (pick("Alike"),)),
    "heatmaps": ("heatmaps", {RUN: ""}, (pick("Classes"),)),
    "shortcut": ("shortcut", {}, (pick("Watermark"),)),
    "leak": ("leak", {}, (pick("Their own"),)),
    "style": ("style", {}, (pick("Noise"),)),
    "autoencoder": ("autoencoder", {}, (pick("A hidden square"),)),
    "home": ("", {}, ()),
}


def shown(page: Page, settled: Settled) -> list[str]:
    """Returns what a page says and what its fields hold, once it stays as it is."""
    page.mouse.move(0, 0)  # an icon under the mouse is another one
    last: list[str] = []
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_timeout(SENT_MS)
    for _ in range(100):
        settled(page)
        expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
        texts = [main(page).inner_text(), page.locator(".st-key-bl-context").inner_text()]
        said = [line.strip() for text in texts for line in text.split("\n") if line.strip()]
        fields = page.eval_on_selector_all('[data-testid="stMain"] input', FIELDS)
        now = [re.sub(r"\d+([.,]\d+)? (s|ms|min|h)\b", "TIME", line) for line in (*said, *fields)]
        working = main(page).get_by_test_id("stProgress").count() or "Loading PyTorch" in now
        if now and now == last and not working and "…" not in now:  # a figure that is on its way
            break
        last = now
        page.wait_for_timeout(SENT_MS)
    return last


@pytest.fixture
def act(settled: Settled, trained: Any, visit: Visit) -> Callable[[Page, str], Iterator[tuple[str, list[str]]]]:
    """Opens a case's page and takes its steps, with the address and what is shown after each."""

    def taken(page: Page, case: str) -> Iterator[tuple[str, list[str]]]:
        name, query, steps = CASES[case]
        visit(page, name, **{key: value or trained.id for key, value in query.items()})
        for step in (None, *steps):
            if step is not None:
                step(page)
            said = shown(page, settled)
            yield page.url, said

    return taken


@pytest.mark.parametrize("case", CASES)
def test_a_choice_outlasts_a_reload_opens_in_a_second_tab_and_is_undone_by_back(
    case: str,
    calm: Page,
    new_calm: Callable[[], Page],
    act: Any,
    settled: Settled,
    turn_to: Callable[[Page, str], Page],
) -> None:
    seen = list(act(calm, case))
    url, first = seen[-1]
    assert len({address for address, _said in seen}) == len(seen), "each step is in the address"
    calm.reload()
    assert shown(calm, settled) == first
    other = new_calm()
    other.goto(url)
    assert shown(other, settled) == first
    other.goto("about:blank")
    turn_to(calm, "Runs" if CASES[case][0] != "runs" else "Data")
    shown(calm, settled)
    for address, said in reversed(seen):
        calm.go_back()
        expect(calm).to_have_url(re.compile(re.escape(address.partition("?")[0])))
        assert shown(calm, settled) == said
        assert calm.url == address
