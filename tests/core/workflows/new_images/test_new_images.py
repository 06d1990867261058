"""New images: taken in with distrust, asked about, counted where their folders say what they are, written as tables."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from openpyxl import load_workbook
from PIL import Image

from core import settings
from core.data.importing.uploaded import Incoming
from core.errors import Cancelled, InputError
from core.evaluation.predictions import predict_images
from core.models.network import Network, assemble
from core.specs import ModelSpec
from core.workflows.new_images import answers, lots
from core.workflows.new_images.listing import images_below, images_of, truth
from core.workflows.new_images.tables import ABSTAINS, to_csv, to_excel

CLASSES = ("=1+1", "<b>Dog", "سبز")


@pytest.fixture(scope="module")
def network() -> Network:
    made = assemble(ModelSpec("mnist_cnn", "none"), CLASSES, seed=0)
    made.model.eval()
    return made


def png(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(buffer, "PNG")
    return buffer.getvalue()


def incoming(name: str, data: bytes) -> Incoming:
    return Incoming(name, io.BytesIO(data))


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for number, folder in enumerate(("<b>dog", "سبز", "bears", "سبز")):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / f"{number}.png").write_bytes(png((60 * number, 90, 200)))
    (root / "سبز" / "broken.jpg").write_bytes(b"no picture")
    (root / "سبز" / "empty.png").write_bytes(b"")
    (root / "notes.txt").write_text("no picture")
    return root


def test_folders_named_after_classes_say_what_is_right() -> None:
    keys = ["x/cats/1.jpg", "Dogs\\2.jpg", "3.jpg", "bears/4.jpg", "bears/5.jpg"]
    assert truth(keys, ("cats", "dogs")) == ([0, 1, -1, -1, -1], {"bears": 2})
    assert truth(["a/1.jpg"], ("a", "A")) == ([0], {})
    assert truth(["Ä/1.jpg"], ("ä", "b")) == ([0], {})
    assert truth(["AA/1.jpg"], ("aA", "Aa")) == ([-1], {"AA": 1})


def test_answers_are_those_of_one_picture_and_broken_files_cost_nothing(network: Network, tmp_path: Path) -> None:
    root = photos(tmp_path)
    dataset = images_below(root, network.classes)
    steps: list[tuple[int, int]] = []
    found = answers.answer(network, dataset, progress=lambda *step: steps.append(step))
    assert len(found) == 4
    assert {key for key, _ in found.unreadable} == {"سبز/broken.jpg", "سبز/empty.png"}
    assert steps == [(6, 6)]
    alone = predict_images(network, [Image.open(root / key).convert("RGB") for key in found.keys])
    assert np.abs(found.probabilities - alone).max() < 1e-6
    confidence = found.confidence[found.least_sure()]
    assert (np.diff(confidence) >= 0).all()
    assert found.unseen == {"bears": 1}
    scores = found.scores()
    assert scores is not None
    assert scores.images == 3
    assert found.scores(1.01) is None
    listed = answers.answer(network, images_of([root / "سبز" / "1.png"], network.classes))
    assert listed.keys == (str(root / "سبز" / "1.png"),)


def test_what_was_learned_from_is_not_counted(network: Network, tmp_path: Path) -> None:
    dataset = images_below(photos(tmp_path), network.classes)
    key = next(item.key for item in dataset.items if item.key.endswith("1.png"))
    scores = answers.answer(network, dataset, learned=frozenset({key, "gone"})).scores()
    assert scores is not None
    assert scores.images == 2


def test_answers_are_kept_and_damage_is_no_answer(network: Network, tmp_path: Path) -> None:
    found = answers.answer(network, images_below(photos(tmp_path), network.classes))
    answers.keep(tmp_path, found)
    again = answers.kept(tmp_path)
    assert again is not None
    assert (again.keys, again.classes, again.unseen) == (found.keys, found.classes, found.unseen)
    assert (again.probabilities == found.probabilities).all()
    assert [str(text) for _, text in again.unreadable] == [str(text) for _, text in found.unreadable]
    (tmp_path / answers.ARRAYS).write_bytes(b"damaged")
    assert answers.kept(tmp_path) is None
    assert answers.kept(tmp_path / "nowhere") is None


def test_tables_have_the_least_sure_first_and_no_formulas(network: Network, tmp_path: Path) -> None:
    found = answers.answer(network, images_below(photos(tmp_path), network.classes))
    limit = float(np.sort(found.confidence)[1]) + 1e-6
    rows = list(csv.DictReader(io.StringIO(to_csv(found, limit).decode("utf-8-sig"))))
    assert len(rows) == 6
    shares = [float(row["probability"]) for row in rows[:4]]
    assert shares == sorted(shares)
    assert [row["answer"] == ABSTAINS for row in rows[:4]] == [True, True, False, False]
    assert all(row["error"] for row in rows[4:])
    assert not any(cell.startswith("=") for row in rows for cell in row.values())
    assert {row["true"] for row in rows if row["image"].startswith("bears")} == {""}
    sheet = load_workbook(io.BytesIO(to_excel(found, limit))).active
    assert (sheet.max_row, sheet.max_column) == (7, 8 + len(CLASSES))
    assert not any(cell.data_type == "f" for row in sheet.iter_rows() for cell in row)


def test_a_lot_is_taken_found_again_and_forgotten() -> None:
    files = [incoming("a.png", png((1, 2, 3))), incoming("a.png", png((4, 5, 6))), incoming("b.heic", b"x")]
    packed = zipped(**{"in/سبز/c.png": png((7, 8, 9)), "in/readme.txt": b"x", "in/empty.png": b""})
    lot = lots.take([*files, incoming("more.zip", packed), incoming(".hidden.png", b"x")])
    keys = [item.key for item in images_below(lot.path, CLASSES).items]
    assert sorted(keys) == ["a (2).png", "a.png", "more/in/empty.png", "more/in/سبز/c.png"]
    assert {note.name for note in lot.notes} == {"b.heic", "in/readme.txt"}
    assert lots.open_lot(lot.id) == lot
    lot.forget()
    with pytest.raises(InputError, match="not kept"):
        lots.open_lot(lot.id)


@pytest.mark.parametrize("name", ["..", "../uploads", "a/b", "", ".part-x", "x" * 200])
def test_no_lot_lies_elsewhere(name: str) -> None:
    lots.lots_dir().mkdir(parents=True)
    with pytest.raises(InputError):
        lots.open_lot(name)


@pytest.mark.parametrize(
    "files",
    [
        [],
        [("notes.txt", b"x")],
        [("../../evil.png", png((1, 1, 1)))],
        [("C:/evil.png", png((1, 1, 1)))],
        [("a.zip", b"no zip")],
        [("a.zip", zipped(**{"../evil.png": png((1, 1, 1))}))],
        [("a.zip", zipped(**{"notes.txt": b"x"}))],
        [("a.png", png((1, 1, 1))), ("a.zip", zipped(**{"b.zip": b"x"}))],
    ],
)
def test_what_is_no_picture_or_leads_elsewhere_is_refused_and_nothing_stays(files: list[tuple[str, bytes]]) -> None:
    with pytest.raises(InputError):
        lots.take([incoming(*file) for file in files])
    assert [path for path in settings.uploads_dir().rglob("*") if path.is_file()] == []


def test_a_cancelled_lot_leaves_nothing() -> None:
    def cancel(_done: int, _total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        lots.take([incoming("a.png", png((1, 1, 1)))], progress=cancel)
    assert [path for path in settings.uploads_dir().rglob("*") if path.is_file()] == []


def test_room_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBONE_LAB_QUOTA_MB", "0.00001")
    with pytest.raises(InputError, match="uploads together"):
        lots.take([incoming("a.png", png((1, 1, 1)))])


def test_old_lots_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lots, "MOST_LOTS", 2)
    made = [lots.take([incoming("a.png", png((n, 1, 1)))]) for n in range(4)]
    assert sum(lot.path.is_dir() for lot in made) == 3  # two, and the one that was just made


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no pictures"):
        images_below(tmp_path / "empty", CLASSES)
    with pytest.raises(InputError):
        images_below(tmp_path / "nowhere", CLASSES)
