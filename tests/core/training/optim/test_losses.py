"""Losses, held against torch, torchvision, scikit-learn and formulas written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from core.errors import InputError
from core.specs import LOSSES, Loss
from core.training.optim.losses import Criterion

CPU = torch.device("cpu")
KINDS = sorted(LOSSES)


def criterion(spec: Loss, counts: tuple[int, ...] = (10, 10, 10, 10)) -> Criterion:
    return Criterion(spec, torch.tensor(counts), CPU)


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(3)
    logits = torch.randn(16, 4, generator=chance, dtype=torch.float64) * 3
    return logits, torch.randint(4, (16,), generator=chance)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_cross_entropy_as_torch(batch: tuple[Tensor, Tensor], smoothing: float) -> None:
    found = criterion(Loss(smoothing=smoothing))(*batch)
    wanted = F.cross_entropy(*batch, reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_focal_without_gamma_is_cross_entropy(batch: tuple[Tensor, Tensor], smoothing: float) -> None:
    found = criterion(Loss("focal", gamma=0.0, smoothing=smoothing))(*batch)
    torch.testing.assert_close(found, criterion(Loss(smoothing=smoothing))(*batch))


@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
def test_focal_by_its_formula(batch: tuple[Tensor, Tensor], gamma: float) -> None:
    logits, labels = batch
    right = logits.softmax(1)[torch.arange(16), labels]
    torch.testing.assert_close(
        criterion(Loss("focal", gamma=gamma))(logits, labels), -((1 - right) ** gamma) * right.log()
    )


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_of_two_classes_as_torchvision(gamma: float) -> None:
    logits = torch.randn(20, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2
    labels = torch.arange(20) % 2
    found = criterion(Loss("focal", gamma=gamma), (10, 10))(logits, labels)
    wanted = sigmoid_focal_loss(logits[:, 1] - logits[:, 0], labels.double(), alpha=-1, gamma=gamma)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("name", ["cross-entropy", "focal"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_label_and_its_whole_share_cost_the_same(batch: tuple[Tensor, Tensor], name: str, smoothing: float) -> None:
    logits, labels = batch
    judge = criterion(Loss(name, smoothing=smoothing, balance="balanced"), (1, 2, 3, 4))
    shares = F.one_hot(labels, 4).float()
    torch.testing.assert_close(judge(logits.float(), shares), judge(logits.float(), labels))


def test_mixed_labels_cost_the_mixture(batch: tuple[Tensor, Tensor]) -> None:
    logits, labels = batch
    judge, other = criterion(Loss()), (labels + 1) % 4
    shares = 0.3 * F.one_hot(labels, 4).double() + 0.7 * F.one_hot(other, 4).double()
    torch.testing.assert_close(judge(logits, shares), 0.3 * judge(logits, labels) + 0.7 * judge(logits, other))


@pytest.mark.parametrize("counts", [(10, 20, 30, 40), (1, 1000, 1, 1), (7, 7, 7, 7)])
def test_balanced_weights_are_scikit_learns_and_one_on_average(counts: tuple[int, ...]) -> None:
    weights = criterion(Loss(balance="balanced"), counts).weights
    assert weights is not None
    labels = np.repeat(np.arange(4), counts)
    assert weights.numpy() == pytest.approx(compute_class_weight("balanced", classes=np.arange(4), y=labels), rel=1e-5)
    assert weights[labels].mean().item() == pytest.approx(1.0, rel=1e-5)


def test_a_class_without_training_images_weighs_no_others_down() -> None:
    weights = criterion(Loss(balance="balanced"), (10, 0, 30, 0)).weights
    assert weights is not None
    assert torch.isfinite(weights).all()
    assert (10 * weights[0] + 30 * weights[2]).item() / 40 == pytest.approx(1.0)


def test_weights_multiply_each_images_loss(batch: tuple[Tensor, Tensor]) -> None:
    judge = criterion(Loss(balance="balanced"), (1, 2, 3, 4))
    assert judge.weights is not None
    torch.testing.assert_close(judge(*batch), criterion(Loss())(*batch) * judge.weights[batch[1]].double())


def test_the_courses_own_losses_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]], dtype=torch.float64))
    labels = torch.tensor([0, 1])
    counts = (1, 1, 1)
    assert criterion(Loss("l1"), counts)(logits, labels).tolist() == pytest.approx([0.6 / 3, 1.5 / 3])
    # both sum to 1, so that the mean difference adds nothing
    squares = [(0.09 + 0.04 + 0.01) / 3, (0.0625 + 0.5625 + 0.25) / 3]
    assert criterion(Loss("mse-mean"), counts)(logits, labels).tolist() == pytest.approx(squares)
    wanted = [-np.corrcoef([0.7, 0.2, 0.1], [1, 0, 0])[0, 1], -np.corrcoef([0.25, 0.25, 0.5], [0, 1, 0])[0, 1]]
    assert criterion(Loss("correlation"), counts)(logits, labels).tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("scale", [0.0, 1.0, 200.0])
def test_slopes_are_numbers_however_sure_or_unsure_the_network_is(name: str, gamma: float, scale: float) -> None:
    logits = (scale * torch.eye(4)).requires_grad_()
    labels = torch.tensor([0, 1, 0, 1])
    criterion(Loss(name, gamma=gamma))(logits, labels).sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.abs().max() < 100


@pytest.mark.parametrize("name", KINDS)
def test_every_loss_can_be_learned_from(name: str) -> None:
    chance = torch.Generator().manual_seed(0)
    inputs, labels = torch.randn(60, 8, generator=chance), torch.arange(60) % 3
    inputs[torch.arange(60), labels] += 3
    layer, judge = torch.nn.Linear(8, 3), criterion(Loss(name), (20, 20, 20))
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    adam = torch.optim.Adam(layer.parameters(), lr=0.05)
    for _ in range(100):
        adam.zero_grad()
        judge(layer(inputs), labels).mean().backward()
        adam.step()
    assert (layer(inputs).argmax(1) == labels).float().mean() > 0.9


def test_a_correlation_of_two_classes_has_no_slope_and_is_refused() -> None:
    with pytest.raises(InputError, match="at least 3 classes"):
        criterion(Loss("correlation"), (5, 5))
