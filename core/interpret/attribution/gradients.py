"""Attributions to the input's pixels by its gradient, carried out by captum.

Zero, the mean colour after normalisation, stands for an absent pixel. captum works on float64 copies of the image: its
variances are differences of squares, which small gradients would not survive in float32.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from core.interpret.attribution.method import AttributionRequest, Attributor
from core.interpret.attribution.score_cam import noise_level, noise_like
from core.interpret.forward import Forward, yield_lock
from core.interpret.probe import lock_of

_NUMPY = threading.Lock()
"""Held while NumPy's global generator is another one than usual."""


def gradient(request: AttributionRequest) -> Tensor:
    """Returns the gradient of the aim's score with respect to the image, CxHxW, float64 on the CPU."""
    from captum.attr import Saliency

    return attributed(Saliency, request, abs=False)


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
    from captum.attr import InputXGradient

    return attributed(InputXGradient, request).sum(0)


def integrated_gradients(request: AttributionRequest) -> Tensor:
    """Adds up gradients on the way from the mean colour to the image (Sundararajan et al. 2017, arXiv:1703.01365).

    With ever more steps (points of Gauss and Legendre) the map sums to the logit's rise above that of a plain
    mean-coloured picture. How far it misses that is the heatmap's ``gap``. A network of ReLUs bends at many places of
    the way, so the gap falls slowly: on EfficientNet-Lite0 it is 28 to 120 % at 8 steps and 1 to 4 % at 128.

    Args:
        request: ``steps`` of its settings is the number of points on the way, at least one.
            :func:`core.interpret.attribution.explain.explain` doubles them until the gap is closed, unless it is given
            their number.

    Returns:
        HxW, colours summed, signed, float64 on the CPU.
    """
    from captum.attr import IntegratedGradients

    steps = request.settings["steps"]
    return attributed(IntegratedGradients, request, steps, "internal_batch_size", n_steps=steps).sum(0)


def smooth_grad(request: AttributionRequest) -> Tensor:
    """Averages the gradient over noisy copies of the image (Smilkov et al. 2017, arXiv:1706.03825).

    Args:
        request: Its settings are ``samples``, ``noise`` (deviation in % of the picture's range) and ``seed``.

    Returns:
        HxW: the average's magnitude, the largest of a pixel's colours, float64 on the CPU.
    """
    return strongest(_noisy(request, "smoothgrad"))


def var_grad(request: AttributionRequest) -> Tensor:
    """Takes the variance of the gradient over noisy copies of the image (Adebayo et al. 2018, arXiv:1810.03307).

    Settings as :func:`smooth_grad`.

    Returns:
        HxW, the largest of a pixel's colours, not negative, float64 on the CPU.
    """
    return _noisy(request, "vargrad").clamp_min(0).amax(0)


def gradient_shap(request: AttributionRequest) -> Tensor:
    """Estimates SHAP values by gradients at random points between the mean colour and noisy copies of the image.

    Each point's gradient is multiplied with the way from one to the other (Lundberg and Lee 2017, arXiv:1705.07874;
    the sampling is that of Erion et al. 2019, arXiv:1906.10670).

    Args:
        request: Its settings are ``samples``, ``noise`` (deviation in % of the picture's range) and ``seed``.

    Returns:
        HxW, colours summed, signed, float64 on the CPU.
    """
    from captum.attr import GradientShap

    samples, spread = request.settings["samples"], noise_level(request)
    forward, x = request.forward(samples), _leaf(request)
    numbers, total = np.random.RandomState(request.settings["seed"]), torch.zeros_like(x[0])
    step = forward.batch(graph=True)
    with _Noise(request.settings["seed"]):
        for start in range(0, samples, step):
            count = min(step, samples - start)
            with lock_of(request.network), _drawn_by(numbers):
                found = GradientShap(forward).attribute(x, torch.zeros_like(x), n_samples=count, stdevs=spread)
            yield_lock()
            total += count * found[0].detach()
    return total.sum(0) / samples


def strongest(slopes: Tensor) -> Tensor:
    """Returns the largest magnitude of a pixel's colours, CxHxW to HxW."""
    return slopes.abs().amax(0)


def attributed(
    kind: Callable[[Forward], Attributor], request: AttributionRequest, passes: int = 1, batch: str = "", **given: Any
) -> Tensor:
    """Returns what captum makes of so many passes, as many at once as fit, CxHxW, float64 on the CPU."""
    forward = request.forward(passes)
    if batch:
        given[batch] = forward.batch(graph=True)
    found: Tensor = kind(forward).attribute(_leaf(request), **given)[0]
    return found.detach()


def _leaf(request: AttributionRequest) -> Tensor:
    return request.x.detach().cpu().double().requires_grad_()


def _noisy(request: AttributionRequest, kind: str) -> Tensor:
    """Returns mean or variance of the gradient over noisy copies of the image, CxHxW."""
    from captum.attr import NoiseTunnel, Saliency

    samples = request.settings["samples"]
    given = {"nt_type": kind, "nt_samples": samples, "stdevs": noise_level(request), "abs": False}
    with _Noise(request.settings["seed"]):
        return attributed(
            lambda forward: NoiseTunnel(Saliency(forward)), request, samples, "nt_samples_batch_size", **given
        )


class _Noise(TorchFunctionMode):
    """Draws the normal noise that captum asks for in this thread by a seed, the same however many copies at once."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._generator = torch.Generator().manual_seed(seed)

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        if func is torch.normal:
            mean, spread = args
            return mean + spread * noise_like(spread[:1], len(spread), self._generator)
        return func(*args, **(kwargs or {}))


@contextmanager
def _drawn_by(numbers: np.random.RandomState) -> Iterator[None]:
    """Lends NumPy's global generator the state of another one, which goes on where it was left."""
    with _NUMPY:
        kept = np.random.get_state()
        np.random.set_state(numbers.get_state())
        try:
            yield
        finally:
            numbers.set_state(np.random.get_state())
            np.random.set_state(kept)
