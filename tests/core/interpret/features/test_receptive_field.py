from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from core.errors import InputError
from core.interpret.features.receptive_field import receptive_field
from core.models.network import Network, bare


def outside(values: np.ndarray, window: tuple[float, float, float, float]) -> np.ndarray:
    """Returns the map with the window blanked."""
    top, left, bottom, right = (int(value) for value in window)
    rest = values.copy()
    rest[top:bottom, left:right] = 0
    return rest


@pytest.mark.parametrize(
    ("kind", "layer", "cell", "window"),
    [
        ("NCHW", "stem.0", (4, 6), (7, 11, 10, 14)),
        ("NCHW", "body.0", (0, 0), (0, 0, 4, 4)),  # from -3 to 4, clipped
        ("NCHW", "body.0", (3, 3), (9, 9, 16, 16)),
        ("NHWC", "mix", (2, 5), (8, 20, 12, 24)),
        ("tokens", "norm", (1, 2), (8, 16, 16, 24)),
    ],
)
def test_nothing_outside_of_the_window_counts(
    tiny: Callable[..., Network], image: Tensor, kind: str, layer: str, cell: tuple[int, int], window: tuple[int, ...]
) -> None:
    found = receptive_field(tiny(kind), image, layer, cell=cell)
    assert found.window == window
    assert (found.reason, found.empty, found.cell) == ("", False, cell)
    assert found.effective.shape == (32, 32)
    assert found.effective.dtype == np.float32
    assert (found.effective.max(), found.effective.min()) == (1, 0)
    assert outside(found.effective, found.window).max() == 0
    top, left, bottom, right = window
    assert (found.effective[top:bottom, left:right] > 0).mean() > 0.8
    assert found.extent <= 2 * max(bottom - top, right - left)


def test_attention_sees_everything_and_says_why(tiny: Callable[..., Network], image: Tensor) -> None:
    found = receptive_field(tiny("tokens"), image, "last")
    assert found.size is None
    assert "whole image" in found.reason
    assert found.window == (0, 0, 32, 32)
    assert (found.effective > 0).all()
    assert found.cell == (2, 2)


def test_it_reads_frozen_networks_and_leaves_them_alone(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    network.model.train()
    for parameter in network.model.parameters():
        parameter.requires_grad_(False)
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    first = receptive_field(network, image)
    assert first.layer == network.anatomy.cam_layer
    assert network.model.training
    assert not any(p.requires_grad or p.grad is not None for p in network.model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.model.state_dict().items())
    assert not any(module._forward_hooks for module in network.model.modules())
    assert image.grad is None
    again = receptive_field(network, image)
    assert np.array_equal(first.effective, again.effective)


def test_a_silent_cell_is_empty(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    network.model.body[1].bias.data.fill_(-1e6)
    found = receptive_field(network, image, "after")
    assert found.empty
    assert found.effective.max() == found.extent == 0


@pytest.mark.parametrize(
    ("layer", "cell", "text"),
    [("nowhere", None, "nowhere"), ("head", None, "head"), ("stem", (16, 0), "16 × 16 cells"), ("stem", (-1, 0), "-1")],
)
def test_wrong_questions(
    tiny: Callable[..., Network], image: Tensor, layer: str, cell: tuple[int, int] | None, text: str
) -> None:
    with pytest.raises(InputError, match=text):
        receptive_field(tiny(), image, layer, cell=cell)
    with pytest.raises(InputError, match="One normalised image"):
        receptive_field(tiny(), image[0])


def test_the_effective_field_is_smaller_than_the_window() -> None:
    network = bare("resnet18", "none", 128)
    image = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    shallow, deep = (receptive_field(network, image, name) for name in ("layer1", "layer3"))
    assert shallow.size == (43, 43)
    assert deep.size == (211, 211)
    assert shallow.extent < 43
    assert shallow.extent < deep.extent < 128
    assert outside(shallow.effective, shallow.window).max() == 0
