"""What a browser sends becomes a source whole, or leaves nothing."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from threading import Barrier, Thread

import numpy as np
import pytest

from core import settings
from core.data.importing.uploaded import Incoming, import_classes, import_files
from core.data.sources import open_dataset
from core.errors import InputError
from tests.core.data.conftest import encoded, huge_png, photo

PICTURES = {f"{kind}/{number}.png": encoded(photo(seed=number)) for kind in ("cat", "dog") for number in range(3)}


def sent(files: dict[str, bytes]) -> list[Incoming]:
    return [Incoming(name, io.BytesIO(data)) for name, data in files.items()]


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


IMAGES = np.arange(8 * 28 * 28, dtype=np.uint8).reshape(8, 28, 28)
LABELS = np.arange(8, dtype=np.uint8) % 2
ROWS = "".join(f"{name},{name[:3]}\n" for name in PICTURES)
GOOD: dict[str, tuple[dict[str, bytes], str, int]] = {
    "zip": ({"My pets.zip": zipped(PICTURES)}, "My-pets", 6),
    "zip of a table with its pictures": (
        {
            "listed.zip": zipped(
                {"d/list.csv": f"path,label\n{ROWS}".replace("/", "_").encode(), "d/README.txt": b"x"}
                | {f"d/{name.replace('/', '_')}": data for name, data in PICTURES.items()}
            )
        },
        "listed",
        6,
    ),
    "zip of arrays": ({"arrays.zip": zipped({"labels.npy": npy(LABELS), "images.npy": npy(IMAGES)})}, "arrays", 8),
    "table with its pictures": ({"list.csv": f"path,label\n{ROWS}".encode(), **PICTURES}, "list", 6),
    "pixels": ({"p.csv": "\n".join(f"{n % 2},{','.join(['7'] * 64)}" for n in range(4)).encode()}, "p", 4),
    "IDX": ({"train-images-idx3-ubyte": idx(IMAGES), "train-labels-idx1-ubyte": idx(LABELS)}, "x", 8),
    "npy": ({"labels.npy": npy(LABELS), "images.npy": npy(IMAGES)}, "images", 8),
    "STL-10": (
        {"train_X.bin": bytes(2 * 27648), "train_y.bin": bytes([1, 2]), "class_names.txt": b"bird\ncar\n"},
        "train_X",
        2,
    ),
    "folder": ({f"pets/{name}": data for name, data in PICTURES.items()} | {"pets/notes.md": b"x"}, "pets", 6),
}


@pytest.mark.parametrize("kind", GOOD)
def test_what_is_sent_together_becomes_one_source(kind: str) -> None:
    files, name, count = GOOD[kind]
    path = import_files(sent(files), "x" if name == "x" else "")
    assert path.name == name
    assert len(open_dataset(path.name)) == count
    assert [place.name for place in settings.uploads_dir().iterdir()] == [name]
    if name != "x":
        assert import_files(sent(files)).name == f"{name}-2"


WRONG: dict[str, tuple[dict[str, bytes], str]] = {
    "upward": ({"../../out/cat/1.png": PICTURES["cat/0.png"]}, "leads outside"),
    "absolute": ({"/etc/cat/1.png": PICTURES["cat/0.png"]}, "leads outside"),
    "control": ({"pets/c\x07at/1.png": PICTURES["cat/0.png"]}, "control characters"),
    "no folders": ({"1.png": PICTURES["cat/0.png"], "2.png": PICTURES["cat/1.png"]}, "classes are not known"),
    "unknown": ({"song.mp3": b"abc"}, "of no kind that is imported"),
    "empty": ({"a.csv": b""}, "is empty"),
    "labels missing": ({"train-images-idx3-ubyte": idx(IMAGES)}, "no labels"),
    "wrong delimiter": ({"a.csv": b"path label\na cat\n"}, "one column"),
    "missing pictures": ({"a.csv": b"path,label\nx.png,cat\ny.png,dog\n"}, "None of the 2 files"),
    "formula": ({"a.csv": b'path,label\n=HYPERLINK("x"),cat\n'}, "formula"),
    "out of the roots": ({"a.csv": b"path,label\n/etc/passwd,cat\n../../b.png,dog\n"}, "leads outside"),
    "two tables": ({"a.csv": b"path,label\n", "b.csv": b"path,label\n", **PICTURES}, "two tables"),
    "two arrays": ({"a.npy": npy(IMAGES), "b.npy": npy(IMAGES)}, "both hold images"),
    "one class": ({f"pets/{name}": data for name, data in PICTURES.items() if "cat" in name}, "class"),
    "zip of text": ({"a.zip": b"no zip"}, "not a zip archive"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_refusal_leaves_nothing(kind: str) -> None:
    files, sentence = WRONG[kind]
    with pytest.raises(InputError, match=sentence):
        import_files(sent(files))
    assert not settings.uploads_dir().exists() or not list(settings.uploads_dir().iterdir())


def test_a_table_with_too_many_classes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.importing.collected.MOST_CLASSES", 3)
    rows = "".join(f"{name},{number}\n" for number, name in enumerate(PICTURES))
    with pytest.raises(InputError, match="more than 3 classes"):
        import_files(sent({"a.csv": f"path,label\n{rows}".encode(), **PICTURES}))


def test_room_and_size_are_checked_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBONE_LAB_QUOTA_MB", "0.001")
    with pytest.raises(InputError, match="all uploads together may take"):
        import_files(sent(GOOD["folder"][0]))
    monkeypatch.setenv("BACKBONE_LAB_UPLOAD_MB", "0.001")
    with pytest.raises(InputError, match="an upload may have"):
        import_files(sent({"a.npz": bytes(5000)}))


class CutOff(BaseException):
    """As the page's script is ended when its person leaves."""


