"""Each stage has its rate, and weight decay is where it belongs."""

from __future__ import annotations

import pytest
import torch

from core.errors import InputError
from core.models import freeze
from core.models.anatomy import anatomy_of
from core.models.catalog import build
from core.specs import FreezePlan, Phase
from core.training.optim import build_optimizer, stage_rates


@pytest.fixture(scope="module")
def resnet() -> tuple[torch.nn.Module, object]:
    return build("resnet18", "none", seed=0), anatomy_of("resnet18")


def test_a_decay_factor_slows_each_stage_before_the_last(resnet) -> None:
    rates = stage_rates(Phase("a", "plan", 1, lr=0.1, backbone_factor=0.5, stage_decay=0.1), resnet[1])
    assert rates == pytest.approx(
        {"stage1": 5e-6, "stage2": 5e-5, "stage3": 5e-4, "stage4": 5e-3, "stage5": 0.05, "head": 0.1}
    )


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
