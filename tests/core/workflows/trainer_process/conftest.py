"""What the tests of killed trainers share: processes to kill."""

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing.context import ForkServerContext
from types import ModuleType

import pytest


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> ForkServerContext:
    """Starts processes that have loaded what trains.

    A page that a test opened before in this worker stays as the main module, which a new process would run.
    """
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["core.workflows.trainer_process.runner", "torchvision"])
    return context
