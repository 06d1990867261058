"""The verb ``style``: a picture is written, figures are told, and what cannot be is one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Call = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    values = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    paths = tmp_path / "content.png", tmp_path / "look.png"
    Image.fromarray(values).save(paths[0])
    Image.new("RGB", (50, 50), (200, 30, 10)).save(paths[1])
    return paths


def test_it_paints(call: Call, pair: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "made.png"
    status, record, _ = call("style", *pair, "--size", "64", "--steps", "2", "--out", out)
    assert status == 0
    assert record["network"] == "efficientnet_lite0"
    assert record["last"]["total"] < record["first"]["total"]
    assert len(record["style_layers"]) > 2
    assert Image.open(out).size == (64, 48)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--size", "3"), "size is 3"),
        (("--style-layers", "nowhere"), "nowhere"),
        (("--network", "no-such-network"), "no-such-network"),
        (("--style-weight", "nan"), "style_weight is nan"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    call: Call, pair: tuple[Path, Path], tmp_path: Path, more: tuple[str, ...], said: str
) -> None:
    status, _, error = call("style", *pair, "--out", tmp_path / "made.png", *more)
    assert status == 2
    assert said in error
