"""What the tests of the lessons share."""

from __future__ import annotations

import pytest

from pages.ui.selection import background_work


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page waits for a training that it began: no browser looks again."""
    monkeypatch.setattr(background_work, "PATIENCE", 60.0)
