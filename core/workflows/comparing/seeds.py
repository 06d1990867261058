"""Recipes over seeds: which runs of a recipe there are, how many seeds it lacks, and starting those. Loads no torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import InputError
from core.runs import launch
from core.runs.status import LIVE
from core.runs.store import Run
from core.workflows.studies.members import part_of

LEAST = 3
"""Seeds of a recipe that a comparison over seeds takes."""


@dataclass(frozen=True, slots=True)
class Seeds:
    """The runs of one recipe.

    Attributes:
        first: The run that the recipe is known by.
        finished: One finished run a seed, the oldest first.
        live: Those of other seeds that are at work or wait.
    """

    first: Run
    finished: tuple[Run, ...]
    live: tuple[Run, ...]

    @property
    def missing(self) -> tuple[int, ...]:
        """Seeds that are still to be started for :data:`LEAST` of them: the smallest that are not taken."""
        taken = {run.experiment.training.seed for run in (*self.finished, *self.live)}
        free = (seed for seed in range(len(taken) + LEAST) if seed not in taken)
        return tuple(next(free) for _ in range(LEAST - len(taken)))

    @property
    def seconds(self) -> float | None:
        """How long its runs took at most; ``None`` where none has finished."""
        return max((run.recorded.seconds or 0.0 for run in self.finished), default=None)


def of_recipe(first: Run, alike: Sequence[Run]) -> Seeds:
    """Sorts the runs of one recipe.

    Args:
        first: The run that the recipe is known by.
        alike: All runs of that recipe, in any order.
    """
    finished: dict[int, Run] = {}
    live: dict[int, Run] = {}
    for run in sorted({first, *alike}, key=lambda run: run.id):
        seed, state = run.experiment.training.seed, run.state
        if state == "finished":
            finished.setdefault(seed, run)
        elif state in LIVE:
            live.setdefault(seed, run)
    return Seeds(first, tuple(finished.values()), tuple(run for seed, run in live.items() if seed not in finished))


def start_missing(
    known: Seeds, runs_dir: Path | str | None = None, *, roots: Sequence[Path] | None = None, owner: str = ""
) -> tuple[Run, ...]:
    """Starts the seeds that a recipe lacks for a comparison over seeds.

    Args:
        known: The recipe's runs.
        runs_dir: Folder of the runs; by default :func:`core.settings.runs_dir`.
        roots: Folders that the processes may read images under, links resolved; ``None`` for no limit.
        owner: Who starts them.

    Returns:
        The started runs; none where no seed is missing.

    Raises:
        InputError: A run cannot be started; those that were started are called off.
    """
    experiment, started = known.first.experiment, list[Run]()
    if part_of(experiment.series) is not None:  # a study has the members that it was launched with
        experiment = replace(experiment, series="")
    base = re.sub(r" · seed \d+.*$", "", known.first.name)
    try:
        for seed in known.missing:
            name = f"{base[:100]} · seed {seed}"
            training = replace(experiment.training, seed=seed)
            started.append(
                launch.start(
                    replace(experiment, name=name, training=training),
                    runs_dir,
                    roots=roots,
                    owner=owner,
                    estimate_seconds=known.seconds,
                )
            )
    except InputError:
        for run in started:
            run.request("discard")
        raise
    return tuple(started)
