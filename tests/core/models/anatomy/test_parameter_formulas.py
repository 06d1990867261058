"""Formulas, multiply-adds and published figures."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import InputError
from core.models.anatomy.examine import Anatomy, anatomy_of, examine
from core.models.anatomy.parameter_formulas import formula, window
from core.models.anatomy.trace import smallest_size
from core.models.catalog import catalog

FAMILIES = (
    "resnet18",
    "resnext50_32x4d",
    "vgg11_bn",
    "densenet121",
    "mobilenet_v2",
    "efficientnet_b0",
    "efficientnet_lite0",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "regnet_y_400mf",
    "convnext_tiny",
    "vit_b_32",
    "swin_t",
    "swin_v2_t",
    "maxvit_t",
    "googlenet",
    "inception_v3",
    "alexnet",
    "mnasnet0_5",
    "mobilenet_v3_small",
)


def value(text: str) -> tuple[int, int]:
    """Returns both sides of a formula, the left one worked out."""
    left, _, right = text.partition(" = ")
    assert set(left) <= set("0123456789()+-*/")
    return int(eval(left)), int((right or left).replace(",", ""))


def check_layers(anatomy: Anatomy) -> None:
    for layer in anatomy.layers:
        assert bool(layer.formula) == bool(layer.own_parameters), layer.name
        if layer.formula:
            assert value(layer.formula) == (layer.own_parameters, layer.own_parameters), layer.name
    assert sum(layer.own_parameters for layer in anatomy.layers) == anatomy.total
    assert sum(layer.own_macs for layer in anatomy.layers) == anatomy.macs
    assert sum(layer.own_activation_bytes for layer in anatomy.layers) == anatomy.activation_bytes


@pytest.mark.parametrize("name", FAMILIES)
def test_formulas_give_the_true_counts_and_all_adds_up(name: str) -> None:
    anatomy = anatomy_of(name)
    check_layers(anatomy)
    model = catalog.skeleton(name)
    own = {layer.name: layer.own_parameters for layer in anatomy.layers}
    for owner, module in model.named_modules():
        held = sum(parameter.numel() for parameter in module.parameters(recurse=False))
        assert held == own.get(owner, 0) or not owner
    for stage in anatomy.stages:
        assert sum(block.parameters for block in stage.blocks) == stage.parameters
        assert set(stage.layers) == {layer for block in stage.blocks for layer in block.layers}


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("vgg16", 138_357_544),
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
        ("mobilenet_v2", 3_504_872),
        ("alexnet", 61_100_840),
        ("densenet121", 7_978_856),
        ("googlenet", 6_624_904),
        ("inception_v3", 23_834_568),
        ("squeezenet1_0", 1_248_424),
        ("efficientnet_b0", 5_288_548),
        ("vit_b_16", 86_567_656),
        ("convnext_tiny", 28_589_128),
        ("swin_t", 28_288_354),
    ],
)
def test_published_parameters(name: str, total: int) -> None:
    assert anatomy_of(name).total == total


@pytest.mark.parametrize(
    ("name", "gmacs"),
    [
        ("resnet50", 4.089),
        ("vgg16", 15.470),
        ("mobilenet_v2", 0.301),
        ("densenet121", 2.834),
        ("efficientnet_b0", 0.386),
        ("vit_b_32", 4.409),
        ("swin_t", 4.491),
        ("swin_v2_t", 5.94),
        ("convnext_tiny", 4.456),
        ("inception_v3", 5.713),
        ("regnet_y_400mf", 0.402),
        ("resnext50_32x4d", 4.230),
    ],
)
def test_published_multiply_adds(name: str, gmacs: float) -> None:
    assert anatomy_of(name).macs / 1e9 == pytest.approx(gmacs, abs=6e-4)


def test_vgg16_as_counted_by_hand() -> None:
    anatomy = anatomy_of("vgg16")
    found = {name: anatomy.layer(name) for name in ("features.0", "features.2", "classifier.0", "classifier.6")}
    assert [layer.formula for layer in found.values()] == [
        "(3*3*3+1)*64 = 1,792",
        "(3*3*64+1)*64 = 36,928",
        "(25088+1)*4096 = 102,764,544",
        "(4096+1)*1000 = 4,097,000",
    ]
    first = found["features.0"]
    assert (first.kernel, first.stride, first.padding, first.dilation, first.groups) == (
        (3, 3),
        (1, 1),
        (1, 1),
        (1, 1),
        1,
    )
    assert first.macs == 3 * 3 * 3 * 64 * 224 * 224
    assert first.activation_bytes == 64 * 224 * 224 * 4
    assert anatomy.layer("features.4").kernel == anatomy.layer("features.4").stride == (2, 2)
    assert anatomy.layer("features.4").groups is None


def test_rows_of_parts_that_do_not_run_by_themselves() -> None:
    anatomy = anatomy_of("vit_b_32")
    token, positions = anatomy.layer("class_token"), anatomy.layer("encoder")
    assert (token.kind, token.formula, token.calls) == ("Parameter", "1*1*768 = 768", 0)
    assert positions.formula == "1*50*768 = 38,400"
    attention = anatomy.layer("encoder.layers.encoder_layer_0.self_attention")
    behind = anatomy.layer("encoder.layers.encoder_layer_0.self_attention.out_proj")
    assert attention.formula == "3*(768+1)*768 = 1,771,776"
    assert attention.own_macs == 3 * 50 * 768 * 768 + 2 * 50 * 50 * 768
    assert (behind.formula, behind.macs, behind.calls) == ("(768+1)*768 = 590,592", 50 * 768 * 768, 0)
    assert behind.output_shape == (50, 768)
    swin = anatomy_of("swin_t")
    assert swin.layer("features.1.0.attn").formula == "(2*7-1)*(2*7-1)*3 = 507"
    assert swin.layer("features.1.0.attn.qkv").macs == 56 * 56 * 96 * 288


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (nn.Conv2d(3, 64, 3), "(3*3*3+1)*64 = 1,792"),
        (nn.Conv2d(1, 64, 3), "(3*3*1+1)*64 = 640"),
        (nn.Conv2d(3, 64, 7, bias=False), "7*7*3*64 = 9,408"),
        (nn.Conv2d(32, 32, 3, groups=32, bias=False), "3*3*(32/32)*32 = 288"),
        (nn.Conv2d(128, 256, (1, 7), groups=4), "(1*7*(128/4)+1)*256 = 57,600"),
        (nn.Conv2d(8, 4, 1), "(1*1*8+1)*4 = 36"),
        (nn.Conv1d(4, 6, 5), "(5*4+1)*6 = 126"),
        (nn.ConvTranspose2d(4, 6, 2), "2*2*4*6+6 = 102"),
        (nn.Linear(512, 1000), "(512+1)*1000 = 513,000"),
        (nn.Linear(10, 5, bias=False), "10*5 = 50"),
        (nn.BatchNorm2d(64), "2*64 = 128"),
        (nn.LayerNorm((4, 5)), "2*(4*5) = 40"),
        (nn.LayerNorm(6, bias=False), "6"),
        (nn.GroupNorm(2, 8), "2*8 = 16"),
        (nn.PReLU(3), "3"),
        (nn.Embedding(10, 4), "10*4 = 40"),
        (nn.LSTM(3, 4), "16*3+16*4+16+16 = 144"),
        (nn.ReLU(), ""),
        (nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 1)), "4"),
    ],
)
def test_formulas(module: nn.Module, text: str) -> None:
    shapes = {name: tuple(parameter.shape) for name, parameter in module.named_parameters(recurse=False)}
    assert formula(module, shapes) == text
    if text:
        assert value(text)[0] == sum(map(math.prod, shapes.values()))


def test_windows() -> None:
    assert window(nn.Conv2d(2, 2, (1, 7), padding="same", dilation=2))["padding"] == (0, 6)
    assert window(nn.MaxPool2d(3, 2, 1)) == {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1), "dilation": (1, 1)}
    assert window(nn.AvgPool2d(2)) == {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1)}
    assert window(nn.Conv1d(2, 2, 3)) == window(nn.Linear(2, 2)) == window(nn.MaxPool1d(2)) == {}


class Mixed(nn.Module):
    """Work outside of modules: an own attention, a matrix product, an einsum, a weight used by another module."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 4, 4)
        self.table = nn.Parameter(torch.zeros(8, 8))
        self.lent = nn.Linear(8, 8)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).flatten(2).mT  # 16 tokens of 8
        x = x @ self.table
        x = F.scaled_dot_product_attention(x, x, x)
        x = F.linear(x, self.lent.weight, self.lent.bias)
        x = torch.einsum("bij,bkj->bik", x, x) @ x
        return self.fc(x.mean(1))


