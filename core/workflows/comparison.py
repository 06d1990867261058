"""Whether two networks, or two recipes, differ by more than chance.

Which question is answered depends on what is repeated. Pictures are drawn anew for two *networks* (McNemar): the answer
holds for these two trainings alone, since two runs of one recipe differ so in a third of cases. Trainings are drawn
anew for two *recipes* (Welch over seeds).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.evaluation import paired
from core.evaluation.differences import welch
from core.evaluation.predictions import Predictions
from core.runs.store import Run, RunStore
from core.workflows.checkpoints import run_at
from core.workflows.comparing.recipe import recipe_key
from core.workflows.evaluate import Evaluation, evaluate, grouped, recorded
from core.workflows.studies.series import members

LEAST_SEEDS = 3
FEW = 25
"""Pictures of different answers below which McNemar's test is exact."""
NETWORKS = "Do these two networks differ on new pictures? (Not whether one recipe is better: that takes several seeds.)"
RECIPES = "Do these two recipes differ, whatever the seed?"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison says.

    Attributes:
        kind: ``networks`` or ``recipes``.
        question: The question that is answered.
        difference: Accuracy of the second less that of the first.
        interval: Its 95 % interval.
        p_value: How often a difference at least as large comes from chance alone.
        disagree: Pictures that one of two networks gets right and the other wrong; ``None`` for recipes.
        accuracies: Of the first and of the second.
        counts: Pictures that were compared, once for networks; or seeds of either recipe.
        test: The test's name.
        leaky: Names of the runs whose own pictures leak, where they are judged on these.
        groups: Groups of related pictures that the test of two networks rests on; ``None`` where each is its own.
    """

    kind: str
    question: str
    difference: float
    interval: tuple[float, float]
    p_value: float
    disagree: int | None
    accuracies: tuple[float, float]
    counts: tuple[int, ...]
    test: str
    leaky: tuple[str, ...] = ()
    groups: int | None = None


def compare_runs(first: str, second: str, *, data: str | None = None, runs_dir: Path | str | None = None) -> Comparison:
    """Compares two runs as networks, or two series of runs as recipes.

    Args:
        first: ``RUN`` or ``RUN@12`` for a network; a series' id, or runs with commas between them, for a recipe.
        second: Likewise, of the same kind.
        data: Other pictures to judge two networks on.
        runs_dir: Where ids are looked up.

    Raises:
        InputError: There is no such run, one is a network and the other a recipe, a recipe has too few seeds, or the
            two were judged on no common pictures.
    """
    sides = [_recipe(reference, runs_dir) for reference in (first, second)]
    if (sides[0] is None) != (sides[1] is None):
        raise InputError(
            "{first} and {second} are a run and a series. Give two of one kind.", first=first, second=second
        )
    if sides[0] and sides[1]:
        if data:
            raise InputError("Recipes are compared on what their runs held out, so --data cannot stand beside them.")
        return replace(of_recipes(sides[0], sides[1]), leaky=_leaky((*sides[0], *sides[1])))
    a, b = (_judged(reference, data, runs_dir) for reference in (first, second))
    related = None if data else groups_of(*a)
    return replace(
        of_networks((a[0], a[1].predictions), (b[0], b[1].predictions), related),
        leaky=() if data else _leaky((a[0], b[0])),
    )


def groups_of(run: Run, judged: Evaluation, *, roots: Sequence[Path] | None = None) -> dict[str, int] | None:
    """Returns the group of each picture by its key, where a run's division keeps groups together; else ``None``.

    Raises:
        InputError: As for :func:`core.workflows.evaluate.grouped`.
    """
    found = grouped(run, judged, roots=roots)
    return None if found.groups is None else dict(zip(found.predictions.keys, found.groups, strict=True))


def of_networks(
    first: tuple[Run, Predictions], second: tuple[Run, Predictions], groups: Mapping[str, int] | None = None
) -> Comparison:
    """Compares two networks on the pictures that both were judged on and neither learned from.

    Args:
        first: A run and its answers.
        second: Another.
        groups: Group of each picture, where some are related: then the test rests on the groups.

    Raises:
        InputError: They know different classes, or were judged on no common picture.
    """
    (run_a, a), (run_b, b) = first, second
    if sorted(a.classes) != sorted(b.classes):
        raise InputError(
            "{first} and {second} know different classes, so their answers cannot be compared.",
            first=run_a.name,
            second=run_b.name,
        )
    place = {key: row for row, key in enumerate(b.keys)}
    pairs = [(row, place[key]) for row, key in enumerate(a.keys) if key in place]
    if not pairs:
        raise InputError(
            "{first} and {second} held out no picture in common. Judge both on new ones: --data PATH.",
            first=run_a.name,
            second=run_b.name,
        )
    rows_a, rows_b = map(list, zip(*pairs, strict=True))
    right_a, right_b = _right(a)[rows_a], _right(b)[rows_b]
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    exact = only_a + only_b < FEW
    found = Comparison(
        "networks",
        NETWORKS,
        float(right_b.mean() - right_a.mean()),
        paired_interval(only_a, only_b, len(pairs)),
        mcnemar_p(only_a, only_b),
        only_a + only_b,
        (float(right_a.mean()), float(right_b.mean())),
        (len(pairs),),
        "McNemar, exact" if exact else "McNemar",
    )
    if groups is None:
        return found
    keys = [a.keys[row] for row in rows_a]
    return _over_groups(found, right_a, right_b, [groups.get(key, -1 - place) for place, key in enumerate(keys)])


def _over_groups(
    found: Comparison, right_a: NDArray[np.bool_], right_b: NDArray[np.bool_], groups: Sequence[int]
) -> Comparison:
    """Returns a comparison of two networks with groups of related pictures as its unit."""
    numbered = np.unique(groups, return_inverse=True)[1].reshape(-1)
    differences = paired.grouped_differences(right_a.astype(np.int64), right_b.astype(np.int64), numbered)
    exact = np.count_nonzero(differences) < paired.FEW
    return replace(
        found,
        interval=paired.grouped_interval(differences, np.bincount(numbered)),
        p_value=paired.grouped_p(differences),
        test="McNemar over groups, exact" if exact else "McNemar over groups (Obuchowski)",
        groups=len(differences),
    )


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Returns McNemar's p-value, exact where few pictures are answered differently."""
    from mlxtend.evaluate import mcnemar

    if not only_first + only_second:
        return 1.0
    table = np.array([[0, only_first], [only_second, 0]])
    return float(mcnemar(table, exact=only_first + only_second < FEW)[1])


