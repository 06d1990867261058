"""Grad-CAM by hand is the app's Grad-CAM, cell by cell."""

from __future__ import annotations

import pytest
import torch

from core.errors import InputError
from core.interpret.attribution.cam import grad_cam, layer_pass
from core.lessons.heatmap_by_hand import strongest, work_out
from core.workflows.network_loading import load_network


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0", "squeezenet1_1"])
def test_the_channels_add_up_to_the_heatmap_in_every_cell(name: str) -> None:
    network = load_network(name, weights="none", image_size=64)
    torch.manual_seed(1)
    x = torch.randn(1, 3, 64, 64)
    worked = work_out(network, x, target=7)
    passed = layer_pass(network, x, target=7)
    wanted = grad_cam(passed.activations, passed.gradients)
    assert torch.allclose(worked.heatmap, wanted, rtol=1e-9)
    rows, columns = worked.raw.shape
    for row in range(rows):
        for column in range(columns):
            total = float(worked.products(row, column).sum())
            assert total == pytest.approx(float(worked.raw[row, column]), rel=1e-6, abs=1e-15)
            assert max(0.0, total) == pytest.approx(float(wanted[row, column]), rel=1e-6, abs=1e-15)
    with pytest.raises(InputError, match="is not among them"):
        worked.products(rows, 0)
    with pytest.raises(InputError):
        work_out(network, x, target=10_000)


def test_the_strongest_are_those_furthest_from_zero() -> None:
    assert strongest(torch.tensor([1.0, -5.0, 3.0]), 2) == [1, 2]
