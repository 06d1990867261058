"""What the lessons of Learn cost the server: the first paint of each, warm, and an answer to a change.

    python -m benchmarks.lessons [--repeats 5]

Milliseconds of the server's CPU, which others on the machine do not change much, and of the wall; medians. ``paint`` is
a new session that opens a lesson's link, ``own`` the same on EfficientNet-Lite0 and a sample picture; both after one
that was not counted. ``change`` is one control moved, ``cell`` one value of a layer written out.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from benchmarks.timing import options, report

CHANGES: dict[str, tuple[str, str, object]] = {
    "convolution": ("number_input", "bl-learn-stride", 2),
    "sizes": ("text_area", "bl-learn-layers", "conv 8 3 2"),
    "pooling": ("toggle", "bl-learn-across", True),
    "backward": ("number_input", "bl-learn-row", 2),
    "cross-entropy": ("slider", "bl-learn-logit-0", 0.5),
    "race": ("selectbox", "bl-learn-surface", "banana"),
    "depth": ("slider", "bl-learn-layers-deep", 50),
    "batch-norm": ("slider", "bl-learn-batches", 20),
    "dropout": ("slider", "bl-learn-drop-share", 20),
    "receptive-field": ("slider", "bl-learn-depth", 2),
    "heatmap": ("selectbox", "bl-learn-heat-class", "3"),
    "uneven": ("slider", "bl-learn-share", 7),
    "width": ("slider", "bl-learn-reach", 70),
    "by-heart": ("slider", "bl-learn-degree", 5),
    "head-first": ("button_group", "bl-learn-head-steps", 60),
}
"""Of a lesson: the kind and the key of a control, and what it is set to."""


def _page() -> None:
    import importlib

    importlib.import_module("pages.learn.page").render()


def main() -> None:
    """Measures and prints the line."""
    given = options(__doc__, (), repeats=5)
    from pages.learn.table import LESSONS

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as environment:
        for name in ("RUNS", "CACHE", "DATA"):
            environment.setenv(f"BACKBONE_LAB_{name}", str(Path(folder) / name.lower()))
        measured: dict[str, dict[str, dict[str, float]]] = {}
        for name, lesson in LESSONS.items():
            measured[name] = {"paint": _median(lambda name=name: _open(name), given.repeats)}
            if lesson.own is not None:
                measured[name]["own"] = _median(lambda name=name: _open(name, "own"), given.repeats)
            if name in CHANGES:
                measured[name]["change"] = _change(name, given.repeats)
        measured["convolution"]["cell"] = _cell(given.repeats)
        report("lessons", measured=measured)


def _open(name: str, ground: str = "numbers") -> AppTest:
    app = AppTest.from_function(_page, default_timeout=300)
    query = {"lesson": name, "step": "play", "image": "sample:cat", "learn-on": ground}
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception, app.exception
    return app


def _change(name: str, repeats: int) -> dict[str, float]:
    kind, key, value = CHANGES[name]
    times = []
    for _repeat in range(repeats):
        app = _open(name)
        time.sleep(1.0)  # what a person needs to find the control, and the server to make what comes next
        control = getattr(app, kind)(key=key)
        control.set_value(value)
        times.append(_timed(control.run))
    return _both(times)


def _cell(repeats: int) -> dict[str, float]:
    app = _open("convolution", "own")
    times = []
    for repeat in range(repeats):
        app.query_params["learn-at"] = f"{repeat}.{repeat}"
        times.append(_timed(app.run))
    return _both(times)


def _median(act: Callable[[], object], repeats: int) -> dict[str, float]:
    act()  # what is made once is not counted
    return _both([_timed(act) for _repeat in range(repeats)])


def _timed(act: Callable[[], object]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    act()
    return 1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - wall)


def _both(times: list[tuple[float, float]]) -> dict[str, float]:
    return {
        name: round(statistics.median(one[place] for one in times)) for place, name in enumerate(("cpu_ms", "wall_ms"))
    }


if __name__ == "__main__":
    main()
