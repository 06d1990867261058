"""Layers are called by what they are, and no two of a network alike."""

from __future__ import annotations

import pytest

from core.models.anatomy.examine import anatomy_of
from core.models.anatomy.layer_titles import SORTS, layer_titles
from core.specs import ModelSpec, Piece
from core.workflows.network_loading import build_network

NETWORKS = ("resnet18", "efficientnet_lite0", "vgg11", "vit_b_16", "swin_t", "mobilenet_v2", "mnist_cnn")


@pytest.mark.parametrize("name", NETWORKS)
def test_no_two_layers_of_a_network_are_called_alike(name: str) -> None:
    anatomy = anatomy_of(name)
    titles = layer_titles(anatomy)
    assert list(titles) == [layer.name for layer in anatomy.layers]
    assert len(set(titles.values())) == len(titles)
    assert {title.sort for title in titles.values()} <= set(SORTS)
    stages = {stage.name for stage in anatomy.stages}
    assert all(set(title.stages) <= stages for title in titles.values())


@pytest.mark.parametrize(
    ("network", "layer", "stage", "blocks", "sort", "kernel"),
    [
        ("efficientnet_lite0", "features.5.0.block.1.0", "stage4", (4,), "depthwise", (5, 5)),
        ("efficientnet_lite0", "features.5.0", "stage4", (4,), "block", None),
        ("resnet18", "conv1", "stage1", (), "convolution", (7, 7)),
        ("resnet18", "layer2.0.downsample.0", "stage3", (1,), "convolution", (1, 1)),
        ("resnet18", "layer2", "stage3", (1, 2), "blocks", None),
        ("resnet18", "fc", "head", (), "linear", None),
        ("vgg11", "features.6", "stage3", (1,), "convolution", (3, 3)),
        ("mobilenet_v2", "features.2.conv.1", "stage2", (1,), "depthwise", (3, 3)),
        ("swin_t", "features.1.0.attn", "stage1", (2,), "attention", None),
        ("vit_b_16", "encoder.layers.encoder_layer_5.mlp", "stage2", (3,), "part", None),
    ],
)
def test_what_a_layer_is(
    network: str, layer: str, stage: str, blocks: tuple[int, ...], sort: str, kernel: tuple[int, int] | None
) -> None:
    title = layer_titles(anatomy_of(network))[layer]
    assert (title.stages, title.blocks, title.sort, title.kernel) == ((stage,), blocks, sort, kernel)


def test_a_convolution_with_what_follows_it_is_a_unit() -> None:
    titles = layer_titles(anatomy_of("mobilenet_v2"))
    assert titles["features.2.conv.1"].unit
    assert not titles["features.2.conv.1.0"].unit


def test_a_network_of_ones_own() -> None:
    design = (Piece("conv", size=4, kernel=3), Piece("conv", size=4, kernel=3), Piece("flatten"))
    network = build_network(ModelSpec("own", "none", image_size=16, design=design), ("a", "b"), seed=0)
    titles = layer_titles(network.anatomy)
    assert len(set(titles.values())) == len(titles)
    assert sum(title.sort == "convolution" for title in titles.values()) == 2
