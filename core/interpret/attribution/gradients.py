"""Attributions to the input's pixels by its gradient.

Each function runs inside a :class:`~core.interpret.probe.Probe`, so parameters ask for no gradient and only the input's
is computed. Zero, the mean colour after normalisation, stands for an absent pixel. captum gives the same maps, which
the tests hold against these; but it would keep the network to itself all the time, and draws its noise from the global
generator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from core.interpret.attribution.method import AttributionRequest
from core.interpret.attribution.score_cam import noise_level, noise_like
from core.interpret.forward import ask, batch_of, yield_lock
from core.interpret.probe import Probe, device_of

__all__ = [
    "gradient",
    "gradient_shap",
    "input_x_gradient",
    "integrated_gradients",
    "saliency",
    "smooth_grad",
    "strongest",
    "var_grad",
]


def gradient(request: AttributionRequest) -> Tensor:
    """Returns the gradient of the aim's score with respect to the image, CxHxW, float64 on the CPU."""
    with Probe(request.network, grad=True) as probe:
        image = leaf(request.x, probe)
        score = request.aim.scores(ask(probe, request.network, image.clone())).sum()  # it may begin in place
        slope = torch.autograd.grad(score, image, allow_unused=True)[0] if score.requires_grad else None
    if request.progress is not None:
        request.progress(1, 1)
    return (torch.zeros_like(image) if slope is None else slope)[0].detach().cpu().double()


def saliency(request: AttributionRequest) -> Tensor:
    """Takes the magnitude of the logit's gradient, the largest of a pixel's colours (Simonyan et al. 2013, 1312.6034).

    Returns:
        HxW, not negative, float64 on the CPU.
    """
    return strongest(gradient(request))


def input_x_gradient(request: AttributionRequest) -> Tensor:
    """Multiplies each value with its gradient and adds a pixel's colours (Shrikumar et al. 2016, arXiv:1605.01713).

    Returns:
        HxW, signed, float64 on the CPU.
    """
    return (gradient(request) * request.x[0].detach().cpu().double()).sum(0)


def integrated_gradients(request: AttributionRequest) -> Tensor:
    """Adds up gradients on the way from the mean colour to the image (Sundararajan et al. 2017, arXiv:1703.01365).

    Over all pixels the map sums to the logit's rise above that of a plain mean-coloured picture.

    Args:
        request: ``steps`` of its settings is the number of points on the way.

    Returns:
        HxW, colours summed, signed, float64 on the CPU.
    """
    steps = request.settings["steps"]
    points, weights = np.polynomial.legendre.leggauss(steps)  # of -1..1: exact for smooth functions with few points
    along = iter(torch.from_numpy((points + 1) / 2).to(request.x).view(-1, 1, 1, 1).split(1))

    def way(count: int) -> tuple[Tensor, Tensor]:
        at = torch.cat([next(along) for _ in range(count)])
        return request.x.detach() * at, at

    total = torch.zeros(request.x.shape[1:], dtype=torch.float64)
    done = 0
    for _points, at, slopes in _gradients(request, steps, way):
        share = torch.from_numpy(weights[done : done + len(at)] / 2).view(-1, 1, 1, 1)
        total += (share * slopes).sum(0)
        done += len(at)
    return (total * request.x[0].detach().cpu().double()).sum(0)


def smooth_grad(request: AttributionRequest) -> Tensor:
    """Averages the gradient over noisy copies of the image (Smilkov et al. 2017, arXiv:1706.03825).

    Args:
        request: Its settings are ``samples``, ``noise`` (deviation in % of the picture's range) and ``seed``.

    Returns:
        HxW: the average's magnitude, the largest of a pixel's colours, float64 on the CPU.
    """
    return strongest(_noisy(request)[0])


def var_grad(request: AttributionRequest) -> Tensor:
    """Takes the variance of the gradient over noisy copies of the image (Adebayo et al. 2018, arXiv:1810.03307).

    Settings as :func:`smooth_grad`.

    Returns:
        HxW, the largest of a pixel's colours, not negative, float64 on the CPU.
    """
    return _noisy(request)[1].amax(0)


def gradient_shap(request: AttributionRequest) -> Tensor:
    """Estimates SHAP values by gradients at random points between the mean colour and noisy copies of the image.

    Each point's gradient is multiplied with the way from one to the other (Lundberg and Lee 2017, arXiv:1705.07874;
    the sampling is that of Erion et al. 2019, arXiv:1906.10670).

    Args:
        request: Its settings are ``samples``, ``noise`` (deviation in % of the picture's range) and ``seed``.

    Returns:
        HxW, colours summed, signed, float64 on the CPU.
    """
    generator = torch.Generator().manual_seed(request.settings["seed"])
    samples, spread = request.settings["samples"], noise_level(request)
    total = torch.zeros(request.x.shape[1:], dtype=torch.float64)

    along = iter(torch.rand((samples, 1, 1, 1), generator=generator).to(request.x).split(1))

    def ways(count: int) -> tuple[Tensor, Tensor]:
        ends = request.x.detach() + spread * noise_like(request.x, count, generator)
        return ends * torch.cat([next(along) for _ in range(count)]), ends

    for _points, ends, slopes in _gradients(request, samples, ways):
        total += (slopes * ends.detach().cpu().double()).sum(0)
    return total.sum(0) / samples


def strongest(slopes: Tensor) -> Tensor:
    """Returns the largest magnitude of a pixel's colours, CxHxW to HxW."""
    return slopes.abs().amax(0)


def leaf(x: Tensor, probe: Probe) -> Tensor:
    """Returns a copy of images on the network's device that asks for its gradient."""
    return x.detach().to(device_of(probe.model)).clone().requires_grad_()


def _noisy(request: AttributionRequest) -> tuple[Tensor, Tensor]:
    """Returns mean and variance of the gradient over noisy copies of the image, CxHxW each."""
    generator = torch.Generator().manual_seed(request.settings["seed"])
    samples, spread = request.settings["samples"], noise_level(request)

    def copies(count: int) -> tuple[Tensor, Tensor]:
        found = request.x.detach() + spread * noise_like(request.x, count, generator)
        return found, found

    mean = torch.zeros(request.x.shape[1:], dtype=torch.float64)
    spreads = torch.zeros_like(mean)
    seen = 0
    for _points, _ends, slopes in _gradients(request, samples, copies):
        for slope in slopes:  # Welford's: squares of small gradients would not survive a difference
            seen += 1
            away = slope - mean
            mean += away / seen
            spreads += away * (slope - mean)
    return mean, spreads / samples


def _gradients(
    request: AttributionRequest, samples: int, draw: Callable[[int], tuple[Tensor, Tensor]]
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yields points, what came with them and the gradients there, NxCxHxW on the CPU, batch by batch."""
    step = batch_of(request.network, device_of(request.network.model), graph=True)
    for start in range(0, samples, step):
        points, ends = draw(min(step, samples - start))
        with Probe(request.network, grad=True) as probe:
            images = leaf(points, probe)
            score = request.aim.scores(probe(images.clone())).sum()
            slope = torch.autograd.grad(score, images, allow_unused=True)[0] if score.requires_grad else None
        found = torch.zeros_like(images) if slope is None else slope
        yield_lock()
        if request.progress is not None:
            request.progress(min(start + step, samples), samples)
        yield points, ends, found.detach().cpu().double()
