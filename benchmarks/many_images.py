"""What large sets cost: listing 100,000 files, near duplicates of 100,000 pictures, and a map of 5,000, after features.

    OMP_NUM_THREADS=2 python -m benchmarks.many_images [--files 100000] [--pictures 100000] [--mapped 5000]

The files are hard links to a few small PNGs in folders of ten classes; thumbnails and features are made up: noise whose
amplitude falls with the frequency, as that of photographs does, and features of 1,280 dimensions whose energy is spread
as that of the packaged network's features of 4,000 crops of photographs is (31 % in the mean, then falling as 1 / k);
1 % of both repeated with a little noise. A picture's three nearest features lie as near as those of photographs, so
that as many pairs of thumbnails are shifted and rotated onto each other. Prints one JSON line with wall and CPU
seconds, since others may use the machine.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.timing import options, report
from core.data.sources import open_dataset
from core.workflows.data_check.copies import copies, limits_of
from core.workflows.data_check.picture_map import project

CLASSES, LINKS = 10, 100


def main() -> None:
    """Measures once and prints the figures; a size of 0 leaves a part out."""
    arguments = options(__doc__, files=100_000, pictures=100_000, mapped=5_000)
    found: dict[str, Any] = {"load": round(os.getloadavg()[0], 1)}
    if arguments.files:
        with tempfile.TemporaryDirectory() as folder:
            _files(Path(folder), arguments.files)
            dataset, *seconds = _timed(lambda: open_dataset(folder))
            found |= {"files": len(dataset), "listed_seconds": seconds}
    if arguments.pictures:
        thumbs, features, labels, planted = _made(arguments.pictures)
        limits, *limit_seconds = _timed(lambda: limits_of(thumbs, features, labels))
        sizes = np.full((len(labels), 2), (500, 375))
        pairs, *seconds = _timed(lambda: copies(thumbs, features, labels, limits, sizes=sizes))
        known = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
        found |= {
            "pictures": len(labels),
            "limits_seconds": limit_seconds,
            "near_seconds": seconds,
            "planted": len(planted),
            "found": sum(pair in known for pair in planted),
            "pairs": len(known),
        }
    if arguments.mapped:
        features = _features(arguments.mapped, np.random.default_rng(1))
        (_points, method), *seconds = _timed(lambda: project(features))
        found |= {"mapped": arguments.mapped, "method": method, "map_seconds": seconds}
    report("many_images", **found)


def _timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Returns what some work gives, its wall seconds and its CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, round(time.perf_counter() - wall, 2), round(time.process_time() - cpu, 2)


def _files(folder: Path, count: int) -> None:
    for number in range(CLASSES):
        (folder / f"class {number}").mkdir()
    sources = []
    for number in range(LINKS):
        sources.append(folder / f"class {number % CLASSES}" / f"first {number}.png")
        Image.new("RGB", (8, 8), (number, 90, 200)).save(sources[-1])
    for number in range(count - LINKS):
        os.link(sources[number % LINKS], folder / f"class {number % CLASSES}" / f"{number:06d}.png")


def _features(count: int, chance: np.random.Generator) -> np.ndarray:
    """Returns points on the sphere, spread as features of photographs are."""
    spread = 1 / np.sqrt(np.arange(1, 1281, dtype=np.float32))
    found = chance.standard_normal((count, 1280), np.float32) * (spread * np.sqrt(0.69 / np.sum(spread**2)))
    found += np.sqrt(0.31 / 1280)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def _made(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[tuple[int, int]]]:
    """Returns thumbnails, features and labels of made-up pictures, and which of them are copies."""
    chance = np.random.default_rng(0)
    thumbs = np.empty((count, 32, 32), np.uint8)
    frequency = np.hypot(np.fft.fftfreq(48)[:, None], np.fft.rfftfreq(48))  # a larger field, so that edges do not meet
    amplitude = 1 / np.maximum(frequency, 1 / 48) ** 1.2
    for start in range(0, count, 1000):
        waves = np.fft.rfft2(chance.standard_normal((min(1000, count - start), 48, 48))) * amplitude
        noise = np.fft.irfft2(waves, (48, 48))[:, :32, :32]
        noise -= noise.mean(axis=(1, 2), keepdims=True)
        thumbs[start : start + 1000] = np.clip(128 + 45 * noise / noise.std(axis=(1, 2), keepdims=True), 0, 255)
    features, labels = _features(count, chance), chance.integers(0, CLASSES, count)
    extra = count // 100
    rows = chance.permutation(count)[: 2 * extra].reshape(2, extra)
    thumbs[rows[1]] = np.clip(thumbs[rows[0]] + chance.normal(0, 3, (extra, 32, 32)), 0, 255)
    near = features[rows[0]] + 0.004 * chance.standard_normal((extra, 1280), np.float32)
    features[rows[1]] = near / np.linalg.norm(near, axis=1, keepdims=True)
    labels[rows[1]] = labels[rows[0]]
    return thumbs, features, labels, [(min(pair), max(pair)) for pair in rows.T.tolist()]


if __name__ == "__main__":
    main()
