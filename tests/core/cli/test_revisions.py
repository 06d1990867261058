"""``data edit`` and ``data history``: a source is changed in words, and its files stay as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.cli import main


def result(capsys: pytest.CaptureFixture[str], *words: object) -> dict:
    assert main([str(word) for word in (*words, "--json", "--quiet")]) == 0
    return json.loads(capsys.readouterr().out)


def problem(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in words]) == 2
    return capsys.readouterr().err


def test_edits_make_revisions_that_other_verbs_take(
    capsys: pytest.CaptureFixture[str], image_folder: Callable[..., Path]
) -> None:
    source = image_folder("colours", ("red", "blue", "green"), 10)
    words = ("--exclude", "red/001.png", "red/002.png", "--relabel", "red/003.png=blue", "--move", "red/004.png=test")
    first = result(capsys, "data", "edit", source, *words)
    assert first == {
        "revision": first["revision"],
        "parent": "",
        "name": "",
        "excluded": 2,
        "relabelled": 1,
        "moved": 1,
        "merged": {},
        "kept": 0,
    }
    words = ("--revision", first["revision"][:6], "--merge", "green=blue", "--exclude", "red/010.png", "--name", "two")
    second = result(capsys, "data", "edit", source, *words)
    assert (second["parent"], second["excluded"], second["merged"]) == (first["revision"], 3, {"green": "blue"})
    assert result(capsys, "data", "check", source, "--quick", "--revision", "two")["classes"] == {"red": 6, "blue": 21}
    found = result(capsys, "data", "split", source, "--revision", "two", "--val", 0.5, "--test", 0)
    assert {part: sum(counts.values()) for part, counts in found["counts"].items()} == {
        "train": 14,
        "val": 12,
        "test": 1,
    }
    listed = result(capsys, "data", "history", source)["revisions"]
    assert [one["revision"] for one in listed] == [second["revision"], first["revision"]]
    assert main(["data", "history", str(source)]) == 0
    assert "3 left out" not in (shown := capsys.readouterr().out)
    assert "1 left out; green is called blue" in shown, "what changed since its parent"
    assert sum(result(capsys, "data", "split", source)["counts"]["train"].values()) == 21, "the files stay"


def test_an_edit_can_be_taken_back(capsys: pytest.CaptureFixture[str], image_folder: Callable[..., Path]) -> None:
    source = image_folder()
    first = result(capsys, "data", "edit", source, "--exclude", "red/001.png", "--keep", "red/002.png", "red/003.png")
    assert (first["excluded"], first["kept"]) == (1, 1)
    words = ("--revision", first["revision"], "--restore", "red/001.png", "red/002.png")
    back = result(capsys, "data", "edit", source, *words)
    assert (back["revision"], back["excluded"], back["kept"]) == ("", 0, 0)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--exclude", "red/999.png"), "has no picture red/999.png. Name it by its path"),
        (("--relabel", "red/001.png=pink"), "has no class pink. Its classes: blue, red."),
        (("--relabel", "red/001.png"), "is not of the form A=B"),
        (("--move", "red/001.png=exam"), "split is exam"),
        (("--merge", "pink=red"), "has no class pink"),
        (("--merge", "blue=red"), "has the one class red"),
        (("--exclude", *(f"red/{number:03d}.png" for number in range(1, 13))), "No picture of red is left"),
        (("--exclude", "red/001.png", "--revision", "nothing"), "has no revision nothing"),
        (("--exclude", "red/001.png", "--revision", "0" * 20), "There is no revision 0"),
        (("--exclude", "red/001.png", "--name", "n" * 81), "at most 80 characters"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    capsys: pytest.CaptureFixture[str], image_folder: Callable[..., Path], words: tuple[str, ...], sentence: str
) -> None:
    source = image_folder()
    assert sentence in problem(capsys, "data", "edit", source, *words)
    assert result(capsys, "data", "history", source)["revisions"] == []
