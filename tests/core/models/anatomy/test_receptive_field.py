"""Receptive fields: known values, and an independent check by which pixels really have a gradient."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor, nn

from core.models.anatomy.examine import Anatomy, anatomy_of, examine
from core.models.anatomy.receptive_field import FLAT, OTHER, RESIZED, WHOLE, WINDOWS, Row, Trail, regroup
from core.models.anatomy.records import Receptive


@pytest.mark.parametrize(
    ("name", "layer", "size", "jump"),
    [
        ("vgg16", "features.28", 196, 16),
        ("vgg16", "features.30", 212, 32),
        ("vgg16", "avgpool", 212, 32),
        ("alexnet", "features.12", 195, 32),
        ("resnet18", "layer4", 435, 32),
        ("resnet50", "layer4", 427, 32),
        ("resnet101", "layer4", 971, 32),
        ("mobilenet_v2", "features.18", 491, 32),
        ("inception_v3", "Mixed_7c", 1311, 32),
    ],
)
def test_published_sizes(name: str, layer: str, size: int, jump: int) -> None:
    field = anatomy_of(name).layer(layer).receptive
    assert field is not None
    assert (field.size, field.jump) == ((size, size), (jump, jump))


def test_alexnet_layer_by_layer() -> None:
    anatomy = anatomy_of("alexnet")
    found = [anatomy.layer(f"features.{index}").receptive for index in (0, 2, 3, 5, 6, 8, 10, 12)]
    assert [field.size[0] for field in found if field] == [11, 19, 51, 67, 99, 131, 163, 195]
    assert [field.jump[0] for field in found if field] == [4, 8, 8, 16, 16, 16, 16, 32]
    assert found[0].start == (3.5, 3.5)  # kernel 11 after 2 pixels of padding: from -2 to 9


def test_windows_of_cells() -> None:
    field = anatomy_of("vgg16").layer("features.4").receptive
    assert field == Receptive((6, 6), (2, 2), (1.0, 1.0))
    assert field.window(0, 0) == (-2, -2, 4, 4)
    assert field.window(3, 10) == (4, 18, 10, 24)


@pytest.mark.parametrize(
    ("name", "layer", "reason"),
    [
        ("resnet18", "avgpool", WHOLE),
        ("resnet18", "fc", WHOLE),
        ("vgg16", "classifier.0", FLAT),
        ("vit_b_32", "encoder.layers.encoder_layer_0.self_attention", WHOLE),
        ("vit_b_32", "encoder.layers.encoder_layer_3", WHOLE),
        ("swin_t", "features.1.0.attn", WINDOWS),
        ("maxvit_t", "blocks.0.layers.0.layers.window_attention", WINDOWS),
        ("swin_v2_t", "features.1.0.attn.cpb_mlp", ""),
    ],
)
def test_where_there_is_no_window(name: str, layer: str, reason: str) -> None:
    found = anatomy_of(name).layer(layer)
    assert found.receptive is None
    assert found.receptive_reason == reason


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("vit_b_32", "encoder.layers.encoder_layer_0.ln_1"),  # patches before any attention
        ("swin_t", "features.1.0.norm1"),
        ("convnext_tiny", "features.7"),
        ("efficientnet_b0", "features.8"),  # squeeze-and-excitation is a gate
        ("mobilenet_v3_small", "features.12"),
        ("shufflenet_v2_x0_5", "conv5"),  # channels split, shuffled, concatenated
        ("densenet121", "features.norm5"),
        ("squeezenet1_0", "features.12"),
        ("googlenet", "inception5b"),
        ("regnet_y_400mf", "trunk_output"),
        ("mnasnet0_5", "layers"),
        ("efficientnet_lite0", "features.8"),
    ],
)
def test_families_keep_their_windows(name: str, layer: str) -> None:
    found = anatomy_of(name).layer(layer)
    assert found.receptive is not None, found.receptive_reason
    assert found.receptive.size[0] >= found.receptive.jump[0] > 1


def test_another_size_that_pools_unevenly() -> None:
    anatomy = anatomy_of("vgg16", 96)  # the last map of 3 x 3 is spread over 7 x 7
    assert anatomy.layer("avgpool").receptive_reason == RESIZED


class Net(nn.Module):
    """A random chain of layers that slide, some of them around a skip, some with sides of their own."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        draw = random.Random(seed)
        self.parts = nn.ModuleList()
        self.ways: list[str] = []
        for _ in range(draw.randint(2, 5)):
            kernel = (draw.choice((1, 2, 3, 5)), draw.choice((1, 3, 4)))
            way = draw.choice(("conv", "pool", "mean", "add", "concat", "last", "crop", "gate"))
            if way in ("add", "concat"):
                part: nn.Module = nn.Conv2d(2, 2, (3, 1), padding=(1, 0))
            elif way == "pool":
                part = nn.MaxPool2d(kernel, draw.choice((1, 2)))
            elif way == "mean":
                part = nn.AvgPool2d(kernel, draw.choice((1, 2)))
            else:
                dilation = draw.choice((1, 2))
                part = nn.Conv2d(2, 2, kernel, draw.choice((1, 2)), padding=draw.choice((0, 1)), dilation=dilation)
            self.parts.append(part)
            self.ways.append(way)
        self.mix = nn.ModuleList(nn.Conv2d(4, 2, 1) for way in self.ways)
        self.out = nn.Identity()
        self.fc = nn.Linear(2, 3)
        for parameter in self.parameters():
            parameter.data.abs_().add_(0.05)

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :2]
        for part, way, mix in zip(self.parts, self.ways, self.mix, strict=True):
            if way == "add":
                x = x + part(x)
            elif way == "concat":
                x = mix(torch.cat((x, part(x)), 1))
            elif way == "last":
                x = part(x).permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
            elif way == "crop":
                x = nn.functional.pad(part(x), (1, 0, 2, 1))[:, :, 1:, ::2]
            elif way == "gate":
                x = part(x) * torch.sigmoid(x.mean((2, 3), keepdim=True).detach())
            else:
                x = part(x)
        return self.fc(self.out(x * 1.0).mean((2, 3)))


