"""The address: what a link names comes first, what it cannot name counts as not named, and one module knows of it."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.testing.v1 import AppTest

from core.specs import FreezePlan
from pages.ui.session import address
from pages.ui.session.packed import pack
from pages.ui.session.train_form import TrainChoice, to_address

PAGES = Path(__file__).resolve().parents[4] / "pages"
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


# --- what the browser asks with, and when -----------------------------------------------------------------------------


class Browser:
    """What a browser says of itself with each request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.history, self.known = False, address.get_script_run_ctx
        monkeypatch.setattr(address, "get_script_run_ctx", self.context)

    def context(self, **_settings: bool) -> SimpleNamespace:
        info = SimpleNamespace(url="http://127.0.0.1/")  # without what the address asks for, as Streamlit has it
        history = self.history and "cut" not in st.session_state
        state = getattr(self.known(suppress_warning=True), "session_state", None)
        return SimpleNamespace(
            page_script_hash="page", context_info=info, is_history_navigation=history, session_state=state
        )


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Browser:
    return Browser(monkeypatch)


def _recipe() -> None:
    from dataclasses import replace

    import streamlit as st

    from pages.ui.session import choices

    choices.arrive("home")
    if st.button("Two phases"):
        choices.set_train_choice(replace(choices.train_choice(), preset="two-phase"))
    st.text(choices.train_choice().preset)
    choices.carry()


@pytest.mark.parametrize(
    ("by", "preset"), [("a click before the answer was there", "two-phase"), ("a link", "full"), ("Back", "full")]
)
def test_an_older_address_is_no_choice_unless_somebody_asks_for_it(browser: Browser, by: str, preset: str) -> None:
    older = to_address(TrainChoice(preset="full"), FreezePlan())
    assert older is not None
    app = AppTest.from_function(_recipe)
    app.query_params["setup"] = older
    assert app.run().text[0].value == "full"
    assert app.button[0].click().run().text[0].value == "two-phase"
    app.query_params["setup"] = older
    if by == "a link":
        app.query_params["link"] = "1"
    browser.history = by == "Back"
    assert app.run().text[0].value == preset
    assert (app.query_params["setup"] in (older, [older])) == (preset == "full")


def _forgets() -> None:
    import streamlit as st

    from pages.ui.session import address

    address.begin("data")
    if st.button("Forget"):
        address.write(data=None)
    st.text(address.read("data") or "nothing")
    address.end()


@pytest.mark.usefixtures("browser")
def test_the_last_parameter_can_be_taken_out_where_the_browser_says_none() -> None:
    app = AppTest.from_function(_forgets)
    app.query_params["data"] = "shapes"
    app.run()
    app.run()
    assert app.button[0].click().run().text[0].value == "nothing"
    assert "data" not in app.query_params


def _linked() -> None:
    import streamlit as st

    from pages.ui.session import address

    address.begin("learn")
    st.text(address.read("lesson") or "all")
    st.json({page: address.of_link(page, {"lesson": "sizes"}) for page in ("learn", "data")})
    address.end()


@pytest.mark.usefixtures("browser")
def test_a_link_on_its_own_page_is_told_from_a_late_request_and_is_written() -> None:
    app = AppTest.from_function(_linked)
    app.query_params["lesson"] = "convolution"
    assert json.loads(app.run().json[0].value) == {
        "learn": {"lesson": "sizes", "link": "1"},
        "data": {"lesson": "sizes"},
    }
    del app.query_params["lesson"]
    assert app.run().text[0].value == "convolution"  # late
    del app.query_params["lesson"]
    app.query_params["link"] = "1"
    assert app.run().text[0].value == "all"
    app.query_params["link"], app.query_params["lesson"] = "1", "sizes"
    assert app.run().text[0].value == "sizes"
    assert app.query_params["lesson"] in ("sizes", ["sizes"])
    assert "link" not in app.query_params


def _cut_short() -> None:
    import streamlit as st

    from pages.ui.session import address, choices

    choices.arrive("home")
    if st.session_state.get("cuts"):
        st.session_state.update(cuts=False, cut=True)
        st.rerun()
    fruits = ["apple", "pear"]
    st.selectbox("Fruit", fruits, **address.Bound("fruit", kept="bl.fruit").widget("bl-fruit", fruits, "apple"))
    choices.carry()


def test_back_holds_until_the_page_was_drawn_to_its_end(browser: Browser) -> None:
    app = AppTest.from_function(_cut_short).run()
    app.selectbox[0].select("pear").run()
    app.session_state["cuts"] = browser.history = True
    del app.query_params["fruit"]
    assert app.run().selectbox[0].value == "apple"
    assert "fruit" not in app.query_params


def _followed() -> None:
    import streamlit as st

    from pages.ui.session import choices

    choices.arrive("home")
    choices.follow("bl-number", st.session_state.get("record", 1))
    st.session_state["record"] = int(st.number_input("Number", key="bl-number", step=1))
    if not st.session_state.get("cut"):
        choices.carry()


@pytest.mark.parametrize(("cut", "value"), [(True, 5), (False, 1)])
def test_a_field_the_browser_sends_once_more_is_no_choice(cut: bool, value: int) -> None:
    app = AppTest.from_function(_followed).run()
    app.session_state["record"], app.session_state["cut"] = 5, cut
    assert app.run().number_input[0].value == 5
    app.number_input[0].set_value(1).run()  # as the browser has it, where the last run was cut short
    assert app.session_state["record"] == value


def _kept() -> None:
    import streamlit as st

    from pages.ui.session import address, choices

    choices.arrive("home")
    fruits = ["apple", "pear"]
    choices.follow("bl-followed", "pear")
    st.selectbox("Followed", fruits, key="bl-followed")
    st.radio("Begun", fruits, **address.Bound("begun").widget("bl-begun", fruits, "pear", begun=True))
    st.text_input("Entered", **address.Bound("entered").entry("bl-entered", "pear", str))
    with address.renewing():
        st.radio("Chosen", fruits, **address.Bound("chosen").widget("bl-chosen", fruits, "pear"))
        st.text_input("Asked for", **address.Bound("asked").entry("bl-asked", "", str))
    choices.carry()


def _drawn(app: AppTest) -> list[Any]:
    assert not app.exception
    return [app.selectbox[0], *app.radio, *app.text_input]


def test_a_browser_that_asked_before_it_had_the_fields_is_given_their_values() -> None:
    app = AppTest.from_function(_kept)
    app.query_params["asked"] = "pear"
    assert [field.proto.set_value for field in _drawn(app.run())] == [True] * 5
    # The browser has them: what a person is typing or has just clicked stays, though this is drawn before it arrives.
    assert [field.proto.set_value for field in _drawn(app.run())] == [False] * 5
    app.radio[1].set_value("apple").run()
    assert [field.proto.set_value for field in _drawn(app)] == [False] * 5
    assert app.query_params["chosen"] in ("apple", ["apple"])
    app._run(WidgetStates())  # it has none: what was drawn for the request before never reached it
    assert [field.value for field in _drawn(app)] == ["pear", "pear", "apple", "pear", "pear"]
    assert [field.proto.set_value for field in _drawn(app)] == [True] * 5


def test_no_link_brings_a_pattern(open_page: Any) -> None:
    app = open_page("data", data="digits", split="v20t20s0n0", division=pack({"group_by": r"pattern:(a+)+$"}))
    assert "pattern" in str(app.session_state["bl.address.refused"]["division"])
    assert "division" not in app.query_params
