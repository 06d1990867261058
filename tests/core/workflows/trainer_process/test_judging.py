"""The last judgement on features that are known: the same answers as the whole network gives, and each image once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from core.evaluation.predictions import predict_store
from core.runs.store import RunStore
from core.specs import AugmentSpec, DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.features import batch_sources
from core.training.recipes import make_recipe
from core.workflows.trainer_process import judging, worker
from core.workflows.trainer_process.judging import judge


@pytest.fixture
def probe(image_folder: Callable[..., Path]) -> Experiment:
    recipe = make_recipe("linear-probe", epochs=2)
    training = TrainingSpec("linear-probe", recipe.phases, batch_size=4, device="cpu", precision="fp32")
    data = DataSpec(str(image_folder(images=10)), test_share=0.3)
    return Experiment(data, ModelSpec("mnist_cnn", "none"), training, recipe.freeze)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each call sent through a backbone."""
    counts: list[int] = []
    extract = batch_sources.extract

    def counted(source: batch_sources.PixelSource, split: object, images: Tensor) -> Tensor:
        counts.append(len(images))
        return extract(source, split, images)  # type: ignore[arg-type]

    monkeypatch.setattr(batch_sources, "extract", counted)
    return counts


def whole(*given: object) -> np.ndarray:
    network, material, test, _, device = given
    return predict_store(network, material.store, [*material.val.tolist(), *test], device)  # type: ignore[attr-defined]


@pytest.mark.parametrize("changes", [{}, {"augment": AugmentSpec(flip=True)}], ids=["plain", "augmented"])
def test_known_features_give_the_networks_answers(
    probe: Experiment, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[tuple[np.ndarray, np.ndarray]] = []

    def both(*given: object) -> np.ndarray:
        answers.append((judge(*given), whole(*given)))  # type: ignore[arg-type]
        return answers[-1][0]

    monkeypatch.setattr("core.workflows.trainer_process.runner.judge", both)
    worker.work(RunStore().create(replace(probe, **changes)))
    ((ours, theirs),) = answers
    assert ours.shape == theirs.shape == (4 + 6, 2)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_each_image_goes_through_the_backbone_once_for_all_heads(probe: Experiment, seen: list[int]) -> None:
    worker.work(RunStore().create(probe))
    assert sum(seen) == 20
    more = replace(probe, training=replace(probe.training, seed=1, phases=(replace(probe.training.phases[0], lr=0.5),)))
    worker.work(RunStore().create(replace(more, model=replace(more.model, weights="none"))))
    first = sum(seen)
    worker.work(RunStore().create(more))
    assert sum(seen) == first


def test_where_more_than_the_head_learned_the_whole_network_answers(
    probe: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counted(network: object, store: object, positions: list[int], device: torch.device) -> np.ndarray:
        asked.append(len(positions))
        return predict_store(network, store, positions, device)  # type: ignore[arg-type]

    monkeypatch.setattr(judging, "predict_store", counted)
    recipe = make_recipe("scratch", epochs=1)
    worker.work(
        RunStore().create(replace(probe, freeze=recipe.freeze, training=replace(probe.training, phases=recipe.phases)))
    )
    assert asked == [10]
