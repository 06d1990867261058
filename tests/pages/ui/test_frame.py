"""The frame: navigation, first paint without the heavy libraries, context, faces."""

from __future__ import annotations

import subprocess
import sys

import pytest
from streamlit.testing.v1 import AppTest

from core import settings
from core.errors import InputError, RunMissing
from pages.ui.kit import nav

PROJECT = settings.PROJECT
HEAVY = ("torch", "torchvision", "pandas", "sklearn", "captum", "plotly.graph_objects", "plotly.express")
PROBE = f"""
import sys
import streamlit.testing.v1 as testing
before = set(sys.modules)
app = testing.AppTest.from_file("streamlit_app.py", default_timeout=60).run()
assert not app.exception, app.exception
print(sorted(set({HEAVY!r}) & (set(sys.modules) - before)))
"""


def test_the_first_paint_loads_nothing_heavy() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=PROJECT, capture_output=True, text=True, timeout=120, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_home_is_painted_in_the_frame() -> None:
    app = AppTest.from_file(str(PROJECT / "streamlit_app.py"), default_timeout=60).run()
    assert not app.exception
    assert [button.label for button in app.main.button] == ["Walk the whole path once"]
    assert any("Chosen now" in element.proto.body for element in app.sidebar.get("html"))


def test_every_place_has_a_page_and_every_page_a_place() -> None:
    pages = {path.parent.name for path in (PROJECT / "pages").glob("*/page.py")}
    assert pages == set(nav.PLACES)
    cold = {path.stem.removeprefix("_") for path in (PROJECT / "pages").glob("_*.py") if path.stem != "__init__"}
    assert cold == pages - {"home"}, "an address that a cold server does not find"
    for name in nav.PLACES:
        assert "def render() -> None:" in (PROJECT / "pages" / name / "page.py").read_text(encoding="utf-8")


def _failing(kind: str) -> None:
    from core.errors import InputError, RunMissing
    from pages.ui.kit.page_states import boundary

    with boundary():
        if kind == "input":
            raise InputError("The folder {name} is empty.", name="<b>x</b>")
        if kind == "missing":
            raise RunMissing("The run {name} does not exist any more.", name="r1")
        raise ZeroDivisionError("secret details")


@pytest.mark.parametrize(
    ("kind", "shown"),
    [("input", "The folder &lt;b&gt;x&lt;/b&gt; is empty."), ("missing", "The run r1 does not exist"), ("bug", "log")],
)
def test_an_exception_becomes_a_face_and_never_a_traceback(kind: str, shown: str) -> None:
    app = AppTest.from_function(_failing, args=(kind,)).run()
    assert not app.exception
    text = "\n".join(element.proto.body for element in app.get("html"))
    assert shown in text
    assert "secret details" not in text
    assert "Traceback" not in text


def test_errors_are_kinds_of_input_error() -> None:
    assert issubclass(RunMissing, InputError)
