"""What the lessons of Learn cost the server: the first paint of each, warm, and an answer to each of its controls.

    python -m benchmarks.lessons [--repeats 5] [--lessons race,depth] [--pause 1.0]

Milliseconds of the server's CPU, which others on the machine do not change much, and of the wall; medians. ``paint`` is
a new session that opens a lesson's link, ``own`` the same on EfficientNet-Lite0 and a sample picture; both after one
that was not counted. ``cell`` is one value of a layer written out. ``changes`` has every control that the lesson shows,
on numbers and on one's own network, set to others of its values (the first, the middle and the last that are offered):
the slowest answer, and those that take more than 200 ms of CPU, threads that work beside the page counted in.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.runtime.state.common import TESTING_KEY
from streamlit.testing.v1 import AppTest

from benchmarks.timing import options, report

LIMIT = 200
"""Milliseconds that an answer may take."""
LEFT_OUT = ("bl-learn-go-", "bl-learn-anew", "bl-learn-reveal", "bl-image-", "bl-network-")
"""Beginnings of the keys of what is no control of a lesson, or begins a training."""


def _page() -> None:
    import importlib

    importlib.import_module("pages.learn.page").render()


def main() -> None:
    """Measures and prints the line."""
    given = options(__doc__, repeats=5, lessons="", pause=1.0)
    from pages.learn.table import LESSONS

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as environment:
        for name in ("RUNS", "CACHE", "DATA"):
            environment.setenv(f"BACKBONE_LAB_{name}", str(Path(folder) / name.lower()))
        measured: dict[str, dict[str, object]] = {}
        for name in given.lessons.split(",") if given.lessons else LESSONS:
            measured[name] = {"paint": _median(lambda name=name: _open(name), given.repeats)}
            grounds = ("numbers", "own") if LESSONS[name].own is not None else ("numbers",)
            if len(grounds) == 2:
                measured[name]["own"] = _median(lambda name=name: _open(name, "own"), given.repeats)
            measured[name]["changes"] = {ground: _changes(name, ground, given.pause) for ground in grounds}
        if "convolution" in measured:
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


def _changes(name: str, ground: str, pause: float) -> dict[str, object]:
    """Moves every control of a lesson; returns how many answers were timed, the slowest, and those over the limit."""
    times: dict[str, tuple[float, float]] = {}
    for kind, key, values in _controls(_open(name, ground)):
        for value in values:
            app = _open(name, ground)
            time.sleep(pause)  # what a person needs to find the control, and the server to make what comes next
            control = next((one for one in getattr(app, kind) if one.key == key), None)
            if control is None:
                continue
            if kind == "button":
                control.click()
            else:
                if hasattr(control, "options"):  # they are known by what stands on them
                    app.session_state[TESTING_KEY][control.id] = str
                control.set_value(value)
            times[f"{key} = {value}"] = _timed(control.run)
            assert not app.exception, (name, key, value, app.exception)
    slow = {which: round(cpu) for which, (cpu, _wall) in times.items() if cpu > LIMIT}
    largest = max(times.values(), default=(0.0, 0.0))
    return {"answers": len(times), "largest": _both([largest]), f"over_{LIMIT}_ms": slow}


def _controls(app: AppTest) -> list[tuple[str, str, list[Any]]]:
    """Returns what the page has to be moved: kind, key, and some other values."""
    found: list[tuple[str, str, list[Any]]] = []
    for kind in ("selectbox", "button_group", "slider", "number_input", "toggle", "text_area", "text_input", "button"):
        for control in getattr(app, kind):
            if control.key and not control.key.startswith(LEFT_OUT):
                found.append((kind, control.key, _others(kind, control)))
    return found


def _others(kind: str, control: Any) -> list[Any]:
    if kind in ("selectbox", "button_group"):
        several = kind == "button_group" and isinstance(control.value, list)
        names = list(dict.fromkeys(control.options[place] for place in (0, len(control.options) // 2, -1)))
        return [[name] for name in names] if several else names
    if kind == "slider":
        return [value for value in (control.min, control.max) if value != control.value]
    if kind == "number_input":
        step = control.step or 1
        beside = (control.value + step, control.value - step)
        low, high = (bound if bound is not None else control.value for bound in (control.min, control.max))
        return [value for value in beside if low <= value <= high]
    if kind in ("text_area", "text_input"):
        return [f"{control.value}0"]
    return [not control.value] if kind == "toggle" else [None]


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