def test_multiply_adds_outside_of_modules() -> None:
    anatomy = examine(Mixed(), num_classes=5, image_size=16)
    conv, table, attention, lent = 16 * 8 * 48, 16 * 8 * 8, 2 * 16 * 16 * 8, 16 * 8 * 8
    assert anatomy.layer("conv").macs == conv
    assert anatomy.layer("lent").macs == lent
    assert anatomy.macs == conv + table + attention + lent + 2 * 16 * 16 * 8 + 8 * 5
    assert anatomy.layer("table").formula == "8*8 = 64"
    assert sum(layer.own_parameters for layer in anatomy.layers) == anatomy.total


def test_memory_is_counted_once_where_a_layer_works_in_place() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(inplace=True), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 2)
    )
    anatomy = examine(model, num_classes=2, image_size=8)
    assert [layer.activation_bytes for layer in anatomy.layers] == [1024, 1024, 1024, 1024, 8]
    assert [layer.own_activation_bytes for layer in anatomy.layers] == [1024, 0, 1024, 0, 8]
    assert (anatomy.channels, anatomy.activation_bytes) == (1, 2056)


@pytest.mark.parametrize(
    ("name", "kind", "skip", "branches", "count"),
    [
        ("resnet18", "BasicBlock", "add", 1, 8),
        ("resnet50", "Bottleneck", "add", 1, 16),
        ("densenet121", "_DenseLayer", "concat", 1, 58),
        ("googlenet", "Inception", "", 4, 9),
        ("squeezenet1_0", "Fire", "", 2, 8),
        ("vit_b_32", "EncoderBlock", "add", 1, 12),
        ("swin_t", "SwinTransformerBlock", "add", 1, 12),
        ("convnext_tiny", "CNBlock", "add", 1, 18),
        ("vgg16", "Conv2d", "", 1, 13),
    ],
)
def test_blocks(name: str, kind: str, skip: str, branches: int, count: int) -> None:
    found = [block for stage in anatomy_of(name).stages for block in stage.blocks if block.kind == kind]
    assert {(block.skip, block.branches) for block in found} == {(skip, branches)}
    assert len(found) == count


