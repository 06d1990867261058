"""Series: the study that repeats one recipe over seeds, folds or remedies, and what its runs say together.

One run says little about small differences between recipes: another seed or other validation images move the figures
too. A series measures by how much. Series of earlier versions are no studies, just runs that share an id; they are read
alike. Loads no torch.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import InputError
from core.runs.status import LIVE, RunStatus
from core.runs.store import Run, RunStore
from core.specs import Experiment
from core.specs.study import REMEDY, Factor, Level, Study
from core.workflows.remedies import REMEDIES

METRICS = ("test_accuracy", "val_accuracy", "val_loss", "val_balanced_accuracy", "val_f1", "best_epoch", "seconds")
"""What is told of a series; of each run, all but the first and the last are those of its best epoch."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A metric over the finished runs of a series.

    Attributes:
        values: Of each run, in the order of the runs.
        mean: Of the values.
        deviation: Their sample standard deviation; ``None`` for a single run.
    """

    values: tuple[float, ...]
    mean: float
    deviation: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What the runs of a series say together.

    Attributes:
        finished: Ids of the runs that counted.
        live: Ids of those still at work or waiting.
        left_out: Ids of those that ended without finishing.
        metrics: Each of :data:`METRICS` that every finished run has.
    """

    finished: tuple[str, ...]
    live: tuple[str, ...]
    left_out: tuple[str, ...]
    metrics: Mapping[str, Spread]


def series_study(
    experiment: Experiment, seeds: Sequence[int] = (), folds: int = 0, *, remedies: Sequence[str] = ()
) -> Study:
    """Makes the study of a series.

    A seed changes the head's first weights, the order of the images and how they are changed; the division of the
    images stays, so that seeds can be compared. With folds, each run validates on another fold; test images are the
    same in all of them and in no fold. With both, every seed goes through every fold, and both under each remedy.

    Args:
        experiment: The recipe.
        seeds: Seeds of the runs; none for the experiment's own.
        folds: Number of folds; 0 for the experiment's own division.
        remedies: Of :data:`core.workflows.remedies.REMEDIES`; none for the experiment's own.

    Raises:
        InputError: There is only one run, or a seed stands twice.
    """
    chosen = tuple(seeds) or (experiment.training.seed,)
    if len(chosen) * max(1, folds) * max(1, len(remedies)) < 2:
        raise InputError("A series has at least two runs. Give several seeds, or 2 folds or more.")
    levels = [
        Level(name, (("training.sampler", sampler), ("training.loss.balance", balance)))
        for name, (sampler, balance) in ((name, REMEDIES[name]) for name in remedies)
    ]
    factors = (Factor(REMEDY, tuple(levels)),) if levels else ()
    base = replace(experiment, name="", series="")
    return Study(base, factors, seeds=chosen, folds=folds, name=experiment.name)


def members(series: str, runs_dir: Path | str | None = None) -> tuple[Run, ...]:
    """Returns the runs that share the id of a series, or of a study, the oldest first."""
    found = []
    for run in RunStore(runs_dir).list():
        try:
            if series and run.experiment.series == series:
                found.append(run)
        except InputError:  # an experiment that cannot be read is of no series
            continue
    return tuple(reversed(found))


def summary(runs: Iterable[Run]) -> Summary:
    """Returns mean and standard deviation of the metrics over the finished runs of a series."""
    finished: list[str] = []
    live: list[str] = []
    left_out: list[str] = []
    rows: list[dict[str, float]] = []
    for run in runs:
        status = run.status()
        if status.state == "finished":
            finished.append(run.id)
            rows.append(figures_of(run, status))
        else:
            (live if status.state in LIVE else left_out).append(run.id)
    shared = [name for name in METRICS if rows and all(name in row for row in rows)]
    metrics = {name: spread([row[name] for row in rows]) for name in shared}
    return Summary(tuple(finished), tuple(live), tuple(left_out), metrics)


def spread(values: Sequence[float]) -> Spread:
    """Returns mean and sample standard deviation of at least one value."""
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Spread(tuple(values), statistics.fmean(values), deviation)


def figures_of(run: Run, status: RunStatus) -> dict[str, float]:
    """Returns a finished run's metrics as far as it has them."""
    epoch = next((row for row in run.metrics()[0] if row.get("epoch") == status.best_epoch), {})
    judged = {name: getattr(status, name, None) for name in METRICS}
    found = {name: epoch.get(name) if value is None else value for name, value in judged.items()}
    return {
        name: float(value) for name, value in found.items() if isinstance(value, int | float) and math.isfinite(value)
    }
