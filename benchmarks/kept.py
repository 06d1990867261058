"""What keeping the weights of single epochs costs, and how soon a network of one of them is there.

    python -m benchmarks.kept [--backbone resnet18] [--images 200] [--epochs 6] [--rounds 3]

The same run with and without kept weights, in turn, in this process, everything trained from random weights. Printed:
the ratio of the two times, the median over rounds; epochs kept and their bytes; the seconds until a network stands as
it was after an epoch, and until the movement of every convolution over all kept epochs is known.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.timing import options, report
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, Phase, TrainingSpec
from core.training.checkpoints.epoch_weights import kept_file
from core.workflows.checkpoints import epochs_of, network_at
from core.workflows.inspection.filter_history import movement_of_run
from core.workflows.trainer_process.worker import work


def main() -> None:
    """Measures and prints one JSON line."""
    given = options(__doc__, backbone="resnet18", images=200, epochs=6, rounds=3)
    phase = Phase("all", "plan", given.epochs, "sgd", lr=1e-3)
    experiment = Experiment(
        DataSpec("shapes", images_per_class=given.images // 4),
        ModelSpec(given.backbone, "none", image_size=128),
        TrainingSpec("custom", (phase,), device="cpu", precision="fp32"),
        freeze=FreezePlan("all"),
        name="kept",
    )
    with tempfile.TemporaryDirectory() as folder:
        ratios: list[float] = []
        for turn in range(given.rounds + 1):  # the first warms up
            found: dict[int, float] = {}
            for room in (0, 512) if turn % 2 else (512, 0):
                run, found[room] = timed(Path(folder), experiment, room)
                if room:
                    kept = run
            if turn:
                ratios.append(found[512] / found[0])
        there = epochs_of(kept)
        begin = time.perf_counter()
        network_at(kept, str(there[0]))
        opened = time.perf_counter() - begin
        start = network_at(kept, "start")
        begin = time.perf_counter()
        movement_of_run(kept, start)
        moved = time.perf_counter() - begin
        size = sum(kept_file(kept.path, epoch).stat().st_size for epoch in there)
        report(
            "kept",
            backbone=given.backbone,
            ratio=round(statistics.median(ratios), 4),
            ratios=[round(ratio, 4) for ratio in ratios],
            epochs_kept=len(there),
            megabytes=round(size / 1e6, 1),
            network_seconds=round(opened, 3),
            movement_seconds=round(moved, 3),
        )


def timed(folder: Path, experiment: Experiment, room: int) -> tuple[Run, float]:
    """Trains with so many MiB for weights of epochs; returns the run and its seconds."""
    run = RunStore(folder).create(replace(experiment, training=replace(experiment.training, kept_mib=room)))
    begin = time.perf_counter()
    work(run)
    return run, time.perf_counter() - begin


if __name__ == "__main__":
    main()
