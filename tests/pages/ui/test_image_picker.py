"""One picker on all pages: any picture of the data, the wrong ones, the least sure, samples, several own files."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from core.data.images import CONVERTIBLE, SUFFIXES
from core.data.sources import Item
from core.evaluation.predictions import write_predictions
from core.runs import Run
from pages.ui.selection import image_picker, own_pictures, picture_list
from pages.ui.selection.picture_list import Filter


class File:
    """Stands for what a person uploads."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name, self.data, self.size = name, data, len(data)

    def getvalue(self) -> bytes:
        return self.data


def picture(ending: str = "png", colour: str = "teal") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (60, 40), colour).save(file, {"jpe": "JPEG", "jfif": "JPEG"}.get(ending, ending.upper()))
    return file.getvalue()


@pytest.fixture
def judged(learned: Callable[..., Run]) -> Run:
    """A run whose answers to its test images are known: the first of each class is wrong, and less and less sure."""
    run = learned()
    rows = [row for row in run.split_rows() if row["split"] in ("val", "test")]
    classes = run.classes()
    seen: set[str] = set()
    probabilities = np.zeros((len(rows), len(classes)), np.float32)
    for place, row in enumerate(rows):
        label = classes.index(row["label"])
        wrong = row["label"] not in seen
        seen.add(row["label"])
        sure = 0.95 - 0.02 * place
        probabilities[place] = (1 - sure) / max(len(classes) - 1, 1)
        probabilities[place, (label + 1) % len(classes) if wrong else label] = sure
    items = [Item(row["key"], classes.index(row["label"]), row["split"]) for row in rows]
    write_predictions(run.path / "predictions.parquet", items, probabilities, classes)
    return run


def test_every_picture_of_the_data_can_be_reached(judged: Run) -> None:
    pictures = picture_list.of_run(judged)
    keys = {item.key for item in pictures.dataset.items}
    assert {pictures.dataset.items[place].key for place in pictures.listed(Filter())} == keys
    assert len(pictures.listed(Filter())) == len(keys)


def test_a_search_by_name_class_and_split(judged: Run) -> None:
    pictures = picture_list.of_run(judged)
    items, classes = pictures.dataset.items, pictures.dataset.classes
    for wanted, fits in (
        (Filter(label=1), lambda item: item.label == 1),
        (Filter(split="train"), lambda item: item.split == "train"),
        (Filter(text=classes[0].upper()), lambda item: item.label == 0 or classes[0] in item.key),
        (Filter(text="0001", split="test"), lambda item: "0001" in item.key and item.split == "test"),
    ):
        assert {items[place].key for place in pictures.listed(wanted)} == {item.key for item in items if fits(item)}


def test_the_classes_take_turns(judged: Run) -> None:
    pictures = picture_list.of_run(judged)
    classes = range(len(pictures.dataset.classes))
    first = pictures.listed(Filter())[: len(classes)]
    assert sorted(pictures.dataset.items[place].label for place in first) == [*classes]


def test_wrong_ones_and_the_least_sure(judged: Run) -> None:
    pictures = picture_list.of_run(judged)
    answers = pictures.answers
    wrong = [pictures.dataset.items[place].key for place in pictures.listed(Filter(order="wrong"))]
    assert len(wrong) == len(pictures.dataset.classes)
    assert not any(answers[key].right for key in wrong)
    unsure = [answers[pictures.dataset.items[p].key].probability for p in pictures.listed(Filter(order="unsure"))]
    assert unsure == sorted(unsure)
    assert len(unsure) == len(answers)


@pytest.mark.parametrize("broken", [None, b"", b"PAR1 and nothing more"], ids=["gone", "empty", "damaged"])
def test_without_answers_there_are_no_wrong_ones(judged: Run, broken: bytes | None) -> None:
    path = judged.path / "predictions.parquet"
    path.unlink()
    if broken is not None:
        path.write_bytes(broken)
    assert picture_list.of_run(judged).answers == {}


