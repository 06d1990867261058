"""Bursts: pictures that one camera took within seconds of each other stay together."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import ExifTags, Image

from core.data.division.relatives import relatives
from core.data.sources import open_dataset
from core.data.splits import split
from core.errors import InputError
from core.specs import DataSpec


def taken(path: Path, when: str, camera: str = "A1") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = camera
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = when
    shade = sum(map(ord, str(path))) % 200
    Image.new("RGB", (12, 12), (shade, len(path.stem), 90)).save(path, exif=exif)


@pytest.fixture
def bursts(tmp_path: Path) -> Path:
    """Two bursts of three a class, a lone picture of another camera in the midst, and one without a time."""
    for label, hour in (("cat", 9), ("dog", 15)):
        for burst in range(4):
            for shot in range(3):
                taken(tmp_path / label / f"{burst}{shot}.jpg", f"2024:05:01 {hour:02d}:{burst:02d}:{shot * 8:02d}")
    taken(tmp_path / "cat" / "other.jpg", "2024:05:01 09:00:04", "B2")
    taken(tmp_path / "cat" / "odd.jpg", "yesterday")
    Image.new("RGB", (12, 12)).save(tmp_path / "cat" / "none.png")
    return tmp_path


def test_a_burst_is_a_chain_of_short_gaps_by_one_camera(bursts: Path) -> None:
    dataset = open_dataset(str(bursts))
    keys = [item.key for item in dataset.items]
    found = {frozenset(group) for group in relatives(dataset, keys, "exif")}
    assert found == {
        frozenset(f"{label}/{burst}{shot}.jpg" for shot in range(3)) for label in ("cat", "dog") for burst in range(4)
    }  # 16 s from the first to the last, 44 s to the next burst
    assert relatives(dataset, keys, "exif:7") == ()
    whole = relatives(dataset, keys, "exif:60")
    assert sorted(map(len, whole)) == [12, 12]


def test_no_burst_straddles_a_division(bursts: Path) -> None:
    spec = DataSpec(str(bursts), val_share=0.3, group_by="exif")
    divided = split(open_dataset(str(bursts)), spec)
    split_of = {item.key: item.split for item in divided.items}
    for label in ("cat", "dog"):
        for burst in range(4):
            assert len({split_of[f"{label}/{burst}{shot}.jpg"] for shot in range(3)}) == 1


def test_what_has_no_times_or_no_gap_is_refused(image_folder) -> None:
    dataset = open_dataset(str(image_folder("plain")))
    with pytest.raises(InputError, match="records when it was taken"):
        relatives(dataset, [item.key for item in dataset.items], "exif")
    for wrong in ("exif:", "exif:0", "exif:-3", "exif:x", "exif:99999999", "exif:²"):
        with pytest.raises(InputError, match="exif:SECONDS"):
            DataSpec("shapes", group_by=wrong)
