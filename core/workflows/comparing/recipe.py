"""Which runs follow one recipe: the same in everything but the seed of the training. Loads no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from core.errors import InputError
from core.runs.store import Run
from core.specs import Experiment


def recipe_key(experiment: Experiment) -> str:
    """Returns what experiments of one recipe have in common: all but name, series, seed and what was found at work."""
    training = replace(experiment.training, seed=0, precisions=())
    return replace(experiment, name="", series="", training=training).to_json()


def recipes(runs: Iterable[Run]) -> list[list[Run]]:
    """Returns runs by recipe, in the order in which each recipe comes first; an unreadable run is a recipe alone."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        try:
            key = recipe_key(run.experiment)
        except InputError:
            key = run.id
        found.setdefault(key, []).append(run)
    return list(found.values())
