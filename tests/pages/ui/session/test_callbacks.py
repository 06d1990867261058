"""A request of the browser that comes too early ends no callback."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st
    from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx

    from pages.ui.session import callbacks

    callbacks.keep_whole()

    def change() -> None:
        context = get_script_run_ctx()
        assert context is not None
        assert context.script_requests is not None
        context.script_requests.request_rerun(RerunData(page_script_hash=context.page_script_hash))  # the next click
        st.session_state["half"] = True
        st.session_state["whole"] = True

    st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    st.button("Change", on_click=change)
    st.write("drawn")


def test_a_callback_is_carried_out_though_the_next_request_waits() -> None:
    app = AppTest.from_function(page).run()
    app.button[0].click().run()
    assert not app.exception
    assert app.session_state["half"]
    assert app.session_state["whole"]
    assert app.session_state["runs"] == 2  # the waiting request is looked at as soon as the callback is through
