"""What the pages show of a job in a process of its own: what it does, how far it is, and a way to cancel it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.ui.text import number_format
from pages.ui.text.i18n import _, _n


def counted(status: Mapping[str, Any]) -> tuple[int, int]:
    """Returns how much is done, and how much there is; 0 where that is not known."""
    return int(status.get("done") or 0), int(status.get("total") or 0)


def words(status: Mapping[str, Any], known: Mapping[str, str]) -> str:
    """Returns what a job does, or how many are ahead of it.

    Args:
        status: The job's.
        known: What it may do -> how that is said.
    """
    doing = str(status.get("doing") or "queued")
    ahead = int(status.get("ahead") or 0)
    text = _(known.get(doing, doing))
    return f"{text} · " + _n("{n} ahead", "{n} ahead", ahead).format(n=ahead) if doing == "queued" and ahead else text


def images(status: Mapping[str, Any]) -> str:
    """Returns how many images are done, with what separates it from the words before; empty where it is not known."""
    done, total = counted(status)
    if not total or status.get("doing") == "queued":
        return ""
    return " · " + _("{done} of {total} images").format(
        done=number_format.exact(done), total=number_format.exact(total)
    )


def bar(job: Any, status: Mapping[str, Any], text: str, *, key: str, share: float | None = None) -> None:
    """Draws the bar, and the button that cancels.

    Args:
        job: The :class:`core.runs.jobs.Job`.
        status: Its status.
        text: Translated; stands above the bar.
        key: Stable start of the keys.
        share: How far it is, 0 to 1; by default what is done of all there is.
    """
    done, total = counted(status)
    share = (done / total if total else 0.0) if share is None else share
    with st.container(horizontal=True, vertical_alignment="center", key=f"{key}-live"):
        st.progress(min(1.0, share), text=text, width="stretch")
        stopping = status["state"] == "stopping"
        label = _("Cancelling …") if stopping else _("Cancel")
        st.button(label, icon=":material/close:", disabled=stopping, key=f"{key}-stop", on_click=job.request_stop)
