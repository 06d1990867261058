"""From a cell of the confusion matrix to its pictures, to why they were called so, and to a retrained cell.

    python -m benchmarks.cell --data FOLDER [--repeat 8]

FOLDER has images in class folders, divided into train and test. EfficientNet-Lite0 with random weights learns from them
as a linear probe, so that it makes many mistakes. Then, in a real browser: ``click_ms`` from a click on a cell to its
pictures, and what the server works for the whole page; ``maps_seconds`` from a click on another page of mistakes to the
heatmaps of its twelve pictures, both classes, that nobody has drawn yet, and what the server works for it; ``features``
of the training images, the first time and again; and from a click on a cell over relabelling a picture and training
again to the cell of the new run: ``repair_seconds`` and ``repair_clicks``. Needs Chromium and Playwright
(requirements-dev.txt).
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Page

from benchmarks.timing import options, report
from benchmarks.window import PROJECT, browser_page, cpu, server
from core.runs.store import Run, RunStore
from core.workflows.evaluate import recorded

SHOWN = 12
CELLS = ".st-key-bl-eval-confusion .bars .point path"
RESTS = "point => (point.closest('.js-plotly-plot')?._hoverdata || []).length"
LISTEN = """() => {
  window.begun = 0;
  addEventListener('pointerup', () => window.begun = performance.now(), {once: true});
}"""
PICTURES = """start => new Promise(done => {
  const look = () => {
    const hosts = [document, ...[...document.querySelectorAll('.st-key-bl-eval-mistakes *')].map(e => e.shadowRoot)];
    const image = hosts.map(host => host?.querySelector('.bl-gallery img')).find(Boolean);
    return window.begun && image?.complete && image.alt.startsWith(start)
      ? done(performance.now() - window.begun) : requestAnimationFrame(look);
  };
  look();
})"""
"""Resolves to the milliseconds from the click to the frame in which the first picture's name begins so."""
MAPS = """([first, count]) => new Promise(done => {
  const look = () => {
    const rows = [...document.querySelectorAll('[class*="st-key-bl-wrap-why-"]')];
    const maps = '[data-testid="stColumn"]:first-child .bl-tiles img';
    const drawn = rows.filter(row => row.querySelectorAll(maps).length > 2);
    const name = rows[0]?.querySelector('.bl-tile span')?.textContent;
    return window.begun && drawn.length >= count && name && name !== first
      ? done(performance.now() - window.begun) : requestAnimationFrame(look);
  };
  look();
})"""
"""The same until so many rows have their maps, and the first is of another picture."""


def weak(home: Path, data: Path) -> Run:
    """Trains a network that is often wrong."""
    words = ["--data", str(data), "--backbone", "efficientnet_lite0", "--weights", "none", "--name", "weak"]
    words += ["--preset", "linear-probe", "--epochs", "5", "--runs-dir", str(home / "runs")]
    subprocess.run([sys.executable, "-m", "core", "train", *words, "--quiet"], check=True, cwd=PROJECT)
    return RunStore(home / "runs").list()[0]


def press(page: Page, place: int) -> None:
    """Clicks a cell as a hand does, once the chart has seen the pointer rest on it."""
    point = page.locator(CELLS).nth(place)
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] - 20, box["y"] - 20)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    page.wait_for_timeout(300)
    page.wait_for_function(RESTS, arg=point.element_handle())
    page.evaluate(LISTEN)
    page.mouse.down()
    page.mouse.up()


