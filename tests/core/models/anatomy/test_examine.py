from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.models.anatomy.examine import Anatomy, anatomy_of, examine
from core.models.anatomy.trace import layout, token_side, trace
from core.models.catalog import catalog


def stage_of(anatomy: Anatomy, parameter: str) -> str:
    return next(stage.name for stage in anatomy.stages if parameter in stage.parameter_names)


def test_a_small_network(tiny) -> None:
    anatomy = examine(tiny, num_classes=5, image_size=32)
    assert (anatomy.head, anatomy.head_kind, anatomy.head_features) == ("classifier.1", "linear", 8)
    assert (anatomy.cam_layer, anatomy.layout, anatomy.grid) == ("last", "NCHW", (8, 8))
    assert [(stage.name, stage.spatial, stage.channels) for stage in anatomy.stages] == [
        ("stage1", (32, 32), 4),
        ("stage2", (16, 16), 6),
        ("stage3", (8, 8), 8),
        ("head", None, None),
    ]
    assert anatomy.stages[0].layers == ("stem.0", "stem.1")
    assert anatomy.total == sum(parameter.numel() for parameter in tiny.parameters())


def test_layers_of_a_small_network(tiny) -> None:
    anatomy = examine(tiny, num_classes=5, image_size=32)
    conv, block = anatomy.layer("middle.0"), anatomy.layer("middle")
    assert (conv.kind, conv.input_shape, conv.output_shape) == ("Conv2d", (4, 32, 32), (6, 16, 16))
    assert (conv.parameters, conv.stage, conv.layout, conv.leaf) == (222, "stage2", "NCHW", True)
    assert (block.parameters, block.leaf) == (234, False)
    assert anatomy.layer("classifier.0").stage == "stage3"
    assert anatomy.layer("classifier").stage == "head"
    assert [layer.name for layer in anatomy.layers][:4] == ["stem.0", "stem.1", "stem.2", "stem"]
    with pytest.raises(InputError, match="nowhere"):
        anatomy.layer("nowhere")


def test_tokens(tokens) -> None:
    anatomy = examine(tokens, num_classes=5, image_size=32)
    assert anatomy.cam_layer == "blocks.5.norm"
    assert (anatomy.layout, anatomy.grid) == ("tokens", (4, 4))
    assert [stage.name for stage in anatomy.stages] == ["stage1", "stage2", "stage3", "stage4", "head"]
    assert [stage_of(anatomy, f"blocks.{index}.norm.weight")[-1] for index in range(6)] == list("112334")
    assert stage_of(anatomy, "token") == stage_of(anatomy, "patches.weight") == "stage1"
    assert stage_of(anatomy, "norm.weight") == "stage4"
    assert stage_of(anatomy, "blocks.5.attention.in_proj_weight") == "stage4"
    assert anatomy.layer("blocks.0").output_shape == (17, 8)


def test_examining_leaves_the_network_as_it_was(tiny, global_random_state) -> None:
    tiny.train()
    tiny.stem.eval()
    before = {name: value.clone() for name, value in tiny.state_dict().items()}
    modes = [module.training for module in tiny.modules()]
    examine(tiny, num_classes=5, image_size=32)
    assert [module.training for module in tiny.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in tiny.state_dict().items())
    assert {value.device.type for value in tiny.state_dict().values()} == {"cpu"}
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in tiny.modules())
    assert global_random_state()


def test_no_hook_is_left_behind_after_a_failure(tiny) -> None:
    with pytest.raises(InputError, match="7 outputs"):
        examine(tiny, num_classes=7, image_size=32)
    tiny.pool = nn.Linear(3, 3)
    with pytest.raises(InputError, match="32 px"):
        examine(tiny.train(), num_classes=5, image_size=32)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in tiny.modules())
    assert tiny.training


