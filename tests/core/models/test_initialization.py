"""Random weights by scheme: spread, biases, seeds, and what all-equal weights do."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import InputError
from core.models import initialization
from core.models.architectures import small_networks
from core.models.network import assemble
from core.specs import INITS, ModelSpec


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(16, 64, 3)
        self.norm = nn.BatchNorm2d(64)
        self.attention = nn.MultiheadAttention(64, 4)
        self.layer_norm = nn.LayerNorm(64)
        self.position = nn.Parameter(torch.full((5,), 7.0))
        self.linear = nn.Linear(256, 64)


def test_every_scheme_but_the_own_one_has_a_row() -> None:
    assert ("own", *initialization.SCHEMES) == INITS
    assert all(row.description.endswith(".") for row in initialization.SCHEMES.values())


@pytest.mark.parametrize(
    ("scheme", "spread"),
    [
        ("xavier-uniform", math.sqrt(2 / (256 + 64))),
        ("xavier-normal", math.sqrt(2 / (256 + 64))),
        ("he-uniform", math.sqrt(2 / 256)),
        ("he-normal", math.sqrt(2 / 256)),
    ],
)
def test_the_spread_is_the_papers(scheme: str, spread: float) -> None:
    model = Mixed()
    initialization.initialise(model, scheme, bias=0.01, seed=3)
    assert float(model.linear.weight.detach().std()) == pytest.approx(spread, rel=0.05)
    fan_in, fan_out = 16 * 9, 64 * 9
    conv = math.sqrt(2 / (fan_in + fan_out)) if scheme.startswith("xavier") else math.sqrt(2 / fan_in)
    assert float(model.conv.weight.detach().std()) == pytest.approx(conv, rel=0.05)
    bound = spread * math.sqrt(3)
    if scheme.endswith("uniform"):
        assert float(model.linear.weight.detach().abs().max()) <= bound
    else:
        assert float(model.linear.weight.detach().abs().max()) > bound


def test_orthogonal_rows_have_length_one_and_stand_square() -> None:
    model = Mixed()
    initialization.initialise(model, "orthogonal")
    weight = model.linear.weight.detach()
    assert torch.allclose(weight @ weight.T, torch.eye(64), atol=1e-5)


@pytest.mark.parametrize(("scheme", "value"), [("zeros", 0.0), ("ones", 1.0)])
def test_constants(scheme: str, value: float) -> None:
    model = Mixed()
    initialization.initialise(model, scheme, bias=0.5)
    for weight in (model.conv.weight, model.linear.weight, model.attention.in_proj_weight):
        assert bool((weight == value).all())
    for bias in (model.conv.bias, model.linear.bias, model.attention.in_proj_bias, model.attention.out_proj.bias):
        assert bool((bias == 0.5).all())


def test_norms_start_neutral_and_other_parameters_are_left() -> None:
    model = Mixed()
    with torch.no_grad():
        for norm in (model.norm, model.layer_norm):
            norm.weight.fill_(3)
            norm.bias.fill_(3)
        model.norm.running_mean.fill_(3)
    initialization.initialise(model, "zeros", bias=0.5)
    assert bool(
        (model.norm.weight == 1).all() and (model.norm.bias == 0).all() and (model.norm.running_mean == 0).all()
    )
    assert bool((model.layer_norm.weight == 1).all() and (model.layer_norm.bias == 0).all())
    assert bool((model.position == 7).all())


def test_the_seed_decides_and_the_global_state_does_not_move() -> None:
    first, second, third = Mixed(), Mixed(), Mixed()
    state = torch.random.get_rng_state()
    initialization.initialise(first, "he-normal", seed=1)
    initialization.initialise(second, "he-normal", seed=1)
    initialization.initialise(third, "he-normal", seed=2)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first.conv.weight, second.conv.weight)
    assert not torch.equal(first.conv.weight, third.conv.weight)


def test_own_leaves_everything() -> None:
    model = Mixed()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    initialization.initialise(model, "own", bias=9.0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(InputError, match="init is magic"):
        initialization.initialise(Mixed(), "magic")


def trained(init: str) -> tuple[nn.Module, Tensor, Tensor]:
    """Trains the course's MNIST network on two easy classes; returns it with the first and last loss."""
    network = assemble(ModelSpec("mnist_cnn", "none", init=init, init_bias=0.01), ("dark", "bright"), seed=0)
    labels = torch.arange(32) % 2
    images = (
        torch.rand(32, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 0.4 + labels.view(-1, 1, 1, 1) * 0.6
    )
    model = network.model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(40):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return model, losses[0], losses[-1]


def test_glorot_learns() -> None:
    _, first, last = trained("xavier-uniform")
    assert last < 0.1 * first


def test_zeros_learn_nothing() -> None:
    """As in the notes: half of the answers are right, and the loss stays that of a guess."""
    model, _, last = trained("zeros")
    assert float(last) == pytest.approx(math.log(2), abs=0.01)
    assert bool((model.conv1.weight == 0).all())


def test_ones_keep_all_units_of_a_layer_the_same() -> None:
    model, _, _ = trained("ones")
    for layer in (model.conv1, model.conv2, model.linear1):
        weight = layer.weight.detach().flatten(1)
        assert torch.allclose(weight, weight[:1].expand_as(weight), rtol=1e-4, atol=1e-5)
    start = small_networks.construct(small_networks.mnist_cnn(), 1, 28, 2)
    initialization.initialise(start, "ones")
    assert not torch.equal(model.conv1.weight, start.conv1.weight)  # it moved, but all alike


def test_the_head_follows_the_scheme_too_but_not_on_pretrained_weights() -> None:
    network = assemble(ModelSpec("mnist_cnn", "none", init="ones", init_bias=0.25), ("a", "b", "c"), seed=0)
    head = network.model.get_submodule(network.anatomy.head)
    assert bool((head.weight == 1).all() and (head.bias == 0.25).all())