def rests(page: Page) -> None:
    """Waits until the page is drawn to its end."""
    page.wait_for_timeout(500)
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def browse(url: str, process: psutil.Process, run: Run, repeat: int) -> dict[str, Any]:
    """Measures clicks on cells and pages of mistakes."""
    judged = recorded(run)["test"]
    classes, pairs = run.classes(), judged.scores.confused()
    wrong = pairs[0][:2]
    right = max(range(len(classes)), key=lambda label: judged.scores.confusion[label, label])
    other = pairs[1][:2] if len(pairs) > 1 else (right, right)
    clicks, whole, walls, works = [], [], [], []
    with browser_page() as page:
        page.goto(f"{url}/evaluate?run={run.id}&eval-kind={wrong[0]}-{wrong[1]}&eval-why=True")
        page.locator(".st-key-bl-why-state .bl-note").wait_for()  # the training images' features are there
        rests(page)
        for number in range(2, min(-(-pairs[0][2] // SHOWN), 5) + 1):
            first = page.locator('[class*="st-key-bl-wrap-why-"] .bl-tile span').first.inner_text()
            count = min(SHOWN, pairs[0][2] - SHOWN * (number - 1))
            before = cpu(process)
            page.evaluate(LISTEN)
            page.get_by_test_id("stPagination").get_by_role("button", name=re.compile(rf"\b{number}$")).click()
            walls.append(page.evaluate(MAPS, [first, count]) / 1000)
            rests(page)
            works.append((cpu(process) - before) * SHOWN / count)
        for turn in range(repeat + 2):
            true, said = (other, wrong)[turn % 2]
            before = cpu(process)
            press(page, true * len(classes) + said)
            found = page.evaluate(PICTURES, f"{classes[true]}, called {classes[said]} with ")
            rests(page)
            if turn > 1:
                clicks.append(found)
                whole.append(cpu(process) - before)
    return {
        "click_ms": round(statistics.median(clicks)),
        "click_ms_max": round(max(clicks)),
        "click_page_cpu": round(statistics.median(whole), 2),
        "maps_seconds": round(statistics.median(walls), 2),
        "maps_seconds_max": round(max(walls), 2),
        "maps_and_neighbours_cpu": round(statistics.median(works), 2),
    }


def repair(url: str, run: Run) -> dict[str, Any]:
    """Relabels the first mistake and trains again."""
    true, said, _count = recorded(run)["test"].scores.confused()[0]
    with browser_page() as page:
        page.set_default_timeout(180_000)
        page.goto(f"{url}/evaluate?run={run.id}")
        page.locator(CELLS).nth(1).wait_for(state="attached")
        rests(page)
        begun = time.perf_counter()
        press(page, true * len(run.classes()) + said)
        page.get_by_role("button", name=f"Relabel as {run.classes()[said]}").first.click()
        page.get_by_role("button", name="Train again").click()
        page.get_by_role("link", name=re.compile("Judge it")).first.click()
        page.wait_for_url(re.compile(r"/evaluate\?"))
        page.locator(CELLS).nth(1).wait_for(state="attached")
        return {"repair_clicks": 4, "repair_seconds": round(time.perf_counter() - begun, 1)}


def features(run: Run) -> dict[str, Any]:
    """Measures how long the nearest training images of twelve pictures take, the first time and again."""
    from core.workflows.checkpoints import network_at
    from core.workflows.images import reopen
    from core.workflows.inspection.nearest import nearest_training_images

    dataset, network = reopen(run), network_at(run)
    pictures = [dataset.load(place) for place in dataset.positions("test")[:SHOWN]]
    found: dict[str, Any] = {}
    for name in ("features", "again"):
        begun = time.perf_counter(), time.process_time()
        near = nearest_training_images(run, network, pictures)
        found[f"{name}_seconds"] = round(time.perf_counter() - begun[0], 2)
        found[f"{name}_cpu"] = round(time.process_time() - begun[1], 2)
        found["training_images"] = near.of
    return found


def main() -> None:
    """Measures and prints one line."""
    given = options(__doc__, data=str, repeat=8)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ |= {"BACKBONE_LAB_CACHE": str(home / "cache"), "BACKBONE_LAB_RUNS": str(home / "runs")}
        shutil.copytree(given.data, home / "photos")
        run = weak(home, home / "photos")
        found = features(run)
        with server(home) as (url, process):
            found |= browse(url, process, run, given.repeat)
            found |= repair(url, run)
    report("cell", load=round(os.getloadavg()[0], 1), **found)


if __name__ == "__main__":
    main()
