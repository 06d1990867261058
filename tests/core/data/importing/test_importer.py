"""Every kind of file becomes the same ordinary source, and hostile ones become a sentence."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import settings
from core.data.importing.importer import import_data
from core.data.sources import absolute_source, open_dataset
from core.data.splits import split
from core.errors import InputError
from core.specs import DataSpec
from tests.core.data.conftest import encoded, huge_png, photo

ROWS = [(f"pictures/p{n % 4}_{n}.png", "cat" if n % 2 else "a dog", f"p{n % 4}") for n in range(12)]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with twelve pictures below ``pictures``."""
    root = tmp_path / "mine"
    (root / "pictures").mkdir(parents=True)
    for number, (name, _, _) in enumerate(ROWS):
        (root / name).write_bytes(encoded(photo(seed=number)))
    return root


def table(root: Path, text: str, name: str = "list.csv") -> Path:
    (root / name).write_text(text, encoding="utf-8")
    return root / name


def counts(name: str = "new") -> dict[str, dict[str, int]]:
    return open_dataset(name).counts()


@pytest.mark.parametrize(
    ("header", "sign", "name", "encoding"),
    [
        ("path,label,patient", ",", "list.csv", "utf-8"),
        ("file_name;Class;patient", ";", "list.csv", "utf-8-sig"),
        ("image\tcategory\tpatient", "\t", "list.tsv", "utf-16"),
        ("path|label|patient", "|", "list.txt", "cp1252"),
    ],
)
def test_tables_of_files(pictures: Path, header: str, sign: str, name: str, encoding: str) -> None:
    text = "\n".join([header, *[sign.join(row) for row in ROWS], f"pictures/gone.png{sign}cat{sign}p9"])
    (pictures / name).write_text(text, encoding=encoding)
    import_data(pictures / name, "new")
    dataset = open_dataset("new")
    assert dataset.counts() == {"all": {"a dog": 6, "cat": 6}}
    assert dataset.columns["patient"][dataset.items[0].key] == dataset.items[0].key.split("/")[1][:2]
    assert "gone.png is named in the table" in str(dict(dataset.ignored)["pictures/gone.png"])
    where = {
        item.key: item.split for item in split(dataset, DataSpec("x", val_share=0.3, group_by="column:patient")).items
    }
    assert all(len({part for key, part in where.items() if f"/p{n}_" in key}) == 1 for n in range(4))


def test_excel_and_a_hugging_face_folder(pictures: Path) -> None:
    book = openpyxl.Workbook()
    for row in [("path", "label"), *[row[:2] for row in ROWS]]:
        book.active.append(row)
    book.save(pictures / "list.xlsx")
    import_data(pictures / "list.xlsx", "excel")
    assert counts("excel") == {"all": {"a dog": 6, "cat": 6}}
    lines = [
        json.dumps({"file_name": name, "label": label, "split": "train" if n < 8 else "validation"})
        for n, (name, label, _) in enumerate(ROWS)
    ]
    table(pictures, "\n".join(lines), "metadata.jsonl")
    import_data(pictures, "face")
    assert counts("face") == {"train": {"a dog": 4, "cat": 4}, "val": {"a dog": 2, "cat": 2}}


def test_files_are_linked_not_copied(pictures: Path) -> None:
    folder = import_data(table(pictures, "\n".join(f"{name},{label}" for name, label, _ in ROWS)), "new")
    assert next(folder.glob("cat/*.png")).stat().st_nlink == 2


def test_pixels_after_a_label(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (10, 8, 8)), np.arange(10) % 2
    lines = [",".join(map(str, (label, *image.ravel()))) for label, image in zip(labels, images, strict=True)]
    for name, head in (("plain", ""), ("headed", "label," + ",".join(f"pixel{n}" for n in range(64)) + "\n")):
        import_data(table(tmp_path, head + "\n".join(lines), f"{name}.csv"), name)
        dataset = open_dataset(name)
        assert dataset.counts() == {"all": {"0": 5, "1": 5}}
        assert (np.asarray(dataset.load(0).convert("L")) == images[0]).all()


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape) + values.tobytes()


