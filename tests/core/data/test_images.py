"""Opening images of every kind, and refusing what is none."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from core.data.images import MAX_PIXELS, open_image, read_image
from core.errors import InputError
from tests.core.data.conftest import encoded, huge_png, photo

pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")


def pixels(data: bytes) -> np.ndarray:
    image = open_image(data)
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF", "WEBP"])
def test_lossless_formats_keep_every_pixel(kind: str) -> None:
    image = photo() if kind != "GIF" else photo().quantize(16)
    options = {"lossless": True} if kind == "WEBP" else {}
    assert (pixels(encoded(image, kind, **options)) == np.asarray(image.convert("RGB"))).all()


@pytest.mark.parametrize("kind", ["JPEG", "AVIF"])
def test_lossy_formats_open(kind: str) -> None:
    opened = pixels(encoded(photo(), kind, quality=95)).astype(int)
    assert np.abs(opened - np.asarray(photo())).mean() < 6


def test_a_path_a_stream_and_bytes_are_the_same(tmp_path: Path) -> None:
    data = encoded(photo())
    (tmp_path / "a.png").write_bytes(data)
    same = [np.asarray(open_image(source)) for source in (tmp_path / "a.png", BytesIO(data), data)]
    assert (same[0] == same[1]).all()
    assert (same[0] == same[2]).all()


def test_cmyk_keeps_its_colours() -> None:
    colour = Image.new("RGB", (16, 16), (200, 60, 30)).convert("CMYK")
    for kind in ("JPEG", "TIFF"):
        assert np.abs(pixels(encoded(colour, kind)).astype(int) - (200, 60, 30)).max() < 12


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_over_its_whole_range(kind: str) -> None:
    values = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    opened = pixels(encoded(Image.fromarray(values), kind))
    assert (opened[..., 0].ravel() == np.arange(256)).all()
    assert (opened[..., 0] == opened[..., 2]).all()


def test_16_bit_pgm_is_scaled_too() -> None:
    values = np.array([[0, 257 * 100, 65535, 257 * 7]], dtype=">u2")
    assert pixels(b"P5 4 1 65535\n" + values.tobytes())[0, :, 0].tolist() == [0, 100, 255, 7]


def test_32_bit_float_is_scaled_from_0_to_1() -> None:
    values = np.array([[0.0, 0.2, 1.0, np.nan]], dtype=np.float32)
    assert pixels(encoded(Image.fromarray(values), "TIFF"))[0, :, 1].tolist() == [0, 51, 255, 0]


def test_transparency_is_laid_on_white() -> None:
    image = Image.new("RGBA", (4, 1), (10, 20, 30, 255))
    image.putpixel((1, 0), (10, 20, 30, 0))
    image.putpixel((2, 0), (0, 0, 0, 127))
    assert pixels(encoded(image))[0, :3].tolist() == [[10, 20, 30], [255, 255, 255], [128, 128, 128]]
    grey = Image.new("LA", (2, 1), (40, 0))
    assert pixels(encoded(grey)).min() == 255


def test_a_palette_opens_with_and_without_a_transparent_colour() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    assert pixels(encoded(image))[0].tolist() == [[255, 0, 0], [0, 0, 255]]
    assert pixels(encoded(image, transparency=1))[0].tolist() == [[255, 0, 0], [255, 255, 255]]
    assert pixels(encoded(image, "GIF", transparency=0))[0].tolist() == [[255, 255, 255], [0, 0, 255]]


@pytest.mark.parametrize("mode", ["1", "L", "YCbCr", "HSV"])
def test_other_modes_open(mode: str) -> None:
    kind = "TIFF" if mode in ("1", "L") else "JPEG"
    image = photo().convert(mode)
    image = image if mode != "HSV" else image.convert("RGB")
    assert pixels(encoded(image, kind)).shape == (30, 40, 3)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert np.abs(pixels(data).astype(int) - (255, 0, 0)).max() < 8


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    upright = Image.new("RGB", (48, 32), "black")
    upright.paste("red", (0, 0, 16, 16))
    upright.paste("lime", (32, 16, 48, 32))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    opened = open_image(encoded(stored, kind, exif=exif.tobytes()))
    assert opened.size == (48, 32)
    assert np.abs(np.asarray(opened).astype(int) - np.asarray(upright)).mean() < 8
    assert not opened.info


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_counts_as_none() -> None:
    opened = open_image(encoded(photo(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01" * 9))
    assert opened.size == (40, 30)


def test_mode_and_format_are_told() -> None:
    decoded = read_image(encoded(photo().convert("CMYK"), "JPEG"))
    assert (decoded.mode, decoded.format, decoded.image.mode) == ("CMYK", "JPEG", "RGB")


@pytest.mark.parametrize("name", ["گربه ۱.png", "صورة القط.png", "a cat's photo.png", "ü.png"])
def test_names_of_any_script(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(encoded(photo()))
    assert open_image(tmp_path / name).size == (40, 30)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match="empty") as caught:
        open_image(tmp_path / name)
    assert caught.value.values["name"] == name


JPEG = encoded(photo(200, 150), "JPEG")
PNG = encoded(photo(200, 150))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "empty"),
        (b"just a letter, no picture", "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (b"GIF89a", "damaged|not an image"),
        (JPEG[: len(JPEG) // 2], "damaged or cut short"),
        (PNG[: len(PNG) // 2], "damaged or cut short"),
        (PNG[:60] + bytes(40) + PNG[100:], "damaged or cut short"),
        (JPEG[:20], "damaged|not an image"),
        (huge_png(), "400 million pixels"),
        (huge_png(10_100, 10_000), "101 million pixels"),
        (huge_png(2**31 - 1, 2**31 - 1), "million pixels"),
    ],
    ids=[
        *("0 bytes", "text", "svg", "postscript", "gif header", "half a jpeg", "half a png", "overwritten png"),
        *("jpeg header", "20000 x 20000", "just too large", "largest png"),
    ],
)
def test_what_is_no_good_image_is_refused_with_a_reason(tmp_path: Path, data: bytes, told: str) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(data)
    for source in (path, data, BytesIO(data)):
        with pytest.raises(InputError, match=told) as caught:
            open_image(source, name=None if source == path else "broken.jpg")
        assert caught.value.values["name"] == "broken.jpg"
        assert str(caught.value).endswith(".") or str(caught.value).endswith(").")


def test_the_limit_is_checked_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        raise AssertionError("the pixels were decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(InputError, match="million pixels"):
        open_image(huge_png(MAX_PIXELS // 1000 + 1, 1000))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"])
def test_damaged_bytes_never_raise_anything_else(kind: str) -> None:
    whole = encoded(photo(), kind)
    rng = np.random.default_rng(7)
    refused = 0
    for _ in range(60):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), size=6):
            data[place] = rng.integers(256)
        try:
            assert open_image(bytes(data)).mode == "RGB"
        except InputError:
            refused += 1
    assert refused > 0 or kind in ("JPEG", "BMP")


def test_a_folder_or_nothing_at_all_is_no_image(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.png"):
        with pytest.raises(InputError, match="not there"):
            open_image(path)


@pytest.mark.parametrize("kind", ["text", "profile"])
@pytest.mark.parametrize("source", ["path", "bytes"])
def test_a_png_with_a_large_text_or_profile_is_read_without_it(tmp_path: Path, kind: str, source: str) -> None:
    image = photo()
    if kind == "text":
        info = PngImagePlugin.PngInfo()
        info.add_text("XML:com.adobe.xmp", "x" * 2_000_000, zip=True)
        data = encoded(image, pnginfo=info)
    else:
        data = encoded(image, icc_profile=b"\0" * 1_500_000)
    (tmp_path / "a.png").write_bytes(data)
    assert open_image(tmp_path / "a.png" if source == "path" else data).tobytes() == image.tobytes()
