"""The verbs ``filters`` and ``dream``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.models.network import assemble, save
from core.runs import snapshots
from core.runs.recorder import Recorder
from core.runs.snapshots import Pinned, Snapshot
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.inspection.filter_history import history_of_snapshots

Call = Callable[..., tuple[int, dict[str, Any], str]]
NET = ("shufflenet_v2_x0_5", "--weights", "none")


@pytest.fixture
def run(image_folder: Callable[..., Path]) -> Run:
    """A run with weights and two snapshots of its first layer: filter 2 moved in the second epoch."""
    from core.data.sources import open_dataset
    from core.data.splits import split

    data = DataSpec(str(image_folder()), val_share=0.25, test_share=0.25)
    model = ModelSpec("shufflenet_v2_x0_5", "none", image_size=64)
    recipe = make_recipe("linear-probe")
    made = RunStore().create(Experiment(data, model, TrainingSpec("linear-probe", recipe.phases), name="Small"))
    dataset = split(open_dataset(data.source), data)
    recorder = Recorder(made)
    recorder.classes(dataset.classes)
    recorder.split((item.key, dataset.classes[item.label], item.split) for item in dataset.items)
    network = assemble(model, dataset.classes, seed=0)
    save(network.model, made.path / "best.safetensors")
    (made.path / "status.json").write_text(json.dumps({"state": "finished", "pid": None}))
    kernels = network.model.conv1[0].weight.detach().numpy().astype(np.float16)
    later = kernels.copy()
    later[2] *= 1.5
    snapshots.pin(
        made.path, Pinned((), (), "", "conv1.0"), {"images": np.zeros((0, 8, 8, 3), np.uint8), "kernels": kernels}
    )
    nothing: dict[str, Any] = {
        "probabilities": np.zeros((0, 2), np.float32),
        "heat": None,
        "peaks": np.zeros(0, np.float32),
        "maps": (),
        "ranges": (),
    }
    snapshots.write(made.path, Snapshot(1, kernels=None, **nothing))
    snapshots.write(made.path, Snapshot(4, kernels=later, **nothing))
    return made


def test_filters_of_a_backbone(call: Call, tmp_path: Path) -> None:
    status, record, _ = call("filters", *NET, "--out", tmp_path)
    assert status == 0
    assert (record["layer"], record["shape"], record["duplicates"]) == ("conv1.0", [24, 3, 3, 3], [])
    for file in record["files"].values():
        assert Path(file).is_file()
    assert Image.open(record["files"]["alike"]).size == (720, 720)
    assert json.loads(Path(record["files"]["figures"]).read_text())["lengths"] == record["lengths"]


def test_filters_of_a_run(call: Call, run: Run, tmp_path: Path) -> None:
    status, record, _ = call("filters", run.id, "--images", 6, "--out", tmp_path)
    assert status == 0
    assert record["dead"]["images"] == 6
    assert (record["dead"]["judged"], record["dead"]["cut"]) == ("conv1.1", True)
    assert record["movement"]["epochs"] == [1, 4]
    assert record["movement"]["furthest"][0] == [2, pytest.approx(0.5, abs=1e-2)]
    assert record["movement"]["mean"][0] == 0.0
    moved = history_of_snapshots(run)
    assert moved is not None
    assert moved.motion.still == 23


def test_dream_of_channels_classes_and_a_picture(call: Call, image_folder: Callable[..., Path], tmp_path: Path) -> None:
    quick = ("--size", 32, "--steps", 4, "--out", tmp_path / "out")
    status, record, _ = call("dream", *NET, "--layer", "conv1", "--channels", "0-1,7", *quick)
    assert status == 0
    assert [row["channel"] for row in record["pictures"]] == [0, 1, 7]
    assert all(Image.open(row["file"]).size == (32, 32) for row in record["pictures"])
    status, record, _ = call("dream", *NET, "--class", "3", "--class", "tench", *quick)
    assert (status, [row["channel"] for row in record["pictures"]]) == (0, [3, 0])
    image = next(image_folder().rglob("*.png"))
    status, record, _ = call("dream", *NET, "--layer", "conv1", "--image", image, *quick)
    assert status == 0
    assert record["after"] > record["before"]
    assert Path(record["file"]).is_file()


def test_what_is_grown_and_where_must_be_named(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ((), NET):
        with pytest.raises(SystemExit) as left:
            call("dream", *words)
        assert left.value.code == 2
    assert "--out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("filters", *NET, "--layer", "nowhere"), "'nowhere'"),
        (("filters", *NET, "--images", "4"), "belong to a run"),
        (("filters", "no-such-run"), "neither a run"),
        (("dream", *NET), "--layer"),
        (("dream", *NET, "--layer", "nowhere", "--channels", "0"), "'nowhere'"),
        (("dream", *NET, "--layer", "conv1", "--channels", "24"), "no channel 24"),
        (("dream", *NET, "--layer", "conv1", "--channels", "1-x"), "not a list of channels"),
        (("dream", *NET, "--layer", "conv1", "--channels", "0", "--size", "9"), "9 px is out of range"),
        (("dream", *NET, "--layer", "conv1", "--channels", "0", "--neuron", "up"), "place 'up'"),
        (("dream", *NET, "--class", "1000"), "no class 1000"),
        (("dream", *NET, "--class", "unicorn"), "no class unicorn"),
        (("dream", *NET, "--image", "no-such.jpg"), "no-such.jpg"),
    ],
)
def test_bad_input(call: Call, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    status, _, error = call(*words, "--out", tmp_path)
    assert status == 2
    assert said in error