def write_idx(folder: Path, part: str, kind: str = "", *, packed: bool = True) -> np.ndarray:
    images = np.random.default_rng(len(part)).integers(0, 256, (8, 28, 28)).astype(np.uint8)
    for name, data in (
        (f"{kind}{part}-images-idx3-ubyte", idx(images)),
        (f"{kind}{part}-labels-idx1-ubyte", idx(np.arange(8, dtype=np.uint8) % 2 + 1)),
    ):
        (folder / f"{name}.gz" if packed else folder / name).write_bytes(gzip.compress(data) if packed else data)
    return images


def test_idx(tmp_path: Path) -> None:
    images = write_idx(tmp_path, "train")
    write_idx(tmp_path, "t10k")
    import_data(tmp_path / "train-images-idx3-ubyte.gz", "one")
    assert counts("one") == {"all": {"1": 4, "2": 4}}
    assert (np.asarray(open_dataset("one").load(0).convert("L")) == images[0]).all()
    import_data(tmp_path, "both")
    assert counts("both") == {"train": {"1": 4, "2": 4}, "test": {"1": 4, "2": 4}}
    letters = write_idx(tmp_path, "letters-train", "emnist-", packed=False)
    import_data(tmp_path / "emnist-letters-train-images-idx3-ubyte", "written")
    assert open_dataset("written").classes == ("A", "B")
    assert (np.asarray(open_dataset("written").load(0).convert("L")) == letters[0].T).all()


def test_numpy_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (6, 3, 9, 12)).astype(np.uint8)
    np.savez(
        tmp_path / "a.npz",
        x_train=colour,
        y_train=np.eye(2)[[0, 1] * 3],
        x_test=colour,
        y_test=[0, 1] * 3,
        names=["cat", "dog"],
    )
    import_data(tmp_path / "a.npz", "a")
    assert counts("a") == {part: {"cat": 3, "dog": 3} for part in ("train", "test")}
    assert (np.asarray(open_dataset("a").load(0)) == colour[0].transpose(1, 2, 0)).all()
    np.save(tmp_path / "b.npy", rng.random((6, 7, 7)))
    np.save(tmp_path / "b_labels.npy", np.array(["x", "y"] * 3))
    import_data(tmp_path / "b.npy", "b")
    assert counts("b") == {"all": {"x": 3, "y": 3}}


def test_binaries(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (6, 3073)).astype(np.uint8)
    rows[:, 0] = [0, 1] * 3
    for name in ("data_batch_1.bin", "test_batch.bin"):
        (tmp_path / name).write_bytes(rows.tobytes())
    import_data(tmp_path, "cifar")
    assert counts("cifar") == {part: {"airplane": 3, "automobile": 3} for part in ("train", "test")}
    assert (np.asarray(open_dataset("cifar").load(0)) == rows[0, 1:].reshape(3, 32, 32).transpose(1, 2, 0)).all()
    (tmp_path / "stl").mkdir()
    stl = rng.integers(0, 256, (4, 3, 96, 96)).astype(np.uint8)
    (tmp_path / "stl" / "train_X.bin").write_bytes(stl.tobytes())
    (tmp_path / "stl" / "train_y.bin").write_bytes(bytes([1, 2, 1, 2]))
    import_data(tmp_path / "stl" / "train_X.bin", "stl")
    assert counts("stl") == {"all": {"airplane": 2, "bird": 2}}
    assert (np.asarray(open_dataset("stl").load(0)) == stl[0].transpose(2, 1, 0)).all()


def parquet(path: Path, images: list[bytes], labels: list[object]) -> Path:
    column = [{"bytes": data, "path": f"{n}.png"} for n, data in enumerate(images)]
    found = pa.table({"image": column, "label": labels, "patient": [f"p{n}" for n in range(len(images))]})
    noted = {"info": {"features": {"label": {"names": ["cat", "dog"]}}}}
    pq.write_table(found.replace_schema_metadata({"huggingface": json.dumps(noted)}), path)
    return path


