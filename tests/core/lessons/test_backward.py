"""The way back by hand: the notes' figures, autograd's, every term, and a network's gradient by finite differences."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torch import nn

from core.errors import Cancelled, InputError
from core.lessons.backward import backward, checkable, gradient_check
from core.workflows.network_loading import load_network
from tests.core.interpret.conftest import CLASSES, Tokens, wrap

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


class Tied(nn.Module):
    """Its second layer has the first one's weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.second.weight = self.first.weight
        self.head = nn.Linear(3, len(CLASSES))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.second(torch.tanh(self.first(x))).mean((2, 3)))


class Sneaky(Tied):
    """What its activation makes is read through the tensor that it changed in place."""

    def __init__(self) -> None:
        super().__init__()
        self.second = nn.Conv2d(3, 3, 3, padding=1)
        self.act = nn.ELU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        self.act(x)
        return self.head(self.second(x).mean((2, 3)))


@pytest.mark.parametrize(
    ("model", "layer"),
    [(Tied, "second"), (Sneaky, "second"), (Sneaky, "first"), (Tokens, "attention.out_proj"), (Tokens, "norm")],
)
def test_a_network_that_allows_no_short_way_is_checked_the_long_one(model: type[nn.Module], layer: str) -> None:
    torch.manual_seed(0)
    network = wrap(model())
    for check in gradient_check(network, torch.randn(1, 3, 32, 32), layer, target=1, count=4):
        assert check.gradient != 0
        assert check.difference == pytest.approx(check.gradient, rel=1e-5)


def test_what_comes_before_the_layer_is_computed_once_and_the_weights_are_counted(monkeypatch) -> None:
    network = load_network("squeezenet1_1", weights="none", image_size=64)
    ran: list[int] = []
    true = nn.Conv2d.forward
    monkeypatch.setattr(nn.Conv2d, "forward", lambda self, x: (ran.append(self.stride[0]), true(self, x))[1])
    seen: list[tuple[int, int]] = []
    x = torch.randn(1, 3, 64, 64)
    found = gradient_check(
        network, x, "features.12.squeeze", target=3, count=2, progress=lambda *done: seen.append(done)
    )
    assert len(found) == 2
    assert ran.count(2) == 1, "the first layer, the only one of stride 2"
    assert seen == [(0, 2), (0, 2), (1, 2), (2, 2)]

    def stop(done: int, _total: int) -> None:
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        gradient_check(network, x, "features.12.squeeze", target=3, count=2, progress=stop)
