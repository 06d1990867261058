"""From a study to its members: which settings the design picks, and the experiment of each. Loads no torch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

from core.errors import InputError
from core.specs import Experiment
from core.specs.study import REMEDY, Factor, Level, Study, label_of
from core.workflows.studies.fields import with_settings

MOST_MEMBERS = 300
"""Runs of the largest study."""
FROM_FIRST = "run:first"
"""Weights that stand for those of the study's first run, see :attr:`core.specs.study.Study.first`."""


@dataclass(frozen=True, slots=True)
class Member:
    """One run of a study.

    Attributes:
        number: Its place, from 0: all seeds of a setting together, and all folds of a seed.
        setting: Number of its setting, from 0.
        levels: The value of each factor, in the order of the factors.
        seed: Its seed.
        experiment: What it does.
    """

    number: int
    setting: int
    levels: tuple[Level, ...]
    seed: int
    experiment: Experiment


def count(study: Study) -> int:
    """Returns how many runs a study has at most (a draw of few values may hold fewer settings)."""
    settings = prod(len(factor.levels) for factor in study.factors) if study.design == "grid" else study.samples
    return settings * len(study.seeds) * max(1, study.folds)


def expand(study: Study, series: str = "", picked: Sequence[Sequence[str]] = ()) -> tuple[Member, ...]:
    """Makes the members of a study.

    Args:
        study: The study.
        series: The id that its runs share.
        picked: Labels of the values of each setting that a search has picked so far, for the design ``optuna``.

    Raises:
        InputError: There are too many, a field or a value is not allowed, or two settings are the same.
    """
    runs = count(study)
    if runs > MOST_MEMBERS:
        raise InputError(
            "The study has {count} runs. At most {most} are made: leave out values or seeds, or draw some settings "
            "with the design random or sobol.",
            count=runs,
            most=MOST_MEMBERS,
        )
    members: list[Member] = []
    known: dict[str, str] = {}
    for setting, levels in enumerate(settings_of(study, picked)):
        made = _experiment(study, levels)
        label = " · ".join(level_text(factor, level) for factor, level in zip(study.factors, levels, strict=True))
        _check(made, study, label, known)
        for seed in study.seeds:
            for fold in range(max(1, study.folds)):
                told = [label] if label else []
                told += [f"seed {seed}"] if len(study.seeds) > 1 else []
                told += [f"fold {fold + 1}/{study.folds}"] if study.folds else []
                data = replace(made.data, folds=study.folds, fold=fold) if study.folds else made.data
                training = replace(made.training, seed=seed)
                name = _named(study, " · ".join(told))
                one = replace(made, data=data, training=training, series=series, name=name)
                members.append(Member(len(members), setting, levels, seed, one))
    return tuple(members)


def level_text(factor: Factor, level: Level) -> str:
    """Returns a value as a member is named after it: a named variant alone, a value behind its field's last word."""
    plain = factor.name == REMEDY or (len(level.settings) == 1 and level.settings[0][0] == factor.name)
    return f"{factor.name.rpartition('.')[2].replace('_', ' ')} {level.label}" if plain else level.label


def preview(study: Study) -> tuple[Member, ...]:
    """Makes members as a study may have them, where a search has yet to pick them; raises as :func:`expand` does."""
    return expand(replace(study, design="random", pruner="none") if study.design == "optuna" else study)


def settings_of(study: Study, picked: Sequence[Sequence[str]] = ()) -> Iterator[tuple[Level, ...]]:
    """Yields the settings that the design picks, each once; the same study always picks the same."""
    if study.design == "grid":
        yield from itertools.product(*(factor.levels for factor in study.factors))
        return
    if study.design == "optuna":
        for labels in picked:
            yield tuple(map(level_called, study.factors, labels))
        return
    seen: set[tuple[str, ...]] = set()
    for row in _points(study):
        levels = tuple(_level(factor, share) for factor, share in zip(study.factors, row, strict=True))
        labels = tuple(level.label for level in levels)
        if labels not in seen:
            seen.add(labels)
            yield levels