def test_parquet_with_a_bomb_in_it(tmp_path: Path) -> None:
    images = [encoded(photo(seed=n), "JPEG") for n in range(6)]
    import_data(parquet(tmp_path / "x.parquet", [*images, huge_png(), b"no image"], [0, 1] * 4), "new")
    dataset = open_dataset("new")
    assert dataset.counts() == {"all": {"cat": 3, "dog": 3}}
    assert len(dataset.ignored) == 2
    assert set(dataset.columns["patient"].values()) == {f"p{n}" for n in range(6)}
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "x.parquet").read_bytes()[:-40])
    refused(tmp_path / "cut.parquet", "damaged or cut short")
    refused(parquet(tmp_path / "y.parquet", [b"x"] * 3, [0, 1, 0]), "no images that can be read")


def test_zip_by_its_name(pictures: Path) -> None:
    with zipfile.ZipFile(pictures / "x.zip", "w") as archive:
        for name, label, _ in ROWS:
            archive.write(pictures / name, f"{label}/{Path(name).name}")
    import_data(pictures / "x.zip", "packed")
    assert counts("packed") == {"all": {"a dog": 6, "cat": 6}}
    assert absolute_source("packed") == str(settings.uploads_dir() / "packed")


def refused(path: Path, message: str, name: str = "refused", **options: object) -> None:
    with pytest.raises(InputError, match=message):
        import_data(path, name, **options)  # type: ignore[arg-type]
    assert not settings.uploads_dir().exists() or not [
        place for place in settings.uploads_dir().iterdir() if place.name.startswith((".part", "refused"))
    ]


