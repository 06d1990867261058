"""The way back by hand: the notes' figures, autograd's, every term, and a network's gradient by finite differences."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from core.errors import InputError
from core.lessons.backward import backward, checkable, gradient_check
from core.workflows.network_loading import load_network

X = torch.tensor([[2.0, 3, 4], [3, 1, 5], [4, -1, -2]])
F = torch.tensor([[0.0, 3], [1, -2]])


def test_the_notes_figures_come_out_and_so_does_their_slip() -> None:
    ones = backward(X, F)
    assert ones.output.tolist() == [[10, 3], [9, 18]]
    assert ones.to_kernel.tolist() == [[9, 13], [7, 3]]
    assert ones.to_picture.tolist() == [[0, 3, 3], [1, 2, 1], [1, -1, -2]]
    mean = backward(X, F, loss="mean")
    assert mean.value == 10
    assert mean.above.tolist() == [[0.25, 0.25], [0.25, 0.25]]
    assert mean.to_kernel.tolist() == [[2.25, 3.25], [1.75, 0.75]]


@settings(max_examples=60, deadline=None)
@given(
    some.integers(1, 6),
    some.integers(1, 6),
    some.integers(1, 4),
    some.integers(1, 4),
    some.integers(1, 3),
    some.sampled_from(("sum", "mean")),
)
def test_the_terms_of_every_gradient_add_up_to_autograds(h: int, w: int, kh: int, kw: int, stride: int, loss) -> None:
    torch.manual_seed(h * w)
    picture, kernel = torch.randn(h, w), torch.randn(kh, kw)
    if kh > h or kw > w:
        with pytest.raises(InputError, match="fits nowhere"):
            backward(picture, kernel, loss=loss, stride=stride)
        return
    found = backward(picture, kernel, loss=loss, stride=stride)
    for row in range(kh):
        for column in range(kw):
            total = sum(term.value for term in found.kernel_terms(row, column))
            assert total == pytest.approx(float(found.to_kernel[row, column]), rel=1e-6, abs=1e-12)
    for row in range(h):
        for column in range(w):
            total = sum(term.value for term in found.picture_terms(row, column))
            assert total == pytest.approx(float(found.to_picture[row, column]), rel=1e-6, abs=1e-12)


def test_another_loss_or_stride_is_refused() -> None:
    with pytest.raises(InputError, match="no loss"):
        backward(X, F, loss="max")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="stride is 0"):
        backward(X, F, stride=0)


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18"])
def test_a_layers_gradient_is_its_finite_difference(name: str) -> None:
    network = load_network(name, weights="none", image_size=64)
    before = {key: value.clone() for key, value in network.model.state_dict().items()}
    layers = checkable(network)
    for layer in (layers[0], layers[len(layers) // 2], layers[-1]):
        (check,) = gradient_check(network, torch.randn(1, 3, 64, 64), layer, target=3)
        assert check.difference == pytest.approx(check.gradient, rel=1e-4, abs=1e-9)
    assert all(torch.equal(value, before[key]) for key, value in network.model.state_dict().items())
    with pytest.raises(InputError, match="has no weight"):
        gradient_check(network, torch.randn(1, 3, 64, 64), "nothing", target=0)
    with pytest.raises(InputError, match="no class 1000"):
        gradient_check(network, torch.randn(1, 3, 64, 64), layers[0], target=1000)
