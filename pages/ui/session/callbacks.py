"""Callbacks of widgets that run to their end, whatever the browser asks for meanwhile.

Streamlit ends a run of a page as soon as it touches the session while another request waits. What a callback does
belongs to a run, too: one whose next click came a moment too early ended before it had noted anything, or halfway, and
as Streamlit takes its widget for told, the click was lost. So no request is looked at before the callbacks are through.
"""

from __future__ import annotations

from functools import cache, wraps
from typing import Any

from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.state.session_state import SessionState


@cache
def keep_whole() -> None:
    """Lets no request of the browser end a callback, in all sessions of this process."""
    call = SessionState._call_callbacks

    @wraps(call)
    def whole(state: SessionState, **replayed: Any) -> None:
        context = get_script_run_ctx(suppress_warning=True)
        requests = None if context is None else context.script_requests
        if requests is None:
            call(state, **replayed)
            return
        vars(requests)["on_scriptrunner_yield"] = lambda: None  # asked whenever the session is touched
        try:
            call(state, **replayed)
        finally:
            del vars(requests)["on_scriptrunner_yield"]

    SessionState._call_callbacks = whole  # type: ignore[method-assign, assignment]
