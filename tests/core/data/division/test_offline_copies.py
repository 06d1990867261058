"""Changed copies on disk: of training images, after the division, and known as relatives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data.augment import Augmenter
from core.data.division.offline_copies import changed, write_copies
from core.data.division.on_disk import fingerprint
from core.data.division.relatives import stem_of
from core.data.operations.draws import drawn
from core.data.sources import open_dataset
from core.data.splits import split
from core.errors import InputError
from core.specs import AugmentSpec, DataSpec
from tests.core.data.conftest import photo

BRAIN = AugmentSpec.preset("brain-paper")


def test_each_training_image_becomes_so_many_and_the_others_stay(
    tmp_path: Path, image_folder: Callable[..., Path]
) -> None:
    source = image_folder(images=10)
    divided = split(open_dataset(str(source)), DataSpec(str(source), test_share=0.2))
    written = open_dataset(str(write_copies(divided, BRAIN, 5, tmp_path / "out")))
    before, after = divided.counts(), written.counts()
    assert after["train"] == {name: 5 * count for name, count in before["train"].items()}
    assert {part: after[part] for part in ("val", "test")} == {part: before[part] for part in ("val", "test")}
    held = [written.subset([*written.positions("val"), *written.positions("test")])]
    held.append(divided.subset([*divided.positions("val"), *divided.positions("test")]))
    assert fingerprint(held[0]) == fingerprint(held[1])
    stems = {stem_of(item.key) for item in written.items if item.split == "train"}
    assert len(stems) == sum(before["train"].values())
    pixels = {written.load(place).tobytes() for place in written.positions("train")}
    assert len(pixels) == len(written.positions("train"))


def test_copies_are_what_a_training_sees() -> None:
    image = photo(64, 64, 3)
    augmenter = Augmenter(BRAIN, 64)
    batch = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].repeat(9, 1, 1, 1)
    seen = augmenter(batch, drawn(2, 6, np.arange(9), augmenter.numbers))[8]
    assert (np.asarray(changed(image, BRAIN, 2, 6, 8)) == seen.permute(1, 2, 0).numpy()).all()
    assert changed(photo(90, 50), BRAIN, 0, 1, 0).size == (90, 50)


def test_the_same_seed_writes_the_same_copies(tmp_path: Path) -> None:
    divided = split(open_dataset("shapes?per_class=4&size=32"), DataSpec("shapes"))
    marks = [
        fingerprint(open_dataset(str(write_copies(divided, BRAIN, 3, tmp_path / str(n), seed=seed))))
        for n, seed in enumerate((0, 0, 1))
    ]
    assert marks[0] == marks[1] != marks[2]


def test_a_full_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    divided = split(open_dataset("shapes?per_class=4&size=32"), DataSpec("shapes"))
    with pytest.raises(InputError, match="not empty"):
        write_copies(divided, BRAIN, 2, tmp_path)
