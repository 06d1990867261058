"""MixUp and CutMix: training on mixtures of two images, and of their labels in the same shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core.specs import Mix


class Mixer:
    """Mixes each image of a batch with another of the same batch.

    Args:
        spec: Which mixtures.
        classes: Number of classes.
        seed: Of the shares and partners.
    """

    def __init__(self, spec: Mix, classes: int, seed: int) -> None:
        self.spec, self.classes = spec, classes
        self._rng = np.random.default_rng(seed)

    def __call__(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Returns mixed inputs and the shares of the classes in them, ``B x K``.

        Args:
            inputs: ``B x C x H x W``; features ``B x D``, which have no places, are mixed as by MixUp.
            labels: ``B``.
        """
        spec, rng = self.spec, self._rng
        cut = spec.cutmix > 0 and (spec.mixup == 0 or rng.random() < 0.5) and inputs.ndim == 4
        strength = spec.cutmix if cut or spec.mixup == 0 else spec.mixup
        share = float(rng.beta(strength, strength))
        partners = torch.from_numpy(rng.permutation(len(labels))).to(labels.device, non_blocking=True)
        if cut:
            inputs, share = self._paste(inputs, partners, share)
        else:
            inputs = torch.lerp(inputs[partners], inputs, share)
        own = F.one_hot(labels, self.classes).float()
        return inputs, torch.lerp(own[partners], own, share)

    def _paste(self, inputs: Tensor, partners: Tensor, share: float) -> tuple[Tensor, float]:
        """Pastes a rectangle of the partners; returns the inputs and the share of the area that stayed."""
        height, width = inputs.shape[-2:]
        side = (1 - share) ** 0.5
        top, bottom = self._span(height, side)
        left, right = self._span(width, side)
        mixed = inputs.clone()
        mixed[..., top:bottom, left:right] = inputs[partners][..., top:bottom, left:right]
        return mixed, 1 - float((bottom - top) * (right - left)) / (height * width)

    def _span(self, size: int, share: float) -> tuple[int, int]:
        """Draws where a stretch of ``share`` of the size begins and ends, as far as it lies within."""
        middle = self._rng.random() * size
        ends = np.clip([middle - share * size / 2, middle + share * size / 2], 0, size).round().astype(int)
        return int(ends[0]), int(ends[1])

    def state_dict(self) -> dict[str, Any]:
        """Returns the generator's state, of plain values."""
        return dict(self._rng.bit_generator.state)

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        self._rng.bit_generator.state = state
