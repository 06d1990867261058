"""Tags, groups, notes and the archive: kept by their run, and not lost when two people write at once."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from queued import experiment

from core.errors import InputError, RunMissing
from core.runs.listing.annotations import MOST_TAGS, Annotations, annotate, read_annotations
from core.runs.store import NOTES, Run, RunStore


@pytest.fixture
def run() -> Run:
    return RunStore().create(experiment())


def test_what_is_written_is_read(run: Run) -> None:
    assert read_annotations(run.path) == Annotations()
    annotate(run, add=["  good \n one", "كلاب"], group="First week", note=("", "Line 1\nLine 2"), archived=True)
    assert read_annotations(run.path) == Annotations(
        ("good one", "كلاب"), "First week", "Line 1\nLine 2", archived=True
    )
    annotate(run, remove=["good one"], group="", archived=False)
    assert read_annotations(run.path) == Annotations(("كلاب",), "", "Line 1\nLine 2")


def test_two_people_who_tag_at_once_lose_nothing(run: Run) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: annotate(run, add=[f"tag {number:02d}"]), range(16)))
    assert read_annotations(run.path).tags == tuple(f"tag {number:02d}" for number in range(16))


def test_a_note_that_somebody_changed_meanwhile_is_not_overwritten(run: Run) -> None:
    annotate(run, note=("", "mine"))
    with pytest.raises(InputError, match="Somebody else changed the note"):
        annotate(run, note=("", "theirs"))
    assert read_annotations(run.path).note == "mine"
    annotate(run, note=("", "mine"))  # the same text twice is no conflict
    annotate(run, note=("mine", "ours"))
    assert read_annotations(run.path).note == "ours"


def test_what_is_too_long_or_empty_is_refused(run: Run) -> None:
    for change in ({"add": [" "]}, {"add": ["x" * 41]}, {"group": "x" * 61}, {"note": ("", "x" * 4001)}):
        with pytest.raises(InputError):
            annotate(run, **change)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at most 20 tags"):
        annotate(run, add=[str(n) for n in range(MOST_TAGS + 1)])
    assert read_annotations(run.path) == Annotations()


@pytest.mark.parametrize("text", ["[1", "[]", '{"tags": 7, "note": [], "archived": "yes"}', '{"tags": [1, ""]}'])
def test_a_damaged_file_says_nothing(run: Run, text: str) -> None:
    (run.path / NOTES).write_text(text)
    assert read_annotations(run.path) == Annotations()
    annotate(run, add=["new"])
    assert json.loads((run.path / NOTES).read_text())["tags"] == ["new"]


def test_a_run_that_is_gone_is_not_made_again(run: Run) -> None:
    shutil.rmtree(run.path)
    with pytest.raises(RunMissing):
        annotate(run, add=["late"])
    assert not run.path.exists()
