"""Folders: layouts that are recognised, and faults that are named."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from core.data.folders.listed import open_listed
from core.data.sources import open_dataset, open_spec
from core.errors import InputError
from core.specs import DataSpec, from_record
from tests.core.data.conftest import encoded, photo

Tree = Callable[..., Path]
IMAGE = encoded(photo())


def images(*paths: str) -> dict[str, bytes]:
    return {path: encoded(photo(seed=number)) for number, path in enumerate(paths)}


def refusal(source: str, **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        open_dataset(source, **options)  # type: ignore[arg-type]
    return caught.value


def test_a_folder_a_class(tree: Tree) -> None:
    root = tree(images("dog/1.png", "cat/b.PNG", "cat/a.jpeg", "cat/deep/er/c.webp"))
    dataset = open_dataset(str(root))
    assert dataset.classes == ("cat", "dog")
    assert [item.key for item in dataset.items] == ["cat/a.jpeg", "cat/b.PNG", "cat/deep/er/c.webp", "dog/1.png"]
    assert [item.label for item in dataset.items] == [0, 0, 0, 1]
    assert dataset.counts() == {"all": {"cat": 3, "dog": 1}}
    assert not dataset.presplit
    assert dataset.load(3).size == (40, 30)
    assert dataset.mask(3) is None
    assert dataset.path(3) == root / "dog/1.png"


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("Training", "Validation", "Test"),
        ("TRAIN", "VALID", "TEST"),
        ("training", "valid", "testing"),
    ],
)
def test_splits_are_recognised_in_any_case(tree: Tree, names: tuple[str, ...]) -> None:
    root = tree(images(*(f"{name}/{label}/{name}.png" for name in names for label in ("a", "b"))))
    dataset = open_dataset(str(root))
    assert dataset.presplit
    assert dataset.counts() == {split: {"a": 1, "b": 1} for split in ("train", "val", "test")}
    assert dataset.items[0].key == f"{names[0]}/a/{names[0]}.png"
    assert dataset.positions("val") == (2, 3)


def test_two_of_three_splits_are_enough_but_one_is_only_a_wrapper(tree: Tree) -> None:
    root = tree(images("train/a/1.png", "train/b/1.png", "test/a/2.png"), "two")
    assert open_dataset(str(root)).counts() == {"train": {"a": 1, "b": 1}, "test": {"a": 1, "b": 0}}
    root = tree(images("train/a/1.png", "train/b/1.png"), "one")
    dataset = open_dataset(str(root))
    assert dataset.counts() == {"all": {"a": 1, "b": 1}}
    assert dataset.items[0].key == "a/1.png"


def test_a_wrapping_folder_is_looked_through(tree: Tree) -> None:
    root = tree({**images("pets/cats/1.png", "pets/dogs/1.png"), "__MACOSX/._x": b"x", ".DS_Store": b"x"})
    dataset = open_dataset(str(root))
    assert dataset.classes == ("cats", "dogs")
    assert dataset.root == root / "pets"
    root = tree(images("pets/train/a/1.png", "pets/train/b/1.png", "pets/val/a/2.png"), "wrapped-splits")
    assert open_dataset(str(root)).presplit


@pytest.mark.parametrize("deep", [5, 8])
def test_many_wrapping_folders_are_looked_through_and_found_again(tree: Tree, deep: int) -> None:
    inner = "/".join(f"w{number}" for number in range(deep))
    root = tree(images(f"{inner}/a/1.png", f"{inner}/b/1.png"))
    opened = open_dataset(str(root))
    assert opened.classes == ("a", "b")
    rows = [(item.key, opened.classes[item.label], "train") for item in opened.items]
    assert open_listed(str(root), rows, opened.classes).root == opened.root


def test_where_too_many_folders_wrap_the_images_it_says_so(tree: Tree) -> None:
    inner = "/".join(f"w{number}" for number in range(9))
    error = refusal(str(tree(images(f"{inner}/a/1.png", f"{inner}/b/1.png"))))
    assert "more than 8 folders stand one within another" in str(error)


def test_a_picture_beside_a_wrapper_is_in_no_class(tree: Tree) -> None:
    opened = open_dataset(str(tree(images("preview.png", "pets/a/1.png", "pets/b/1.png"))))
    assert opened.classes == ("a", "b")
    assert {name: str(reason) for name, reason in opened.ignored} == {
        "preview.png": "preview.png is in no class folder."
    }


def test_classes_may_be_called_train_and_test(tree: Tree) -> None:
    assert open_dataset(str(tree(images("train/1.png", "plane/1.png"), "x"))).classes == ("plane", "train")
    assert open_dataset(str(tree(images("train/1.png", "test/1.png"), "y"))).classes == ("test", "train")


def test_names_in_persian_arabic_and_with_spaces(tree: Tree) -> None:
    root = tree(images("گربه‌ها/گربه ۱.png", "كلاب/صورة الكلب.png", "two words/a b.png"), "داده ها")
    dataset = open_dataset(str(root))
    assert set(dataset.classes) == {"گربه‌ها", "كلاب", "two words"}
    assert [dataset.load(index).size for index in range(3)] == [(40, 30)] * 3


def test_what_is_no_image_is_passed_over_and_told(tree: Tree) -> None:
    root = tree(
        {**images("a/1.png", "b/1.png", "loose.png"), "a/notes.txt": b"x", "b/Thumbs.db": b"x", "c/x.csv": b"x"}
    )
    dataset = open_dataset(str(root))
    assert len(dataset) == 2
    assert {key: str(reason) for key, reason in dataset.ignored} == {
        "a/notes.txt": "a/notes.txt is no image by its name.",
        "loose.png": "loose.png is in no class folder.",
        "c/x.csv": "c/x.csv is no image by its name.",
        "c": "c holds no images.",
    }


def test_special_files_do_not_block(tree: Tree) -> None:
    root = tree(images("a/1.png", "b/1.png"))
    os.mkfifo(root / "a" / "pipe.png")
    (root / "b" / "gone.png").symlink_to(root / "nowhere.png")
    dataset = open_dataset(str(root))
    assert len(dataset) == 2
    assert {key for key, _ in dataset.ignored} == {"a/pipe.png", "b/gone.png"}


def test_names_that_are_no_text_are_passed_over(tree: Tree) -> None:
    root = tree(images("a/1.png", "b/1.png"))
    with open(os.fsencode(root) + b"/a/\xff.png", "wb") as file:  # noqa: PTH123 - a name that pathlib cannot make
        file.write(IMAGE)
    dataset = open_dataset(str(root))
    assert len(dataset) == 2
    dataset.ignored[0][0].encode("utf-8")


def test_links_that_lead_in_circles_end(tree: Tree) -> None:
    root = tree(images("a/1.png", "b/1.png"))
    (root / "a" / "again").symlink_to(root / "a")
    assert open_dataset(str(root)).counts() == {"all": {"a": 1, "b": 1}}


def test_empty_one_class_missing_and_files_are_told_apart(tree: Tree, tmp_path: Path) -> None:
    assert "holds no images" in str(refusal(str(tree({}, "empty"))))
    assert "holds no images" in str(refusal(str(tree({"a/x.txt": b"x", "b/x.txt": b"x"}, "text"))))
    assert "single class, a" in str(refusal(str(tree(images("a/1.png", "a/2.png"), "one"))))
    assert "no class folders" in str(refusal(str(tree(images("1.png", "2.png"), "flat"))))
    assert "There is no folder" in str(refusal(str(tmp_path / "nowhere")))
    assert "is a file" in str(refusal(str(tree(images("x.zip"), "zip") / "x.zip")))
    assert "not a path" in str(refusal("nul\0byte"))
    assert "not a path" in str(refusal("x" * 5000))


def test_splits_that_do_not_fit_together(tree: Tree) -> None:
    root = tree(images("train/a/1.png", "train/b/1.png", "test/c/1.png"), "strange")
    assert "test has the class c" in str(refusal(str(root)))
    root = tree(images("train/a/1.png", "Training/a/1.png", "test/a/1.png"), "double")
    assert "same split" in str(refusal(str(root)))
    root = tree(images("val/a/1.png", "test/a/1.png"), "no-train")
    assert "none to train on" in str(refusal(str(root)))


def test_only_the_roots_may_be_read(tree: Tree, tmp_path: Path) -> None:
    inside, outside = tree(images("a/1.png", "b/1.png")), tmp_path / "outside"
    for name in ("a", "b"):
        (outside / name).mkdir(parents=True)
        (outside / name / "1.png").write_bytes(IMAGE)
    roots = (tmp_path / "data",)
    assert len(open_dataset(str(inside), roots=roots)) == 2
    assert len(open_dataset("set", roots=roots)) == 2
    assert len(open_dataset(str(outside))) == 2
    for path in (str(outside), f"{inside}/../../outside", "../outside", "/etc", str(tmp_path / "data-other")):
        assert "outside the folders" in str(refusal(path, roots=roots)), path
    (tmp_path / "data" / "link").symlink_to(outside)
    assert "outside the folders" in str(refusal("link", roots=roots))
    assert "outside the folders" in str(refusal("set", roots=()))


def test_links_inside_a_root_to_outside_are_not_followed(tree: Tree, tmp_path: Path) -> None:
    root = tree(images("a/1.png", "b/1.png"))
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "x.png").write_bytes(IMAGE)
    (root / "a" / "x.png").symlink_to(secret / "x.png")
    (root / "c").symlink_to(secret)
    limited = open_dataset(str(root), roots=(tmp_path / "data",))
    assert limited.counts() == {"all": {"a": 1, "b": 1}}
    assert {key for key, _ in limited.ignored} == {"a/x.png", "c"}
    assert len(open_dataset(str(root))) == 4


def test_a_file_swapped_for_a_link_to_outside_is_not_read(tree: Tree, tmp_path: Path) -> None:
    root = tree(images("a/1.png", "b/1.png"))
    dataset = open_dataset(str(root), roots=(tmp_path / "data",))
    (tmp_path / "secret.png").write_bytes(IMAGE)
    (root / "a/1.png").unlink()
    (root / "a/1.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(InputError, match=r"a/1\.png leads outside"):
        dataset.load(0)


def test_a_deleted_file_is_named(tree: Tree) -> None:
    root = tree(images("a/1.png", "b/1.png"))
    dataset = open_dataset(str(root))
    (root / "b/1.png").unlink()
    with pytest.raises(InputError, match=r"b/1\.png is not there"):
        dataset.load(1)


def test_a_sample_of_each_class_is_seeded(tree: Tree) -> None:
    root = tree(images(*(f"{name}/{number}.png" for name in "ab" for number in range(20))))
    first = open_dataset(str(root), images_per_class=5, seed=1)
    assert first.counts() == {"all": {"a": 5, "b": 5}}
    assert first == open_dataset(str(root), images_per_class=5, seed=1)
    assert first != open_dataset(str(root), images_per_class=5, seed=2)


def test_a_class_can_have_a_share_and_a_cap_of_its_own(tree: Tree) -> None:
    root = tree(images(*(f"{name}/{number}.png" for name in "ab" for number in range(20))))
    spec = DataSpec(str(root), class_share=0.5, class_caps=(("b", 3),))
    assert open_spec(spec).counts() == {"all": {"a": 10, "b": 3}}
    assert open_spec(replace(spec, images_per_class=7)).counts() == {"all": {"a": 7, "b": 3}}
    with pytest.raises(InputError, match="no class c of which there could be at most 3"):
        open_spec(replace(spec, class_caps=(("c", 3),)))
    assert from_record(DataSpec, "data", json.loads(json.dumps(asdict(spec)))) == spec
    for caps in ((("a", 0),), (("a", 1), ("a", 2)), (("a",),), 5):
        with pytest.raises(InputError, match="class_caps"):
            replace(spec, class_caps=caps)


def test_labels_may_follow_a_network(tree: Tree) -> None:
    root = tree(images("dog/1.png"))
    dataset = open_dataset(str(root), classes=("bird", "cat", "dog"))
    assert (dataset.classes, dataset.items[0].label) == (("bird", "cat", "dog"), 2)
    assert "class dog, which the network" in str(refusal(str(root), classes=("bird", "cat")))


def test_subset_and_without(tree: Tree) -> None:
    dataset = open_dataset(str(tree(images("a/1.png", "a/2.png", "b/1.png"))))
    assert [item.key for item in dataset.subset([2, 0]).items] == ["b/1.png", "a/1.png"]
    assert dataset.without(["a/1.png"]).counts() == {"all": {"a": 1, "b": 1}}
    assert np.asarray(dataset.subset([2]).load(0)).shape == (30, 40, 3)


@pytest.mark.parametrize(
    ("train", "other", "split"),
    [
        ("training_set", "test_set", "test"),
        ("seg_train", "seg_test", "test"),
        ("train", "dev", "val"),
        ("train", "eval", "val"),
        ("Train-Images", "validate", "val"),
        ("trainset", "hold out", "test"),
        ("train2017", "val2017", "val"),
        ("train", "tests", "test"),
    ],
)
def test_divisions_go_by_many_names(tree: Tree, train: str, other: str, split: str) -> None:
    root = tree(images(*(f"{folder}/{label}/1.png" for folder in (train, other) for label in "ab")))
    assert open_dataset(str(root)).counts() == {"train": {"a": 1, "b": 1}, split: {"a": 1, "b": 1}}


def test_an_evaluation_beside_a_validation_is_the_test(tree: Tree) -> None:
    root = tree(
        images(*(f"{folder}/{label}/1.png" for folder in ("training", "validation", "evaluation") for label in "ab"))
    )
    assert set(open_dataset(str(root)).counts()) == {"train", "val", "test"}


@pytest.mark.parametrize("name", ["tested", "training shoes", "valley", "contest", "trainer", "devil"])
def test_classes_that_sound_like_divisions_are_classes(tree: Tree, name: str) -> None:
    root = tree(images(f"{name}/1.png", "train/1.png"))
    assert open_dataset(str(root)).classes == tuple(sorted((name, "train")))


def test_folders_that_hold_the_same_folders_are_not_taken_for_classes(tree: Tree) -> None:
    root = tree(images(*(f"{folder}/{label}/1.png" for folder in ("one", "two") for label in ("cats", "dogs"))))
    error = refusal(str(root))
    assert "they look like divisions" in str(error)
    assert error.values["folders"] == "one, two"
    other = tree(images("cats/siamese/1.png", "cats/persian/1.png", "dogs/poodle/1.png", "dogs/beagle/1.png"), "kinds")
    assert open_dataset(str(other)).classes == ("cats", "dogs")


@pytest.mark.parametrize("inner", ["images", "same"])
def test_a_wrapper_within_each_split_is_looked_through(tree: Tree, inner: str) -> None:
    paths = [f"{s}/{s if inner == 'same' else inner}/{label}/1.png" for s in ("train", "test") for label in "ab"]
    assert open_dataset(str(tree(images(*paths)))).counts() == {"train": {"a": 1, "b": 1}, "test": {"a": 1, "b": 1}}


def test_a_split_without_classes_does_not_count(tree: Tree) -> None:
    root = tree(images("train/a/1.png", "train/b/1.png", "test/1.png", "test/2.png"))
    dataset = open_dataset(str(root))
    assert not dataset.presplit
    assert dataset.counts() == {"all": {"a": 1, "b": 1}}
    assert [str(sentence) for _, sentence in dataset.ignored] == [
        "test is no split, as it has no class folders: 2 pictures in no class."
    ]


def test_one_name_in_two_compositions_is_one_class(tree: Tree) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Pâté") for form in ("NFC", "NFD"))
    root = tree(images(f"train/{composed}/1.png", "train/b/1.png", f"val/{decomposed}/2.png", "val/b/2.png"))
    dataset = open_dataset(str(root))
    assert dataset.counts() == {"train": {composed: 1, "b": 1}, "val": {composed: 1, "b": 1}}
    assert dataset.load(3).size == (40, 30)


def test_a_class_that_begins_with_a_dot_is_named(tree: Tree) -> None:
    dataset = open_dataset(str(tree(images(".22 LR/1.png", "9 mm/1.png", "12 gauge/1.png", ".git/x"))))
    assert dataset.classes == ("12 gauge", "9 mm")
    assert [name for name, _ in dataset.ignored] == [".22 LR"]


def test_phone_pictures_alone_say_what_to_do(tree: Tree) -> None:
    error = refusal(str(tree({"cats/1.HEIC": b"x", "dogs/2.heic": b"x"})))
    assert "2 .heic. Save them as JPEG or PNG" in str(error)
