"""The pixels that a network sees are torchvision's, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF
from torchvision.transforms._presets import ImageClassification

from core.data.images import MAX_PIXELS, canvas, fit, margin, normalise, to_tensor
from core.errors import InputError
from core.specs import Preprocessing
from tests.core.data.conftest import photo

SIZES = [(40, 30), (31, 77), (301, 200), (224, 224), (256, 256), (257, 256), (8, 8), (1, 9), (500, 375), (333, 499)]
MODES = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("resize", "crop"), [(256, 224), (232, 224), (235, 224), (64, 64), (33, 32), (342, 299)])
def test_fit_equals_the_preset_and_canvas_contains_it(resize: int, crop: int, interpolation: str) -> None:
    prep = Preprocessing(resize, crop, interpolation=interpolation)
    for seed, size in enumerate(SIZES):
        image = photo(*size, seed=seed)
        theirs = TF.center_crop(TF.resize(image, [resize], MODES[interpolation], antialias=True), [crop])
        ours = np.asarray(fit(image, prep))
        assert (ours == np.asarray(theirs)).all(), size
        start, square = margin(prep), np.asarray(canvas(image, prep))
        assert square.shape == (resize, resize, 3)
        assert (square[start : start + crop, start : start + crop] == ours).all(), size


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_to_tensor_equals_the_preset(interpolation: str) -> None:
    prep = Preprocessing(72, 64, interpolation=interpolation)
    preset = ImageClassification(crop_size=64, resize_size=72, interpolation=MODES[interpolation])
    for seed, size in enumerate(SIZES):
        image = photo(*size, seed=seed)
        tensor = to_tensor(image, prep)
        assert tensor.shape == (1, 3, 64, 64)
        assert torch.equal(tensor[0], preset(image))


def test_to_tensor_takes_grey_images() -> None:
    tensor = to_tensor(photo(8, 8).convert("L"), Preprocessing(32, 32, (0.0,) * 3, (1.0,) * 3))
    assert torch.equal(tensor[:, 0], tensor[:, 2])


def test_normalise_keeps_the_memory_order_and_takes_a_type() -> None:
    prep = Preprocessing(32, 32, mean=(0.5,) * 3, std=(0.5,) * 3)
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8).to(memory_format=torch.channels_last)
    result = normalise(images, prep)
    assert result.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(result, images.float() / 127.5 - 1)
    assert normalise(images, prep, torch.bfloat16).dtype == torch.bfloat16
    assert images.dtype == torch.uint8


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("side", [1, 2, 33])
def test_normalised_bytes_are_torchvisions_bit_for_bit(order: torch.memory_format, side: int) -> None:
    images = torch.randint(0, 256, (3, 3, side + 2, side + 2), dtype=torch.uint8).contiguous(memory_format=order)
    prep = Preprocessing(32, 32, mean=(0.1, 0.5, 0.7), std=(0.2, 0.3, 0.4))
    for some in (images, images[..., 1:-1, 1:-1], images[:0]):  # a centre crop is a slice
        wanted = TF.normalize(TF.convert_image_dtype(some), prep.mean, prep.std)
        assert torch.equal(normalise(some, prep), wanted)
        assert torch.equal(normalise(some.float(), prep), wanted)


def test_a_strip_that_would_grow_beyond_memory_is_refused() -> None:
    strip = photo(20_000, 1)
    assert MAX_PIXELS < 256 * 256 * 20_000
    with pytest.raises(InputError, match="too narrow a strip"):
        fit(strip, Preprocessing(256, 224))


def test_a_picture_that_is_fitted_already_is_taken_as_it_is() -> None:
    prep = Preprocessing(40, 32)
    image = photo(61, 47)
    cut = fit(image, prep)
    assert torch.equal(to_tensor(cut, prep, fitted=True), to_tensor(image, prep))
