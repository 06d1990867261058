"""A run whose pretrained weights are not here yet: fetched with progress, stopped on the way, refused in a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core.errors import WeightsUnavailable
from core.models.catalog import catalog
from core.models.weights.download import DownloadProgress
from core.runs import Run, RunStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.trainer_process import worker


@pytest.fixture
def run(tmp_path: Path, image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    recipe = make_recipe("linear-probe", epochs=1)
    return RunStore(tmp_path / "runs").create(
        Experiment(
            DataSpec(str(image_folder(presplit=True))),
            ModelSpec("squeezenet1_1", image_size=64),
            TrainingSpec("linear-probe", recipe.phases, batch_size=8, device="cpu", precision="fp32"),
        )
    )


def fetching(act: Callable[[Path, Callable[[DownloadProgress], None]], None]) -> Callable[..., None]:
    def fetch(_address: str, target: Path, *, report: Callable[[DownloadProgress], None], **_options: object) -> None:
        for done in (0, 2_000_000, 5_000_000):
            report(DownloadProgress(done, 5_000_000, 1e6))
        act(target, report)

    return fetch


def test_progress_in_bytes_is_told_and_the_run_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    source = catalog.build("squeezenet1_1", "none", seed=5)

    def arrive(target: Path, _report: object) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.save(source.state_dict(), target)

    monkeypatch.setattr("core.models.weights.torchvision.download.fetch", fetching(arrive))
    monkeypatch.setattr("core.models.weights.torchvision.download.intact", lambda _file: True)
    told: list[dict[str, Any]] = []
    assert worker.work(run, told.append).state == "finished"
    loads = [(row["done"], row["total"]) for row in told if row.get("doing") == "downloading the weights"]
    assert loads == [(0, 5_000_000), (2_000_000, 5_000_000), (5_000_000, 5_000_000)]


def test_a_run_can_be_stopped_while_its_weights_come(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_target: Path, report: Callable[[DownloadProgress], None]) -> None:
        run.request("stop")
        report(DownloadProgress(5_000_000, 5_000_000, 1e6))
        pytest.fail("the report did not end the download")

    monkeypatch.setattr("core.models.weights.torchvision.download.fetch", fetching(stop))
    assert worker.work(run, lambda _record: None).state == "stopped"


def test_without_network_the_run_ends_with_the_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_args: object, **_options: object) -> None:
        raise WeightsUnavailable("There is no network.")

    monkeypatch.setattr("core.models.weights.torchvision.download.fetch", gone)
    with pytest.raises(WeightsUnavailable):
        worker.work(run, lambda _record: None)
    assert json.loads((run.path / "status.json").read_text())["state"] == "failed"