def test_blocks_with_and_without_a_way_around() -> None:
    blocks = [b for stage in anatomy_of("mobilenet_v2").stages for b in stage.blocks if b.kind == "InvertedResidual"]
    assert len(blocks) == 17
    assert sum(block.skip == "add" for block in blocks) == 10
    shuffles = [b for s in anatomy_of("shufflenet_v2_x0_5").stages for b in s.blocks if b.kind == "InvertedResidual"]
    assert sum(block.skip == "concat" for block in shuffles) == 13
    assert sum(block.branches == 2 for block in shuffles) == 3


def test_single_layers_form_blocks(tiny) -> None:
    anatomy = examine(tiny, num_classes=5, image_size=32)
    blocks = [block for stage in anatomy.stages for block in stage.blocks]
    assert [(block.name, block.kind, block.spatial) for block in blocks] == [
        ("stem", "Sequential", (32, 32)),
        ("middle", "Sequential", (16, 16)),
        ("last", "Sequential", (8, 8)),
        ("classifier.1", "Linear", None),
    ]
    assert blocks[0].members == ("stem.0", "stem.1", "stem.2")
    assert blocks[0].layers == ("stem.0", "stem.1")


def test_blocks_keep_their_names_at_another_size() -> None:
    own, small = anatomy_of("resnet18"), anatomy_of("resnet18", 64)
    for here, there in zip(own.stages, small.stages, strict=True):
        assert [block.name for block in here.blocks] == [block.name for block in there.blocks]
    assert own.stages[1].blocks[0].spatial == (56, 56)
    assert small.stages[1].blocks[0].spatial == (16, 16)


def test_gray_images() -> None:
    model = catalog.skeleton("vgg16")
    model.features[0] = nn.Conv2d(1, 64, 3, padding=1, device="meta")
    anatomy = examine(model, num_classes=1000, image_size=224)
    assert anatomy.channels == 1
    assert anatomy.layer("features.0").formula == "(3*3*1+1)*64 = 640"
    assert anatomy.total == 138_357_544 - 1_792 + 640


@pytest.mark.parametrize(
    ("name", "size", "layer", "smallest"),
    [("alexnet", 16, "features.5", 63), ("inception_v3", 32, "Mixed_6a", 75), ("vgg16", 20, "features.30", 32)],
)
def test_a_refusal_says_where_and_from_which_size_on(name: str, size: int, layer: str, smallest: int) -> None:
    with pytest.raises(InputError, match=rf"{size} px.*{layer}.*From {smallest} px"):
        anatomy_of(name, size)
    anatomy_of(name, smallest)


@pytest.mark.parametrize(
    ("name", "size", "said"), [("vit_b_32", 100, "32 px, such as 96, 128 px"), ("maxvit_t", 100, "such as 224 px")]
)
def test_networks_of_fixed_pieces_name_their_sizes(name: str, size: int, said: str) -> None:
    with pytest.raises(InputError, match=rf"cannot take {size} px.*{said}"):
        anatomy_of(name, size)


def test_a_block_of_single_layers_goes_by_one_with_parameters() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 5),
    )
    anatomy = examine(model, num_classes=5, image_size=32)
    assert [block.name for stage in anatomy.stages for block in stage.blocks] == ["0", "2", "5"]


def test_no_smallest_size_where_none_works() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 5))
    with pytest.raises(InputError, match="Choose another image size"):
        examine(model, num_classes=5, image_size=20)
    assert smallest_size(model, 20) is None