HOSTILE: dict[str, tuple[str, str]] = {
    "outside": ("path,label\n../secret.png,cat\npictures/p0_0.png,dog", "Row 2 of .* leads outside"),
    "absolute": ("path,label\n/etc/passwd,cat", "leads outside"),
    "formula": ("path,label\npictures/p0_0.png,=cmd()", "holds a formula"),
    "missing": ("path,label\nnone.png,cat\nno.png,dog", "None of the 2 files"),
    "columns": ("a,b,c\n1,2,3", "One must be called path"),
    "delimiter": ("path label\npictures/p0_0.png cat", "has one column"),
    "one class": ("path,label\npictures/p0_0.png,cat", "a single class, cat"),
    "empty": ("\n", "has no rows"),
    "halves": ("path,label,split\npictures/p0_0.png,cat,train\npictures/p1_1.png,dog,", "others in none"),
    "only test": ("path,label,split\npictures/p0_0.png,cat,test\npictures/p1_1.png,dog,val", "none to train on"),
    "no name": ("path,label\npictures/p0_0.png,...\npictures/p1_1.png,b", "no folder can be called"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_tables_are_refused_in_words(pictures: Path, kind: str) -> None:
    (pictures.parent / "secret.png").write_bytes(encoded(photo()))
    text, message = HOSTILE[kind]
    refused(table(pictures, text), message)


def test_a_link_out_of_the_folder_is_refused_unless_it_is_allowed(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.png").write_bytes(encoded(photo()))
    (pictures / "link.png").symlink_to(tmp_path / "other" / "x.png")
    listed = table(pictures, "path,label\nlink.png,cat\npictures/p0_0.png,dog")
    refused(listed, "leads outside")
    import_data(listed, "allowed", roots=[tmp_path / "other"])
    assert counts("allowed") == {"all": {"cat": 1, "dog": 1}}


def test_names_of_classes_cannot_lead_elsewhere(pictures: Path) -> None:
    rows = ["path,label", "pictures/p0_0.png,../../up", "pictures/p1_1.png,a/b", "pictures/p2_2.png,a-b"]
    folder = import_data(table(pictures, "\n".join(rows)), "new")
    assert sorted(place.name for place in folder.iterdir() if place.is_dir()) == ["-..-up", "a-b", "a-b~2"]


def test_too_many_classes(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.importing.collected.MOST_CLASSES", 5)
    rows = ["path,label", *[f"pictures/p{n % 4}_{n}.png,c{n}" for n in range(12)]]
    taken: list[Path] = []
    monkeypatch.setattr("core.data.importing.collected.Collected.add_file", lambda _, path, *__: taken.append(path))
    refused(table(pictures, "\n".join(rows)), "more than 5 classes, such as c5")
    assert taken == [], "it is refused before anything is written"


@pytest.mark.parametrize("cut", [3, 10, 100])
def test_cut_off_idx(tmp_path: Path, cut: int) -> None:
    write_idx(tmp_path, "train", packed=False)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-cut] if cut > 3 else path.read_bytes()[:cut])
    refused(path, "cut short|no IDX file")
    path.write_bytes(b"\0\0\x08\x03" + b"\xff" * 12)
    refused(path, "states a size that cannot be")
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    refused(path, "no train-labels-idx1-ubyte beside it")


def test_pickles_and_bombs_in_numpy_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.array([{"x": 1}, None], dtype=object), labels=[0, 1])
    refused(tmp_path / "a.npz", "Python objects")
    np.savez_compressed(tmp_path / "b.npz", images=np.zeros((100, 1000, 1000), np.uint8), labels=np.arange(100) % 2)
    refused(tmp_path / "b.npz", "grows far too much")
    np.savez(tmp_path / "c.npz", other=np.zeros(3))
    refused(tmp_path / "c.npz", "holds other, but no images with labels")
    (tmp_path / "d.npz").write_bytes(b"PK\x03\x04 nothing")
    refused(tmp_path / "d.npz", "damaged or cut short")
    np.savez(tmp_path / "e.npz", images=np.zeros((4, 8, 8), np.uint8), labels=[0, 1])
    refused(tmp_path / "e.npz", "do not belong together")
    np.savez(tmp_path / "f.npz", images=np.full((4, 8, 8), np.nan), labels=[0, 1, 0, 1])
    refused(tmp_path / "f.npz", "no numbers")


def test_damaged_excel_and_binaries_and_unknown_kinds(tmp_path: Path) -> None:
    for name, data, message in (
        ("x.xlsx", b"PK no", "no Excel file"),
        ("x.bin", b"\1" * 999, "neither CIFAR's nor STL-10's"),
        ("x.docx", b"word", "of no kind that is imported"),
        ("x.csv", b"\0\1\2\3", "no table of text"),
        ("y.csv", b"", "it holds no bytes"),
        ("pixels.csv", ("\n".join([",".join(["1"] * 65), ",".join(["1"] * 64 + ["300"])])).encode(), "Row 2 of"),
    ):
        (tmp_path / name).write_bytes(data)
        refused(tmp_path / name, message)
    refused(tmp_path / "none.csv", "There is no file")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", "nothing that needs importing")


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "", "mnist", "x" * 61, "a b"])
def test_names_that_cannot_be(pictures: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"cannot be the name|built-in"):
        import_data(table(pictures, "\n".join(f"{row[0]},{row[1]}" for row in ROWS)), name)


def test_a_name_is_given_once_whoever_comes_second(pictures: Path) -> None:
    listed = table(pictures, "\n".join(f"{row[0]},{row[1]}" for row in ROWS))
    import_data(listed, "new")
    with pytest.raises(InputError, match="a data source new already"):
        import_data(listed, "new")
    assert counts("new") == {"all": {"a dog": 6, "cat": 6}}


def test_the_quota_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBONE_LAB_QUOTA_MB", "0.005")
    images = np.random.default_rng(0).integers(0, 256, (40, 32, 32), dtype=np.uint8)
    stream = io.BytesIO()
    np.savez_compressed(stream, images=images[:8], labels=np.arange(8) % 2)
    (tmp_path / "x.npz").write_bytes(stream.getvalue())
    refused(tmp_path / "x.npz", r"no room|far too much")
