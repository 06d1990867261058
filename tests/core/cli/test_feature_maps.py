"""Feature maps and comparisons on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.models.network import Network
from core.workflows import checkpoints

TRAIN = (
    "--backbone",
    "squeezenet1_1",
    "--weights",
    "none",
    "--preset",
    "linear-probe",
    "--image-size",
    "64",
    "--epochs",
    "1",
    "--device",
    "cpu",
)
BACKBONE = "squeezenet1_1"

Call = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "wide.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 90), dtype=np.uint8)).save(path)
    return path


def test_layers_of_a_kind_sorted_on_one_scale_with_their_numbers(call: Call, image: Path, tmp_path: Path) -> None:
    out = tmp_path / "maps"
    status, record, _ = call(
        "features",
        BACKBONE,
        image,
        "--weights",
        "none",
        "--kinds",
        "pool,conv",
        "--sort",
        "maximum",
        "--scale",
        "network",
        "--tile",
        12,
        "--npz",
        "--out",
        out,
    )
    assert status == 0
    rows = {row["layer"]: row for row in record["layers"]}
    assert {"features.0", "features.2"} <= set(rows)
    with np.load(out / "maps.npz") as arrays:
        assert set(arrays.files) == set(rows)
        for name in ("features.0", "features.2"):
            maps = arrays[name]
            assert maps.shape == (rows[name]["channels"], rows[name]["height"], rows[name]["width"])
            top = maps.reshape(len(maps), -1).max(1)
            assert (np.diff(top[rows[name]["order"]]) <= 0).all()
    with Image.open(rows["features.0"]["file"]) as drawn:
        assert drawn.width == 16 * 13 - 1


def test_features_of_every_layer_and_of_one(call: Call, image: Path, tmp_path: Path) -> None:
    every = call("features", BACKBONE, image, "--weights", "none", "--all", "--out", tmp_path / "all")[1]["layers"]
    one = call("features", BACKBONE, image, "--weights", "none", "--out", tmp_path / "one")[1]["layers"]
    assert len(one) == 1
    assert one[0]["layer"] in {row["layer"] for row in every}
    assert len(every) == len(list((tmp_path / "all").iterdir())) > 20


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--kinds", "nonsense"), "no kind of layer nonsense"),
        (("--kinds", "attention"), "No layer of the kinds attention"),
        (("--layer", "nowhere"), "no layer 'nowhere'"),
        (("--columns", "0"), "0 tiles a row"),
    ],
    ids=["kind", "none of it", "layer", "columns"],
)
def test_features_that_cannot_be(call: Call, image: Path, tmp_path: Path, more: tuple[str, ...], words: str) -> None:
    status, _, error = call("features", BACKBONE, image, "--weights", "none", "--out", tmp_path / "x", *more)
    assert status == 2
    assert words in error


def test_a_run_against_its_start(call: Call, image: Path, image_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = image_folder("own", presplit=True)
    run = call("train", "--data", root, *TRAIN, "--name", "first")[1]["run"]
    out = tmp_path / "both.png"
    status, record, _ = call(
        "compare", f"{run}@start", run, image, "--channels", "4", "--data", root, "--images", "8", "--out", out
    )
    assert status == 0
    assert record["same_build"]
    weights = {row["layer"]: row["relative"] for row in record["weights"]}
    assert weights.pop("classifier.1") > 0
    assert set(weights.values()) == {0.0}, "the backbone was frozen"
    assert record["maps"]["relative_difference"] == 0.0
    assert record["maps"]["unchanged_channels"] == record["maps"]["channels"]
    assert record["cka"]["images"] == 8
    assert [row[index] for index, row in enumerate(record["cka"]["values"])] == pytest.approx(
        [1.0] * len(record["cka"]["rows"])
    )
    with Image.open(out) as drawn:
        assert drawn.width > drawn.height


def test_two_backbones(call: Call, image: Path, tmp_path: Path) -> None:
    status, record, _ = call("compare", "resnet18@none", f"{BACKBONE}@none", image, "--out", tmp_path / "both.png")
    assert status == 0
    assert not record["same_build"]
    assert "weights" not in record
    assert len(record["answers"]) == 2
    assert (tmp_path / "both.png").is_file()


def test_damaged_weights_give_no_answer(
    call: Call, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = checkpoints.network_named

    def damaged(*given: Any, **named: Any) -> Network:
        network = loaded(*given, **named)
        with torch.no_grad():
            next(network.model.parameters())[0] = float("nan")
        return network

    monkeypatch.setattr(checkpoints, "network_named", damaged)
    name = f"{BACKBONE}@none"
    status, record, _ = call("compare", name, name, image, "--out", tmp_path / "side.png")
    assert status == 0
    assert [row["predicted"] for row in record["answers"]] == [None, None]
    assert [row["probability"] for row in record["answers"]] == [None, None]
    assert record["maps"]["broken_channels"] == record["maps"]["channels"]
    assert record["maps"]["unchanged_channels"] == 0
    status, record, _ = call("filters", BACKBONE, "--weights", "none", "--out", tmp_path / "kernels")
    assert record["broken"] == 27, "one filter of 3 x 3 x 3"
    assert record["minimum"] < 0 < record["maximum"]


def test_a_run_that_is_gone(call: Call, image: Path, tmp_path: Path) -> None:
    status, _, error = call(
        "compare", "20260101T000000Z-gone-0000", "resnet18@none", image, "--out", tmp_path / "x.png"
    )
    assert status == 2
    assert "neither a run" in error
