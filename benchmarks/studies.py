"""Studies: how often equal settings seem to differ, and 24 linear probes in one study against 24 trainings.

    python -m benchmarks.studies alarms [--studies 1000]
    python -m benchmarks.studies probes --data FOLDER [--members 24] [--singles 3]

Prints one JSON line. ``alarms`` simulates studies of equal settings: each training has an accuracy of its own (seeds
scatter by 1.4 points) and is judged on the same images; the share of studies with a difference "larger than chance" is
printed for several sizes. ``probes`` does a study in the process that a page starts for it, and single trainings one
after the other, each in a process and with a cache of its own; of the singles a few are timed, and the median stands
for all. The processor's seconds tell more than the clock's where others use the machine.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.timing import options, report
from core import settings
from core.runs.jobs import JobStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.specs.study import Factor, Study
from core.training.recipes import make_recipe
from core.workflows.studies.analysis import Row, compared
from core.workflows.studies.members import StudyRequest, standings

SIZES = ((2, 3, 100), (4, 3, 100), (8, 3, 100), (4, 5, 100), (8, 5, 100), (4, 3, 1000), (8, 5, 1000))
"""Settings, seeds a setting and judged images of the simulated studies."""
ACCURACY, SPREAD = 0.9, 0.014


def false_alarms(studies: int, settings: int, seeds: int, images: int, seed: int = 0) -> float:
    """Returns the share of studies of equal settings in which a difference is called larger than chance."""
    lot = np.random.default_rng([seed, settings, seeds, images])
    alarms = 0
    for _ in range(studies):
        odds = np.log(ACCURACY / (1 - ACCURACY)) + lot.normal(0, 1, images)  # pictures are easy or hard for all
        rows = []
        for setting in range(settings):
            shift = lot.normal(0, SPREAD / (ACCURACY * (1 - ACCURACY)), (seeds, 1))
            right = lot.random((seeds, images)) < 1 / (1 + np.exp(-(odds + shift)))
            values = tuple(right.mean(axis=1).tolist())
            rows.append(
                Row(setting, str(setting), (str(setting),), values, (), statistics.fmean(values), None, seeds, 0)
            )
        alarms += any(pair.larger_than_chance for pair in compared(rows, 1 / images))
    return alarms / studies


def probes(data: str, members: int) -> Study:
    """Returns a study of linear probes on one backbone: rates and optimizers."""
    recipe = make_recipe("linear-probe", epochs=10)
    base = Experiment(DataSpec(data), ModelSpec("efficientnet_lite0"), TrainingSpec("linear-probe", recipe.phases))
    rates = tuple(float(f"{rate:.3g}") for rate in np.geomspace(1e-4, 1e-1, members // 3))
    return Study(
        base,
        (Factor.of("training.phases.lr", *rates), Factor.of("training.phases.optimizer", "adamw", "sgd", "rmsprop")),
    )


def _timed(words: list[str], folder: Path) -> tuple[float, float]:
    """Returns the seconds and the processor's seconds of a command in a process, with folders of its own."""
    environment = {**os.environ, "BACKBONE_LAB_RUNS": str(folder / "runs"), "BACKBONE_LAB_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "core", *words, "--quiet"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, cwd=settings.PROJECT, env=environment, stdout=sys.stderr)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measures what is asked for."""
    arguments = options(__doc__, ("alarms", "probes"), data="", studies=1000, members=24, singles=3)
    if arguments.what == "alarms":
        found = {f"{s}x{k} on {n}": false_alarms(arguments.studies, s, k, n) for s, k, n in SIZES}
        report("studies", what="alarms", studies=arguments.studies, false_alarms=found)
        return
    study = probes(str(Path(arguments.data).absolute()), arguments.members)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        request = StudyRequest(study.as_record()).as_record()
        job = JobStore("studies", folder / "together" / "runs").create(request)
        together = _timed(["job", str(job.path)], folder / "together")
        tests = [one.figures.get("test_accuracy") for one in standings(job)]
        single = folder / "experiment.json"
        single.write_text(replace(study.experiment, name="single").to_json(), encoding="utf-8")
        alone = [
            _timed(["train", "--experiment", str(single)], folder / f"single-{number}")
            for number in range(arguments.singles)
        ]
    each = [statistics.median(column) for column in zip(*alone, strict=True)]
    report(
        "studies",
        what="probes",
        members=arguments.members,
        study_seconds=round(together[0], 1),
        study_cpu=round(together[1], 1),
        single_seconds=round(each[0], 1),
        single_cpu=round(each[1], 1),
        times_faster=round(arguments.members * each[0] / together[0], 1),
        times_less_cpu=round(arguments.members * each[1] / together[1], 1),
        test_accuracies=tests,
    )


if __name__ == "__main__":
    main()
