"""Bits in use of sets and of pictures, and large pictures that are never held in full beside their file's pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from core.data import decoding
from core.data.decoding import SetDepth
from core.data.images import open_image, read_image
from core.data.sources import open_dataset
from core.workflows.data_check.check import check


def grey(brightest: int, *, byteorder: str = "<") -> np.ndarray:
    """Returns a ramp of 16 bits a pixel, 32x32, up to a value."""
    return np.linspace(0, brightest, 1024).round().astype(f"{byteorder}u2").reshape(32, 32)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def set_of(root: Path, brightest: list[int], ending: str) -> Path:
    """Makes a folder of two classes whose pictures reach these values."""
    for number, value in enumerate(brightest):
        folder = root / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grey(value)).save(folder / f"{number}.{ending}")
    return root


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_a_set_is_scaled_by_the_bits_in_use_of_all_of_it(tmp_path: Path, bits: int, ending: str) -> None:
    most = (1 << bits) - 1
    dataset = open_dataset(str(set_of(tmp_path / "set", [most // 8, most, most // 3, most // 8], ending)))
    for place, item in enumerate(dataset.items):
        reached = {"0": most // 8, "1": most, "2": most // 3, "3": most // 8}[Path(item.key).stem]
        pixels = np.asarray(dataset.load(place))
        assert (pixels[..., 0] == np.rint(grey(reached) * (255 / most))).all(), "one scale, also for dark pictures"
    assert check(dataset, features=False).bits == bits


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_a_single_picture_is_scaled_by_its_own_bits(bits: int, kind: str) -> None:
    values = grey((1 << bits) - 1)
    opened = np.asarray(open_image(encoded(Image.fromarray(values), kind)))
    assert (opened[..., 1] == np.rint(values * (255 / ((1 << bits) - 1)))).all()


def test_a_dark_picture_of_a_full_set_stays_dark(tmp_path: Path) -> None:
    dataset = open_dataset(str(set_of(tmp_path / "set", [65535, 4095, 65535, 4095], "png")))
    dark = [dataset.load(place) for place, item in enumerate(dataset.items) if item.key.startswith("b/")]
    assert [image.getextrema()[0][1] for image in dark] == [16, 16]


def test_sets_without_such_pictures_have_no_bits(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.new("L", (40, 40), 9).save(tmp_path / name / "0.png")
    assert check(open_dataset(str(tmp_path)), features=False).bits is None


def test_a_damaged_picture_does_not_count(tmp_path: Path) -> None:
    folder = set_of(tmp_path / "set", [4095, 4095], "png")
    (folder / "a" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    assert SetDepth(folder, ["a/broken.png", "a/0.png", "b/1.png"]).bits == 12


def test_big_endian_files_are_scaled_alike() -> None:
    file = encoded(Image.frombytes("I;16B", (32, 32), grey(4095, byteorder=">").tobytes()), "TIFF")
    assert np.asarray(open_image(file)).max() == 255


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA", "I;16"])
def test_large_pictures_are_reduced_in_bands(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "LARGE_PIXELS", 10_000)
    monkeypatch.setattr(decoding, "_BAND_PIXELS", 2_000)
    noise = np.random.default_rng(0).integers(0, 256, (150, 203), dtype=np.uint8)
    image = Image.fromarray(noise.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(noise).convert(mode)
    held: list[int] = []
    plain = decoding._plain

    def watched(band: Image.Image) -> Image.Image:
        held.append(band.width * band.height)
        return plain(band)

    monkeypatch.setattr(decoding, "_plain", watched)
    decoded = read_image(encoded(image, "PNG"))
    assert decoded.size == (203, 150)
    assert decoded.image.size == (102, 75)
    assert max(held) <= 2_000, "never all of it at once"
    whole = plain(Image.fromarray(noise) if mode == "I;16" else image).reduce(2)
    assert (np.asarray(decoded.image) == np.asarray(whole)).all()


def test_large_jpeg_files_are_decoded_smaller_than_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "LARGE_PIXELS", 20_000)
    asked: list[tuple[int, int]] = []
    draft = JpegImagePlugin.JpegImageFile.draft

    def watched(self: JpegImagePlugin.JpegImageFile, mode: str | None, size: tuple[int, int]) -> object:
        asked.append(size)
        return draft(self, mode, size)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "draft", watched)
    turned = Image.Exif()
    turned[0x0112] = 6
    decoded = read_image(encoded(Image.new("RGB", (200, 300), (200, 30, 60)), "JPEG", exif=turned))
    assert asked == [(100, 150)]
    assert decoded.image.size == (150, 100)
    assert decoded.size == (300, 200)


def test_a_small_view_is_no_larger_than_needed() -> None:
    for kind in ("JPEG", "PNG"):
        file = encoded(Image.new("RGB", (640, 480), (10, 200, 30)), kind)
        assert min(read_image(file, least=64).image.size) in range(64, 128)
        assert read_image(file).image.size == (640, 480)


def test_a_thumbnail_of_a_data_set(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.new("RGB", (640, 480), (10, 200, 30)).save(tmp_path / name / "0.jpg")
    dataset = open_dataset(str(tmp_path))
    assert dataset.thumbnail(0, 100).size == (100, 75)
    assert dataset.read(0).size == (640, 480)
    assert open_dataset("digits").thumbnail(0, 100).size == (8, 8)
