"""The pair in the plane: its losses, gradients and change of D against torch and finite differences; collapse."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from core.errors import InputError
from core.training.gan.losses import discriminator_loss, generator_loss, optimal
from core.training.gan.plane import REACH, REAL, SIDE, Duel, Rules, ring_middles, ring_shares


def after(rules: Rules, moves: str) -> Duel:
    duel = Duel(rules)
    for kind in moves:
        duel.move(kind)
    return duel


def test_losses_are_torchs_cross_entropies() -> None:
    real, generated = torch.randn(40).double(), torch.randn(30).double()
    wanted = F.binary_cross_entropy_with_logits(real, torch.ones(40).double()) + F.binary_cross_entropy_with_logits(
        generated, torch.zeros(30).double()
    )
    assert float(discriminator_loss(real, generated)) == pytest.approx(float(wanted), rel=1e-9)
    usual = F.binary_cross_entropy_with_logits(generated, torch.ones(30).double())
    assert float(generator_loss(generated)) == pytest.approx(float(usual), rel=1e-9)
    saturating = (1 - generated.sigmoid()).log().mean()
    assert float(generator_loss(generated, saturating=True)) == pytest.approx(float(saturating), rel=1e-9)
    even = torch.zeros(5)
    assert float(discriminator_loss(even, even)) == pytest.approx(2 * math.log(2))


def test_the_best_discriminator_is_reached_by_training_one() -> None:
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _step in range(400):
        real, made = (torch.randn(512, 1, generator=generator) + shift for shift in (0.0, 1.0))
        loss = discriminator_loss(network(real), network(made))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for place in (-1.0, 0.5, 2.0):
        densities = [math.exp(-((place - shift) ** 2) / 2) for shift in (0.0, 1.0)]
        said = float(network(torch.tensor([[place]])).sigmoid().detach())
        assert said == pytest.approx(optimal(*densities), abs=0.06)


@pytest.mark.parametrize("saturating", [False, True])
def test_samples_are_pulled_down_the_slope_of_their_own_loss(saturating: bool) -> None:
    duel = after(Rules(saturating=saturating), "b" * 5)
    view = duel.view()
    for place in (0, 17, 255):
        point = view.generated[place].double()
        network = copy.deepcopy(duel.discriminator).double()
        for axis in range(2):
            step = torch.zeros(2).double()
            step[axis] = 1e-5
            with torch.no_grad():
                high, low = (generator_loss(network(point + way * step), saturating=saturating) for way in (1, -1))
            assert float(view.pull[place, axis]) == pytest.approx(-float(high - low) / 2e-5, rel=1e-3, abs=1e-6)


def test_the_change_of_d_is_that_of_a_small_step_down_its_loss() -> None:
    duel = after(Rules(real="bow"), "b" * 20)
    view = duel.view()
    network = copy.deepcopy(duel.discriminator).double()
    line = torch.linspace(-REACH, REACH, SIDE).double()
    grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), 2).view(-1, 2)
    assert torch.allclose(network(grid).sigmoid().view(SIDE, SIDE), view.surface.double(), atol=1e-5)
    loss = discriminator_loss(network(view.real.double()), network(view.generated.double()))
    slopes = torch.autograd.grad(loss, list(network.parameters()))
    with torch.no_grad():
        before = network(grid).sigmoid()
        for weight, slope in zip(network.parameters(), slopes, strict=True):
            weight -= 1e-6 * slope
        moved = (network(grid).sigmoid() - before).view(SIDE, SIDE) / 1e-6
    assert torch.allclose(moved, view.change.double(), rtol=1e-3, atol=1e-4)


def test_a_move_changes_the_network_it_is_named_after_and_moves_repeat() -> None:
    duel = Duel(Rules())
    weights = [copy.deepcopy(network.state_dict()) for network in (duel.generator, duel.discriminator)]
    duel.move("d")
    assert all(torch.equal(value, weights[0][name]) for name, value in duel.generator.state_dict().items())
    assert not torch.equal(duel.discriminator.state_dict()["0.weight"], weights[1]["0.weight"])
    duel.move("g")
    assert not torch.equal(duel.generator.state_dict()["0.weight"], weights[0]["0.weight"])
    assert after(Rules(), "dg").history == duel.history
    assert after(Rules(), "b").history[-1] == duel.history[-1]
    assert len(duel.history) == 3
    with pytest.raises(InputError, match="move is x"):
        duel.move("x")


def test_samples_come_to_lie_where_the_real_ones_do() -> None:
    duel = after(Rules(real="cloud"), "b" * 300)
    view = duel.view()
    assert torch.allclose(view.generated.mean(0), view.real.mean(0), atol=0.5)
    assert duel.history[-1].real == pytest.approx(0.5, abs=0.1)
    assert duel.history[-1].generated == pytest.approx(0.5, abs=0.1)
    assert duel.history[-1].shares == ()


def test_a_generator_trained_too_often_collapses_and_one_in_step_does_not() -> None:
    collapsed = after(Rules(real="ring", generator_steps=3), "b" * 500).history[-1].covered
    mended = after(Rules(real="ring", generator_steps=3, discriminator_steps=3), "b" * 500).history[-1].covered
    assert collapsed <= 2
    assert mended >= 6


def test_shares_count_what_lies_at_a_cloud() -> None:
    points = torch.cat([ring_middles()[[0, 0, 3]] + 0.1, torch.zeros(1, 2)])
    assert ring_shares(points) == (0.5, 0, 0, 0.25, 0, 0, 0, 0)
    real = REAL["ring"][1](4000, torch.Generator().manual_seed(0))
    assert min(ring_shares(real)) > 0.1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"real": "cat"}, "real is cat"),
        ({"generator_steps": 0}, "generator_steps is 0"),
        ({"generator_rate": 0.0}, "generator_rate is 0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_rules_out_of_range_are_refused(changed: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Rules(**changed)  # type: ignore[arg-type]
