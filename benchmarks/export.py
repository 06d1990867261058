"""How long a network takes to leave the lab: written as ONNX and checked against the checkpoint, and as a web page.

    OMP_NUM_THREADS=1 python -m benchmarks.export [--backbone resnet50] [--format onnx] [--rounds 3]

A run of random weights on generated pictures, after imports. Printed: seconds and CPU seconds from the run to the
checked file (the median over rounds), its bytes, and how far its answers are from the checkpoint's.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.timing import options, report
from core.models.network import assemble, save
from core.runs.recorder import Recorder
from core.runs.store import RunStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.export.model import formats
from core.workflows.export.model.package import export_file

CLASSES = ("circle", "cross", "square", "triangle")


def main() -> None:
    """Measures and prints one JSON line."""
    given = options(__doc__, backbone="resnet50", format="onnx", rounds=3)
    form = formats.format_named(given.format)
    spec = ModelSpec(given.backbone, "none")
    with tempfile.TemporaryDirectory() as folder:
        training = TrainingSpec("full", make_recipe("full").phases)
        run = RunStore(folder).create(Experiment(DataSpec("shapes"), spec, training, name="export"))
        save(assemble(spec, CLASSES, seed=0).model, run.path / "best.safetensors")
        Recorder(run).classes(CLASSES)
        walls: list[float] = []
        cpus: list[float] = []
        for _turn in range(given.rounds):
            wall, cpu = time.perf_counter(), time.process_time()
            found = export_file(run, given.format, Path(folder) / f"model.{form.ending}")
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
    report(
        "export",
        backbone=given.backbone,
        format=given.format,
        seconds=round(statistics.median(walls), 2),
        cpu_seconds=round(statistics.median(cpus), 2),
        walls=[round(value, 2) for value in walls],
        cpus=[round(value, 2) for value in cpus],
        bytes=found.bytes,
        max_difference=found.parity.max_difference,
    )


if __name__ == "__main__":
    main()
