"""Image files: what is lossless stays so, what is large becomes small, and nothing heavy is loaded for it."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.encoding import LOSSLESS, check_ending, compact, encoded, png, webp
from core.errors import InputError


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("shape", [(9, 7, 3), (9, 7), (9, 7, 4)])
def test_png_is_lossless(shape: tuple[int, ...], repeats: bool) -> None:
    pixels = noise(*shape)
    for image in (pixels, Image.fromarray(pixels)):
        assert (np.asarray(opened(png(image, repeats=repeats))) == pixels).all()


def test_a_palette_stays_one() -> None:
    image = Image.fromarray(noise(5, 5))
    image.putpalette(bytes(range(256)) * 3)
    found = opened(png(image))
    assert found.mode == "P"
    assert (np.asarray(found) == np.asarray(image)).all()


def test_the_search_pays_where_rows_of_a_palette_repeat() -> None:
    image = Image.fromarray(noise(32, 32).repeat(8, axis=0).repeat(8, axis=1))
    image.putpalette(bytes(range(256)) * 3)
    assert len(png(image, repeats=True)) < len(png(image)) / 2


def test_webp_is_worse_where_less_is_asked() -> None:
    image = Image.fromarray(noise(64, 64, 3))
    assert opened(webp(image)).format == "WEBP"
    assert len(webp(image, quality=20)) < len(webp(image, quality=95))


def test_small_pictures_lose_nothing_and_large_ones_become_smaller() -> None:
    small = Image.fromarray(noise(LOSSLESS, 10, 3))
    assert (np.asarray(opened(compact(small))) == np.asarray(small)).all()
    large = Image.fromarray(noise(400, 200, 3))
    assert opened(compact(large)).format == "WEBP"
    assert opened(compact(large, quick=True)).format == "JPEG"
    assert opened(compact(large)).size == (200, 400)
    assert opened(compact(large, 300)).size == (150, 300)
    assert opened(compact(large, 80)).format == "PNG"
    assert large.size == (200, 400), "the picture itself is left as it is"


def test_nothing_heavy_is_loaded_before_there_is_an_image() -> None:
    code = "import sys, core.data.encoding; print(sorted({'numpy', 'PIL', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "kind"), [("x", "PNG"), ("x.png", "PNG"), ("x.JPG", "JPEG"), ("x.jpeg", "JPEG"), ("x.webp", "WEBP")]
)
def test_a_picture_is_written_as_the_ending_says(name: str, kind: str) -> None:
    for picture in (noise(20, 30, 3), Image.fromarray(noise(20, 30)).convert("P")):
        found = opened(encoded(picture, Path(name)))
        assert (found.format, found.size) == (kind, (30, 20))


@pytest.mark.parametrize("name", ["x.gif", "x.pdf", "x.tar.gz", "folder.d/x.svg", "x.jpg "])
def test_an_ending_of_another_kind_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(InputError, match=r"End it in one of \.png, \.jpg"):
        check_ending(Path(name))
