"""Series: one recipe with several seeds, folds or remedies against imbalance, and what its runs say together.

One run says little about small differences between recipes: another seed or other validation images move the figures
too. A series measures by how much. Loads no torch.
"""

from __future__ import annotations

import math
import secrets
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.data.sources import open_spec
from core.errors import InputError
from core.runs import launch
from core.runs.status import LIVE, RunStatus
from core.runs.store import Run, RunStore
from core.specs import Experiment
from core.workflows.data_check.dividing import divide
from core.workflows.remedies import with_remedy

LARGEST = 100
"""Runs of the largest series."""
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


def expand(
    experiment: Experiment,
    seeds: Sequence[int] = (),
    folds: int = 0,
    *,
    remedies: Sequence[str] = (),
    series: str | None = None,
) -> tuple[Experiment, ...]:
    """Makes the experiments of a series.

    A seed changes the head's first weights, the order of the images and how they are changed; the division of the
    images stays, so that seeds can be compared. With folds, each run validates on another fold; test images are the
    same in all of them and in no fold. With both, every seed goes through every fold, and with remedies under each.

    Args:
        experiment: The recipe.
        seeds: Seeds of the runs; none for the experiment's own.
        folds: Number of folds; 0 for the experiment's own division.
        remedies: Of :data:`core.workflows.remedies.REMEDIES`; none for the experiment's own.
        series: Id that the runs share; by default a new one.

    Returns:
        One experiment for each run, seeds in the order given and the folds of each together.

    Raises:
        InputError: There is only one run, a seed stands twice, or the series is too large.
    """
    chosen = tuple(seeds) or (experiment.training.seed,)
    if len(set(chosen)) < len(chosen):
        raise InputError("A seed stands twice in {seeds}. Give each once.", seeds=", ".join(map(str, chosen)))
    count = len(chosen) * max(1, folds) * max(1, len(remedies))
    if count < 2:
        raise InputError("A series has at least two runs. Give several seeds, or 2 folds or more.")
    if count > LARGEST:
        raise InputError("A series of {count} runs is too large. At most {limit} are made.", count=count, limit=LARGEST)
    shared = series or secrets.token_hex(4)
    found = []
    for seed in chosen:
        for fold in range(max(1, folds)):
            data = replace(experiment.data, folds=folds, fold=fold) if folds else experiment.data
            labels = ([f"seed {seed}"] if len(chosen) > 1 else []) + ([f"fold {fold + 1}/{folds}"] if folds else [])
            one = replace(experiment, data=data, training=replace(experiment.training, seed=seed), series=shared)
            for remedy in remedies or ("",):
                changed = with_remedy(one, remedy) if remedy else one
                told = [*labels, f"remedy {remedy}"] if remedy else labels
                found.append(replace(changed, name=_named(experiment, " · ".join(told))))
    return tuple(found)


def _named(experiment: Experiment, label: str) -> str:
    base = experiment.name or f"{experiment.model.backbone} {Path(experiment.data.source).name}"
    return f"{base[: 120 - len(label) - 3]} · {label}"


def start_series(
    experiment: Experiment,
    seeds: Sequence[int] = (),
    folds: int = 0,
    runs_dir: Path | str | None = None,
    *,
    remedies: Sequence[str] = (),
    roots: Sequence[Path] | None = None,
    owner: str = "",
    estimate_seconds: float | None = None,
) -> tuple[Run, ...]:
    """Starts the runs of a series; they wait for their device like any others.

    Args:
        experiment: The recipe.
        seeds: See :func:`expand`.
        folds: See :func:`expand`.
        remedies: See :func:`expand`.
        runs_dir: Folder of the runs; by default :func:`core.settings.runs_dir`.
        roots: Folders that the processes may read images under, links resolved; ``None`` for no limit.
        owner: Who starts them; owners take turns at a device.
        estimate_seconds: How long one run is expected to take.

    Raises:
        InputError: As for :func:`expand`, the data cannot be dealt out into folds, or a run cannot be started; those
            that were started are called off.
    """
    wanted, started = expand(experiment, seeds, folds, remedies=remedies), list[Run]()
    if folds:
        divide(open_spec(wanted[0].data, roots=roots), wanted[0].data)
    try:
        for one in wanted:
            started.append(launch.start(one, runs_dir, roots=roots, owner=owner, estimate_seconds=estimate_seconds))
    except InputError:
        for run in started:
            run.request("discard")
        raise
    return tuple(started)


def members(series: str, runs_dir: Path | str | None = None) -> tuple[Run, ...]:
    """Returns the runs of a series, the oldest first."""
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
