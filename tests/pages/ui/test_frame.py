"""The frame: navigation, first paint without the heavy libraries, context, faces."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core import settings
from core.errors import InputError, RunMissing
from core.runs.store import Run
from core.specs import FreezePlan, ModelSpec
from pages.ui.kit import nav
from pages.ui.session import choices
from pages.ui.session.packed import pack
from pages.ui.session.train_form import TrainChoice, to_address

PROJECT = settings.PROJECT
HEAVY = ("torch", "torchvision", "pandas", "sklearn", "captum", "plotly.graph_objects", "plotly.express")
Params = Callable[[AppTest], dict[str, str]]
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


def test_what_one_page_or_view_sends_leaves_the_heading_where_it_is() -> None:
    moving = [path.name for path in (PROJECT / "assets").glob("*.css") if ".bl-header" in path.read_text("utf-8")]
    assert moving == ["style.css"]


def test_home_is_painted_in_the_frame() -> None:
    app = AppTest.from_file(str(PROJECT / "streamlit_app.py"), default_timeout=60).run()
    assert not app.exception
    assert [button.label for button in app.main.button] == ["Take the walk", "Watch it instead"]
    assert any("Chosen now" in element.proto.body for element in app.sidebar.get("html"))
    rows = [link.proto.label for link in app.sidebar.get("page_link")]
    assert any("Learns" in row and "**Head only**" in row and "Linear probe" in row for row in rows)


def test_every_place_has_a_page_and_every_page_a_place() -> None:
    pages = {path.parent.name for path in (PROJECT / "pages").glob("*/page.py")}
    assert pages == set(nav.PLACES)
    cold = {path.stem.removeprefix("_") for path in (PROJECT / "pages").glob("_*.py") if path.stem != "__init__"}
    assert cold == pages, "an address that a cold server does not find"
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
        if kind in ("full", "input/output"):
            raise OSError(28 if kind == "full" else 5, "secret details")
        raise ZeroDivisionError("secret details")


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("input", "The folder &lt;b&gt;x&lt;/b&gt; is empty."),
        ("missing", "The run r1 does not exist"),
        ("full", "The disk is full."),
        ("input/output", "log"),
        ("bug", "log"),
    ],
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


def _opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(PROJECT / "streamlit_app.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def _context(app: AppTest) -> str:
    return "\n".join(link.proto.label for link in app.sidebar.get("page_link"))


def test_what_is_chosen_is_in_the_address_of_every_page(make_run: Callable[..., Run], params: Params) -> None:
    setup = to_address(TrainChoice("two-phase"), FreezePlan(2))
    net = choices.model_params(ModelSpec("resnet18", "none", image_size=96))
    run = make_run()
    query = {"data": "digits", "split": "v10t0s3n20", "setup": setup, "chosen": run.id, **net}
    app = _opened(**query)
    assert not app.exception
    app.query_params.clear()  # as a link in the navigation does
    app.run()
    assert params(app) == query
    context = _context(app)
    for text in ("Small digits", "random weights", "A run"):
        assert text in context


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"setup": "1abc"}, "The address names setup .* It is damaged"),
        ({"setup": "9abc"}, "later version"),
        ({"setup": "x" * 3500}, "at most 3000"),
        ({"data": "shapes", "split": "v95t95s0n0"}, "The address names split"),
        ({"data": "shapes", "split": "v" + "9" * 400}, "is no division"),
        ({"data": "a" * 5000}, "at most 4000"),
        ({"backbone": "resnet18", "weights": "nonsense <b>"}, "weights is nonsense"),
        ({"backbone": "resnet18", "network": pack({"image_size": "big"}) or ""}, "image_size is big"),
        ({"backbone": "resnet18", "network": pack({"design": [{"kind": "bomb"}]}) or ""}, "kind is bomb"),
        ({"backbone": "resnet18", "network": pack({"head": 7}) or ""}, "head must be"),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_in_words(query: dict[str, str], said: str) -> None:
    app = _opened(**query)
    assert not app.exception
    assert len(app.main.warning) == 1
    assert re.search(said, app.main.warning[0].value.replace("\\", ""))
    assert set(app.query_params) < {*query, "split", "backbone", "weights"}


def test_a_run_brings_its_data_and_its_backbone(make_run: Callable[..., Run], params: Params) -> None:
    run = make_run()
    context = _context(_opened(run=run.id))
    assert "Shapes" in context
    assert "EfficientNet-Lite0" in context
    other = _opened(run=run.id, data="digits", backbone="resnet18")
    context = _context(other)
    assert "Shapes" in context, "the page is about the run"
    assert "resnet18" not in context
    assert params(other)["data"] == "digits", "what was chosen stays chosen"


def _planning() -> None:
    import streamlit as st

    from pages.ui.kit import nav
    from pages.ui.session import choices
    from pages.ui.shell import sidebar

    st.navigation(nav.sections())
    choices.arrive("anatomy")
    with sidebar.beside():
        pass


def test_where_a_training_is_set_up_no_run_is_the_subject(make_run: Callable[..., Run], params: Params) -> None:
    run = make_run()
    own = {"backbone": "resnet18", "weights": "none", "setup": to_address(TrainChoice("full"), FreezePlan("all"))}
    app = AppTest.from_function(_planning, default_timeout=60)
    for name, value in {"run": run.id, **own}.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    context = _context(app)
    assert "random weights" in context, "the network that the page shows, not the run's"
    assert "**Everything**" in context
    assert "A run" in context, "it stays chosen"
    assert params(app)["chosen"] == run.id
    assert "run" not in params(app)