def test_thumbnails_are_made_for_what_is_seen_and_once(judged: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, made = picture_list.of_run(judged), []
    real = type(pictures.dataset).thumbnail

    def counted(self: object, index: int, side: int) -> Image.Image:
        made.append(index)
        return real(self, index, side)  # type: ignore[arg-type]

    monkeypatch.setattr(type(pictures.dataset), "thumbnail", counted)
    monkeypatch.setattr(picture_list, "_SHELF", "picture-thumbnails-counted")
    assert all(pictures.thumbnails([0, 1, 2]))
    assert all(pictures.thumbnails([1, 2, 3]))
    assert sorted(made) == [0, 1, 2, 3]


def test_opening_many_pictures_decodes_a_strip_of_them(open_page, learned, monkeypatch: pytest.MonkeyPatch) -> None:
    run, asked = learned(), []
    real = picture_list.Pictures.thumbnails
    monkeypatch.setattr(
        picture_list.Pictures, "thumbnails", lambda self, places: asked.append(len(places)) or real(self, places)
    )
    app = open_page("heatmaps", run=run.id)
    assert not app.exception
    assert max(asked) <= image_picker._AHEAD


def test_the_address_names_the_picture(open_page, judged: Run) -> None:
    train = next(row["key"] for row in judged.split_rows() if row["split"] == "train")
    app = open_page("heatmaps", run=judged.id, image=train)
    assert not app.exception
    assert app.session_state["bl.image"].name == train
    assert app.query_params["image"] == train
    sample = open_page("heatmaps", run=judged.id, image="sample:rocket")
    assert sample.session_state["bl.image"].kind == "sample"
    assert sample.query_params["image"] == "sample:rocket"


@pytest.mark.parametrize("name", ["heatmaps", "feature_maps"])
def test_a_run_whose_folder_may_not_be_read_says_so_where_other_pictures_stand(
    name: str, open_page, words, judged: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sentence = "The pictures that this network was trained on cannot be shown here; these are others."
    other = tmp_path / "elsewhere"
    other.mkdir()
    monkeypatch.setenv("BACKBONE_LAB_DATA", str(other))
    app = open_page(name, run=judged.id)
    assert not app.exception
    said = words(app)
    assert sentence in said
    assert f"Put the images under {other}" in said, "what to do is said, too"


@pytest.mark.parametrize("name", ["nothing/there.png", "sample:../../README", "own:123", "../../etc/passwd"])
def test_a_name_that_is_not_on_offer_counts_as_not_named(open_page, judged: Run, name: str) -> None:
    app = open_page("heatmaps", run=judged.id, image=name)
    assert not app.exception
    held_out = {row["key"] for row in judged.split_rows() if row["split"] == "test"}
    assert app.session_state["bl.image"].name in held_out


def test_another_order_keeps_the_chosen_picture(open_page, judged: Run) -> None:
    train = next(row["key"] for row in judged.split_rows() if row["split"] == "train")
    app = open_page("heatmaps", run=judged.id, image=train)
    next(box for box in app.selectbox if box.label == "Order").set_value("wrong").run()
    assert not app.exception
    assert app.session_state["bl.image"].name == train


@pytest.mark.parametrize("ending", ["png", "jpe", "jfif", "webp", "bmp", "gif", "tiff", "avif", "ppm"])
def test_what_is_read_is_taken(ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})
    assert own_pictures.take([File(f"holiday.{ending}", picture(ending))]) is not None
    assert ending in own_pictures.suffixes()
    assert {f".{name}" for name in own_pictures.suffixes()} == SUFFIXES | CONVERTIBLE


def test_a_file_that_cannot_be_read_is_named_and_the_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})
    files = [
        File("empty.png", b""),
        File("first.png", picture()),
        File("torn.jpg", b"\xff\xd8\xff\xe0" + b"x" * 64),
        File("phone.HEIC", b"\x00\x00\x00\x18ftypheic"),
        File("second.png", picture(colour="red")),
    ]
    first = own_pictures.take(files)
    kept = own_pictures.kept()
    assert first is not None
    assert first.name == "first.png"
    assert [choice.name for choice, _view in kept.pictures.values()] == ["first.png", "second.png"]
    for name in ("empty.png", "torn.jpg", "phone.HEIC"):
        assert sum(name in sentence for sentence in kept.refused) == 1
    assert any("Save it as JPEG or PNG" in sentence for sentence in kept.refused)


def test_more_than_a_session_holds_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(own_pictures, "MOST_MB", 0)
    assert own_pictures.take([File("large.png", picture())]) is None
    assert "large.png is one too many" in own_pictures.kept().refused[0]


def test_own_pictures_stand_in_the_strip(open_page, judged: Run) -> None:
    app = open_page("heatmaps", run=judged.id)
    state: dict[str, object] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(st, "session_state", state)
        chosen = own_pictures.take([File("one.png", picture()), File("two.png", picture(colour="red"))])
    again = open_page("heatmaps", run=judged.id, session={**state, "bl.image": chosen})
    assert not app.exception
    assert not again.exception
    strip = strip_of(again)
    assert [tile["title"] for tile in strip["tiles"][:2]] == ["one.png · Yours", "two.png · Yours"]
    assert strip["chosen"] == 0
    assert strip["count"] == strip_of(app)["count"] + 2
    assert "image" not in again.query_params, "no address can name a file of one's own"


def strip_of(app) -> dict:
    """Returns what the strip was given to draw."""
    found = []

    def walk(block: object) -> None:
        for child in getattr(block, "children", {}).values():
            walk(child)
        proto = getattr(block, "proto", None)
        if getattr(proto, "component_name", "").endswith("strip"):
            found.append(json.loads(proto.json))

    walk(app.main)
    return found[0]
