"""Softmax, entropy, cross-entropy and activations: torch's figures, the notes', and p - y."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torch.nn import functional as F

from core.errors import InputError
from core.lessons.scores import ACTIVATIONS, activation, scores

LOGITS = some.lists(some.floats(-30, 30), min_size=1, max_size=8)


@settings(max_examples=100, deadline=None)
@given(LOGITS, some.floats(0.1, 10), some.floats(0, 0.9), some.floats(0.1, 10))
def test_every_figure_is_torchs(values: list[float], temperature: float, smoothing: float, weight: float) -> None:
    logits = torch.tensor(values, dtype=torch.float64)
    truth = len(values) // 2
    found = scores(logits, truth, temperature=temperature, smoothing=smoothing, weight=weight)
    assert torch.allclose(found.probabilities, torch.softmax(logits / temperature, 0), rtol=1e-9)
    assert torch.allclose(found.exponentials / found.exponentials.sum(), found.probabilities, rtol=1e-9)
    assert float(found.terms.sum()) == pytest.approx(found.loss, rel=1e-6, abs=1e-12)
    weights = torch.ones(len(values), dtype=torch.float64)
    weights[truth] = weight
    own = (found.wanted * weights).sum() * found.probabilities - found.wanted * weights
    assert torch.allclose(found.gradient, own / temperature, rtol=1e-6, atol=1e-12)
    assert found.entropy == pytest.approx(
        float(torch.distributions.Categorical(logits=logits / temperature).entropy()), rel=1e-6, abs=1e-9
    )


def test_without_settings_the_gradient_is_what_is_said_less_what_is_wanted() -> None:
    found = scores(torch.tensor([2.0, 1.0, -1.0]), 1)
    assert torch.allclose(found.gradient, found.probabilities - found.wanted, rtol=1e-12)


def test_the_notes_figures() -> None:
    assert scores(torch.zeros(2), 0).bits == pytest.approx(1)
    quarter = torch.tensor([0.25, 0.75]).log()
    found = scores(quarter, 0)
    assert found.bits == pytest.approx(0.8113, abs=1e-4)
    assert found.loss == pytest.approx(math.log(4), rel=1e-6)
    assert found.loss == pytest.approx(1.386, abs=1e-3)


@pytest.mark.parametrize(
    ("logits", "truth", "more", "says"),
    [
        ([], 0, {}, "at least one class"),
        ([math.nan, 1], 0, {}, "finite number"),
        ([1.0], 1, {}, "no class 1"),
        ([1.0], 0, {"temperature": 0}, "above 0"),
        ([1.0], 0, {"smoothing": 1}, "between 0 and 1"),
        ([1.0], 0, {"weight": 0}, "above 0"),
    ],
)
def test_what_makes_no_loss_is_refused(logits: list[float], truth: int, more: dict[str, float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        scores(torch.tensor(logits), truth, **more)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activations_derivative_is_its_slope(name: str) -> None:
    x = torch.tensor([-2.5, -0.7, 0.3, 1.9, 7.0], dtype=torch.float64)
    value, slope = activation(name, x)
    assert torch.equal(value, ACTIVATIONS[name](x))
    step = 1e-6
    assert torch.allclose(slope, (ACTIVATIONS[name](x + step) - ACTIVATIONS[name](x - step)) / (2 * step), atol=1e-6)
    with pytest.raises(InputError, match="no activation"):
        activation("step", x)
    assert torch.equal(F.relu(x), activation("ReLU", x)[0])
