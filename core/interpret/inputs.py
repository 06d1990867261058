"""Attributions to the input's pixels, by captum, which is imported when the first one is asked for.

Each function runs inside a :class:`~core.interpret.probe.Probe`, so parameters ask for no gradient and only the input's
is computed. Zero, the mean colour after normalisation, stands for an absent pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from core.interpret.probe import Probe, device_of, logits_of

if TYPE_CHECKING:
    from core.models.network import Network

Progress = Callable[[int, int], None]
_CHUNK = 16  # images a forward pass


class _Counted:
    """The network as captum calls it: works on a copy of the images and counts them."""

    def __init__(self, model: Callable[[Tensor], Any], total: int, progress: Progress | None) -> None:
        self.model = model
        self.total = total
        self.done = 0
        self.progress = progress

    def __call__(self, x: Tensor) -> Tensor:
        logits = logits_of(self.model(x.clone()))  # a network may begin in place, and captum reuses its images
        self.done += x.shape[0]
        if self.progress is not None:
            self.progress(min(self.done, self.total), self.total)
        return logits


def saliency(
    network: Network, x: Tensor, target: int, _settings: Mapping[str, int], progress: Progress | None = None
) -> Tensor:
    """Takes the magnitude of the logit's gradient, the largest of a pixel's colours (Simonyan et al. 2013, 1312.6034).

    Returns:
        HxW, not negative, float64 on the CPU.
    """
    from captum.attr import Saliency

    with Probe(network, grad=True) as probe:
        image = _leaf(x, probe)
        found = Saliency(_Counted(probe.model, 1, progress)).attribute(image, target=target, abs=True)
    return found[0].detach().amax(0).cpu().double()


def integrated_gradients(
    network: Network, x: Tensor, target: int, settings: Mapping[str, int], progress: Progress | None = None
) -> Tensor:
    """Adds up gradients on the way from the mean colour to the image (Sundararajan et al. 2017, arXiv:1703.01365).

    Over all pixels the map sums to the logit's rise above that of a plain mean-coloured picture.

    Args:
        network: The network.
        x: One normalised image, 1xCxHxW.
        target: Class index.
        settings: ``steps``, points on the way.
        progress: Called with images done and in all.

    Returns:
        HxW, colours summed, signed, float64 on the CPU.
    """
    from captum.attr import IntegratedGradients

    steps = settings["steps"]
    with Probe(network, grad=True) as probe:
        image = _leaf(x, probe)
        method = IntegratedGradients(_Counted(probe.model, steps, progress))
        found = method.attribute(
            image, baselines=torch.zeros_like(image), target=target, n_steps=steps, internal_batch_size=_CHUNK
        )
    return found[0].detach().sum(0).cpu().double()


def occlusion(
    network: Network, x: Tensor, target: int, settings: Mapping[str, int], progress: Progress | None = None
) -> Tensor:
    """Covers square after square with the mean colour and notes how far the logit falls (Zeiler & Fergus 2014).

    Args:
        network: The network.
        x: One normalised image, 1xCxHxW.
        target: Class index.
        settings: ``windows``, squares a side, and ``overlap``, how many squares cover a place in each direction.
        progress: Called with images done and in all.

    Returns:
        HxW, positive where covering costs evidence, float64 on the CPU.
    """
    from captum.attr import Occlusion

    channels, height, width = x.shape[1:]
    window = [max(1, math.ceil(side / settings["windows"])) for side in (height, width)]
    stride = [max(1, math.ceil(side / settings["overlap"])) for side in window]
    passes = 1 + math.prod(1 + math.ceil((s - w) / d) for s, w, d in zip((height, width), window, stride, strict=True))
    with Probe(network) as probe:
        method = Occlusion(_Counted(probe.model, passes, progress))
        found = method.attribute(
            x.to(device_of(probe.model)),
            sliding_window_shapes=(channels, *window),
            strides=(channels, *stride),
            baselines=0,
            target=target,
            perturbations_per_eval=_CHUNK,
        )
    return found[0, 0].detach().cpu().double()


def _leaf(x: Tensor, probe: Probe) -> Tensor:
    return x.detach().to(device_of(probe.model)).clone().requires_grad_()
