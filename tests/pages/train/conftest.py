"""What the tests of the Train page share."""

from __future__ import annotations

import pytest

from core.runs import launch
from core.runs.store import RunStore


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list:
    """Replaces the launch by one that only makes the folder; returns the experiments."""
    found = []

    def start(experiment, runs_dir=None, *, roots=None, **_more):
        found.append(experiment)
        assert roots, "the trainer must be held to the folders that the page may read"
        return RunStore(runs_dir).create(experiment)

    monkeypatch.setattr(launch, "start", start)
    return found


@pytest.fixture(autouse=True)
def nothing_fails(caplog: pytest.LogCaptureFixture):
    """Looks into the log: a page that breaks draws its broken face, which is no exception."""
    yield
    assert "page failed" not in caplog.text
