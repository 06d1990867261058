"""Estimated against measured memory and time of a training step.

    python -m benchmarks.estimates [--backbones A,B,...] [--batch 16] [--cycles 3] [--steps 3]

For each backbone, profiles and the real training loop take turns: a cycle is a profile as the app takes it, then the
loop on generated images with three plans (a linear probe, whose step is the pass that computes features; the last
stage; everything), in the number format that the profile foretells. What is told of a loop is the median of its steps.
Estimate and measurement of a cycle are minutes apart at most, and what counts is the median of their ratio over the
cycles. A step's time is told by two clocks: the one of ``core.training.estimate.step_clock``, which leaves other
programs' work out and which the profile is taken with, and the one on the wall.

Memory is measured twice, in a process for each plan, from before the network is built. ``memory_ratio`` holds the
estimate against the peak of what torch's allocator gave out, as its profiler records every block. ``resident_ratio``
holds it against the growth of the process's resident set, less that of a network with a few thousand parameters: there
the kernels' own buffers (oneDNN's) and the gaps between blocks, of which the estimate knows nothing, come on top.

Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from benchmarks.timing import report
from core.data.pixel_store import PixelStore
from core.device import reuse_freed_memory
from core.models.network import Network, assemble
from core.specs import DataSpec, Experiment, FreezePlan, HeadSpec, ModelSpec, Phase, TrainingSpec
from core.training.estimate.estimate import Counts, estimate
from core.training.estimate.layer_timing import measure
from core.training.estimate.step_clock import StepClock
from core.training.estimate.step_time import Profile
from core.training.features.batch_sources import Material
from core.training.loop.events import EpochEnd, PhaseStarted
from core.training.loop.trainer import fit

BACKBONES = ("resnet18", "mobilenet_v2", "efficientnet_lite0", "squeezenet1_1", "resnet50", "shufflenet_v2_x1_0")
PLANS = {"linear probe": FreezePlan(0), "last stage": FreezePlan(1), "all": FreezePlan("all")}
CLASSES = 10
CPU = torch.device("cpu")


class Noise(PixelStore):
    """Noise instead of images, already in memory."""

    def __init__(self, images: int, side: int) -> None:
        self.canvas, self.side = False, side
        self.labels = torch.arange(images) % CLASSES
        self._noise = np.random.default_rng(0).integers(0, 256, (images, side, side, 3), dtype=np.uint8)

    def batch(self, positions: Any) -> torch.Tensor:
        """Returns the images at these positions."""
        return torch.from_numpy(self._noise[np.asarray(positions)]).permute(0, 3, 1, 2)

    def fingerprint_of(self, positions: Any) -> None:
        """Returns no fingerprint: features of noise are for nobody else."""


def main() -> None:
    """Compares and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbones", default=",".join(BACKBONES))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--cycles", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--recorded", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--peak", nargs=2, metavar=("BACKBONE", "PLAN"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    reuse_freed_memory()
    if arguments.peak:
        _peak(*arguments.peak, arguments)
        return
    rows = []
    for backbone in arguments.backbones.split(","):
        rows += _compare(backbone, arguments)
        print(json.dumps(rows[-len(PLANS) :]), file=sys.stderr)
    worst = {
        key: round(max((row[key] for row in rows if row.get(key)), key=lambda ratio: max(ratio, 1 / ratio)), 3)
        for key in ("time_ratio", "wall_ratio", "memory_ratio", "resident_ratio")
        if any(row.get(key) for row in rows)
    }
    report(
        "estimates",
        batch=arguments.batch,
        cycles=arguments.cycles,
        load=[round(x, 1) for x in os.getloadavg()],
        within_30_percent=sum(1 / 1.3 <= row["time_ratio"] <= 1.3 for row in rows),
        of=len(rows),
        farthest=worst,
        rows=rows,
    )


def _experiment(backbone: str, plan: str, arguments: argparse.Namespace, epochs: int = 1) -> Experiment:
    phase = Phase("phase", "plan", epochs, lr=1e-6)
    return Experiment(
        DataSpec("noise"),
        ModelSpec(backbone, "none", head=HeadSpec()),
        TrainingSpec("full", (phase,), batch_size=arguments.batch, device="cpu", precision=arguments.precision),
        freeze=PLANS[plan],
    )


def _material(network: Network, images: int) -> Material:
    store = Noise(images + 1, network.preprocessing.crop)
    return Material(store, torch.arange(images), torch.tensor([images]))


def _compare(backbone: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    images = arguments.batch * arguments.steps
    network = assemble(ModelSpec(backbone, "none"), tuple(map(str, range(CLASSES))), seed=0)
    material = _material(network, images)
    told: dict[str, list[tuple[float, float, float]]] = {plan: [] for plan in PLANS}
    formats: dict[str, list[str]] = {plan: [] for plan in PLANS}
    spent = []
    for _ in range(arguments.cycles):
        begin = time.perf_counter()
        profile = measure(network, CPU)
        spent.append(time.perf_counter() - begin)
        for plan in PLANS:
            seconds, precision = _estimated(profile, network, _experiment(backbone, plan, arguments), images)
            real = _experiment(backbone, plan, argparse.Namespace(**{**vars(arguments), "precision": precision}))
            steps = _steps(network, material, real)
            formats[plan].append(precision)
            told[plan].append((seconds, *(statistics.median(column) for column in zip(*steps, strict=True))))
    rows = []
    for plan in PLANS:
        estimated, measured, wall = (statistics.median(column) for column in zip(*told[plan], strict=True))
        row: dict[str, Any] = {
            "backbone": backbone,
            "plan": plan,
            "precision": formats[plan],
            "estimated_ms": round(1000 * estimated, 1),
            "measured_ms": round(1000 * measured, 1),
            "wall_ms": round(1000 * wall, 1),
            "time_ratios": [round(a / b, 3) for a, b, _ in told[plan]],
            "time_ratio": round(statistics.median(a / b for a, b, _ in told[plan]), 3),
            "wall_ratio": round(statistics.median(a / c for a, _, c in told[plan]), 3),
            "profile_s": round(statistics.median(spent), 1),
        }
        if not arguments.no_memory:
            row |= _memory(backbone, plan, formats[plan][-1], arguments)
        rows.append(row)
    return rows


def _estimated(profile: Profile, network: Network, experiment: Experiment, images: int) -> tuple[float, str]:
    """Returns the estimated seconds of a step, and its precision."""
    phase = estimate(experiment, CLASSES, Counts(images, 1), profile=profile).phases[0]
    if not phase.cached:
        return phase.step_seconds or 0.0, phase.precision
    batch = experiment.training.batch_size  # the step that counts is a batch on its way to features
    return profile.forward(network.anatomy, phase.precision, batch) + profile.prepare.at(batch), phase.precision


def _steps(network: Network, material: Material, experiment: Experiment) -> list[tuple[float, float]]:
    """Runs the loop; returns (undisturbed, wall) seconds of each step after the first.

    A step is what lies between two moments at which images enter the network: exactly one pass of the loop.
    """
    clock, marks = StepClock(CPU), []
    counting = False

    def entered(*_: Any) -> None:
        if counting:
            marks.append((clock.now(), time.perf_counter()))

    handle = network.model.register_forward_pre_hook(entered)
    try:
        for event in fit(network, material, experiment, CPU):
            if isinstance(event, PhaseStarted):
                counting = True
            elif isinstance(event, EpochEnd):
                counting = False
    finally:
        handle.remove()
    pairs = pairwise(marks)
    return [(clock.elapsed(a[0], b[0]), b[1] - a[1]) for a, b in pairs]


def _memory(backbone: str, plan: str, precision: str, arguments: argparse.Namespace) -> dict[str, Any]:
    fixed = argparse.Namespace(**{**vars(arguments), "precision": precision})
    told = estimate(_experiment(backbone, plan, fixed), CLASSES, Counts(2 * arguments.batch, 1)).memory
    command = [sys.executable, "-m", "benchmarks.estimates", "--batch", str(arguments.batch), "--precision", precision]
    asked = ((backbone, "--recorded"), (backbone,), ("mnist_cnn",))
    recorded, resident, libraries = (
        int(
            subprocess.run(
                [*command, "--peak", name, plan, *more], capture_output=True, text=True, check=True
            ).stdout.split()[-1]
        )
        for name, *more in asked
    )
    return {
        "estimated_mb": round(told.total / 1e6),
        "recorded_mb": round(recorded / 1e6),
        "resident_mb": round((resident - libraries) / 1e6),
        "memory_ratio": round(told.total / recorded, 3),
        "resident_ratio": round(told.total / (resident - libraries), 3),
    }


def _peak(backbone: str, plan: str, arguments: argparse.Namespace) -> None:
    """Prints how many bytes building and training a network takes at most, in tensors or in this process's pages."""
    torch.ones(1) @ torch.ones(1)
    before = psutil.Process().memory_info().rss
    if arguments.recorded:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as record:
            pixels = _trained(backbone, plan, arguments)
        print(_most_alive(record) + pixels)
        return
    _trained(backbone, plan, arguments)
    with Path("/proc/self/status").open() as status:
        high = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    print(high - before)


def _trained(backbone: str, plan: str, arguments: argparse.Namespace) -> int:
    """Builds and trains; returns the bytes of the images, which numpy holds."""
    network = assemble(ModelSpec(backbone, "none"), tuple(map(str, range(CLASSES))), seed=0)
    material = _material(network, 2 * arguments.batch)
    for _ in fit(network, material, _experiment(backbone, plan, arguments), CPU):
        pass
    return int(material.store._noise.nbytes)  # type: ignore[attr-defined]


def _most_alive(record: torch.profiler.profile) -> int:
    """Returns the most bytes that were given out at once."""
    events = [event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"]
    alive = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        most = max(most, alive)
    return most


if __name__ == "__main__":
    main()
