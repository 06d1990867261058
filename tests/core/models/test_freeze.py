from __future__ import annotations

import pytest
import torch
from torch import nn

from core.errors import InputError
from core.models import freeze
from core.models.anatomy.examine import anatomy_of, examine
from core.models.catalog import catalog
from core.models.heads import build_head
from core.specs import FreezePlan


@pytest.fixture
def small():
    """A small MobileNetV3 (BatchNorm, dropout, neck) with four classes, and its anatomy at 32 px."""
    model = catalog.build("mobilenet_v3_small", "none", seed=0)
    return model, build_head(model, anatomy_of("mobilenet_v3_small", 32), 4, seed=0)


def step(model: nn.Module, x: torch.Tensor) -> None:
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=0.1, momentum=0.9, weight_decay=0.01)
    nn.functional.cross_entropy(model(x), torch.arange(len(x)) % 4).backward()
    optimizer.step()


def test_vgg16_with_twelve_classes() -> None:
    model = catalog.skeleton("vgg16")
    anatomy = build_head(model, anatomy_of("vgg16"), 12)
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


# --- single parts -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def resnet():
    return anatomy_of("resnet18", 64)


def sizes(anatomy, *prefixes: str) -> int:
    return sum(
        size
        for stage in anatomy.stages
        for name, size in zip(stage.parameter_names, stage.parameter_sizes, strict=True)
        if name.startswith(prefixes)
    )


def test_the_inner_name_decides(resnet) -> None:
    plan = FreezePlan(1, thaw=("layer1.0.conv1",), hold=("layer4.0", "layer1"))
    learning = freeze.learning(resnet, plan)
    assert {name for name in learning if name.startswith("layer1")} == {"layer1.0.conv1.weight"}
    assert "layer4.1.conv1.weight" in learning
    assert "layer4.0.conv1.weight" not in learning
    expected = sizes(resnet, "layer4.1", "layer1.0.conv1", "fc")
    assert freeze.counts(resnet, plan) == (expected, resnet.total - expected, resnet.total)
    assert freeze.stage_state(resnet, plan) == {
        "stage1": "frozen",
        "stage2": "partly",
        "stage3": "frozen",
        "stage4": "frozen",
        "stage5": "partly",
        "head": "learns",
    }
    assert freeze.part_state(resnet, plan)["layer4"] == "partly"
    assert freeze.part_state(resnet, plan)["layer1.0.conv1"] == "learns"


def test_norm_and_bias_alone(resnet) -> None:
    plan = freeze.preset("norm-bias", resnet)
    learning = freeze.learning(resnet, plan)
    assert {name for name in learning if "conv" in name} == set()
    assert {"bn1.weight", "bn1.bias", "fc.weight", "fc.bias"} <= learning
    assert freeze.counts(resnet, plan).trainable == 9_600 + 513_000  # scales and shifts of ResNet18, and its head


def test_biases_of_networks_without_batchnorm_learn_too() -> None:
    anatomy = anatomy_of("vgg11")
    learning = freeze.learning(anatomy, freeze.preset("norm-bias", anatomy))
    assert {name for name in learning if not name.startswith("classifier.6")} == {
        name for stage in anatomy.stages for name in stage.parameter_names if name.endswith("bias")
    } - {"classifier.6.bias"}


@pytest.mark.parametrize("plan", [{"thaw": ("layer9",)}, {"hold": ("layer4.7.conv1",)}, {"thaw": ("stage9",)}])
def test_unknown_parts_are_named(resnet, plan) -> None:
    with pytest.raises(InputError, match="has no part"):
        freeze.learning(resnet, FreezePlan(**plan))


@pytest.mark.parametrize("part", ["head", "fc", "fc.weight"])
def test_the_head_cannot_be_frozen(resnet, part: str) -> None:
    with pytest.raises(InputError, match="always learns"):
        freeze.learning(resnet, FreezePlan(hold=(part,)))
    with pytest.raises(InputError, match="always learns"):
        freeze.toggle(resnet, FreezePlan(), part)


