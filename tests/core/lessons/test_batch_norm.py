"""Batch norm and dropout: the formulas are torch's, kept figures move though "frozen", dropout keeps the mean."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from core.errors import InputError
from core.lessons.batch_norm import drop, norm, train_mode
from core.models.network import bare
from core.workflows.network_loading import load_network

VALUES = some.lists(some.floats(-50, 50), min_size=2, max_size=8)


@settings(max_examples=60, deadline=None)
@given(VALUES, some.floats(-3, 3), some.floats(-3, 3), some.floats(0.01, 1), some.integers(1, 20))
def test_batch_norm_is_its_formula(values, scale: float, shift: float, momentum: float, batches: int) -> None:
    found = norm(values, scale=scale, shift=shift, momentum=momentum, batches=batches)
    n = len(values)
    mean = sum(values) / n
    variance = sum((value - mean) ** 2 for value in values) / n
    assert found.mean == pytest.approx(mean, rel=1e-6, abs=1e-9)
    assert found.variance == pytest.approx(variance, rel=1e-6, abs=1e-9)
    for value, out in zip(values, found.training, strict=True):
        wanted = (value - mean) / math.sqrt(variance + 1e-5) * scale + shift
        assert out == pytest.approx(wanted, rel=1e-6, abs=1e-6)
    left = (1 - momentum) ** batches
    assert found.running_mean == pytest.approx(mean * (1 - left), rel=1e-6, abs=1e-9)
    assert found.running_variance == pytest.approx(left + (1 - left) * variance * n / (n - 1), rel=1e-6, abs=1e-9)
    for value, out in zip(values, found.evaluating, strict=True):
        wanted = (value - found.running_mean) / math.sqrt(found.running_variance + 1e-5) * scale + shift
        assert out == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def test_a_frozen_network_in_training_mode_still_moves() -> None:
    network = load_network("resnet18", weights="none", image_size=64)
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    torch.manual_seed(0)
    moved = train_mode(network, torch.randn(4, 3, 64, 64) + 2, batches=3)
    assert moved.layers == 20
    assert not moved.weights
    assert moved.statistics[0] > 0
    assert moved.statistics == tuple(sorted(moved.statistics))
    assert moved.after != moved.before
    assert all(torch.equal(value, before[name]) for name, value in network.model.state_dict().items())
    with pytest.raises(InputError, match="at least two pictures"):
        train_mode(network, torch.randn(1, 3, 64, 64))
    with pytest.raises(InputError, match="no batch norm"):
        train_mode(load_network("vgg11", weights="none", image_size=64), torch.randn(2, 3, 64, 64))


def test_parameters_copied_without_the_kept_figures_answer_as_a_new_network_that_got_them() -> None:
    network = bare("emnist_cnn", "none")
    torch.manual_seed(0)
    x = torch.randn(2, 1, 28, 28)
    with torch.no_grad():
        network.model.train()(3 * x + 1)
        network.model.eval()
        new = bare("emnist_cnn", "none", seed=9).model.eval()
        for name, value in network.model.named_parameters():
            new.get_parameter(name).copy_(value)
        before, wanted = (model(x[:1]).softmax(1)[0] for model in (network.model, new))
    moved = train_mode(network, x)
    assert moved.left_behind == pytest.approx(float(wanted[before.argmax()]), rel=1e-5)
    assert moved.renamed == int(wanted.argmax())
    assert moved.left_behind != pytest.approx(moved.before, rel=1e-3)


@settings(max_examples=40, deadline=None)
@given(some.lists(some.floats(-10, 10), min_size=1, max_size=8), some.floats(0, 0.9), some.integers(0, 99))
def test_dropout_keeps_the_mean_and_scales_what_is_kept(values, share: float, seed: int) -> None:
    found = drop(values, share, seed=seed)
    assert found.evaluating == pytest.approx(tuple(values))
    for value, kept, out in zip(values, found.mask, found.training, strict=True):
        assert out == pytest.approx(value * kept / (1 - share), rel=1e-6, abs=1e-9)
    for value, mean in zip(values, found.mean, strict=True):
        error = abs(value) * math.sqrt(share / (1 - share) / 2000)
        assert abs(mean - value) <= 5 * error + 1e-9


def test_what_cannot_be_normed_or_dropped_is_refused() -> None:
    with pytest.raises(InputError, match="at least two values"):
        norm([1.0])
    with pytest.raises(InputError, match="momentum"):
        norm([1.0, 2.0], momentum=0)
    with pytest.raises(InputError, match="below 1"):
        drop([1.0], 1.0)
    with pytest.raises(InputError, match="needs a value"):
        drop([], 0.5)
