"""Each stage has its rate, and weight decay is where it belongs."""

from __future__ import annotations

import inspect

import pytest
import torch
from tiny import tiny
from torch.nn import functional as F

from core.errors import InputError
from core.models import freeze
from core.models.anatomy.examine import anatomy_of, examine
from core.models.catalog.catalog import build
from core.specs import OPTIMIZERS, FreezePlan, Phase
from core.training.optim.optimizers import (
    OPTIMIZER_TITLES,
    UNSUPPORTED,
    build_optimizer,
    carry_over,
    set_rates,
    stage_factors,
    stage_rates,
)
from core.training.recipes import make_recipe


@pytest.fixture(scope="module")
def resnet() -> tuple[torch.nn.Module, object]:
    return build("resnet18", "none", seed=0), anatomy_of("resnet18")


def test_a_decay_factor_slows_each_stage_before_the_last(resnet) -> None:
    rates = stage_rates(Phase("a", "plan", 1, lr=0.1, backbone_factor=0.5, stage_decay=0.1), resnet[1])
    assert rates == pytest.approx(
        {"stage1": 5e-6, "stage2": 5e-5, "stage3": 5e-4, "stage4": 5e-3, "stage5": 0.05, "head": 0.1}
    )


def test_factors_are_rates_over_the_heads(resnet) -> None:
    phase = Phase("a", "plan", 1, lr=0.1, backbone_factor=0.5, stage_decay=0.1, stage_factors=(("stage2", 3.0),))
    factors = stage_factors(phase, resnet[1])
    assert factors["head"] == 1.0
    assert factors["stage2"] == 3.0
    assert {name: 0.1 * factor for name, factor in factors.items()} == pytest.approx(stage_rates(phase, resnet[1]))


def test_rates_by_hand_come_first(resnet) -> None:
    rates = stage_rates(Phase("a", "plan", 1, lr=0.1, stage_factors=(("stage2", 3.0), ("head", 0.5))), resnet[1])
    assert (rates["stage1"], rates["stage2"], rates["head"]) == pytest.approx((0.1, 0.3, 0.05))


def test_the_neck_goes_with_the_last_stage() -> None:
    rates = stage_rates(Phase("a", "plan", 1, lr=1.0, backbone_factor=0.25, stage_decay=0.5), anatomy_of("vgg11"))
    assert rates["neck"] == rates["stage5"] == 0.25


def test_a_rate_for_a_stage_that_is_not_there(resnet) -> None:
    with pytest.raises(InputError, match=r"set for stage9.*stage1, stage2"):
        stage_rates(Phase("a", "plan", 1, stage_factors=(("stage9", 1.0),)), resnet[1])


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", "rmsprop"])
def test_groups_hold_what_learns_once_with_its_rate_and_decay(resnet, optimizer: str) -> None:
    model, anatomy = resnet
    plan = FreezePlan(1, thaw=("layer1.0.conv1",))
    freeze.apply(model, anatomy, plan)
    phase = Phase("a", "plan", 1, optimizer, lr=0.1, backbone_factor=0.5, stage_decay=0.1, weight_decay=0.01)
    groups = build_optimizer(phase, model, anatomy).param_groups
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    held = [names[id(parameter)] for group in groups for parameter in group["params"]]
    assert sorted(held) == sorted(freeze.learning(anatomy, plan))
    assert [group["stage"] for group in groups] == ["head", "head", "stage5", "stage5", "stage2"]
    for group in groups:
        assert group["lr"] == pytest.approx(stage_rates(phase, anatomy)[group["stage"]])
        assert {parameter.ndim < 2 for parameter in group["params"]} == {group["weight_decay"] == 0.0}


def _fitting() -> list[str]:
    kinds = {name: kind for name, kind in vars(torch.optim).items() if inspect.isclass(kind)}
    return sorted(
        name for name, kind in kinds.items() if issubclass(kind, torch.optim.Optimizer) and name not in UNSUPPORTED
    )


@pytest.mark.parametrize("name", [*OPTIMIZERS, *_fitting()])
def test_every_optimizer_of_torch_can_be_made_and_learns(name: str) -> None:
    network, images = tiny(), torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    images[4:] += 1
    labels = torch.arange(8) // 4
    phase = make_recipe("full", optimizer=name).phases[0]
    freeze.apply(network.model, network.anatomy, FreezePlan("all"))
    optimizer = build_optimizer(phase, network.model, network.anatomy)
    assert type(optimizer).__name__ == OPTIMIZER_TITLES.get(name, name)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = F.cross_entropy(network.model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_needs_more_than_gradients_is_refused(name: str) -> None:
    if not hasattr(torch.optim, name):
        pytest.skip("not in this torch")
    with pytest.raises(InputError, match="not in torch.optim" if name == "Optimizer" else "needs more than"):
        build_optimizer(Phase("a", "head", 1, name), tiny().model, tiny().anatomy)


def test_an_unknown_name_is_told_with_those_that_are_known() -> None:
    network = tiny()
    with pytest.raises(InputError, match=r"Magic is not in torch\.optim.*Adadelta.*NAdam"):
        build_optimizer(Phase("a", "head", 1, "Magic"), network.model, network.anatomy)


def test_options_reach_the_optimizer() -> None:
    network = tiny()
    phase = Phase("a", "head", 1, "NAdam", options=(("eps", 1e-3), ("momentum_decay", 0.1)))
    group = build_optimizer(phase, network.model, network.anatomy).param_groups[0]
    assert (group["eps"], group["momentum_decay"]) == (1e-3, 0.1)


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        ("sgd", (("speed", 1.0),)),
        ("adam", (("eps", -1.0),)),
        ("adam", (("lr", 0.1),)),
        ("adam", (("params", 1.0),)),
        ("adam", (("betas", 0.9),)),
        ("adam", (("capturable", True),)),
        ("adam", (("differentiable", True),)),
        ("sgd", (("dampening", 0.1), ("nesterov", True))),
    ],
)
def test_options_that_do_not_fit_are_refused_in_a_sentence(
    optimizer: str, options: tuple[tuple[str, float | bool], ...]
) -> None:
    network = tiny()
    with pytest.raises(InputError, match=f"The optimizer {optimizer}"):
        build_optimizer(Phase("a", "head", 1, optimizer, options=options), network.model, network.anatomy)