def test_clicks_add_up_to_the_plainest_plan(resnet) -> None:
    plan = freeze.toggle(resnet, FreezePlan(), "stage5")
    assert plan == FreezePlan(1)
    plan = freeze.toggle(resnet, plan, "stage3")
    assert plan == FreezePlan(1, thaw=("stage3",))
    assert freeze.toggle(resnet, plan, "stage4") == FreezePlan(3)
    assert freeze.toggle(resnet, FreezePlan("all"), "stage5") == FreezePlan("all", hold=("stage5",))
    assert freeze.toggle(resnet, FreezePlan("all", hold=("stage5",)), "stage5") == FreezePlan("all")
    single = freeze.toggle(resnet, FreezePlan(1), "layer4.0.conv1")
    assert single == FreezePlan(1, hold=("layer4.0.conv1",))
    assert freeze.toggle(resnet, single, "layer4.0") == FreezePlan(1)  # partly -> learns
    assert freeze.toggle(resnet, FreezePlan(0, thaw=("layer1.0.conv1",)), "stage2") == FreezePlan(0, thaw=("stage2",))


def test_a_click_and_a_second_one_undo_each_other(resnet) -> None:
    for part in ("stage1", "layer2", "layer3.0.downsample", "layer4.1.bn2"):
        for plan in (FreezePlan(), FreezePlan("all"), FreezePlan(2)):
            twice = freeze.toggle(resnet, freeze.toggle(resnet, plan, part), part)
            assert freeze.learning(resnet, twice) == freeze.learning(resnet, plan), (part, plan)


def test_where_a_module_is_called_like_a_stage_the_stage_is_meant() -> None:
    anatomy = anatomy_of("shufflenet_v2_x0_5")
    assert any(layer.name == "stage2" for layer in anatomy.layers)
    stage = next(stage for stage in anatomy.stages if stage.name == "stage2")
    found = freeze.learning(anatomy, FreezePlan(thaw=("stage2",)))
    assert found == set(stage.parameter_names) | set(anatomy.stages[-1].parameter_names)


def test_presets(resnet) -> None:
    assert freeze.preset("linear-probe", resnet) == FreezePlan(0)
    assert freeze.preset("last-stages", resnet, 2) == FreezePlan(2)
    assert freeze.preset("all", resnet) == FreezePlan("all")
    assert freeze.preset("last-block", resnet) == FreezePlan(thaw=("layer4.1",))
    with pytest.raises(InputError, match="only 5"):
        freeze.preset("last-stages", resnet, 7)
    with pytest.raises(InputError, match="Choose one of"):
        freeze.preset("half", resnet)


def test_partly_free_parts_move_only_where_they_are_free(images) -> None:
    model = catalog.build("resnet18", "none", seed=0)
    anatomy = build_head(model, anatomy_of("resnet18", 32), 4, seed=0)
    plan = FreezePlan(thaw=("layer4.1.conv2",))
    freeze.apply(model, anatomy, plan)
    freeze.set_train_mode(model, anatomy, plan)
    assert not any(module.training for module in model.modules() if isinstance(module, nn.BatchNorm2d))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    step(model, images(8, 32))
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"layer4.1.conv2.weight", "fc.weight", "fc.bias"}


def test_batchnorm_that_learns_moves_its_statistics_though_the_convolutions_are_frozen(images) -> None:
    model = catalog.build("resnet18", "none", seed=0)
    anatomy = build_head(model, anatomy_of("resnet18", 32), 4, seed=0)
    plan = freeze.preset("norm-bias", anatomy)
    freeze.apply(model, anatomy, plan)
    freeze.set_train_mode(model, anatomy, plan)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    step(model, images(8, 32))
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert {"bn1.weight", "bn1.running_mean"} <= moved
    assert not {name for name in moved if "conv" in name or name == "layer2.0.downsample.0.weight"}


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("densenet121", "features.denseblock4.denselayer16"),
        ("vit_b_16", "encoder.layers.encoder_layer_11"),
        ("vgg16", "features.28"),
    ],
)
def test_the_last_block_is_one_with_weights(name: str, block: str) -> None:
    anatomy = anatomy_of(name)
    learning = freeze.learning(anatomy, freeze.preset("last-block", anatomy))
    weights = {
        parameter for stage in anatomy.stages for parameter in stage.parameter_names if parameter.startswith(block)
    }
    assert weights
    assert weights <= learning
    assert not {parameter for parameter in learning if parameter.startswith(anatomy.stages[0].layers[0] + ".")}
