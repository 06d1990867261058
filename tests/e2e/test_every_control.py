"""Every page with a trained run, every control once: nothing fails, and no button does nothing.

A walk clicks what it finds in the main column, and what opens from there, until a fresh page shows nothing new. Links
are looked at and not followed; other tests follow them. What starts work is clicked, too, and the work is ended.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest
from playwright.sync_api import Download, Error, Page, TimeoutError, expect

MOST, TRIES = 200, 4
"""Controls that a page's walk clicks at most: more is a page gone wrong; and how often one is looked for."""
PAGES = {
    "": {},
    "data": {"data": "digits", "split": "v20t20s0n20"},
    "backbone": {"data": "digits", "split": "v20t20s0n20", "backbone": "squeezenet1_1", "weights": "none"},
    "anatomy": {"data": "digits", "split": "v20t20s0n20", "backbone": "squeezenet1_1", "weights": "none"},
    "train": {"data": "digits", "split": "v20t20s0n20", "backbone": "squeezenet1_1", "weights": "none"},
    "evaluate": {"run": ""},
    "runs": {"run": ""},
    "studies": {},
    "compare": {},
    "feature_maps": {"run": ""},
    "filters": {"run": ""},
    "heatmaps": {"run": ""},
    "shortcut": {},
    "leak": {},
    "try_it": {"run": ""},
    "style": {},
    "autoencoder": {"data": "digits", "split": "v20t20s0n20", "auto-epochs": "1"},
    "gan": {"data": "digits", "split": "v20t20s0n20", "gan-epochs": "1"},
    "about": {},
}
"""The pages, each with something on it; an empty ``run`` stands for the trained one."""
UNTOUCHED = re.compile(r"camera|Cancel|Stop\b|Measure each", re.IGNORECASE)
"""What needs a device that is not there, undoes what was clicked just before, or computes longer than a page is waited
for where others use the machine."""
ACTS = ("button", "choice", "download", "drawn", "switch")
"""Kinds of controls that show something else after each click."""
ENOUGH = {"button": 4, "choice": 12, "drawn": 3}
"""Controls of one kind under one key that stand for all of them: padlocks, rows of runs, pictures."""

SHARED = """
  const within = root => [root, ...[...root.querySelectorAll('[data-testid="stBidiComponentIsolated"]')]
    .map(each => each.shadowRoot).filter(Boolean)];
  const every = (root, path) => within(root).flatMap(each => [...each.querySelectorAll(path)]);
"""
CONTROLS = (
    "() => {"
    + SHARED
    + """
  const seen = part => part.checkVisibility({opacityProperty: true, visibilityProperty: true})
    && part.getBoundingClientRect().width > 1;
  const key = part => {
    for (let at = part; at; at = at.parentElement || at.getRootNode().host)
      for (const name of at.classList) if (name.startsWith('st-key-')) return name.slice(7);
    return '';
  };
  const words = part => (part.getAttribute('aria-label') || part.innerText || part.value || '').trim();
  const kinds = [
    ['expander', '[data-testid="stExpander"] summary'],
    ['popover', '[data-testid="stPopover"] button'],
    ['switch', '[data-testid="stCheckbox"] label'],
    ['number', '[data-testid="stNumberInputStepUp"]'],
    ['slider', '[data-testid="stSlider"] input[type="range"]'],
    ['select', '[data-testid="stSelectbox"] input, [data-testid="stMultiSelect"] input'],
    ['text', '[data-testid="stTextInput"] input'],
    ['download', '[data-testid="stDownloadButton"] button'],
    ['button', '[data-testid="stButton"] button'],
    ['drawn', '.bl-gallery button, .bl-anatomy button, .bl-anatomy [role="switch"], .bl-sheet'],
    ['choice', 'button[data-variant="segmented_control"], button[data-variant="pills"], [role="tab"], '
      + '[data-testid="stRadioOption"]'],
  ];
  const roots = [...document.querySelectorAll('[data-testid="stPopoverBody"]')].filter(seen);
  if (!roots.length) roots.push(document.querySelector('[data-testid="stMain"]'));
  const found = [];
  for (const each of every(document, '[data-walk]')) delete each.dataset.walk;
  for (const root of roots)
    for (const [kind, path] of kinds)
      for (const part of every(root, path)) {
        const box = kind === 'slider' ? part.closest('[data-testid="stSlider"]') : part;
        if (!seen(box) || part.disabled || part.closest('[aria-disabled="true"]')) continue;
        part.dataset.walk = found.length;
        const on = ['ariaChecked', 'ariaSelected', 'ariaPressed', 'ariaCurrent'].some(name => part[name] === 'true')
          || part.dataset.selected === 'true';
        found.push({kind, key: key(part), words: words(part), on});
      }
  return found;
}"""
)
FINGERPRINT = (
    "() => {"
    + SHARED
    + """
  const inputs = every(document, 'input, textarea').map(each => each.value + each.checked);
  const names = ['aria-expanded', 'aria-checked', 'aria-selected', 'aria-pressed', 'open', 'data-state',
    'data-selected'];
  const states = every(document, names.map(name => `[${name}]`).join())
    .map(each => names.map(name => each.getAttribute(name)));
  const pictures = every(document, 'img').map(each => each.src.slice(-200));
  const drawn = within(document).slice(1).map(each => each.textContent);
  return JSON.stringify([location.href, document.body.innerText, inputs, states, pictures, drawn,
    document.querySelectorAll('canvas, svg, iframe').length]);
}"""
)
REST = (
    """async ([quiet, most]) => {
  const fingerprint = """
    + FINGERPRINT
    + """;
  const pause = ms => new Promise(done => setTimeout(done, ms));
  const runs = () => document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState !== 'notRunning';
  let since = performance.now(), shown = fingerprint(), left = most;
  for (const end = since + 60000; performance.now() < end && left > 0;) {
    await pause(30);
    const now = performance.now();
    if (runs()) { since = Infinity; continue; }
    if (since === Infinity) { since = now; shown = fingerprint(); continue; }
    if (now - since < quiet) continue;
    const after = fingerprint();
    if (after === shown && !document.querySelector('[data-testid="stSkeleton"]')) return after;
    left -= now - since;
    since = now;
    shown = after;
  }
  return runs() ? '' : shown;
}"""
)
"""Waits until no script runs and the page stays as it is for a while, or work under way has changed it for long enough:
the page's fingerprint, or nothing where its script runs on."""
QUIET_MS, DELAYED_MS, WORK_MS = 150, 300, 2000
"""How long a page stays as it is before it counts as at rest; the same after what is sent with a delay; and how long
a page that shows work under way is waited for."""


