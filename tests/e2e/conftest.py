"""A real server and a real browser.

The server runs as a person would start it, on a free port, with folders of its own. The browser is the system's
Chromium, driven by Playwright. Every test here bears the marker ``e2e``.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from served import Server, kill_trainers, serve, trainers, wait_for
from window import SIZE, WAIT_MS, Window

from core.runs import launch
from core.runs.status import ENDED
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe

HERE = Path(__file__).resolve().parent
CLASSES = {"blue": (50, 90, 200), "red fox": (200, 60, 50), "سبز": (60, 190, 80)}
"""Classes of the generated folder, with the colour that tells each."""
IMAGES_PER_CLASS = 16
SETTLED = '[data-testid="stApp"][data-test-script-state="notRunning"]'
RESTS = "point => (point.closest('.js-plotly-plot')?._hoverdata || []).length"
"""Whether Plotly has seen the pointer rest on a mark: a click chooses only then."""
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # One process draws, without a GPU's help or a process that stands in for one: a fifth less work for the machine.
    "--in-process-gpu",
    "--disable-gpu-compositing",
    "--disable-software-rasterizer",
)

expect.set_options(timeout=WAIT_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks everything in this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)


# --- servers ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that do not need one of their own."""
    with serve(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture
def cold_server(tmp_path: Path) -> Callable[[], AbstractContextManager[Server]]:
    """Starts a server that has drawn no page yet."""
    return lambda: serve(tmp_path / "cold")


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests of a module."""
    with serve(tmp_path_factory.mktemp("own")) as running:
        yield running


# --- images and runs --------------------------------------------------------------------------------------------------


def draw_folder(root: Path) -> Path:
    """Makes a class-per-folder data set: a class is a colour, its images differ by noise."""
    for label, (name, colour) in enumerate(CLASSES.items()):
        folder = root / name
        folder.mkdir(parents=True)
        for number in range(IMAGES_PER_CLASS):
            noise = np.random.default_rng(1000 * label + number).normal(0, 25, (64, 80, 3))
            Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(folder / f"{number:02d}.png")
    return root


@pytest.fixture(scope="session")
def folder(server: Server) -> Path:
    """A small data set of generated images under the server's data root."""
    return draw_folder(server.data / "colours")


def small_experiment(data: DataSpec, *, preset: str, epochs: int, name: str) -> Experiment:
    """Returns an experiment that loads and trains quickly: a small network on small images, from random weights."""
    recipe = make_recipe(preset, epochs=epochs, weights="none")
    return Experiment(
        data,
        ModelSpec("squeezenet1_1", "none", image_size=64),
        TrainingSpec(preset, recipe.phases, batch_size=8, device="cpu", precision="fp32"),
        freeze=recipe.freeze,
        name=name,
    )


def start_run(
    runs: Path, source: str | Path, *, preset: str = "full", epochs: int = 20_000, name: str = "", **data: Any
) -> Run:
    """Starts a small run on one thread; with the usual number of epochs it goes on until it is ended."""
    spec = DataSpec(str(source), test_share=0.2, **data)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OMP_NUM_THREADS", "1")
        run = launch.start(small_experiment(spec, preset=preset, epochs=epochs, name=name), runs)
    for process in trainers(run.path):
        process.nice(10)  # the browser and the server go first
    return run


def end_run(run: Run) -> None:
    """Ends a run's process if there is one, and waits until its folder says so."""
    kill_trainers(run.path)
    wait_for(lambda: not run.exists or run.state in ENDED or run.status().pid is None, what="the end of a run")


@pytest.fixture(scope="session")
def run_tools() -> SimpleNamespace:
    """Does to runs what needs no browser: ``start``, ``end``, ``listed`` in a folder, ``until`` a condition holds."""
    return SimpleNamespace(start=start_run, end=end_run, until=wait_for, listed=lambda folder: RunStore(folder).list())


@pytest.fixture(scope="session")
def trained(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One finished run on a built-in set, so that it can be copied to another server."""
    run = start_run(
        tmp_path_factory.mktemp("trained"),
        "digits",
        preset="linear-probe",
        epochs=4,
        name="Digits, trained",
        images_per_class=20,
    )
    wait_for(lambda: run.state in ENDED, what="the trained run")
    assert run.state == "finished", run.log()
    server.runs.mkdir(exist_ok=True)
    return copied(run, server.runs)


def copied(run: Run, runs: Path, name: str | None = None) -> Run:
    """Copies an ended run's folder, under another name where one is given, once its process has left it alone."""
    wait_for(lambda: not trainers(run.path), what="the end of a run's process")
    path = runs / (f"{run.id}-{name}" if name else run.id)
    shutil.copytree(run.path, path)
    if name:
        Run(path).rename(name)
    return Run(path)


@pytest.fixture(scope="session")
def copy_run() -> Callable[..., Run]:
    """Copies an ended run: ``copy_run(run, folder of runs, new name)``."""
    return copied


@pytest.fixture(scope="session")
def draw_images() -> Callable[[Path], Path]:
    """Makes the small data set in a folder."""
    return draw_folder


# --- the browser ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, object]:
    """Makes Playwright use the system's browser."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    assert path, "no Chromium is installed; bash tests/run installs it"
    return {"executable_path": path, "args": list(CHROMIUM_FLAGS), "headless": True}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, object]) -> dict[str, object]:
    """Gives every test a desktop-sized window in which nothing moves by itself."""
    return {**browser_context_args, "viewport": SIZE, "reduced_motion": "reduce"}


@pytest.fixture(scope="session")
def windows() -> list[Window]:
    """The windows that tests share, each a person's own: the first is every test's, others where it needs them."""
    return []


@pytest.fixture
def calm(new_calm: Callable[[], Page]) -> Page:
    """A page that fails its test when the browser reports an uncaught error or the app shows one."""
    return new_calm()


@pytest.fixture
def new_calm(
    browser: Browser, browser_context_args: dict[str, Any], windows: list[Window]
) -> Iterator[Callable[[], Page]]:
    """Opens pages as :func:`calm` is one, each in a browser context (a person) of its own."""
    used: list[Window] = []

    def opened() -> Page:
        if len(used) == len(windows):
            windows.append(Window(browser.new_context(**browser_context_args).new_page()))
        used.append(windows[len(used)])
        return used[-1].page

    yield opened
    windows[:] = [window for window in windows if not window.page.is_closed()]
    left = [window for window in used if window in windows]
    try:
        assert not [error for window in used for error in window.errors]
        for window in left:
            expect(window.page.get_by_test_id("stException")).to_have_count(0)
            expect(window.page.get_by_text("Something went wrong on this page")).to_have_count(0)
    finally:
        for window in left:
            window.empty()


@pytest.fixture(scope="session")
def settled() -> Callable[[Page], Page]:
    """Waits until the page's script has run to its end."""

    def wait(page: Page) -> Page:
        expect(page.locator(SETTLED)).to_be_attached()
        return page

    return wait


@pytest.fixture
def visit(server: Server, settled: Callable[[Page], Page]) -> Callable[..., Page]:
    """Opens an address: ``visit(page, "train", run=...)``; ``at`` another server; ``settle=False`` for its head."""

    def go(page: Page, name: str = "", *, at: Server | None = None, settle: bool = True, **query: str) -> Page:
        page.goto(f"{(at or server).url}/{name}" + (f"?{urlencode(query)}" if query else ""))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        if settle:
            page.wait_for_function(
                "window.backboneLabHistory", timeout=WAIT_MS
            )  # a click before it is there is no step to go back to
        return settled(page) if settle else page

    return go


@pytest.fixture(scope="session")
def click_point(settled: Callable[[Page], Page]) -> Callable[[Locator], None]:
    """Clicks a mark of a chart as a hand does: once the chart stands still, coming from beside it."""

    def click(point: Locator) -> None:
        page = point.page
        expect(point).to_be_attached()
        settled(page)
        point.scroll_into_view_if_needed()
        before, box = None, point.bounding_box()
        while box is None or box != before:  # a chart is laid out once more when its width is known
            page.wait_for_timeout(500)
            before, box = box, point.bounding_box()
        page.mouse.move(box["x"] - 20, box["y"] - 20)
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
        page.wait_for_timeout(200)  # Plotly chooses what it has seen the pointer rest on
        page.wait_for_function(RESTS, arg=point.element_handle(), timeout=WAIT_MS)
        page.mouse.down()
        page.mouse.up()

    return click


@pytest.fixture(scope="session")
def turn_to(settled: Callable[[Page], Page]) -> Callable[[Page, str], Page]:
    """Changes to another page by its title in the sidebar, as a person does: the session stays."""

    def turn(page: Page, title: str) -> Page:
        page.get_by_role("navigation", name="App pages").get_by_role("link", name=title, exact=True).click()
        heading = "See transfer learning happen" if title == "Home" else title
        expect(page.get_by_role("heading", level=1, name=heading, exact=True)).to_be_visible()
        return settled(page)

    return turn


@pytest.fixture(scope="session")
def fact() -> Callable[[Page, str], Locator]:
    """Returns the figure that stands under a label."""
    return lambda page, label: page.get_by_role("main").locator(f'dt:text-is("{label}") + dd').first


@pytest.fixture(scope="session")
def badge() -> Callable[[Page, str], Locator]:
    """Returns a run's state as the main column shows it, such as *Training*."""

    def found(page: Page, state: str) -> Locator:
        return page.get_by_role("main").locator(".bl-badge").get_by_text(re.compile(rf"{state}$")).first

    return found
