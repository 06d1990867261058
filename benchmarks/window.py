"""How fast the app answers, in a real browser.

    python -m benchmarks.window first-paint [--repeat 5]
    python -m benchmarks.window page-switch [--repeat 8] [--training]
    python -m benchmarks.window click [--repeat 8]

``first-paint``: processor time of a freshly started server from the first request to a painted Home.
``page-switch``: wall time from a click in the navigation to the new page's heading, on pages visited before; with
``--training`` a run trains beside it. ``click``: what the browser's main thread works for a choice on Train, all of it
and what of it is finding styles anew. Needs Chromium and Playwright (requirements-dev.txt).
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import CDPSession, Page, sync_playwright

from benchmarks.timing import options, report
from core.runs import launch
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe

PROJECT = Path(__file__).resolve().parents[1]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
VISITED = ("Data", "Backbone", "Train", "Evaluate", "Runs")


@contextmanager
def server(home: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Starts the app and waits until it listens, without asking for a page."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "BACKBONE_LAB_RUNS": str(home / "runs"), "BACKBONE_LAB_DATA": str(home)}
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            "streamlit_app.py",
            f"--server.port={port}",
            "--server.headless=true",
        ],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                    break
            except OSError:
                time.sleep(0.1)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def browser_page() -> Iterator[Page]:
    """Opens a page in the system's Chromium."""
    path = next(found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name)))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def cpu(process: psutil.Process) -> float:
    """Returns the processor seconds a process has used."""
    times = process.cpu_times()
    return times.user + times.system


def first_paint(repeat: int) -> None:
    """Measures a fresh server's first Home, ``repeat`` times."""
    seconds, walls = [], []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (url, process), browser_page() as page:
            page.goto("about:blank")
            before, begin = cpu(process), time.perf_counter()
            page.goto(url, wait_until="commit")
            page.get_by_role("heading", level=1).first.wait_for()
            page.get_by_test_id("stBaseButton-primary").first.wait_for()
            seconds.append(cpu(process) - before)
            walls.append(time.perf_counter() - begin)
    report(
        "first_paint",
        repeat=repeat,
        server_cpu_seconds=round(statistics.median(seconds), 3),
        server_cpu_seconds_max=round(max(seconds), 3),
        wall_seconds=round(statistics.median(walls), 3),
    )


def long_run(home: Path) -> launch.Run:
    """Starts a run that goes on for longer than the measurement."""
    recipe = make_recipe("full", epochs=1000)
    return launch.start(
        Experiment(
            DataSpec("shapes"),
            ModelSpec("efficientnet_lite0"),
            TrainingSpec("full", recipe.phases, precision="fp32"),
            freeze=recipe.freeze,
        ),
        home / "runs",
    )


CLICK = """name => new Promise(done => {
  const links = [...document.querySelectorAll('[data-testid=stSidebarNav] a')];
  const begin = performance.now();
  links.find(link => link.textContent.trim().endsWith(name)).click();
  const look = () => [...document.querySelectorAll('h1')].some(h => h.textContent.trim() === name)
    ? done(performance.now() - begin) : requestAnimationFrame(look);
  look();
})"""
"""Clicks a page's link and resolves to the milliseconds until the frame that shows its heading."""


def switches(page: Page, repeat: int) -> list[float]:
    """Clicks through the navigation, a second on each page; returns milliseconds from click to heading."""
    found = []
    for turn in range(repeat + 1):
        for name in VISITED:
            milliseconds = page.evaluate(CLICK, name)
            if turn:
                found.append(float(milliseconds))
            page.wait_for_timeout(1000)
    return found


def page_switch(repeat: int, training: bool) -> None:
    """Measures switches between pages seen before, alone or beside a training run."""
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (url, _), browser_page() as page:
        page.goto(f"{url}/data?data=shapes")
        page.get_by_role("heading", level=1, name="Data", exact=True).wait_for()
        page.get_by_text("Loading PyTorch").wait_for(state="hidden")
        run = long_run(Path(folder)) if training else None
        while run and run.status().doing != "training":
            time.sleep(0.5)
        times = switches(page, repeat)
        if run:
            launch.stop(run)
            while run.state == "stopping":
                time.sleep(0.5)
    report(
        "page_switch",
        training=training,
        switches=len(times),
        median_ms=round(statistics.median(times), 1),
        p90_ms=round(statistics.quantiles(times, n=10)[-1], 1),
    )


def click(repeat: int) -> None:
    """Measures the browser's own work for a choice among Train's presets."""
    tasks, styles = [], []
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (url, _), browser_page() as page:
        page.goto(f"{url}/train?data=shapes")
        page.get_by_text("Two phases", exact=True).first.wait_for()
        protocol = page.context.new_cdp_session(page)
        protocol.send("Performance.enable")
        for turn in range(-1, repeat):
            page.wait_for_timeout(2000)
            before = _worked(protocol)
            page.get_by_text(("Linear probe", "Two phases")[turn % 2], exact=True).first.click()
            page.wait_for_timeout(2000)
            after = _worked(protocol)
            if turn >= 0:
                tasks.append(1000 * (after["TaskDuration"] - before["TaskDuration"]))
                styles.append(1000 * (after["RecalcStyleDuration"] - before["RecalcStyleDuration"]))
    report(
        "click",
        clicks=repeat,
        main_thread_ms=round(statistics.median(tasks), 1),
        styles_ms=round(statistics.median(styles), 1),
    )


def _worked(protocol: CDPSession) -> dict[str, float]:
    return {metric["name"]: metric["value"] for metric in protocol.send("Performance.getMetrics")["metrics"]}


def main() -> None:
    """Runs one measurement and prints its line."""
    arguments = options(__doc__, ("first-paint", "page-switch", "click"), repeat=5, training=False)
    if arguments.what == "first-paint":
        first_paint(arguments.repeat)
    elif arguments.what == "click":
        click(arguments.repeat)
    else:
        page_switch(arguments.repeat, arguments.training)


if __name__ == "__main__":
    main()