def _points(study: Study) -> Sequence[Sequence[float]]:
    """Returns points of the unit cube, one coordinate a factor."""
    import numpy as np

    seed, factors = study.seeds[0], len(study.factors)
    if study.design == "random":
        drawn: list[list[float]] = np.random.default_rng(seed).random((study.samples, factors)).tolist()
        return drawn
    from scipy.stats import qmc

    power = max(1, (study.samples - 1).bit_length())
    even: list[list[float]] = qmc.Sobol(factors, scramble=True, rng=seed).random_base2(power)[: study.samples].tolist()
    return even


def _level(factor: Factor, share: float) -> Level:
    """Returns the value at a share of a factor: of its range, or one of its values."""
    if not factor.ranged:
        return factor.levels[min(len(factor.levels) - 1, int(share * len(factor.levels)))]
    assert factor.low is not None
    assert factor.high is not None
    if factor.log:
        value: float = factor.low * (factor.high / factor.low) ** share
    elif factor.whole:
        value = factor.low + share * (factor.high - factor.low + 1)
    else:
        value = factor.low + share * (factor.high - factor.low)
    return level_at(factor, value)


def level_at(factor: Factor, value: float | str) -> Level:
    """Returns a factor's value: at a number of its range, in four digits, or by its label."""
    if not factor.ranged:
        return level_called(factor, str(value))
    assert factor.low is not None
    assert factor.high is not None
    number = min(int(value), int(factor.high)) if factor.whole else float(f"{value:.4g}")
    known: float = min(max(number, factor.low), factor.high)
    return Level(label_of(known), ((factor.name, known),))


def level_called(factor: Factor, label: str) -> Level:
    """Returns a factor's value by its label.

    Raises:
        InputError: It has none that is called so.
    """
    if factor.ranged:
        try:
            known = int(label) if factor.whole else float(label)
        except ValueError as error:
            raise InputError("{value} is no number for {field}.", value=label[:60], field=factor.name) from error
        return Level(label, ((factor.name, known),))
    found = next((level for level in factor.levels if level.label == label), None)
    if found is None:
        raise InputError("{name} has no value {value}.", name=factor.name, value=label[:60])
    return found


def _experiment(study: Study, levels: Sequence[Level]) -> Experiment:
    settings = [pair for level in levels for pair in level.settings]
    names = [name for name, _ in settings]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError("{field} is set by two factors. Vary it in one of them.", field=twice)
    fold = next((name for name in names if study.folds and name in ("data.folds", "data.fold")), None)
    if fold is not None:
        raise InputError("The folds of the study set {field}, so it cannot be varied beside them.", field=fold)
    made = with_settings(study.experiment, settings)
    if study.is_series or any(name.startswith("training.kept_mib") for name in names):
        return made
    return replace(made, training=replace(made.training, kept_mib=0))  # weights of epochs would fill the disk


def _check(made: Experiment, study: Study, label: str, known: dict[str, str]) -> None:
    """Refuses a setting that cannot be told from another, or that says nothing."""
    heads = all(phase.trains == "head" for phase in made.training.phases)
    freezing = next(
        (f.name for f in study.factors if f.name.startswith("freeze.") and not f.name.endswith(".norm")), None
    )
    if heads and freezing is not None:
        raise InputError(
            "{field} says nothing where every phase trains the head alone. Choose a recipe that trains more, such as "
            "fine-tune.",
            field=freezing,
        )
    text = replace(made, name="", series="", training=replace(made.training, seed=0)).to_json()
    if text in known:
        raise InputError(
            "{first} and {second} are the same experiment, so there is nothing to compare.",
            first=known[text],
            second=label,
        )
    known[text] = label


def _named(study: Study, label: str) -> str:
    source = Path(study.experiment.data.source).name
    base = study.name or (f"{study.experiment.model.backbone} {source}" if study.is_series else source)
    room = 120 - len(label) - 3
    return f"{base[:room]} · {label}" if room > 3 else label[:120]