@dataclass
class Walk:
    """A walk over one page.

    Attributes:
        page: The browser's page.
        open: Opens the page anew.
        clicked: What was clicked: kind, key, words.
        missed: What was drawn anew between the look at the page and the click, and how often.
        dead: Buttons and choices that changed nothing.
        saved: Files that buttons gave.
    """

    page: Page
    open: Callable[[], None]
    clicked: set[tuple[str, str, str]] = field(default_factory=set)
    missed: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    dead: list[str] = field(default_factory=list)
    saved: list[Download] = field(default_factory=list)

    def go(self) -> None:
        """Clicks everything once."""
        self.page.on("download", lambda saved: self.saved.append(saved))
        self._anew()
        fresh = True
        while len(self.clicked) < MOST:
            if self._next():
                fresh = False
                continue
            if self.page.get_by_test_id("stPopoverBody").count():
                for _attempt in range(3):  # the first may close a list that is open in it
                    self.page.keyboard.press("Escape")
                    self.page.wait_for_timeout(300)
                    if not self.page.get_by_test_id("stPopoverBody").count():
                        break
                expect(self.page.get_by_test_id("stPopoverBody")).to_have_count(0)
                continue
            if fresh:
                return
            self._anew()
            fresh = True
        raise AssertionError(f"more than {MOST} controls: {sorted(self.clicked)}")

    def _next(self) -> bool:
        """Clicks the first control that was not clicked yet; returns whether there was one."""
        for place, control in enumerate(self.page.evaluate(CONTROLS)):
            name = self._name(control)
            like = [other for other in self.clicked if other[:2] == name[:2]]
            if name in self.clicked or UNTOUCHED.search(f"{name[1]} {name[2]}"):
                continue
            if len(like) >= ENOUGH.get(name[0], 99) or (control["on"] and control["kind"] in ("choice", "drawn")):
                continue
            self.clicked.add(name)
            if not self._use(f'[data-walk="{place}"]', control) and self.missed[name] < TRIES:
                self.missed[name] += 1
                self.clicked.remove(name)  # then it is found again
            return True
        return False

    @staticmethod
    def _name(control: dict[str, Any]) -> tuple[str, str, str]:
        """Returns how a control is recognized after the page was drawn anew: without ids of runs, and figures."""
        key, words = (re.sub(r"\d{8}T\d{6}Z[\w-]*|\d[\d.,]*", "#", control[part]) for part in ("key", "words"))
        valued = control["kind"] in ("select", "slider", "text", "number", "popover", "expander", "switch")
        return control["kind"], key, "" if valued and key else words

    def _use(self, path: str, control: dict[str, Any]) -> bool:
        """Uses a control and looks what comes of it; returns whether what acts at a click was there to be clicked."""
        page, kind, address = self.page, control["kind"], self.page.url.partition("?")[0]
        before, files, used = page.evaluate(FINGERPRINT), len(self.saved), False
        part = page.locator(path).first
        with suppress(TimeoutError):  # drawn anew at this very moment
            if kind == "slider":
                part.press(
                    "ArrowLeft"
                    if part.get_attribute("aria-valuenow") == part.get_attribute("aria-valuemax")
                    else "ArrowRight"
                )
            elif kind == "select":
                part.scroll_into_view_if_needed(timeout=5000)
                part.click(timeout=5000)
                options = page.get_by_role("option")
                with suppress(TimeoutError):  # scrolling has closed the list
                    options.first.wait_for(timeout=800)
                if not options.count():
                    part.press("ArrowDown", timeout=5000)
                options.last.click(timeout=5000)
                page.keyboard.press("Tab")  # a list that takes several stays open, over what stands above or below it
            elif kind == "text":
                part.fill("res", timeout=5000)
                part.press("Enter")
            else:
                part.click(timeout=5000)
            used = True
        changes = self._look(control) != before or kind not in ACTS
        if used and not changes and not self._changed(before, files):
            self.dead.append(f"{control['key']}: {control['words']}")
        if page.get_by_role("dialog").count() and not page.get_by_test_id("stPopoverBody").count():
            page.keyboard.press("Escape")
            expect(page.get_by_role("dialog")).to_have_count(0)
        if page.url.partition("?")[0] != address:
            self._anew()
        return used or kind not in ACTS

    def _anew(self) -> None:
        """Opens the page anew, and waits until nothing is added any more."""
        self.open()
        self._rest()

    def _rest(self, quiet: int = QUIET_MS) -> str:
        """Waits until the page stands still, or a while where it shows work under way; returns its fingerprint."""
        while True:
            with suppress(Error):  # the page itself is another one
                shown = str(self.page.evaluate(REST, [quiet, WORK_MS]))
                assert shown, "the page's script does not end"
                return shown

    def _look(self, control: dict[str, Any]) -> str:
        """Finds what failed after a click; returns the fingerprint of what is shown then."""
        shown = self._rest(DELAYED_MS if control["kind"] in ("slider", "number", "text") else QUIET_MS)
        said = f"after {control}"
        assert self.page.get_by_test_id("stException").count() == 0, said
        assert self.page.get_by_text("Something went wrong on this page").count() == 0, said
        return shown

    def _changed(self, before: str, files: int) -> bool:
        """Returns whether a click has done anything: the page, its address, or a file."""
        for _attempt in range(60):
            if len(self.saved) > files or self.page.evaluate(FINGERPRINT) != before:
                return True
            self.page.wait_for_timeout(150)
        return False


