"""The address: what is chosen survives a reload, opens in a second tab, and is undone by one press of Back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

Visit = Callable[..., Page]
Settled = Callable[[Page], Page]
RUN = "run"
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
    "judged": ("evaluate", {RUN: ""}, ()),
    "runs": ("runs", {RUN: ""}, ()),
    "maps": ("feature_maps", {RUN: ""}, (pick("All layers"),)),
    "filters": ("filters", {RUN: ""}, ()),
    "heatmaps": ("heatmaps", {RUN: ""}, (pick("Classes"),)),
    "shortcut": ("shortcut", {}, ()),
    "home": ("", {}, ()),
}


def shown(page: Page, settled: Settled) -> list[str]:
    """Returns what a page says and what its fields hold, once it stays as it is."""
    last: list[str] = []
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    for _ in range(20):
        settled(page)
        page.wait_for_timeout(500)
        texts = [main(page).inner_text(), page.locator(".st-key-bl-context").inner_text()]
        said = [line.strip() for text in texts for line in text.split("\n") if line.strip()]
        fields = page.eval_on_selector_all('[data-testid="stMain"] input', FIELDS)
        now = [re.sub(r"\d+([.,]\d+)? (s|ms|min|h)\b", "TIME", line) for line in (*said, *fields)]
        if now and now == last:
            break
        last = now
    return last


@pytest.fixture
def act(settled: Settled, trained: Any, visit: Visit) -> Callable[[Page, str], Iterator[str]]:
    """Opens a case's page and takes its steps, with the address after each."""

    def taken(page: Page, case: str) -> Iterator[str]:
        name, query, steps = CASES[case]
        visit(page, name, **{key: value or trained.id for key, value in query.items()})
        shown(page, settled)
        yield page.url
        for step in steps:
            step(page)
            shown(page, settled)
            yield page.url

    return taken


@pytest.mark.parametrize("case", CASES)
def test_a_reload_and_a_second_tab_show_the_same(
    case: str, calm: Page, new_calm: Callable[[], Page], act: Any, settled: Settled
) -> None:
    *_before, url = act(calm, case)
    first = shown(calm, settled)
    calm.reload()
    assert shown(calm, settled) == first
    other = new_calm()
    other.goto(url)
    assert shown(other, settled) == first


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case][2]])
def test_one_press_of_back_undoes_one_step(
    case: str, calm: Page, act: Any, settled: Settled, turn_to: Callable[[Page, str], Page]
) -> None:
    seen = [(url, shown(calm, settled)) for url in act(calm, case)]
    assert len({url for url, _said in seen}) == len(seen), "each step is in the address"
    turn_to(calm, "Runs" if CASES[case][0] != "runs" else "Data")
    shown(calm, settled)
    for url, said in reversed(seen):
        calm.go_back()
        expect(calm).to_have_url(re.compile(re.escape(url.partition("?")[0])))
        assert shown(calm, settled) == said
        assert calm.url == url
