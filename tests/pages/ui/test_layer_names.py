"""What layers are called on the screen."""

from __future__ import annotations

import pytest

from core.models.anatomy.examine import anatomy_of
from core.specs import FreezePlan
from pages.ui.kit import network_diagram
from pages.ui.text import layer_names


@pytest.mark.parametrize(
    ("network", "layer", "words"),
    [
        ("efficientnet_lite0", "features.4.1.block.1.0", "Stage 4, block 2, depthwise 3 × 3"),
        ("efficientnet_lite0", "features.5.0", "Stage 4, block 4"),
        ("resnet18", "conv1", "Stage 1, convolution 7 × 7"),
        ("resnet18", "layer1.0.conv2", "Stage 2, block 1, convolution 3 × 3 (2)"),
        ("resnet18", "layer1", "Stage 2, blocks 1 to 2"),
        ("resnet18", "maxpool", "Stage 2, max pool 3 × 3"),
        ("vgg11", "features", "Stage 1 to stage 5"),
        ("mnist_cnn", "linear1", "Neck, linear"),
        ("vit_b_16", "heads.head", "Head, linear"),
        ("vgg11", "no such layer", "no such layer"),
    ],
)
def test_a_layer_is_called_by_what_it_is(network: str, layer: str, words: str) -> None:
    assert layer_names.layer(anatomy_of(network), layer) == words


@pytest.mark.parametrize("network", ["resnet18", "efficientnet_lite0", "vgg11", "vit_b_16", "swin_t", "densenet121"])
def test_no_two_layers_read_alike(network: str) -> None:
    anatomy = anatomy_of(network)
    words = [layer_names.layer(anatomy, layer.name) for layer in anatomy.layers]
    assert len(set(words)) == len(words)


def test_the_cards_of_blocks_and_layers_say_what_they_are() -> None:
    anatomy = anatomy_of("efficientnet_lite0")
    stage = anatomy.stages[0]
    plan = network_diagram.States(anatomy, FreezePlan())
    blocks = network_diagram.block_row(anatomy, stage, plan, chosen="").parts
    assert [block.title for block in blocks] == ["Block 1", "Block 2"]
    assert blocks[0].lines[0] == "convolution with norm"
    assert "Conv2dNormActivation" in blocks[0].help  # the class, on hover
    row = network_diagram.layer_row(anatomy, stage.blocks[0], plan, chosen="")
    assert row.title == "Stage 1, block 1: 3 layers"
    assert [layer.title for layer in row.parts] == ["Convolution 3 × 3", "Batch norm", "ReLU6"]
    assert "features.0.0" in row.parts[0].help  # the module path, on hover


@pytest.mark.parametrize("network", ["resnet18", "efficientnet_lite0", "vgg11", "densenet121", "swin_t"])
def test_no_two_parts_of_a_row_read_alike(network: str) -> None:
    anatomy = anatomy_of(network)
    plan = network_diagram.States(anatomy, FreezePlan())
    for stage in anatomy.stages:
        rows = [network_diagram.block_row(anatomy, stage, plan, chosen="")]
        rows += [network_diagram.layer_row(anatomy, block, plan, chosen="") for block in stage.blocks]
        for row in rows:
            assert len({part.title for part in row.parts}) == len(row.parts)
