"""Image files of every awkward kind."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def photo(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    """Draws a smooth, colourful picture that no other seed resembles."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Returns an image file's bytes."""
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def huge_png(width: int = 20_000, height: int = 20_000) -> bytes:
    """Returns a PNG file of a few bytes whose header promises many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    )


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    """Writes files below a folder in the allowed root and returns that folder."""

    def make(files: dict[str, bytes], name: str = "set") -> Path:
        root = tmp_path / "data" / name
        root.mkdir(parents=True, exist_ok=True)
        for path, data in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
        return root

    return make