def support(model: Net, size: int, row: int, column: int) -> tuple[int, int, int, int]:
    """Returns where one cell's gradient is not zero: top, left, bottom, right. A max pool spreads over its window."""
    for name, part in list(model.parts.named_children()):
        if isinstance(part, nn.MaxPool2d):
            model.parts[int(name)] = nn.AvgPool2d(part.kernel_size, part.stride)
    kept: list[Tensor] = []
    handle = model.out.register_forward_hook(lambda _m, _i, output: kept.append(output))
    image = torch.ones(1, 3, size, size, requires_grad=True)
    model(image)
    handle.remove()
    (gradient,) = torch.autograd.grad(kept[0][0, :, row, column].sum(), image)
    touched = gradient[0].abs().sum(0) > 0
    rows, columns = touched.any(1).nonzero().flatten(), touched.any(0).nonzero().flatten()
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


@pytest.mark.parametrize("seed", range(24))
def test_the_window_is_where_the_gradient_is(seed: int) -> None:
    torch.manual_seed(seed)
    model, size = Net(seed).eval(), 96
    layer = examine(model, num_classes=3, image_size=size).layer("out")
    assert layer.receptive is not None, layer.receptive_reason
    _, height, width = layer.output_shape
    row, column = height // 2, width // 2
    expected = layer.receptive.window(row, column)
    assert all(value == int(value) for value in expected)
    assert 0 <= expected[0] < expected[2] <= size
    assert 0 <= expected[1] < expected[3] <= size
    assert support(model, size, row, column) == expected


def test_rows_slide_and_join() -> None:
    row = Row().slid(3, 2, 1)
    assert row == Row(3, 2, 0.5)
    assert row.slid(3, 1, 1, dilation=2) == Row(11, 2, 2.5)
    assert Row(3, 2, 1.0).joined(Row(5, 2, 3.0)) == Row(6, 2, 2.5)
    assert Row(3, 2, 1.0).joined(Row(3, 4, 1.0)) is None


def test_trails_through_reshapes() -> None:
    trail = Trail()
    assert trail.reshaped((2, 8, 6, 6), (2, 8, 36)).axes == (2,)
    assert trail.reshaped((2, 8, 6, 6), (2, 8, 36)).reshaped((2, 8, 36), (2, 8, 6, 6)).axes == (2, 3)
    assert trail.reshaped((2, 8, 6, 6), (2, 2, 4, 6, 6)).axes == (3, 4)
    assert trail.reshaped((2, 8, 6, 6), (2, 288)).why == FLAT
    assert trail.reshaped((2, 8, 6, 6), (2, 8, 2, 3, 6)).why == WINDOWS
    assert trail.lost(FLAT).lost(WHOLE).why == FLAT
    assert trail.joined(trail.lost(OTHER)).why == OTHER
    assert regroup((2, 8, 1, 7), (2, 8, 7)) == [((0,), (0,)), ((1,), (1,)), ((3,), (2,))]


def check_every_layer(anatomy: Anatomy) -> None:
    for layer in anatomy.layers:
        assert (layer.receptive is None) or layer.receptive_reason == ""


def test_a_reason_stands_only_where_there_is_no_window() -> None:
    for name in ("resnet18", "swin_t", "inception_v3"):
        check_every_layer(anatomy_of(name))
