"""The address: what a link names comes first, what it cannot name counts as not named, and one module knows of it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

PAGES = Path(__file__).resolve().parents[3] / "pages"
READS_THE_ADDRESS = {"pages/ui/session/address.py", "pages/ui/text/i18n.py"}  # the language stands below the session


def _fruit(kept: str) -> None:
    import streamlit as st

    from pages.ui.session import address

    fruits = ["apple", "pear", "fig"]
    bound = address.Bound("fruit", kept=kept)
    names = {"apple": None, "pear": "PEAR", "fig": "FIG"}
    st.selectbox("Fruit", fruits, **bound.widget("bl-fruit", fruits, "apple", names.get))


def opened(kept: str = "", **query: str) -> AppTest:
    app = AppTest.from_function(_fruit, args=(kept,))
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def shown(app: AppTest) -> Any:
    assert not app.exception
    return app.selectbox(key="bl-fruit").value


@pytest.mark.parametrize("kept", ["", "bl.fruit"])
@pytest.mark.parametrize(
    ("named", "value"), [("PEAR", "pear"), ("pear", "apple"), ("", "apple"), ("<b>" * 99, "apple"), ("None", "apple")]
)
def test_the_address_names_an_option_or_nothing(named: str, value: str, kept: str) -> None:
    assert shown(opened(kept, fruit=named)) == value


def test_a_choice_is_written_and_the_default_is_not() -> None:
    app = opened(other="stays")
    app.selectbox(key="bl-fruit").select("fig").run()
    assert app.query_params["fruit"] in ("FIG", ["FIG"])
    app.selectbox(key="bl-fruit").select("apple").run()
    assert "fruit" not in app.query_params
    assert app.query_params["other"] in ("stays", ["stays"])


@pytest.mark.parametrize(("kept", "value"), [("", "apple"), ("bl.fruit", "pear")])
def test_what_outlives_a_change_of_page(kept: str, value: str) -> None:
    for app in (opened(kept, fruit="PEAR"), opened(kept)):
        if "fruit" not in app.query_params:
            app.selectbox(key="bl-fruit").select("pear").run()
        del app.query_params["fruit"]
        assert shown(app.run()) == value


def test_a_later_link_wins_over_what_was_kept() -> None:
    app = opened("bl.fruit", fruit="PEAR")
    app.query_params["fruit"] = "FIG"
    assert shown(app.run()) == "fig"


def _writes() -> None:
    import streamlit as st

    from pages.ui.session import address

    address.update(run="2", image="x")
    address.write(weights="none", layer=None, gone=None)
    st.text(repr(address.carried()))
    st.text(repr(address.read("backbone")))


def test_parameters_are_written_and_handed_on() -> None:
    app = AppTest.from_function(_writes)
    app.query_params["run"], app.query_params["layer"], app.query_params["backbone"] = "1", "conv", ""
    app.run()
    assert not app.exception
    assert [text.value for text in app.text] == ["{'run': '2', 'weights': 'none'}", "None"]
    assert "image" not in app.query_params
    assert "layer" not in app.query_params


def test_one_module_reads_and_writes_the_address() -> None:
    found = {
        path.relative_to(PAGES.parent).as_posix()
        for path in PAGES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "query_params"
    }
    assert found == READS_THE_ADDRESS


def _outdated() -> None:
    import streamlit as st

    from pages.ui.session.address import Bound

    bound = Bound("fruit", kept="bl.test.fruit").widget(
        "bl-test-fruit", [0, 1], 0, lambda place: ("pear", "fig")[place]
    )
    st.session_state["bl-test-fruit"] = "plum · 5 %"  # as the browser names an option that is gone by now
    bound["on_change"]()


def test_an_option_that_is_gone_is_no_choice() -> None:
    app = AppTest.from_function(_outdated).run()
    assert not app.exception
    assert "fruit" not in app.query_params
