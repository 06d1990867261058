"""No click is lost where the page begins again before it came to its button."""

from __future__ import annotations

import ast
from pathlib import Path

from streamlit.testing.v1 import AppTest

PAGES = Path(__file__).resolve().parents[4] / "pages"


def page() -> None:
    import streamlit as st

    from pages.ui.kit import clicks

    if st.session_state.pop("again", False):  # as a page does that knows more than when it began
        st.rerun()
    if not st.session_state.get("hidden") and clicks.button("Do it", "bl-do"):
        st.session_state["done"] = st.session_state.get("done", 0) + 1
    clicks.forget()


def done(app: AppTest) -> int:
    return int(app.session_state["done"]) if "done" in app.session_state else 0


def test_a_click_is_told_once() -> None:
    app = AppTest.from_function(page).run()
    assert done(app) == 0
    app.button("bl-do").click().run()
    assert done(app) == 1
    assert done(app.run()) == 1
    app.button("bl-do").click().run()
    assert done(app) == 2


def test_a_click_outlasts_a_page_that_begins_again_before_its_button() -> None:
    app = AppTest.from_function(page).run()
    app.session_state["again"] = True
    app.button("bl-do").click().run()
    assert done(app) == 1
    assert done(app.run()) == 1


def test_a_click_on_a_button_that_is_gone_is_forgotten() -> None:
    app = AppTest.from_function(page).run()
    app.session_state["hidden"] = True
    app.button("bl-do").click().run()
    app.session_state["hidden"] = False
    assert done(app.run()) == 0


def test_every_button_notes_its_click_or_acts_by_itself() -> None:
    """One that does neither may only end what the page is doing, as each click does: nobody asks for its value."""
    for path in PAGES.rglob("*.py"):
        if path.name == "clicks.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        unasked = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if not isinstance(call.func, ast.Attribute) or call.func.attr != "button":
                continue
            noted = ast.unparse(call.func.value) in ("clicks", "one_shot_button", "another_like", "one_by_one")
            acts = any(argument.arg == "on_click" for argument in call.keywords)
            assert noted or acts or id(call) in unasked, f"{path}:{call.lineno} would lose clicks: use clicks.button"
