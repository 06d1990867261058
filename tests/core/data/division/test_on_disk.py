"""A division written as folders is the same division when it is opened again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.data.division.on_disk import fingerprint, write_division
from core.data.sources import open_dataset
from core.data.splits import split
from core.errors import InputError
from core.specs import DataSpec
from tests.core.data.conftest import encoded, photo


@pytest.mark.parametrize("source", ["shapes?per_class=12&size=32", "digits", "folder"])
def test_it_comes_back_with_the_identical_fingerprint(
    source: str, tmp_path: Path, tree: Callable[[dict[str, bytes]], Path]
) -> None:
    if source == "folder":
        files = {f"{c}/{c}{k % 3}/{k}.png": encoded(photo(seed=k + 40 * (c == "b"))) for c in "ab" for k in range(12)}
        source = str(tree(files))
    spec = DataSpec(source, val_share=0.3, test_share=0.2, seed=5)
    divided = split(open_dataset(source), spec)
    written = open_dataset(str(write_division(divided, tmp_path / "out" / "x")))
    assert written.presplit
    assert written.counts() == divided.counts()
    assert split(written, DataSpec("other", val_share=0.1, seed=9)) is written
    assert fingerprint(written) == fingerprint(divided)
    assert fingerprint(divided) != fingerprint(split(open_dataset(source), DataSpec(source, seed=6, test_share=0.2)))
    assert not list((tmp_path / "out").glob(".part-*"))


def test_files_of_one_name_in_two_folders_are_both_written(
    tmp_path: Path, tree: Callable[[dict[str, bytes]], Path]
) -> None:
    files = {f"train/{c}/x/{c}/1.png": encoded(photo(seed=ord(c))) for c in "ab"}
    files |= {f"train/{c}/{n}.png": encoded(photo(seed=ord(c) + 9 * n)) for c in "ab" for n in (1, 2)}
    files |= {f"val/{c}/1.png": encoded(photo(seed=ord(c) + 3)) for c in "ab"}
    dataset = open_dataset(str(tree(files)))
    written = open_dataset(str(write_division(dataset, tmp_path / "out")))
    assert (len(written), fingerprint(written)) == (len(dataset), fingerprint(dataset))


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    divided = split(open_dataset("shapes?per_class=4&size=32"), DataSpec("shapes"))
    with pytest.raises(InputError, match="not empty"):
        write_division(divided, tmp_path / "full")
    with pytest.raises(InputError, match="cannot be written"):
        write_division(divided, tmp_path / "full" / "mine.txt" / "deeper")
    assert [path.name for path in tmp_path.glob("**/*") if path.is_file()] == ["mine.txt"]


def test_an_image_that_has_gone_leaves_nothing_behind(tmp_path: Path, tree: Callable[[dict[str, bytes]], Path]) -> None:
    root = tree({f"{c}/{n}.png": encoded(photo(seed=ord(c) + n)) for c in "ab" for n in range(4)})
    divided = split(open_dataset(str(root)), DataSpec(str(root)))
    (root / "b" / "3.png").unlink()
    with pytest.raises(InputError, match=r"b/3.png is not there"):
        write_division(divided, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".part-*"))