def paired_interval(only_first: int, only_second: int, pictures: int) -> tuple[float, float]:
    """Returns the 95 % interval of a difference of paired shares.

    (Bonett and Price 2012, doi:10.3102/1076998611411915.)
    """
    first, second = (only_first + 1) / (pictures + 2), (only_second + 1) / (pictures + 2)
    middle = second - first
    half = 1.959964 * ((first + second - middle**2) / (pictures + 2)) ** 0.5
    return max(-1.0, middle - half), min(1.0, middle + half)


def of_recipes(first: Sequence[Run], second: Sequence[Run]) -> Comparison:
    """Compares two recipes over the seeds of their runs, by Welch's test."""
    parts = [[recorded(run) for run in side] for side in (first, second)]
    split = "test" if all("test" in one for side in parts for one in side) else "val"
    judged = [[one[split].predictions for one in side] for side in parts]
    if len({frozenset(zip(p.keys, p.labels.tolist(), strict=True)) for side in judged for p in side}) > 1:
        raise InputError("The runs of the two recipes were judged on different pictures. Divide their data alike.")
    a, b = ([float(_right(p).mean()) for p in side] for side in judged)
    found = welch(a, b)
    means = float(np.mean(a)), float(np.mean(b))
    counts, test = (len(a), len(b)), "Welch over seeds"
    return Comparison("recipes", RECIPES, found.difference, found.interval, found.p_value, None, means, counts, test)


def _recipe(reference: str, runs_dir: Path | str | None) -> tuple[Run, ...] | None:
    """Returns the runs of a recipe, one a seed; ``None`` where a single run is named."""
    if "," in reference:
        runs = tuple(RunStore(runs_dir).open(name.strip()) for name in reference.split(",") if name.strip())
    else:
        runs = () if "/" in reference or Path(reference).exists() else members(reference, runs_dir)
        if not runs:
            return None
    finished = tuple(run for run in runs if run.state == "finished")
    seeds = {run.experiment.training.seed for run in finished}
    if len(seeds) < LEAST_SEEDS or len(seeds) < len(finished):
        raise InputError(
            "The recipe {name} has {count} finished runs with {seeds} seeds. Two recipes are compared over at least "
            "{least} seeds each, one run a seed: python -m core series ... --seeds 0,1,2.",
            name=reference,
            count=len(finished),
            seeds=len(seeds),
            least=LEAST_SEEDS,
        )
    if len({recipe_key(run.experiment) for run in finished}) > 1:
        raise InputError(
            "The runs of {name} differ by more than their seed, so they are not one recipe.", name=reference
        )
    return finished


def _leaky(runs: Sequence[Run]) -> tuple[str, ...]:
    return tuple(run.name for run in runs if (leaks := run.recorded.leaks) and leaks.groups)


def _judged(reference: str, data: str | None, runs_dir: Path | str | None) -> tuple[Run, Evaluation]:
    run, checkpoint = run_at(reference, runs_dir=runs_dir)
    if data or checkpoint != "best":
        return run, evaluate(run, data, checkpoint=checkpoint)
    known = recorded(run)
    return run, known.get("test") or known.get("val") or evaluate(run)


def _right(predictions: Predictions) -> NDArray[np.bool_]:
    return np.asarray(predictions.probabilities.argmax(axis=1) == predictions.labels)
