"""Gray images where colour was expected, and the other way round."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from core.data.images import normalise
from core.errors import InputError
from core.models.architectures.input_channels import narrow
from core.models.catalog import catalog
from core.specs import Preprocessing


@pytest.mark.parametrize("name", ["resnet18", "vit_b_32", "swin_t", "efficientnet_lite0", "squeezenet1_1"])
def test_a_gray_picture_is_answered_as_before(name: str) -> None:
    size = 224 if name == "vit_b_32" else 64
    model = catalog.build(name, "none", 0, image_size=size)
    gray = torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = model(gray.repeat(1, 3, 1, 1))
        assert narrow(model, 1) is model
        assert torch.allclose(model(gray), before, rtol=1e-3, atol=1e-4)


def test_colour_is_added_without_changing_the_answer_to_gray() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()).requires_grad_(False)
    gray = torch.rand(2, 1, 8, 8)
    before = model(gray)
    narrow(model, 3)
    assert model[0].weight.shape == (4, 3, 3, 3)
    assert not model[0].weight.requires_grad
    assert torch.allclose(model(gray.repeat(1, 3, 1, 1)), before, atol=1e-6)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_that_rescale_colours_take_gray_too(name: str) -> None:
    model = catalog.build(name, "none", 0)
    narrow(model, 1)
    size = 96 if name == "googlenet" else 128
    with torch.no_grad():
        assert model(torch.rand(2, 1, size, size)).shape == (2, 1000)


def test_nothing_happens_where_nothing_is_to_do() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 1))
    weight = model[0].weight
    assert narrow(model, 3)[0].weight is weight


@pytest.mark.parametrize("model", [nn.Linear(3, 2), nn.Conv2d(8, 2, 1), nn.Conv2d(3, 3, 1, groups=3)])
def test_a_network_without_such_a_layer_is_refused(model: nn.Module) -> None:
    with pytest.raises(InputError, match="cannot be changed to images of 1 channels"):
        narrow(model, 1)


def test_gray_pixels_are_the_mean_of_the_normalised_colours() -> None:
    images = torch.randint(0, 256, (2, 3, 5, 5), dtype=torch.uint8)
    colour = normalise(images, Preprocessing(5, 5))
    gray = normalise(images, Preprocessing(5, 5, channels=1))
    assert gray.shape == (2, 1, 5, 5)
    assert torch.allclose(gray, colour.mean(1, keepdim=True))
