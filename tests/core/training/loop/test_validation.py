"""What an epoch is judged by, held against scikit-learn."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn import metrics
from tiny import PREP, epochs, experiment, run, tiny
from torch.nn import functional as F

from core.data.images import normalise
from core.specs import METRICS, FreezePlan, Loss, Phase
from core.training.features.batch_sources import Material
from core.training.loop.validation import Judgement, higher_is_better, oriented, value_of

CPU = torch.device("cpu")


def judged(logits: torch.Tensor, labels: torch.Tensor, classes: int, parts: int = 3, loss: Loss | None = None):
    judge = Judgement(loss or Loss(), classes, CPU)
    for some, theirs in zip(logits.tensor_split(parts), labels.tensor_split(parts), strict=True):
        judge.add_batch(some, theirs)
    return judge.result()


@pytest.mark.parametrize("seed", range(40))
def test_as_scikit_learn_on_random_answers(seed: int) -> None:
    chance = np.random.default_rng(seed)
    classes, images = int(chance.integers(2, 12)), int(chance.integers(1, 80))
    asked = chance.integers(0, classes, images)
    if seed % 2:  # classes that are never asked for, and classes that are never answered
        asked[asked == 0] = classes - 1
    logits = torch.from_numpy(chance.normal(0, 2, (images, classes))).float()
    if seed % 3 == 0:
        logits[:, 1] = -50
    logits[torch.arange(images), torch.from_numpy(asked)] += float(chance.random() * 3)
    labels, answered = torch.from_numpy(asked), logits.argmax(1).numpy()
    found = judged(logits, labels, classes, parts=int(chance.integers(1, 5)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = {
            "val_loss": F.cross_entropy(logits.double(), labels).item(),
            "val_accuracy": metrics.accuracy_score(asked, answered),
            "val_balanced_accuracy": metrics.balanced_accuracy_score(asked, answered),
            "val_f1": metrics.f1_score(asked, answered, average="macro"),
        }
    assert found == pytest.approx(wanted, rel=1e-5, abs=1e-6)


def test_the_loss_is_the_trainings_own_without_smoothing_and_weights() -> None:
    logits, labels = torch.randn(12, 3, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 3
    found = judged(logits, labels, 3, loss=Loss("focal", gamma=3.0, smoothing=0.3, balance="balanced"))
    right = logits.double().softmax(1)[torch.arange(12), labels]
    assert found["val_loss"] == pytest.approx((-((1 - right) ** 3) * right.log()).mean().item(), rel=1e-5)


def test_a_new_epoch_forgets_the_last_one() -> None:
    judge, labels = Judgement(Loss(), 2, CPU), torch.tensor([0, 1])
    judge.add_batch(torch.tensor([[0.0, 9.0], [9.0, 0.0]]), labels)
    judge.begin()
    judge.add_batch(torch.tensor([[9.0, 0.0], [0.0, 9.0]]), labels)
    assert judge.result()["val_accuracy"] == 1.0


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_a_direction(metric: str) -> None:
    assert higher_is_better(metric) == ("loss" not in metric)
    worse, better = (2.0, 1.0) if "loss" in metric else (1.0, 2.0)
    assert oriented(metric, better) > oriented(metric, worse)
    assert value_of(metric, {metric: 0.25}) == 0.25


@pytest.mark.parametrize("part", ["head", "last stage", "everything"])
def test_epochs_are_judged_in_float32_whatever_they_are_trained_in(
    material: Callable[..., Material], part: str
) -> None:
    phase = Phase("head", "head", 1, lr=0.05) if part == "head" else Phase("fine-tune", "plan", 1, lr=0.01)
    plan = {"head": FreezePlan(), "last stage": FreezePlan(1), "everything": FreezePlan("all")}[part]
    task = experiment(phase, freeze=plan)
    task = dataclasses.replace(task, training=dataclasses.replace(task.training, precision="bf16"))
    images, network = material(), tiny()
    (ended,) = epochs(run(network, images, task))
    inputs, labels = normalise(images.store.batch(images.val), PREP), images.store.labels[images.val]

    def loss(*, half: bool) -> float:
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            return F.cross_entropy(network.model.eval()(inputs).double(), labels).item()

    assert ended.val_loss == pytest.approx(loss(half=False), rel=1e-5)
    assert loss(half=True) != pytest.approx(loss(half=False), rel=1e-5)
