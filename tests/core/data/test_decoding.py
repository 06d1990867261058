"""Bits in use of sets and of pictures, and large pictures that are never held in full beside their file's pixels."""

from __future__ import annotations

import io
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, JpegImagePlugin

from core.data import decoding
from core.data.decoding import SetDepth
from core.data.images import open_image, read_image
from core.data.sources import open_dataset
from core.errors import InputError
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


def colours(bits: int, channels: int = 3) -> np.ndarray:
    """Returns ramps of 16 bits a colour, 32x32, each the other way round; a fourth channel is opaque."""
    ramp = grey((1 << bits) - 1)
    return np.stack([ramp, ramp[::-1], ramp.T, np.full_like(ramp, 65535)][:channels], axis=2)


def coloured(values: np.ndarray, kind: str) -> bytes:
    """Encodes colours of 16 bits, as Pillow cannot."""
    file = io.BytesIO()
    if kind == "TIFF":
        tifffile.imwrite(file, values, photometric="rgb")
        return file.getvalue()
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    file.write(b"\x89PNG\r\n\x1a\n")
    head = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    for name, data in ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_colours_of_16_bits_are_scaled_by_the_bits_in_use(bits: int, channels: int, kind: str) -> None:
    values = colours(bits, channels)
    opened = np.asarray(open_image(coloured(values, kind)))
    assert (opened == np.rint(values[..., :3] * (255 / ((1 << bits) - 1)))).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_colours_that_use_all_16_bits_are_as_pillow_reads_them(kind: str) -> None:
    file = coloured(colours(16), kind)
    with Image.open(io.BytesIO(file)) as image:
        assert (np.asarray(open_image(file)) == np.asarray(image)).all()


def test_a_set_of_colours_is_scaled_as_one(tmp_path: Path) -> None:
    for number, bits in enumerate((12, 9)):
        folder = tmp_path / "set" / "ab"[number]
        folder.mkdir(parents=True)
        (folder / "0.png").write_bytes(coloured(colours(bits), "PNG"))
    dataset = open_dataset(str(tmp_path / "set"))
    assert [max(high for _low, high in dataset.load(place).getextrema()) for place in range(2)] == [255, 32]
    assert check(dataset, features=False).bits == 12


def test_damaged_colours_of_16_bits_are_said_to_be_damaged() -> None:
    with pytest.raises(InputError, match="damaged or cut short"):
        open_image(coloured(colours(12), "PNG")[:-60])


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


def test_of_large_pictures_one_is_decoded_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "LARGE_PIXELS", 10_000)
    at_work, most = 0, 0

    def reduced(image: Image.Image, *_rest: object) -> Image.Image:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        time.sleep(0.02)
        at_work -= 1
        return image.convert("RGB")

    monkeypatch.setattr("core.data.images.rgb", reduced)
    file = encoded(Image.new("RGB", (200, 200)), "PNG")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(open_image, [file] * 8))
    assert most == 1


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
