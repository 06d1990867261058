"""Depth: He keeps a signal alive, zeros and ones never tell units apart, skips carry the gradient."""

from __future__ import annotations

import math

import pytest
import torch

from core.errors import InputError
from core.lessons.depth import ACTIVATIONS, STARTS, look


def test_he_keeps_the_deviation_over_twenty_relu_layers_and_small_weights_lose_it() -> None:
    assert all(0.3 < value < 3 for value in look(20, "he").deviations)
    assert look(20, "small").deviations[-1] < 1e-9
    assert look(20, "ones").deviations[-1] > 1e9


@pytest.mark.parametrize("start", ["zeros", "ones"])
def test_equal_weights_leave_all_units_alike(start: str) -> None:
    assert look(3, start).alike == 1
    assert look(3, "he").alike < 0.2


def test_nothing_is_said_at_zeros() -> None:
    found = look(4, "zeros")
    assert found.loss == pytest.approx(math.log(10), rel=1e-6)
    assert set(found.gradients) == {0.0}
    assert found.ratio == 0


def test_gradients_vanish_in_a_plain_sigmoid_stack_and_not_with_skips() -> None:
    plain, skips = (look(30, "glorot", activation="sigmoid", skips=on) for on in (False, True))
    assert plain.ratio < 1e-6
    assert skips.ratio > 1e-2


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("start", ["glorot", "he"])
def test_a_gradient_is_torchs(activation: str, skips: bool, start: str) -> None:
    found = look(2, start, activation=activation, skips=skips, seed=3)
    torch.manual_seed(3)
    layers = [torch.nn.Linear(64, 64), torch.nn.Linear(64, 64)]
    head = torch.nn.Linear(64, 10)
    x, labels = torch.randn(128, 64), torch.randint(10, (128,))
    for linear in (*layers, head):
        torch.nn.init.zeros_(linear.bias)
        if start == "he":
            torch.nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        else:
            torch.nn.init.xavier_normal_(linear.weight)
    for linear in layers:
        out = ACTIVATIONS[activation]()(linear(x))
        x = x + out if skips else out
    torch.nn.functional.cross_entropy(head(x), labels).backward()
    for linear, length in zip(layers, found.gradients, strict=True):
        assert length == pytest.approx(float(linear.weight.grad.norm()), rel=1e-6)


@pytest.mark.parametrize(("depth", "start"), [(0, "he"), (51, "he"), (5, "luck")])
def test_what_cannot_be_built_is_refused(depth: int, start: str) -> None:
    with pytest.raises(InputError):
        look(depth, start)
    assert len(STARTS) == 5
