"""Small measurements of the machine that no network needs be built for."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from core.data.augment import Augmenter
from core.data.images import fit, normalise, open_image
from core.data.threads import WORKERS
from core.specs import AugmentSpec, Preprocessing
from core.training.estimate.step_clock import StepClock
from core.training.estimate.step_time import Linear, Machine

REPEATS = 5
OPTIMIZERS: dict[str, Callable[[list[nn.Parameter]], torch.optim.Optimizer]] = {
    "adamw": lambda values: torch.optim.AdamW(values, lr=1e-9, fused=True),
    "adam": lambda values: torch.optim.Adam(values, lr=1e-9, fused=True),
    "sgd": lambda values: torch.optim.SGD(values, lr=1e-9, momentum=0.9, fused=True),
    "rmsprop": lambda values: torch.optim.RMSprop(values, lr=1e-9, momentum=0.9),
}
MANY, LARGE = (64, 64), (6, 2**20)
"""Tensors and values in each: many small ones, and some that no cache holds."""
FEATURES, OUTPUTS, FEW, ROWS = 2048, 1024, 4, 64
PHOTO_SIZE = (500, 375)
"""Size of the photograph that is decoded, in pixels; the median of ImageNet's."""


def machine(device: torch.device) -> Machine:
    """Measures the optimizers and a linear head on a device."""
    few, many = (_head_step(FEATURES, OUTPUTS, rows, device) for rows in (FEW, ROWS))
    weights = FEATURES * OUTPUTS
    overhead = _head_step(16, 10, ROWS, device)
    product = max(0.0, many - few) / ((ROWS - FEW) * weights)
    weight = max(0.0, few - overhead - FEW * weights * product) / weights
    return Machine(_optimizers(device), weight, product, overhead)


def prepare(prep: Preprocessing, device: torch.device) -> Linear:
    """Measures how a batch of bytes becomes the network's input."""
    return _two(lambda pixels: pixels, prep, prep.crop, device)


def augment(prep: Preprocessing, device: torch.device) -> dict[str, Linear]:
    """Measures the same with ``mild`` (crops and mirroring) and with ``full`` augmentation before it."""
    generator = torch.Generator(device).manual_seed(0)
    found = {}
    for name, preset in (("mild", "basic"), ("full", "strong")):
        augmenter = Augmenter(AugmentSpec.preset(preset), prep.crop)
        found[name] = _two(lambda pixels, change=augmenter: change(pixels, generator), prep, prep.resize, device)  # type: ignore[misc]
    return found


def decode(prep: Preprocessing) -> float:
    """Measures the seconds that a photograph takes to be decoded and resized, where all threads are at work."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).resize(
        PHOTO_SIZE, Image.Resampling.BICUBIC
    )
    grain = rng.integers(-8, 9, (PHOTO_SIZE[1], PHOTO_SIZE[0], 3))
    file = io.BytesIO()
    Image.fromarray((np.asarray(coarse) + grain).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=85)
    images = 4 * WORKERS

    def work(_: int) -> None:
        fit(open_image(file.getvalue()), prep)

    with ThreadPoolExecutor(WORKERS) as pool:
        return _least(lambda: list(pool.map(work, range(images))), torch.device("cpu"), 3) / images


def _two(change: Callable[[Tensor], Tensor], prep: Preprocessing, side: int, device: torch.device) -> Linear:
    small, large = 4, 16
    times = []
    for batch in (small, large):
        pixels = torch.zeros(batch, 3, side, side, dtype=torch.uint8)

        def work(pixels: Tensor = pixels) -> None:
            normalise(change(pixels.to(device)), prep).contiguous(memory_format=torch.channels_last)

        times.append(_least(work, device))
    each = max(0.0, times[1] - times[0]) / (large - small)
    return Linear(max(0.0, times[1] - large * each), each)


def _head_step(features: int, outputs: int, rows: int, device: torch.device) -> float:
    layer = nn.Linear(features, outputs).to(device)
    inputs = torch.randn(rows, features, device=device, requires_grad=True)
    labels = torch.zeros(rows, dtype=torch.long, device=device)
    sums = torch.zeros(3, device=device)

    def work() -> None:
        logits = layer(inputs)
        loss = F.cross_entropy(logits, labels)
        layer.zero_grad(set_to_none=True)
        loss.backward()
        with torch.no_grad():
            right = (logits.argmax(1) == labels).sum()
            sums.add_(torch.stack([loss * rows, right, right.new_tensor(rows)]))

    return _least(work, device)


def _optimizers(device: torch.device) -> dict[str, Linear]:
    found = {}
    for name, make in OPTIMIZERS.items():
        times = []
        for count, size in (MANY, LARGE):
            values = [nn.Parameter(torch.zeros(size, device=device)) for _ in range(count)]
            for value in values:
                value.grad = torch.full_like(value, 1e-3)
            optimizer = make(values)

            def work(optimizer: torch.optim.Optimizer = optimizer) -> None:
                optimizer.step()

            times.append(_least(work, device))
        each = max(0.0, times[1] - times[0] * LARGE[0] / MANY[0]) / (LARGE[0] * LARGE[1])
        found[name] = Linear(max(0.0, times[0] - each * MANY[0] * MANY[1]) / MANY[0], each)
    return found


def _least(work: Callable[[], object], device: torch.device, repeats: int = REPEATS) -> float:
    """Returns the least seconds of several tries, after one that does not count."""
    clock, pairs = StepClock(device), []
    for _ in range(repeats + 1):
        begin = clock.now()
        work()
        pairs.append((begin, clock.now()))
    clock.synchronize()
    return min(clock.elapsed(*pair) for pair in pairs[1:])
