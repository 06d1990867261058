from __future__ import annotations

import pytest
import torch
from torch import nn

from core.errors import InputError
from core.models import catalog, freeze
from core.models.anatomy import anatomy_of, examine
from core.models.heads import replace_head
from core.specs import FreezePlan


@pytest.fixture
def small():
    """A small MobileNetV3 (BatchNorm, dropout, neck) with four classes, and its anatomy at 32 px."""
    model = catalog.build("mobilenet_v3_small", "none", seed=0)
    return model, replace_head(model, anatomy_of("mobilenet_v3_small", 32), 4, seed=0)


def step(model: nn.Module, x: torch.Tensor) -> None:
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=0.1, momentum=0.9, weight_decay=0.01)
    nn.functional.cross_entropy(model(x), torch.arange(len(x)) % 4).backward()
    optimizer.step()


def test_vgg16_with_twelve_classes() -> None:
    model = catalog.skeleton("vgg16")
    anatomy = replace_head(model, anatomy_of("vgg16"), 12)
    assert freeze.counts(anatomy, FreezePlan(0)) == (49_164, 134_260_544, 134_309_708)


def test_stage_names(small) -> None:
    _, anatomy = small
    assert freeze.trainable_stage_names(anatomy, FreezePlan(0)) == ("head",)
    assert freeze.trainable_stage_names(anatomy, FreezePlan(2)) == ("stage4", "stage5", "neck", "head")
    everything = tuple(stage.name for stage in anatomy.stages)
    assert freeze.trainable_stage_names(anatomy, FreezePlan(5)) == everything
    assert freeze.trainable_stage_names(anatomy, FreezePlan("all")) == everything


def test_more_stages_than_there_are(small) -> None:
    model, anatomy = small
    for call in (freeze.counts, freeze.trainable_stage_names):
        with pytest.raises(InputError, match="only 5"):
            call(anatomy, FreezePlan(6))
    with pytest.raises(InputError, match="Choose 0 to 5"):
        freeze.apply(model, anatomy, FreezePlan(6))


def test_the_neck_goes_free_where_there_are_no_stages() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 10), nn.ReLU(), nn.Linear(10, 5))
    anatomy = examine(model, num_classes=5, image_size=8)
    assert freeze.trainable_stage_names(anatomy, FreezePlan(0)) == ("head",)
    assert freeze.trainable_stage_names(anatomy, FreezePlan("all")) == ("neck", "head")


@pytest.mark.parametrize("stages", [0, 1, 3, "all"])
def test_apply_agrees_with_the_counts_and_can_be_undone(small, stages) -> None:
    model, anatomy = small
    freeze.apply(model, anatomy, FreezePlan(stages))
    learning = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert learning == freeze.counts(anatomy, FreezePlan(stages)).trainable
    freeze.apply(model, anatomy, FreezePlan("all"))
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("stages", [0, 1, 3])
def test_what_is_frozen_does_not_move_by_a_bit(small, images, stages: int) -> None:
    model, anatomy = small
    plan = FreezePlan(stages)
    freeze.apply(model, anatomy, plan)
    freeze.set_train_mode(model, anatomy, plan)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    step(model, images(8, 32))
    free = freeze.trainable_stage_names(anatomy, plan)
    owners = {layer: stage.name for stage in anatomy.stages for layer in stage.layers}
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    for name in before:
        if owners[name.rpartition(".")[0]] not in free:
            assert name not in moved, name
    assert f"{anatomy.head}.weight" in moved
    assert any("running_mean" in name for name in moved) == (stages > 0)


def test_modes_follow_the_plan(tiny) -> None:
    anatomy = examine(tiny, num_classes=5, image_size=32)
    freeze.set_train_mode(tiny, anatomy, FreezePlan(0))
    assert [name for name, module in tiny.named_modules() if module.training] == ["classifier.1"]
    freeze.set_train_mode(tiny, anatomy, FreezePlan(1))
    training = {name for name, module in tiny.named_modules() if module.training}
    assert training == {"last", "last.0", "last.1", "last.2", "pool", "classifier", "classifier.0", "classifier.1"}
    freeze.set_train_mode(tiny, anatomy, FreezePlan("all"))
    assert all(module.training for module in tiny.modules())
    freeze.set_train_mode(tiny, anatomy, FreezePlan(0))
    assert not tiny.training


def test_a_frozen_network_in_train_mode_gives_the_same_features(small, images) -> None:
    model, anatomy = small
    x = images(4, 32)
    with torch.no_grad():
        expected = model(x)
        freeze.set_train_mode(model, anatomy, FreezePlan(0))
        assert torch.equal(model(x), expected)


def test_norm_train_moves_the_statistics_of_frozen_batchnorm_and_nothing_else(tiny, images) -> None:
    anatomy = examine(tiny, num_classes=5, image_size=32)
    plan = FreezePlan(0, norm="train")
    freeze.apply(tiny, anatomy, plan)
    freeze.set_train_mode(tiny, anatomy, plan)
    training = {name for name, module in tiny.named_modules() if module.training}
    assert training == {"stem.1", "middle.1", "last.1", "classifier.1"}
    before = {name: value.clone() for name, value in tiny.state_dict().items()}
    step(tiny, images(8, 32))
    moved = {name for name, value in tiny.state_dict().items() if not torch.equal(value, before[name])}
    statistics = {name for name in before if name.rpartition(".")[2] in ("running_mean", "running_var")}
    counters = {name for name in before if name.endswith("num_batches_tracked")}
    assert moved == statistics | counters | {"classifier.1.weight", "classifier.1.bias"}


def test_transformer_attention_follows_its_stage(tokens) -> None:
    anatomy = examine(tokens, num_classes=5, image_size=32)
    freeze.set_train_mode(tokens, anatomy, FreezePlan(1))
    assert [block.attention.out_proj.training for block in tokens.blocks] == [False] * 5 + [True]
    assert not tokens.blocks.training
