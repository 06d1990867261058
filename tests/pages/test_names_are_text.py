"""Names of classes, files, folders and runs are people's own: every page shows them as they are, never as markup."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

import pytest
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest

from core.runs.store import Run
from pages.ui.kit import nav

CLASSES = ("*rare*", "18<x<30", "price $a$")
FOLDER = "set **of** _mine_"
RUN = "run :red[loud] `x` <b>y</b>"
NAMES = (*CLASSES, FOLDER, RUN)
TEXT = {
    "alt",
    "data",
    "default",
    "id",
    "json",
    "key",
    "name",
    "options",
    "placeholder",
    "query_string",
    "raw_value",
    "raw_values",
    "root_container",
    "string_value",
    "unparsed_choices",
    "url",
    "value",
    "user_key",
}
"""Fields that Streamlit shows as text or does not show; all others may be Markdown."""
MARKDOWN_OPTIONS = ("Radio", "ButtonGroup")
"""Elements whose options are Markdown."""


def messages(block: Any) -> Iterator[Message]:
    """Yields the messages of everything that a page shows, one for each element or block."""
    proto = getattr(block, "proto", None)
    if isinstance(proto, Message):
        yield proto
    for child in getattr(block, "children", {}).values():
        yield from messages(child)


def strings(message: Message, path: str = "") -> Iterator[tuple[str, str]]:
    """Yields every text in a message, with the names of the fields it stands in."""
    for field, value in message.ListFields():
        here = f"{path}.{field.name}"
        repeated = list(value) if field.is_repeated and not isinstance(value, dict) else [value]
        for item in repeated:
            if isinstance(item, Message):
                yield from strings(item, here)
            elif isinstance(item, str):
                yield here, item


def markup(app: AppTest) -> set[str]:
    """Returns the places where a name would be taken for markup, with the text."""
    found = set()
    for message in (message for area in (app.main, app.sidebar) for message in messages(area)):
        kind = message.DESCRIPTOR.name
        for path, text in strings(message, kind):
            field = path.rpartition(".")[2]
            if kind in ("Html", "PlotlyChart") or field == "spec":
                raw = [name for name in NAMES if "<" in name and name in text]
            elif field in TEXT and not (field == "options" and kind in MARKDOWN_OPTIONS):
                raw = []
            else:
                raw = [name for name in NAMES if name in text]
            found |= {f"{path}: {text[max(0, text.index(name) - 60) :][:160]}" for name in raw}
    return found


@pytest.fixture
def hostile(learned: Callable[..., Run]) -> Run:
    run = learned(classes=CLASSES, folder=FOLDER)
    run.rename(RUN)
    return run


@pytest.mark.parametrize("name", list(nav.PLACES))
def test_names_are_shown_as_they_are(name: str, hostile: Run, open_page: Callable[..., AppTest]) -> None:
    data = hostile.experiment.data.source
    app = open_page(name, data=data, run=hostile.id)
    assert not app.exception
    assert markup(app) == set()
    if name in ("data", "train"):
        app = open_page(name, data=data)
        assert not app.exception
        assert markup(app) == set()


@pytest.mark.parametrize(
    ("name", "view"),
    [
        *(("heatmaps", view) for view in ("methods", "classes", "layers", "pictures", "epochs", "runs", "study")),
        *(("feature_maps", view) for view in ("all", "depth", "beside", "epochs")),
        *(("filters", view) for view in ("dreams", "alike", "epochs")),
    ],
)
def test_views_show_names_as_they_are(name: str, view: str, hostile: Run, open_page: Callable[..., AppTest]) -> None:
    app = open_page(name, run=hostile.id, view=view)
    assert not app.exception
    assert markup(app) == set()


def _shows(text: str) -> None:
    import streamlit as st

    st.warning(text)
    st.html(f"<p>{text}</p>")
    st.selectbox("Class", [text])
    st.pills("Class", [text])


def test_a_name_that_is_markup_is_found() -> None:
    found = markup(AppTest.from_function(_shows, args=("18<x<30",)).run())
    assert {re.split(r"[.:]", place)[0] for place in found} == {"Alert", "Html", "ButtonGroup"}
    assert markup(AppTest.from_function(_shows, args=(escape("18 < x"),)).run()) == set()
