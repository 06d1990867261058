"""Time and accuracy of a linear probe, end to end, after imports.

    python -m benchmarks.linear_probe --data FOLDER [--backbone efficientnet_lite0] [--epochs 10] [--repeat 3]

Prints one JSON line: seconds from opening the images to the written predictions, the first epoch (which computes the
features) against the median of the later ones, and the accuracies.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import core.workflows.trainer_process.runner  # noqa: F401 (the imports that are not timed)
from benchmarks.timing import options, report
from core.data.embedded import EMBEDDED
from core.runs import RunStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.trainer_process.worker import work


def main() -> None:
    """Trains ``--repeat`` times and prints the medians."""
    arguments = options(__doc__, data=str, backbone="efficientnet_lite0", epochs=10, repeat=3, device="auto")
    recipe = make_recipe("linear-probe", epochs=arguments.epochs)
    embedded = arguments.data.partition("?")[0] in EMBEDDED
    source = arguments.data if embedded else str(Path(arguments.data).absolute())
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.repeat):
            experiment = Experiment(
                DataSpec(source, seed=seed),
                ModelSpec(arguments.backbone),
                TrainingSpec("linear-probe", recipe.phases, seed=seed, device=arguments.device),
            )
            run = RunStore(folder).create(experiment)
            begin = time.perf_counter()
            status = work(run)
            seconds = time.perf_counter() - begin
            epochs = [row["seconds"] for row in run.metrics()[0]]
            rows.append(
                {
                    "seconds": seconds,
                    "first_epoch": epochs[0],
                    "later_epoch": statistics.median(epochs[1:]),
                    "later_over_first": statistics.median(epochs[1:]) / epochs[0],
                    "val_accuracy": status.val_accuracy,
                    "test_accuracy": status.test_accuracy,
                    "precision": status.precision,
                }
            )
    medians = {
        key: round(statistics.median(row[key] for row in rows), 4)
        for key in rows[0]
        if all(isinstance(row[key], float) for row in rows)
    }
    report(
        "linear_probe",
        **vars(arguments),
        precision=[row["precision"] for row in rows],
        test_accuracies=[row["test_accuracy"] for row in rows],
        **medians,
    )


if __name__ == "__main__":
    main()
