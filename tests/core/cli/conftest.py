"""What the tests of the command line share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from core.cli import main


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any], str]]:
    """Runs a verb with ``--json``; returns the status, the record on the last line of stdout, and stderr."""

    def run(*words: object) -> tuple[int, dict[str, Any], str]:
        status = main([str(word) for word in words] + ["--json"])
        printed = capsys.readouterr()
        lines = printed.out.splitlines()
        return status, json.loads(lines[-1]) if lines else {}, printed.err

    return run