@pytest.mark.parametrize(("name", "short"), [("SGD", "sgd"), ("RMSprop", "rmsprop"), ("AdamW", "adamw")])
def test_a_class_and_its_short_name_are_the_same(name: str, short: str) -> None:
    network = tiny()
    one, other = (
        build_optimizer(Phase("a", "head", 1, given, momentum=0.7), network.model, network.anatomy)
        for given in (name, short)
    )
    assert (type(one), one.defaults) == (type(other), other.defaults)


def test_weight_decay_that_an_optimizer_does_not_know_is_refused() -> None:
    network = tiny()
    with pytest.raises(InputError, match="knows no weight decay"):
        build_optimizer(Phase("a", "head", 1, "Rprop", weight_decay=0.1), network.model, network.anatomy)
    build_optimizer(Phase("a", "head", 1, "Rprop"), network.model, network.anatomy)


def test_biases_and_scales_do_not_decay() -> None:
    network = tiny()
    freeze.apply(network.model, network.anatomy, FreezePlan("all"))
    before = {name: value.clone() for name, value in network.model.named_parameters()}
    phase = Phase("a", "plan", 1, "sgd", lr=0.1, momentum=0.0, weight_decay=1.0)
    optimizer = build_optimizer(phase, network.model, network.anatomy)
    for parameter in network.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, value in network.model.named_parameters():
        torch.testing.assert_close(value, before[name] * (0.9 if value.ndim > 1 else 1.0))


def test_a_new_optimizer_remembers_what_both_move() -> None:
    network = tiny()
    phase = Phase("a", "plan", 1, "adam", lr=0.01)

    def made(plan: FreezePlan) -> torch.optim.Optimizer:
        freeze.apply(network.model, network.anatomy, plan)
        return build_optimizer(phase, network.model, network.anatomy)

    old = made(FreezePlan(1))
    network.model(torch.randn(4, 3, 32, 32)).sum().backward()
    old.step()
    head, last = network.model[5].weight, network.model[2][0].weight
    moment = old.state[last]["exp_avg"].clone()
    more = made(FreezePlan("all"))
    carry_over(old, more)
    assert torch.equal(more.state[last]["exp_avg"], moment)
    assert len(more.state) == len(old.state) < sum(len(group["params"]) for group in more.param_groups)
    fewer = made(FreezePlan(0))
    carry_over(old, fewer)
    assert set(fewer.state) == {head, network.model[5].bias}


def test_rates_follow_the_factor() -> None:
    network = tiny()
    freeze.apply(network.model, network.anatomy, FreezePlan("all"))
    phase = Phase("a", "plan", 1, lr=0.1, backbone_factor=0.5, stage_decay=0.1)
    optimizer = build_optimizer(phase, network.model, network.anatomy)
    rates = stage_rates(phase, network.anatomy)
    set_rates(optimizer, rates, 0.2)
    for group in optimizer.param_groups:
        assert group["lr"] == pytest.approx(0.2 * rates[group["stage"]])


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "adagrad"])
def test_a_fused_step_is_the_plain_one(name: str) -> None:
    weights = []
    for fused in (True, False):
        torch.manual_seed(0)
        layers = (torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 1), torch.nn.Flatten())
        model = torch.nn.Sequential(*layers, torch.nn.Linear(144, 2))
        model.to(memory_format=torch.channels_last)
        anatomy = examine(model, num_classes=2, image_size=8)
        options = () if fused else (("foreach", False),)
        phase = Phase("a", "plan", 1, name, lr=0.01, weight_decay=0.01, options=options)
        optimizer = build_optimizer(phase, model, anatomy)
        assert bool(optimizer.defaults["fused"]) == fused
        images = torch.rand(4, 3, 8, 8).contiguous(memory_format=torch.channels_last)
        for _ in range(5):
            optimizer.zero_grad()
            model(images).square().sum().backward()
            optimizer.step()
        weights.append([parameter.detach().clone() for parameter in model.parameters()])
    for one, other in zip(*weights, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
