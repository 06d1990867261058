"""What a server does once, in the background, after its first page has been painted.

It takes the queue up again, and loads torch and what stands on it.
"""

from __future__ import annotations

import gc
import importlib
import logging
import sys
import threading

import streamlit as st
from streamlit import runtime

from core.errors import InputError
from pages.ui.text.i18n import _

LOG = logging.getLogger("backbone_lab.warmup")
DELAY = 1.5
"""Seconds between the first paint and the first heavy import, so that the page is there before the work starts."""

MODULES = (
    "plotly.graph_objects",
    "numpy",
    "pandas",
    "core.data.sources",
    "core.workflows.images",
    "core.workflows.network_loading",
    "core.workflows.evaluate",
    "core.interpret.attribution.explain",
    "captum.attr",
)
"""What the pages need, the quick ones first."""

_lock = threading.Lock()
_started = threading.Event()
_done = threading.Event()


def begin() -> None:
    """Starts the background imports once a server process; does nothing outside a server."""
    if not runtime.exists():
        return
    with _lock:
        if _started.is_set():
            return
        _started.set()
    timer = threading.Timer(DELAY, _load)
    timer.daemon = True
    timer.start()


def ready() -> bool:
    """Whether the heavy libraries are loaded (or are not being loaded by this module at all)."""
    return _done.is_set() or "core.workflows.network_loading" in sys.modules


def pending() -> bool:
    """Whether the background imports are announced or under way."""
    return runtime.exists() and not ready()


def indication() -> None:
    """Draws one quiet line while the imports are under way; it goes away by itself."""
    if pending():
        st.fragment(_line, run_every=2)()


def _line() -> None:
    if not ready():
        st.caption(_("Loading PyTorch in the background …"))


def _revive() -> None:
    """Starts the processes of runs that waited when the machine went down: a server that starts loses nothing."""
    from core import settings
    from core.runs.queue import revive

    try:
        for run in revive(roots=settings.data_roots()):
            LOG.log(logging.INFO, "revived %s", run.id)
    except InputError:
        LOG.exception("the queue could not be taken up")


def _load() -> None:
    _revive()
    try:
        for name in MODULES:
            importlib.import_module(name)
    except ImportError:
        LOG.exception("background import failed")
    finally:
        gc.collect()
        gc.freeze()  # the libraries' objects stay for good: no later collection need look at them
        _done.set()
