"""Files that can be made again: never torn, never too many, never believed when damaged."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from core import settings
from core.disk_cache import LEFTOVERS, DiskCache, beside, name_of, replacing

TURNS = 40


def load(path: Path) -> Any:
    return json.loads(path.read_text())


def fill(place: str, word: str) -> None:
    """Writes the same names over and over, as one of several processes."""
    cache = DiskCache(place, ".json", max_files=5)
    for turn in range(TURNS):
        cache.write({f"n{turn % 8}": json.dumps([word] * 2000).encode()})


@pytest.fixture
def cache() -> DiskCache:
    return DiskCache("some", ".json")


def age(cache: DiskCache, *names: str) -> None:
    """Makes the files old, the first the oldest."""
    for place, name in enumerate(names):
        os.utime(cache.path(name), (1000 + place, 1000 + place))


def names(cache: DiskCache) -> list[str]:
    return sorted(path.name.removesuffix(cache.suffix) for path in cache.folder.iterdir())


def test_what_was_written_is_read(cache: DiskCache) -> None:
    assert cache.folder == settings.cache_dir() / "some"
    assert cache.read("a", load) is None
    cache.write({"a": b"[1]", "b": b"[2]"})
    assert (cache.read("a", load), cache.read("b", load)) == ([1], [2])
    assert names(cache) == ["a", "b"]


def test_names_tell_texts_apart() -> None:
    assert len({name_of(text) for text in ("a", "b", "a ", "\udcff")}) == 4
    assert name_of("a") == name_of("a")


@pytest.mark.parametrize("content", [b"", b"[1", b"\xff\xfe", b"nonsense"])
def test_a_damaged_file_is_none_and_goes(cache: DiskCache, content: bytes) -> None:
    cache.write({"a": content})
    assert cache.read("a", load) is None
    assert names(cache) == []


@pytest.mark.parametrize("error", [OSError("image file is truncated"), KeyError("x"), SyntaxError("broken PNG")])
def test_so_is_one_that_its_reader_does_not_understand(cache: DiskCache, error: Exception) -> None:
    def refuse(_path: Path) -> None:
        raise error

    cache.write({"a": b"[1]"})
    assert cache.read("a", refuse) is None
    assert names(cache) == []


def test_a_file_that_cannot_be_read_now_stays(cache: DiskCache) -> None:
    def refuse(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    cache.write({"a": b"[1]"})
    assert cache.read("a", refuse) is None
    assert cache.read("a", load) == [1]


def test_a_mistake_of_ours_is_no_damage(cache: DiskCache) -> None:
    def wrong(_path: Path) -> None:
        raise ZeroDivisionError

    cache.write({"a": b"[1]"})
    with pytest.raises(ZeroDivisionError):
        cache.read("a", wrong)
    assert names(cache) == ["a"]


def test_the_longest_unused_go_by_number() -> None:
    cache = DiskCache("some", ".json", max_files=2)
    cache.write({"a": b"[1]", "b": b"[2]"})
    age(cache, "a", "b")
    assert cache.read("a", load) == [1]  # used now
    cache.write({"c": b"[3]"})
    assert names(cache) == ["a", "c"]


def test_the_longest_unused_go_by_size() -> None:
    cache = DiskCache("some", ".json", max_bytes=10)
    cache.write({"a": b"[1]", "b": b"[2]", "c": b"[3]"})
    age(cache, "b", "a", "c")
    cache.write({"d": b"[4]"})
    assert names(cache) == ["a", "c", "d"]
    cache.prune(5)
    assert names(cache) == ["d"]
    cache.write({"e": b"[" + b"1" * 20 + b"]"})
    assert names(cache) == []


def test_other_files_are_left_alone(cache: DiskCache) -> None:
    cache.write({"a": b"[1]"})
    for name in ("other.txt", ".hidden.json"):
        (cache.folder / name).write_text("[]")
    bounded = DiskCache("some", ".json", max_files=0)
    bounded.prune()
    assert sorted(path.name for path in cache.folder.iterdir()) == [".hidden.json", "other.txt"]


def test_what_a_killed_process_left_goes_after_a_day(cache: DiskCache) -> None:
    cache.write({"a": b"[1]"})
    old, new, lock = beside(cache.path("b")), beside(cache.path("c")), cache.folder / "b.lock"
    for path in (old, new, lock):
        path.write_text("half")
    past = time.time() - LEFTOVERS - 5
    for path in (old, lock):
        os.utime(path, (past, past))
    cache.write({"d": b"[1]"})
    assert {path.name for path in cache.folder.iterdir()} == {"a.json", "d.json", new.name}


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for blocked in (DiskCache(tmp_path / "file", ".json"), DiskCache(tmp_path / "file" / "folder", ".json")):
        blocked.write({"a": b"[1]"})
        assert blocked.read("a", load) is None
        blocked.prune(1)
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("ne")
            raise KeyError

    with pytest.raises(KeyError):
        half()
    assert path.read_text() == "old"
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["a"]


def check_whole(cache: DiskCache, words: set[str]) -> int:
    """Reads every file as any process might at any time; returns how many there were."""
    seen = 0
    for name in (f"n{number}" for number in range(8)):
        found = cache.read(name, load)
        if found is not None:
            assert len(found) == 2000
            assert len(set(found)) == 1
            assert set(found) < words
            seen += 1
    return seen


def test_two_threads_write_the_same_names(cache: DiskCache) -> None:
    threads = [threading.Thread(target=fill, args=(cache.place, word)) for word in ("one", "two")]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        check_whole(cache, {"one", "two"})
    assert 0 < check_whole(cache, {"one", "two"}) <= 5
    assert len(names(cache)) <= 5


@pytest.mark.slow
def test_two_processes_write_the_same_names(cache: DiskCache) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=fill, args=(str(cache.folder), word)) for word in ("one", "two")]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        check_whole(cache, {"one", "two"})
    assert [process.exitcode for process in processes] == [0, 0]
    assert 0 < check_whole(cache, {"one", "two"}) <= 5
    assert len(names(cache)) <= 5
