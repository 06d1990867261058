"""A run whose folder is damaged is shown as such, and spoils no list, no page and no other run."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from core.runs.status import FILE, LARGEST, RunStatus
from core.runs.store import Run

DAMAGE: dict[str, Any] = {
    "null": None,
    "text": "much",
    "list": ["a", 1],
    "object": {"a": [1]},
    "huge": 10**400,
    "nan": float("nan"),
    "negative": -1,
    "largest": int(LARGEST),
}
KEYS = [known.metadata.get("key", known.name) for known in fields(RunStatus) if known.name != "faults"]
PAGES = ("runs", "home", "train", "evaluate")


def spoil(run: Run, value: Any, **kept: Any) -> None:
    """Gives every key of a status the same value, but those that are kept."""
    (run.path / FILE).write_text(json.dumps(dict.fromkeys(KEYS, value) | kept), encoding="utf-8")


def shown(open_page, words, name: str, run: Run) -> str:
    app = open_page(name, run=run.id)
    assert not app.exception
    said = words(app)
    assert "Something went wrong" not in said
    return said


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("state", ["unknown", "finished", "running", "queued"])
def test_no_value_breaks_a_page(open_page, words, make_run, alive, state: str, damage: str) -> None:
    good, bad = make_run("finished"), make_run("finished")
    bad.rename("The bad one")
    process = alive if state in ("running", "queued") else {}
    spoil(bad, DAMAGE[damage], **({} if state == "unknown" else {"state": state}), **process)
    for name in PAGES:
        said = shown(open_page, words, name, bad)
        assert "The bad one" in said or name in ("evaluate", "home")
        if state == "unknown" and name != "home":
            assert "This run cannot be read" in said
            assert "In status.json, state cannot be" in said
    said = shown(open_page, words, "runs", good)
    assert ("The bad one: In status.json" in said) == (damage != "null" or state == "unknown")


@pytest.mark.parametrize("content", [b"", b'{"state": "run', b"[]", b"\xff"])
def test_a_torn_status_is_said_with_its_reason(open_page, words, make_run, content: bytes) -> None:
    good, bad = make_run("finished"), make_run("finished")
    bad.rename("The bad one")
    (bad.path / FILE).write_bytes(content)
    for name in PAGES:
        shown(open_page, words, name, bad)
    app = open_page("runs", run=bad.id)
    assert app.dataframe[0].value["state"].to_dict() == {good.id: "Finished", bad.id: "Unreadable"}
    said = words(app)
    assert "The bad one: status.json" in said
    assert "This run cannot be read" in said
    assert not app.button(key="bl-delete").disabled


def test_a_folder_without_permission_is_in_the_table_with_the_reason(
    open_page, words, make_run, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = make_run("finished"), make_run("finished")
    stat, read = Path.stat, Path.open

    def refusing(known: Any) -> Any:
        def refuse(path: Path, *rest: Any, **more: Any) -> Any:
            if bad.path in path.parents:
                raise PermissionError(13, "Permission denied", str(path))
            return known(path, *rest, **more)

        return refuse

    monkeypatch.setattr(Path, "stat", refusing(stat))
    monkeypatch.setattr(Path, "open", refusing(read))
    for chosen in (good, bad):
        for name in (*PAGES, "heatmaps"):
            shown(open_page, words, name, chosen)
    app = open_page("runs", run=bad.id)
    assert app.dataframe[0].value["state"].to_dict() == {good.id: "Finished", bad.id: "Unreadable"}
    assert f"{bad.name}: status.json cannot be read: Permission denied." in words(app)