class Stray(nn.Module):
    """Holds a tensor that is neither parameter nor buffer, so it cannot run on shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1)
        self.scale = torch.ones(4, 1, 1)
        self.unused = nn.Linear(2, 2)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        if self.scale.sum().item() < 0:
            return x
        return self.fc((self.conv(x) * self.scale).mean((2, 3)))


def test_a_network_that_cannot_run_on_shapes_is_run_as_it_is() -> None:
    anatomy = examine(Stray(), num_classes=5, image_size=16)
    assert (anatomy.cam_layer, anatomy.grid) == ("conv", (8, 8))
    assert stage_of(anatomy, "unused.weight") == "stage1"
    assert sum(stage.parameters for stage in anatomy.stages) == anatomy.total


def test_a_network_without_feature_maps() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 10), nn.ReLU(), nn.Linear(10, 5))
    anatomy = examine(model, num_classes=5, image_size=8)
    assert (anatomy.cam_layer, anatomy.grid) == ("", (1, 1))
    assert [stage.name for stage in anatomy.stages] == ["neck", "head"]


def test_a_block_that_adds_in_place_is_the_maker_of_its_output() -> None:
    anatomy = anatomy_of("convnext_tiny")
    assert anatomy.cam_layer == "features.7"


def test_gray_input() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
    assert examine(model, num_classes=5, image_size=28).layer("0").input_shape == (1, 28, 28)


def test_json_and_back() -> None:
    for name in ("resnet18", "vit_b_32"):
        anatomy = anatomy_of(name)
        assert Anatomy.from_dict(json.loads(json.dumps(anatomy.to_dict()))) == anatomy


def test_stages_stay_the_same_at_another_size() -> None:
    own, small = anatomy_of("resnet18"), anatomy_of("resnet18", 32)
    assert [stage.parameter_names for stage in small.stages] == [stage.parameter_names for stage in own.stages]
    assert [stage.spatial for stage in small.stages[:-1]] == [(16, 16), (8, 8), (4, 4), (2, 2), (1, 1)]
    assert [stage.spatial for stage in own.stages[:-1]] == [(112, 112), (56, 56), (28, 28), (14, 14), (7, 7)]
    assert (small.cam_layer, small.grid) == ("layer3", (2, 2))
    assert anatomy_of("vit_b_32", 64).total < anatomy_of("vit_b_32").total


@pytest.mark.parametrize(
    ("name", "cam", "grid"),
    [
        ("resnet50", "layer4", 7),
        ("vgg16", "features.29", 14),
        ("densenet121", "features.norm5", 7),
        ("mobilenet_v2", "features.18", 7),
        ("squeezenet1_0", "features.12", 13),
        ("inception_v3", "Mixed_7c", 8),
        ("swin_t", "permute", 7),
        ("swin_v2_t", "permute", 8),
        ("maxvit_t", "blocks.3", 7),
        ("vit_b_16", "encoder.layers.encoder_layer_11.ln_1", 14),
        ("efficientnet_lite0", "features.8", 7),
    ],
)
def test_heatmap_layers(name: str, cam: str, grid: int) -> None:
    anatomy = anatomy_of(name)
    assert (anatomy.cam_layer, anatomy.grid) == (cam, (grid, grid))


@pytest.mark.parametrize(
    ("name", "depth"), [("alexnet", 3), ("vit_b_32", 4), ("swin_t", 4), ("resnet18", 5), ("vgg11", 5)]
)
def test_depths(name: str, depth: int) -> None:
    assert len(anatomy_of(name).backbone_stages) == depth


def test_swin_layers_lie_channels_last_before_the_permutation() -> None:
    anatomy = anatomy_of("swin_t")
    assert anatomy.layout == "NCHW"
    assert anatomy.layer("features.7").layout == "NHWC"
    assert anatomy.stages[0].channels == 96


def test_vgg_stages_and_neck() -> None:
    anatomy = anatomy_of("vgg16")
    assert [stage.name for stage in anatomy.stages] == [*(f"stage{k}" for k in range(1, 6)), "neck", "head"]
    assert anatomy.stages[0].parameters == 1_792 + 36_928
    assert anatomy.stages[5].layers == ("classifier.0", "classifier.3")
    assert anatomy.stages[6].parameters == 4_097_000


@pytest.mark.parametrize(("name", "size"), [("alexnet", 16), ("vit_b_32", 100), ("inception_v3", 32)])
def test_too_small_images_are_refused_in_words(name: str, size: int) -> None:
    with pytest.raises(InputError, match=f"{size} px"):
        anatomy_of(name, size)


def test_unknown_backbone() -> None:
    with pytest.raises(InputError, match="resnet19"):
        anatomy_of("resnet19")


def test_it_is_cached_and_neither_draws_nor_allocates(global_random_state) -> None:
    assert anatomy_of("vit_h_14") is anatomy_of("vit_h_14")
    assert global_random_state()


def test_tracing_orders_and_nests_calls(tiny) -> None:
    root = trace(tiny, 32)
    assert [call.name for call in root.children] == ["stem", "middle", "last", "pool", "classifier"]
    orders = [call.order for call in root.walk()]
    assert orders == sorted(orders) == list(range(len(orders)))
    relu = root.children[0].children[2]
    assert root.children[0].origin is relu


def test_layouts_of_shapes() -> None:
    assert layout((2, 8, 7, 7)) == "NCHW"
    assert layout((2, 7, 7, 8)) == "NHWC"
    assert layout((2, 50, 8)) == "tokens"
    assert layout((8, 7, 7, 8)) is None
    assert layout((2, 4, 49, 8)) is None
    assert layout(()) is None
    assert [token_side(count) for count in (197, 196, 50, 5, 4, 2, 201)] == [14, 14, 7, 2, 2, None, 14]


@pytest.mark.slow
def test_the_first_anatomy_of_a_process_is_quick() -> None:
    code = (
        "import time; from core.models.anatomy.examine import anatomy_of; import torch; t = time.process_time();"
        "anatomy_of('resnet50'); print(time.process_time() - t)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.5


def test_real_and_shape_traces_agree() -> None:
    model = catalog.build("resnet18", "none", seed=0)
    assert examine(model, num_classes=1000, image_size=224) == anatomy_of("resnet18")
