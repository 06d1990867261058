"""Automatic augmentations: what each does, by whose chance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as V

from core.data.operations import policies
from core.data.operations.draws import seed_of
from core.data.operations.policies import augmix, policy, sharpened
from tests.core.data.test_augment import canvases

SIDE = 72


def test_sharpness_is_within_a_level_of_torchvisions_and_leaves_the_edge() -> None:
    image = canvases(1)[0]
    for factor in (0.0, 0.4, 2.0, 9.0):
        found = sharpened(image, factor)
        assert (found.int() - V.adjust_sharpness(image, factor).int()).abs().max() <= 1
        assert torch.equal(found[:, 0], image[:, 0])
    assert torch.equal(sharpened(image, 1.0), image)


@pytest.mark.parametrize("strength", [-2 / 9, -1 / 9, 0.0, 1 / 9, 2 / 9])
def test_links_of_augmix_are_torchvisions(strength: float) -> None:
    """Each change and strength that torchvision's AugMix can draw, within a level."""
    image, reference = canvases(1)[0].contiguous(), v2.AugMix()
    names = ["Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY", "Brightness", "Color", "Contrast", "Sharpness"]
    most = [30.0, 0.3, 0.3, SIDE / 3, SIDE / 3, 0.9, 0.9, 0.9, 0.9]
    weak = abs(strength)
    rows = [(name, strength * high) for name, high in zip(names, most, strict=True)]
    rows += [("Posterize", round(4 - 4 * weak)), ("Solarize", 1 - weak), ("AutoContrast", 0), ("Equalize", 0)]
    links = policies._links()
    assert {name for name, _ in rows} == set(reference._AUGMENTATION_SPACE)
    for change, (name, magnitude) in zip(links, rows, strict=True):
        wanted = reference._apply_image_or_video_transform(image[None], name, magnitude, reference.interpolation, {})[0]
        found = change(image, strength)
        assert (found.int() - wanted.int()).abs().max() <= 1, name


def test_augmix_mixes_as_much_as_torchvisions() -> None:
    image, reference = canvases(1)[0], v2.AugMix()
    chance = torch.Generator().manual_seed(5)
    draws = [augmix(image, 0.0, *torch.rand(2, generator=chance).tolist()) for _ in range(300)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = [reference(image) for _ in range(300)]
    far, far_reference = (torch.stack([(one.float() - image).abs().mean() for one in some]) for some in (draws, theirs))
    assert len({one.numpy().tobytes() for one in draws}) > 290
    assert float(far.mean()) == pytest.approx(float(far_reference.mean()), rel=0.25)
    assert float(far.quantile(0.9)) == pytest.approx(float(far_reference.quantile(0.9)), rel=0.3)


@pytest.mark.parametrize("name", ["AutoAugment", "RandAugment", "TrivialAugmentWide"])
def test_a_policy_does_what_torchvision_does_to_a_picture(name: str) -> None:
    image, transform = canvases(1)[0], getattr(v2, name)()
    for first in (0.1, 0.3, 0.6):
        found = policy(name)(image, 0.0, first, 0.7)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(first, 0.7))
            wanted = transform(Image.fromarray(image.permute(1, 2, 0).numpy()))
        assert np.array_equal(found.permute(1, 2, 0).numpy(), np.asarray(wanted))
