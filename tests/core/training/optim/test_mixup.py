"""MixUp and CutMix: what is mixed, and that labels keep the shares of the images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from core.specs import Mix
from core.training.optim.mixup import Mixer

LABELS = torch.tensor([0, 1, 2, 3, 0, 1])


def flat_images() -> Tensor:
    """Images of one value each, their number, so that every pixel says where it came from."""
    return torch.arange(6.0).view(6, 1, 1, 1).expand(6, 3, 32, 24).contiguous()


@pytest.mark.parametrize("mix", [Mix(mixup=0.4), Mix(cutmix=1.0), Mix(mixup=0.4, cutmix=1.0)])
def test_labels_are_mixed_in_the_shares_of_the_pixels(mix: Mix) -> None:
    mixer, images = Mixer(mix, 4, seed=1), flat_images()
    changed = 0
    for _ in range(40):
        inputs, shares = mixer(images, LABELS)
        assert (inputs.shape, shares.shape) == (images.shape, (6, 4))
        assert shares.sum(1).tolist() == pytest.approx([1.0] * 6)
        # the mean pixel is the same mixture of the image numbers as the label is of the labels
        for row, (image, share) in enumerate(zip(inputs, shares, strict=True)):
            own = float(share[LABELS[row]])
            partners = {value for value in range(6) if value != row}
            means = [own * row + (1 - own) * other for other in partners] + [float(row)]
            assert min(abs(float(image.mean()) - mean) for mean in means) < 1e-4 or own == 1.0
        changed += int(not torch.equal(inputs, images))
    assert changed > 25
    assert torch.equal(images, flat_images())  # the batch itself is left alone


def test_mixup_is_the_formula_of_its_paper() -> None:
    images, mixer = torch.randn(6, 3, 8, 8), Mixer(Mix(mixup=0.7), 4, seed=5)
    chance = np.random.default_rng(5)
    share, partners = chance.beta(0.7, 0.7), chance.permutation(6)
    inputs, shares = mixer(images, LABELS)
    own = F.one_hot(LABELS, 4).float()
    torch.testing.assert_close(inputs, share * images + (1 - share) * images[partners])
    torch.testing.assert_close(shares, share * own + (1 - share) * own[partners])


def test_cutmix_pastes_one_rectangle() -> None:
    mixer, images = Mixer(Mix(cutmix=1.0), 4, seed=2), flat_images()
    for _ in range(30):
        inputs, _ = mixer(images, LABELS)
        for row, image in enumerate(inputs):
            foreign = (image[0] != row).nonzero()
            if len(foreign):
                (top, left), (bottom, right) = foreign.amin(0).tolist(), foreign.amax(0).tolist()
                assert len(foreign) == (bottom - top + 1) * (right - left + 1)
                assert len(image[0, top : bottom + 1, left : right + 1].unique()) == 1
            assert torch.equal(image[0], image[1])


def test_with_both_each_batch_draws_one() -> None:
    mixer, kinds = Mixer(Mix(mixup=1.0, cutmix=1.0), 4, seed=0), set()
    for _ in range(40):
        inputs, _ = mixer(flat_images(), LABELS)
        kinds.add("mixup" if (inputs % 1).any() else "cutmix")
    assert kinds == {"mixup", "cutmix"}


@pytest.mark.parametrize("mix", [Mix(mixup=0.4), Mix(cutmix=1.0), Mix(mixup=0.4, cutmix=1.0)])
def test_features_have_no_places_and_are_mixed_as_a_whole(mix: Mix) -> None:
    mixer, features = Mixer(mix, 4, seed=3), torch.eye(6)
    for _ in range(10):
        inputs, _ = mixer(features, LABELS)
        assert inputs.sum(1).tolist() == pytest.approx([1.0] * 6)
        assert (inputs > 0).sum(1).max() <= 2


def test_a_state_goes_on_with_the_same_chance_and_torchs_own_is_left_alone() -> None:
    mixer, images = Mixer(Mix(mixup=0.4, cutmix=1.0), 4, seed=1), torch.randn(6, 3, 8, 8)
    mixer(images, LABELS)
    torch.manual_seed(0)
    before, state = torch.get_rng_state(), mixer.state_dict()
    first = [mixer(images, LABELS) for _ in range(5)]
    other = Mixer(Mix(mixup=0.4, cutmix=1.0), 4, seed=99)
    other.restore(state)
    for (inputs, shares), (more, theirs) in zip(first, (other(images, LABELS) for _ in range(5)), strict=True):
        assert torch.equal(inputs, more)
        assert torch.equal(shares, theirs)
    assert torch.equal(before, torch.get_rng_state())


def test_a_batch_of_one_stays_what_it_is() -> None:
    image = torch.randn(1, 3, 8, 8)
    for _ in range(10):
        inputs, shares = Mixer(Mix(mixup=1.0, cutmix=1.0), 4, seed=0)(image, LABELS[:1])
        torch.testing.assert_close(inputs, image)
        assert shares.tolist() == [[1, 0, 0, 0]]
