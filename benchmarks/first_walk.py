"""The whole main job on a fresh server, as a newcomer: one click on Home, until a heatmap is in sight.

    python -m benchmarks.first_walk [--repeat 3]

Prints one JSON line: wall seconds from the click to the heatmaps, and the run's own seconds within.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.timing import options, report
from benchmarks.window import browser_page, server
from core.runs import RunStore


def walk(folder: Path) -> dict[str, float]:
    """Starts a server, clicks the button and waits for the result; returns seconds."""
    with server(folder) as (url, _), browser_page() as page:
        page.set_default_timeout(240_000)
        page.goto(url)
        page.get_by_test_id("stBaseButton-primary").first.click()
        begin = time.perf_counter()
        page.get_by_role("heading", name="Where it looks").wait_for()
        page.locator(".st-key-bl-home-first img[alt*=heatmap]").first.wait_for()
        seconds = time.perf_counter() - begin
        status = RunStore(folder / "runs").list()[0].status()
    return {"click_to_heatmap": seconds, "run_after_imports": status.seconds, "val_accuracy": status.val_accuracy}


def main() -> None:
    """Walks ``--repeat`` times and prints the medians."""
    arguments = options(__doc__, repeat=3)
    rows = []
    for _ in range(arguments.repeat):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(walk(Path(folder)))
    report(
        "first_walk",
        repeat=arguments.repeat,
        **{key: round(statistics.median(row[key] for row in rows), 3) for key in rows[0]},
    )


if __name__ == "__main__":
    main()
