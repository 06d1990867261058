"""Asks a network for its scores: in batches that fit, counted, and with a clear sentence where it cannot answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from core.device import batch_that_fits, memory_free
from core.errors import InputError
from core.interpret.probe import Probe, device_of, dtype_of
from core.interpret.target import ScoreTarget
from core.messages import Progress

if TYPE_CHECKING:
    from core.models.network import Network

_INPUT_ERRORS = (RuntimeError, AssertionError, ValueError, IndexError)  # what networks raise at images they cannot take
_CPU_BYTES = 512 * 2**20  # bytes of activations at once on a CPU
_YIELD_SECONDS = 0.0005  # seconds
_MACS_PER_THREAD = 2 * 10**9  # multiply-adds of a batch for each thread of a CPU: about a tenth of a second
_MAX_IMAGES = {"cpu": 16, "cuda": 128}  # images at once; on a CPU more gain nothing


def ask(probe: Probe, network: Network, x: Tensor) -> Tensor:
    """Runs images through an opened network and checks the logits.

    Args:
        probe: The network, opened.
        network: The same.
        x: Normalised images, BxCxHxW.

    Returns:
        The logits, BxN, on the network's device.

    Raises:
        InputError: The network cannot take images of that size, or its scores are not numbers.
    """
    try:
        logits = probe(x)
    except torch.OutOfMemoryError:
        raise
    except _INPUT_ERRORS as error:
        side, channels = network.preprocessing.crop, network.preprocessing.channels
        if isinstance(error, InputError) or x.shape[1:] == (channels, side, side):
            raise
        raise cannot_take(network, x) from error
    if not bool(torch.isfinite(logits).all()):
        raise InputError(
            "The network {network} answers this picture with scores that are no numbers (nan or infinite). Its weights "
            "are broken, or the picture holds such values; choose other weights or another picture.",
            network=network.name,
        )
    return logits


def cannot_take(network: Network, x: Tensor) -> InputError:
    """Makes the error for an image, 1xCxHxW, of a size or with channels that a network is not made for."""
    return InputError(
        "The network {network} cannot take a picture of {width} × {height} px with {channels} channels. Give it one "
        "of {side} × {side} px with {wanted}.",
        network=network.name,
        width=x.shape[3],
        height=x.shape[2],
        channels=x.shape[1],
        side=network.preprocessing.crop,
        wanted=network.preprocessing.channels,
    )


class Forward:
    """A network as captum takes it, its ``forward_func``: from images to the scores of what is explained.

    However many images are asked for at once, they go through in batches that fit. Between two batches the
    network's lock is released; each is counted, and what ``progress`` raises ends the work. Where the scores'
    gradient is asked for, every batch goes back at once, and only the images' own gradients are kept.

    Args:
        network: The network; it is left as it was.
        aim: What is scored.
        total: Images that will be asked for in all, for ``progress``.
        progress: Called after every batch.
    """

    def __init__(self, network: Network, aim: ScoreTarget, total: int, progress: Progress | None = None) -> None:
        self._network, self._aim, self._total, self._progress = network, aim, total, progress
        self._device, self._dtype = device_of(network.model), dtype_of(network.model)
        self._done = 0

    def __call__(self, x: Tensor) -> Tensor:
        """Returns one score an image, BxCxHxW to B, float64 where the images are."""
        if not (x.requires_grad and torch.is_grad_enabled()):
            return self.scores(x)
        slopes = torch.empty_like(x)
        scores = self.scores(x, slopes)
        plane = (x * slopes).flatten(1).sum(1)
        return scores + (plane - plane.detach())  # their value, and the slopes for whoever goes back

    def batch(self, *, graph: bool = False) -> int:
        """Returns how many images go through at once."""
        return batch_of(self._network, self._device, graph=graph)

    def scores(self, x: Tensor, slopes: Tensor | None = None) -> Tensor:
        """Returns the scores, and writes their gradients into ``slopes``, BxCxHxW, where it is given."""
        found, graph = [], slopes is not None
        step = self.batch(graph=graph)
        for start in range(0, len(x), step):
            images = x.detach()[start : start + step].to(self._device, self._dtype, copy=graph)
            with Probe(self._network, grad=graph) as probe:
                given = images.requires_grad_().clone() if graph else side_by_side(images)  # it may begin in place
                scores = self._aim.scores(ask(probe, self._network, given).double())
                if slopes is not None:
                    back = torch.autograd.grad(scores.sum(), images)[0] if scores.requires_grad else 0.0
                    slopes[start : start + step] = back
            found.append(scores.detach().to(x.device))
            self._done += len(images)
            yield_lock()
            if self._progress is not None:
                self._progress(min(self._done, self._total), self._total)
        return torch.cat(found)


def side_by_side(x: Tensor) -> Tensor:
    """Returns images, BxCxHxW, with each pixel's channels side by side in memory on a CPU.

    Its convolutions are faster so, by a tenth to two fifths where there are many images; nothing else changes.
    """
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 and x.device.type == "cpu" else x


def yield_lock() -> None:
    """Gives waiting threads a chance at the lock: one that takes it again at once would always win."""
    time.sleep(_YIELD_SECONDS)


def batch_of(network: Network, device: torch.device, *, graph: bool = False, whole: bool = True) -> int:
    """Returns how many images may go through a network at once.

    Args:
        network: The network.
        device: Where it is.
        graph: Whether all activations are kept for the way back.
        whole: Whether each image goes all the way through; only a few last layers take hardly any time.
    """
    each = network.anatomy.activation_bytes // (1 if graph else 4)
    limits = [(memory_free(device) // 3 if device.type == "cuda" else _CPU_BYTES, each)]
    if whole and device.type != "cuda":  # larger batches gain nothing and hold the lock longer
        limits.append((_MACS_PER_THREAD * torch.get_num_threads(), network.anatomy.macs * (3 if graph else 1)))
    return batch_that_fits(_MAX_IMAGES.get(device.type, _MAX_IMAGES["cpu"]), *limits)


def check_image(x: Tensor) -> None:
    """Checks that a tensor is one image.

    Raises:
        InputError: It is not 1xCxHxW with floating-point values.
    """
    if not isinstance(x, Tensor) or x.ndim != 4 or x.shape[0] != 1 or not x.is_floating_point():
        raise InputError(
            "One normalised image of shape 1xCxHxW is needed, and this is {shape}.",
            shape="x".join(map(str, x.shape)) if isinstance(x, Tensor) else type(x).__name__,
        )
