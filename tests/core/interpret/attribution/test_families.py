"""Heatmaps and feature maps on the smallest network of every family, untrained and frozen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.interpret.attribution.explain import explain_many
from core.interpret.features.activations import activations, layer_stats
from core.models.catalog.catalog import BACKBONES, FAMILIES
from core.models.network import bare


def smallest(family: str) -> str:
    """Names the network of a family that is quickest to run."""
    rows = [row for row in BACKBONES.values() if row.family == family]
    return min(rows, key=lambda row: (row.gflops, row.parameters)).name


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_heatmaps_follow_the_class(family: str) -> None:
    network = bare(smallest(family), "none", seed=0)
    for parameter in network.model.parameters():
        parameter.requires_grad_(False)
    head = network.model.get_submodule(network.anatomy.head).weight
    if not head.any():  # untrained Vision Transformers begin with a head of zeros: no class depends on anything
        head.normal_(0, 0.02)
    side = network.preprocessing.crop
    coarse = max(2, side // 16)
    x = torch.randn(1, network.preprocessing.channels, coarse, coarse, generator=torch.Generator().manual_seed(4))
    x = torch.nn.functional.interpolate(x, (side, side), mode="bicubic")
    found = [
        explain_many(network, x, ("grad-cam", "hires-cam", "layer-cam", "grad-cam++"), target=target)
        for target in (0, 1, 2, 3)
    ]
    for method in found[0]:
        maps = [explanation[method].heatmap for explanation in found]
        for heatmap in maps:
            assert heatmap.values.shape == (side, side)
            assert np.isfinite(heatmap.values).all()
        if method in ("layer-cam", "grad-cam++") and all(heatmap.empty for heatmap in maps):
            continue  # both keep positive influence only, of which an untrained network may have none
        assert not all(heatmap.empty for heatmap in maps), "some class has evidence"
        assert max(np.abs(maps[0].values - other.values).max() for other in maps[1:]) > 0.01, "it depends on the class"
    maps = activations(network, x, [network.anatomy.cam_layer])
    assert layer_stats(maps[network.anatomy.cam_layer]).height == network.anatomy.grid[0]
