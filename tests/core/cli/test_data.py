"""The verbs that prepare images."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.cli import main


def result(capsys: pytest.CaptureFixture[str], *words: object) -> dict:
    assert main([str(word) for word in ("data", *words, "--json", "--quiet")]) == 0
    return json.loads(capsys.readouterr().out)


def problem(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in ("data", *words)]) == 2
    return capsys.readouterr().err


def test_a_division_is_written_and_known_again(
    capsys: pytest.CaptureFixture[str], image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    source = image_folder(images=20)
    found = result(capsys, "split", source, "--val", 0.5, "--of", "rest", "--test", 0.1)
    assert found["counts"] == {part: {"blue": n, "red": n} for part, n in (("train", 9), ("val", 9), ("test", 2))}
    written = result(capsys, "split", source, "--seed", 3, "--write", tmp_path / "out")
    again = result(capsys, "split", tmp_path / "out")
    assert (again["counts"], again["hash"]) == (written["counts"], written["hash"])
    assert written["hash"] != found["hash"]
    other = result(capsys, "split", tmp_path / "out", "--anew", "--seed", 8)
    assert (other["counts"], other["hash"] != written["hash"]) == (written["counts"], True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["test", "train", "val"]


def test_a_source_is_described_as_before(capsys: pytest.CaptureFixture[str], image_folder: Callable[..., Path]) -> None:
    assert result(capsys, image_folder(images=5))["counts"] == {"all": {"blue": 5, "red": 5}}


def test_bad_divisions_are_refused_in_words(
    capsys: pytest.CaptureFixture[str], image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    source = image_folder(images=6)
    assert "Leave at least 0.1" in problem(capsys, "split", source, "--val", 0.6, "--test", 0.5)
    assert "group_by is patient" in problem(capsys, "split", source, "--group-by", "patient")
    assert "no column patient" in problem(capsys, "split", source, "--group-by", "column:patient")
    assert "nor an embedded data set" in problem(capsys, "split", tmp_path / "none")
    assert "not empty" in problem(capsys, "split", source, "--write", source)


def test_a_check_is_one_record(
    capsys: pytest.CaptureFixture[str], image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    source = image_folder(images=6)
    first = sorted((source / "red").iterdir())[0]
    shutil.copy(first, source / "blue" / "copy.png")
    (source / "red" / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    found = result(capsys, "check", source, "--quick")
    assert found["classes"] == {"blue": 7, "red": 6}
    assert (found["exact"], found["leaks"]) == (1, [])
    assert [bad["key"] for bad in found["unreadable"]] == ["red/cut.jpg"]
    assert {"left_out", "near", "suspects", "outliers"} <= set(found)
    assert main(["data", "check", str(source), "--quick"]) == 0
    assert f"in two classes: blue/copy.png, red/{first.name}" in capsys.readouterr().out
    assert "outside the folders" in problem(capsys, "check", source, "--within", tmp_path / "runs")


def test_an_import_is_a_source_by_its_name(
    capsys: pytest.CaptureFixture[str], image_folder: Callable[..., Path]
) -> None:
    source = image_folder(images=6)
    rows = [
        f"{path.relative_to(source)},{path.parent.name},p{n % 5}" for n, path in enumerate(sorted(source.glob("*/*")))
    ]
    (source / "list.csv").write_text("path,label,patient\n" + "\n".join(rows))
    found = result(capsys, "import", source / "list.csv", "--name", "mine")
    assert (found["name"], found["counts"]) == ("mine", {"all": {"blue": 6, "red": 6}})
    assert result(capsys, "mine")["counts"] == found["counts"]
    divided = result(capsys, "split", "mine", "--group-by", "column:patient")
    assert sum(sum(part.values()) for part in divided["counts"].values()) == 12
    assert "already" in problem(capsys, "import", source / "list.csv", "--name", "mine")


def test_a_zip_holds_whatever_is_imported(
    capsys: pytest.CaptureFixture[str], image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    source = image_folder(images=4)
    pictures = sorted(source.glob("*/*.png"))
    rows = "".join(f"{n}.png,{path.parent.name}\n" for n, path in enumerate(pictures))
    tables, arrays, mixed = (tmp_path / f"{name}.zip" for name in ("tables", "arrays", "mixed"))
    with zipfile.ZipFile(tables, "w") as archive:
        archive.writestr("d/list.csv", f"path,label\n{rows}")
        for n, path in enumerate(pictures):
            archive.write(path, f"d/{n}.png")
    found = result(capsys, "import", tables, "--name", "of-a-table")
    assert (found["name"], found["counts"]) == ("of-a-table", {"all": {"blue": 4, "red": 4}})
    stream = io.BytesIO()
    np.savez(stream, x=np.arange(8 * 16 * 16, dtype=np.uint8).reshape(8, 16, 16), y=np.arange(8) % 2)
    with zipfile.ZipFile(arrays, "w") as archive:
        archive.writestr("all.npz", stream.getvalue())
    assert sum(result(capsys, "import", arrays, "--name", "of-arrays")["counts"]["all"].values()) == 8
    with zipfile.ZipFile(mixed, "w") as archive:
        archive.writestr("notes.txt", "nothing")
    assert "image" in problem(capsys, "import", mixed, "--name", "nothing")
    assert "already" in problem(capsys, "import", arrays, "--name", "of-arrays")
    assert "built-in" in problem(capsys, "import", tables, "--name", "shapes")
    (tmp_path / "cut.zip").write_bytes(tables.read_bytes()[:200])
    assert "zip" in problem(capsys, "import", tmp_path / "cut.zip", "--name", "cut").lower()


def test_training_images_alone_are_copied(
    capsys: pytest.CaptureFixture[str], image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    source = image_folder(images=10)
    changes = tmp_path / "mine.json"
    changes.write_text('{"rotation": 10, "operations": [{"name": "noise"}]}')
    for preset in ("cats-dogs-paper", changes):
        found = result(
            capsys,
            "augment",
            source,
            "--preset",
            preset,
            "--copies",
            5,
            "--write",
            tmp_path / f"out-{Path(preset).stem}",
        )
        assert (found["before"], found["after"]) == ({"blue": 8, "red": 8}, {"blue": 40, "red": 40})
    assert "no augmentation wild" in problem(
        capsys, "augment", source, "--preset", "wild", "--copies", 2, "--write", "x"
    )
    assert "copies is 0" in problem(capsys, "augment", source, "--preset", "none", "--copies", 0, "--write", "x")


def test_the_homework_s_five_times(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ("augment", "brains?percent=2&size=16", "--preset", "brain-paper", "--copies", 5, "--val", 0)
    found = result(capsys, *words, "--write", tmp_path / "out")
    assert found["before"] == {"AD": 19, "MCI": 14}  # of 965 and 689
    assert found["after"] == {"AD": 95, "MCI": 70}  # of 4,825 and 3,445
    divided = result(capsys, "split", tmp_path / "out", "--group-by", "stem")
    assert sum(sum(part.values()) for part in divided["counts"].values()) == 165


def test_few_and_many_and_too_large_are_answered_in_words(
    capsys: pytest.CaptureFixture[str],
    image_folder: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from core import settings

    source = image_folder(images=1)
    picture = next(source.glob("*/*.png"))
    assert "single class" in problem(capsys, image_folder("one", ("only",), 1))
    many = tmp_path / "many"
    for number in range(400):
        (many / f"c{number:03d}").mkdir(parents=True)
        (many / f"c{number:03d}" / "a.png").hardlink_to(picture)
    assert len(result(capsys, many)["classes"]) == 400
    packed = tmp_path / "big.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(60):
            archive.write(picture, f"{'ab'[number % 2]}/{number}.png")
    monkeypatch.setattr(settings, "upload_limit", lambda: packed.stat().st_size - 1)
    assert "an upload may have" in problem(capsys, "import", packed, "--name", "big")