@pytest.fixture(scope="module")
def busy_server(own_server: Any, trained: Any, copy_run: Callable[..., Any]) -> tuple[Any, str]:
    """A server of this module's own, and the id of a trained run on it."""
    own_server.runs.mkdir(exist_ok=True)
    return own_server, copy_run(trained, own_server.runs).id


@pytest.mark.parametrize("name", PAGES)
def test_every_control_of_a_page_does_something_and_nothing_fails(
    name: str, busy_server: tuple[Any, str], calm: Page, visit: Callable[..., Page]
) -> None:
    server, run = busy_server
    query = {**PAGES[name], **({"run": run} if "run" in PAGES[name] else {})}

    def anew() -> None:
        end_work(server.home)  # a page may show what is at work instead of what it showed before
        visit(calm, name, at=server, **query)

    walk = Walk(calm, anew)
    try:
        walk.go()
    finally:
        end_work(server.home)
    assert walk.dead == []
    assert [name for name, often in walk.missed.items() if often == TRIES] == []
    for saved in walk.saved:
        assert saved.failure() is None, saved.suggested_filename
    for link in calm.get_by_role("main").locator('[data-testid="stPageLink"] a').all():
        target = (link.get_attribute("href") or "?").partition("?")[0].rpartition("/")[2]
        assert target in {*PAGES, "learn"}, link.inner_text()
    assert "Traceback" not in server.log


def end_work(home: Any) -> None:
    """Ends the processes that work on what lies under a folder, such as trainings and jobs."""
    for process in psutil.process_iter(["cmdline"]):
        if any(word.startswith(str(home)) for word in process.info["cmdline"] or ()):
            with suppress(psutil.Error):
                process.kill()