@pytest.mark.parametrize("kind", ["zip", "pixels", "table with its pictures"])
def test_cut_off_it_leaves_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(_done: int, _total: int) -> None:
        raise CutOff

    monkeypatch.setattr("core.data.importing.collected._REPORTED", 2)
    with pytest.raises(CutOff):
        import_files(sent(GOOD[kind][0]), progress=ended)
    assert not list(settings.uploads_dir().iterdir())


def test_of_two_who_take_one_name_at_once_one_is_told() -> None:
    gate, ends = Barrier(2), []

    def work() -> None:
        def wait(done: int, _total: int) -> None:
            if done == 1:
                gate.wait(20)

        try:
            classes = {
                kind: sent({name: PICTURES[name] for name in PICTURES if kind in name}) for kind in ("cat", "dog")
            }
            ends.append(import_classes(classes, "mine", progress=wait))
        except InputError as error:
            ends.append(error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.data.importing.collected._REPORTED", 1)
        threads = [Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(type(end).__name__ for end in ends) == ["InputError", type(Path()).__name__]
    assert "There is a data source mine already" in str(ends)
    assert list(settings.uploads_dir().iterdir()) == [settings.uploads_dir() / "mine"]


def test_named_classes_leave_out_what_is_no_picture_and_say_so() -> None:
    bad = {"huge.png": huge_png(), "cut.jpg": PICTURES["cat/0.png"][:100], "x/../y.heic": b"heic", "note.txt": b"text"}
    cats = sent({"../a.png": PICTURES["cat/0.png"], "a.png": PICTURES["cat/1.png"], **bad})
    path = import_classes({"the cat/s": cats, "سگ": sent({"d.png": PICTURES["dog/0.png"]})}, "mine")
    dataset = open_dataset("mine")
    assert dataset.counts() == {"all": {"the cat-s": 2, "سگ": 1}}
    assert len(dataset.ignored) == 4
    assert path.parent == settings.uploads_dir()


@pytest.mark.parametrize(
    ("classes", "sentence"),
    [
        ({"cat": ["cat/0.png"]}, "at least two"),
        ({"cat": ["cat/0.png"], " ": ["dog/0.png"]}, "at least two"),
        ({"cat": ["cat/0.png"], "cat ": ["dog/0.png"]}, "Two classes are called cat"),
        ({"cat": ["cat/0.png"], "dog": []}, "The class dog has no picture"),
        ({"cat": ["cat/0.png"], "..": ["dog/0.png"]}, "no folder can be called"),
    ],
)
def test_classes_that_cannot_be_are_refused(classes: dict[str, list[str]], sentence: str) -> None:
    given = {label: sent({name: PICTURES[name] for name in names}) for label, names in classes.items()}
    with pytest.raises(InputError, match=sentence):
        import_classes(given, "mine")
    assert not settings.uploads_dir().exists() or not list(settings.uploads_dir().iterdir())
