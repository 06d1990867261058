"""How fast many runs are listed, filtered, compared and judged, without what the browser itself takes to draw.

    OMP_NUM_THREADS=1 python -m benchmarks.many_runs [--runs 500] [--compared 20] [--epochs 1000] [--repeat 5]

Printed, in seconds of processor time on the server, medians (wall time beside them): listing all runs for the first
time and again; filtering them; the whole pages Runs and Compare for the first time of these runs, and again; judging
10,000 answers of 100 classes with all intervals.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.timing import options, report


def main() -> None:
    """Measures, and prints one line of JSON."""
    given = options(__doc__, runs=500, compared=20, epochs=1000, repeat=5)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BACKBONE_LAB_RUNS"] = folder
        ids = _made(Path(folder), given.runs, given.compared, given.epochs)
        report(
            "many runs",
            runs=given.runs,
            compared=given.compared,
            epochs=given.epochs,
            **_listed(given.repeat),
            **_pages(ids, given.repeat),
            **_judged(given.repeat),
        )


def _made(folder: Path, count: int, compared: int, epochs: int) -> list[str]:
    """Writes runs of ten recipes; the first have as many epochs as are to be compared. Returns the ids of those."""
    from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
    from core.training.recipes import make_recipe

    random = np.random.default_rng(0)
    ids = []
    for number in range(count):
        recipe = make_recipe(("linear-probe", "two-phase", "full")[number % 3], lr=1e-3 * (1 + number % 5))
        spec = Experiment(
            DataSpec("digits", test_share=0.2),
            ModelSpec(("resnet18", "efficientnet_lite0")[number % 2], recipe.weights),
            TrainingSpec(recipe.preset, recipe.phases, seed=number % 3),
            recipe.freeze,
            name=f"Run {number}",
        )
        when = f"{1 + number // 28 % 12:02d}{1 + number % 28:02d}T{number // 60 % 24:02d}{number % 60:02d}00Z"
        path = folder / f"2026{when}-run-{number:04x}"
        path.mkdir()
        rows = epochs if number < compared else 20
        if number < compared:
            ids.append(path.name)
        accuracy = 0.9 - 0.4 * np.exp(-np.arange(rows) / 30) + random.normal(0, 0.01, rows)
        (path / "experiment.json").write_text(spec.to_json())
        (path / "status.json").write_text(
            json.dumps(
                {
                    "state": "finished",
                    "epochs": rows,
                    "epochs_done": rows,
                    "steps": 10 * rows,
                    "val_accuracy": float(accuracy.max()),
                    "test_accuracy": 0.9,
                    "seconds": 60.0,
                }
            )
        )
        (path / "metrics.jsonl").write_text(
            "".join(
                json.dumps(
                    {
                        "epoch": n + 1,
                        "phase": "head",
                        "phase_index": 0,
                        "train_loss": 0.5,
                        "val_loss": 0.6,
                        "train_accuracy": float(a),
                        "val_accuracy": float(a),
                        "lr": 1e-3,
                        "seconds": 1.0,
                        "images_per_second": 100.0,
                    }
                )
                + "\n"
                for n, a in enumerate(accuracy)
            )
        )
        if number % 4 == 0:
            (path / "notes.json").write_text(json.dumps({"tags": ["good"], "group": "A", "archived": False}))
    return ids


def _timed(act: Callable[[], Any], repeat: int) -> list[tuple[float, float]]:
    found = []
    for _ in range(repeat):
        cpu, wall = time.process_time(), time.perf_counter()
        act()
        found.append((time.process_time() - cpu, time.perf_counter() - wall))
    return found


def _figures(name: str, times: list[tuple[float, float]]) -> dict[str, float]:
    return {
        f"{name}_cpu": round(median(cpu for cpu, _wall in times), 4),
        f"{name}_wall": round(median(wall for _cpu, wall in times), 4),
    }


def _listed(repeat: int) -> dict[str, float]:
    from pages.runs.filters import Filter, holds
    from pages.runs.rows import rows_of
    from pages.ui.session import caches

    logging.disable(logging.WARNING)  # outside of a session every look at it is a warning, on a server none is
    first = _timed(lambda: rows_of(caches.entries()), 1)
    again = _timed(lambda: rows_of(caches.entries()), repeat)
    rows = rows_of(caches.entries())
    wanted = Filter("resnet", {"tag": frozenset({"good"})}, archived=False)
    filtered = _timed(lambda: [row for row in rows if holds(row, wanted)], repeat)
    return _figures("list_first", first) | _figures("list_again", again) | _figures("filter", filtered)


def _pages(ids: list[str], repeat: int) -> dict[str, float]:
    from streamlit.testing.v1 import AppTest

    def opened(name: str, **query: str) -> AppTest:
        app = AppTest.from_function(_page, args=(name,), default_timeout=120)
        for key, value in query.items():
            app.query_params[key] = value
        return app

    opened("compare", runs=",".join(ids[-2:])).run()  # loads what draws, which a server does once
    runs, compared = opened("runs"), opened("compare", runs=",".join(ids))
    found = {}
    for name, app in (("runs", runs), ("compare", compared)):
        first, again = _timed(app.run, 1), _timed(app.run, repeat)
        if app.exception:
            raise RuntimeError(app.exception[0].message)
        found |= _figures(f"page_{name}_first", first) | _figures(f"page_{name}_again", again)
    return found


def _page(name: str) -> None:
    import importlib

    importlib.import_module(f"pages.{name}.page").render()


def _judged(repeat: int) -> dict[str, float]:
    from core.evaluation.figures import judge

    random = np.random.default_rng(0)
    labels = random.integers(0, 100, 10_000)
    scores = random.normal(size=(10_000, 100))
    scores[np.arange(10_000), labels] += 3
    shares = np.exp(scores)
    shares /= shares.sum(axis=1, keepdims=True)
    judge(labels[:100], shares[:100])
    return _figures("judge_10000x100", _timed(lambda: judge(labels, shares), repeat))


if __name__ == "__main__":
    main()
