"""A small run that trained, for all trackers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.runs import Run, RunStore
from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, Phase, TrainingSpec
from core.workflows.trainer_process import worker


@pytest.fixture
def run(tmp_path: Path, image_folder: Callable[..., Path]) -> Run:
    task = Experiment(
        DataSpec(str(image_folder())),
        ModelSpec("mnist_cnn", "none"),
        TrainingSpec("custom", (Phase("all", "plan", 3, "sgd", lr=0.02),), 8, 3, "cpu", "fp32"),
        freeze=FreezePlan("all"),
        name="for others",
    )
    made = RunStore(tmp_path / "runs").create(task)
    worker.work(made)
    return made
