"""What activation maximisation costs, and how much more it reaches than plain gradient ascent on pixels.

Run with ``python -m benchmarks.dream [--model resnet18 --weights none] [--layer layer2] [--threads 2]``. A picture is
judged twice: as it is, and as it is after small movements that neither method saw (mean of 16). Plain ascent can write
single-pixel noise that the layer answers to in one position only.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from torch import Tensor

from benchmarks.timing import options, report
from core.interpret.visualization.activation_maximization import maximise
from core.interpret.visualization.fourier_image import Ascent, from_bytes, moved, movements, to_bytes
from core.interpret.visualization.gradient_ascent import Climber, opened, precision_for, spot_of
from core.models.network import Network, bare

UNSEEN = 999
"""Seed of the movements that judge."""


def plain(climber: Climber, channels: list[int], size: int, steps: int) -> Tensor:
    """Grows pictures by gradient ascent on pixels alone, with the same optimizer and number of steps."""
    start = torch.Generator().manual_seed(0)
    pixels = 0.5 + 0.01 * torch.randn((len(channels), 3, size, size), generator=start)
    pixels.requires_grad_()
    ascent = Ascent(pixels, rate=0.02)
    rows = torch.arange(len(channels))
    for _ in range(steps):
        score = climber.spot.scores(climber.output(pixels.clamp(0, 1)))[rows, channels].sum()
        (slope,) = torch.autograd.grad(score, pixels)
        ascent.step(slope)
        with torch.no_grad():
            pixels.clamp_(0, 1)
    return pixels.detach()


def judged(climber: Climber, pictures: Tensor, channels: list[int], size: int) -> dict[str, float]:
    """Returns the mean activation of pictures as they are, and after movements."""
    rows = torch.arange(len(channels))
    pictures = from_bytes(to_bytes(pictures), gray=False, device=climber.device)
    still = climber.measured(pictures)[rows, channels]
    with torch.no_grad():
        shaken = [climber.measured(moved(pictures, one))[rows, channels] for one in movements(16, size, UNSEEN)]
    return {"still": round(float(still.mean()), 4), "moved": round(float(torch.stack(shaken).mean()), 4)}


def timed(network: Network, given: argparse.Namespace, precision: str) -> tuple[dict[str, float], Tensor, float]:
    """Grows the pictures once, from nothing; returns seconds, pictures and what noise reaches at most."""
    begun = time.perf_counter(), time.process_time()
    found = maximise(
        network,
        given.layer,
        list(range(given.filters)),
        size=given.size,
        steps=given.steps,
        precision=precision,
        fresh=True,
    )
    spent = {"wall_s": round(time.perf_counter() - begun[0], 2), "cpu_s": round(time.process_time() - begun[1], 2)}
    pictures = torch.from_numpy(np.stack([one.image for one in found])).permute(0, 3, 1, 2).float() / 255
    return spent, pictures, float(np.mean([one.noise_most for one in found]))


def main() -> None:
    """Measures and prints the line."""
    given = options(
        __doc__,
        model="resnet18",
        weights="none",
        layer="layer2",
        filters=16,
        size=128,
        steps=128,
        threads=2,
        no_fp32=False,
    )
    network = bare(given.model, given.weights)
    auto = precision_for("auto", torch.device("cpu"))
    channels = list(range(given.filters))
    spent, pictures, noise = timed(network, given, auto)
    times = {auto: spent}
    if auto != "fp32" and not given.no_fp32:
        times["fp32"] = timed(network, given, "fp32")[0]
    spot = spot_of(network, given.layer, size=given.size)
    with opened(network, spot, auto) as climber:
        begun = time.perf_counter()
        pixels = plain(climber, channels, given.size, given.steps)
        plain_seconds = round(time.perf_counter() - begun, 2)
        reached = {
            "dream": judged(climber, pictures, channels, given.size),
            "plain_pixels": judged(climber, pixels, channels, given.size),
            "noise_most": round(noise, 4),
        }
    report(
        "dream",
        **vars(given),
        precision=auto,
        seconds=times,
        plain_pixels_s=plain_seconds,
        reached=reached,
        limit_s=20.0,
    )


if __name__ == "__main__":
    main()
