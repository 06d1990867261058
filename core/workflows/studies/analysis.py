"""What a study says: its settings in a table, what matters, and which differences are larger than chance.

Trainings are what is repeated, so seeds are the unit: Welch's test between settings, corrected by Holm over all pairs.
Two settings with one seed each say nothing about chance.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from core.evaluation.differences import holm, mean_interval, welch
from core.evaluation.intervals import Interval
from core.messages import N_, Sentence
from core.specs.study import Factor, Level, Study
from core.workflows.studies.design import level_text
from core.workflows.studies.members import Standing
from core.workflows.studies.power import reach

MEASURES = ("test_accuracy", "val_accuracy", "val_balanced_accuracy", "val_f1", "val_loss", "seconds")
"""What settings can be compared by; shares but for the last two."""
LOW_IS_GOOD = ("val_loss", "seconds")
LEAST_SEEDS = 3
SIGNIFICANT = 0.05
TREES = 200
Naming = Callable[[Factor, Level], str]
REST, SEEDS = "together", "seeds"
"""Parts of the variance that no single factor has: several factors together, and other seeds of one setting."""


@dataclass(frozen=True, slots=True)
class Row:
    """One setting.

    Attributes:
        setting: Its number.
        label: Its values in words.
        values: Label of its value of each factor.
        measured: The measure of each finished run, in the order of the seeds and folds.
        runs: Ids of those runs.
        mean: Of the measured; ``None`` before one has finished.
        interval: The mean's 95 % interval over seeds; ``None`` with fewer than two.
        members: Runs that it has.
        failed: Those that ended without finishing.
        pruned: Whether a search ended it early.
    """

    setting: int
    label: str
    values: tuple[str, ...]
    measured: tuple[float, ...]
    runs: tuple[str, ...]
    mean: float | None
    interval: Interval | None
    members: int
    failed: int
    pruned: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """Two settings, the better one first.

    Attributes:
        better: Its row.
        worse: Likewise.
        difference: How far apart their means lie, above 0.
        interval: Its 95 % interval, without the correction.
        p_value: Corrected over all pairs.
    """

    better: Row
    worse: Row
    difference: float
    interval: Interval
    p_value: float

    @property
    def larger_than_chance(self) -> bool:
        """Whether it is."""
        return self.p_value < SIGNIFICANT


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a study says so far.

    Attributes:
        measure: What settings are compared by, one of :data:`MEASURES`.
        rows: A row a setting, in the order of the design.
        importance: Share of the variance of each factor's name, of :data:`REST` and of :data:`SEEDS`; empty before two
            settings have finished, or where all are equal.
        differences: All pairs that can be tested, the least likely by chance first.
        sentences: In words, the main one first.
        wanted: Seeds a setting that would show the largest difference, where none is larger than chance yet.
    """

    measure: str
    rows: tuple[Row, ...]
    importance: Mapping[str, float]
    differences: tuple[Difference, ...]
    sentences: tuple[Sentence, ...]
    wanted: int | None = None

    @property
    def best(self) -> Row | None:
        """The setting with the best mean; ``None`` before one has finished."""
        known = [row for row in self.rows if row.mean is not None]
        sign = -1 if self.measure in LOW_IS_GOOD else 1
        return max(known, key=lambda row: sign * (row.mean or 0.0), default=None)


def measures(found: Iterable[Standing]) -> tuple[str, ...]:
    """Returns the measures that every finished member has."""
    done = [one.figures for one in found if one.finished]
    return tuple(name for name in MEASURES if done and all(name in figures for figures in done))


def analyse(
    study: Study, found: Sequence[Standing], measure: str | None = None, named: Naming = level_text
) -> Analysis:
    """Works out what a study's members say.

    Args:
        study: The study.
        found: How its members stand.
        measure: One of :func:`measures`; by default the first of them.
        named: What a value of a factor is called in sentences.
    """
    offered = measures(found)
    chosen = measure if measure in offered else offered[0] if offered else MEASURES[0]
    judged = [one.judged for one in found if one.finished and one.judged]
    step = 1 / min(judged) if judged and chosen in MEASURES[:2] else 0.0
    rows = table(study, found, chosen, step, named)
    differences = compared(rows, step, study.folds, low_is_good=chosen in LOW_IS_GOOD)
    shares = importance(study.factors, rows)
    said, wanted = sentences(rows, differences, chosen), None
    if differences and not study.folds and not any(pair.larger_than_chance for pair in differences):
        groups = [row.measured for row in rows if len(row.measured) >= LEAST_SEEDS]
        largest = max(pair.difference for pair in differences)
        if (limit := reach(groups, largest, step, lambda value: written(value, chosen))) is not None:
            said, wanted = (said[0], limit.sentence, *said[1:]), limit.seeds
    if study.folds and any(row.interval for row in rows):
        said = (*said, Sentence(FOLDS, {}))
    if study.design == "optuna":
        said = (*said, *_searched(rows))
    return Analysis(chosen, rows, shares, differences, said, wanted)


def table(
    study: Study, found: Sequence[Standing], measure: str, step: float = 0.0, named: Naming = level_text
) -> tuple[Row, ...]:
    """Returns a row for each setting; its arguments are those of :func:`analyse`, and the measure's steps."""
    settings: dict[int, list[Standing]] = defaultdict(list)
    for one in found:
        settings[one.member.setting].append(one)
    rows = []
    for setting, members in settings.items():
        levels = members[0].member.levels
        done = [one for one in members if one.finished and measure in one.figures and one.run and not one.pruned]
        values = tuple(one.figures[measure] for one in done)
        rows.append(
            Row(
                setting,
                ", ".join(named(factor, level) for factor, level in zip(study.factors, levels, strict=True)),
                tuple(level.label for level in levels),
                values,
                tuple(one.run.id for one in done if one.run is not None),
                statistics.fmean(values) if values else None,
                _interval(values, measure, step, study.folds),
                len(members),
                sum(one.failed for one in members),
                members[0].pruned,
            )
        )
    return tuple(rows)


def _interval(values: Sequence[float], measure: str, step: float, folds: int) -> Interval | None:
    """Returns the 95 % interval of a mean; that of a share does not leave 0 to 1."""
    found = mean_interval(values, step, folds)
    if found is None or measure in LOW_IS_GOOD:
        return found
    return max(0.0, found[0]), min(1.0, found[1])


def compared(
    rows: Sequence[Row], step: float = 0.0, folds: int = 0, *, low_is_good: bool = False
) -> tuple[Difference, ...]:
    """Tests all pairs of settings with at least three runs each, corrected over the pairs.

    Args:
        rows: The settings.
        step: Width of the steps that the measure is known in, such as 0.01 with 100 images.
        folds: Folds that the runs go through; 0 where they share one division.
        low_is_good: Whether the smaller mean is the better one.
    """
    pairs = []
    for one, other in combinations([row for row in rows if len(row.measured) >= LEAST_SEEDS], 2):
        assert one.mean is not None
        assert other.mean is not None
        swapped = (one.mean < other.mean) != low_is_good
        better, worse = (other, one) if swapped else (one, other)
        low, high = (better, worse) if low_is_good else (worse, better)
        pairs.append((better, worse, welch(low.measured, high.measured, step, folds)))
    corrected = holm([contrast.p_value for *_, contrast in pairs])
    found = [
        Difference(better, worse, contrast.difference, contrast.interval, p_value)
        for (better, worse, contrast), p_value in zip(pairs, corrected, strict=True)
    ]
    return tuple(sorted(found, key=lambda pair: (pair.p_value, -pair.difference)))


def importance(factors: Sequence[Factor], rows: Sequence[Row]) -> dict[str, float]:
    """Divides the variance of all finished runs among the factors, several of them together, and the seeds.

    Where every combination of values has finished, that is the analysis of variance of a balanced design. Elsewhere a
    random forest stands for the settings, and its prediction is averaged over all other factors (functional ANOVA,
    Hutter, Hoos and Leyton-Brown 2014, ICML).
    """
    known = [row for row in rows if row.mean is not None]
    values = np.array([value for row in known for value in row.measured])
    total = float(values.var()) if len(values) else 0.0
    if len(known) < 2 or total < 1e-15:
        return {}
    counts = np.array([len(row.measured) for row in known])
    means = np.array([row.mean for row in known], float)
    within = total - float(np.average((means - values.mean()) ** 2, weights=counts))
    columns = _columns(factors, known)
    full = len(known) == int(np.prod([len(set(column)) for column in columns])) and len(set(counts.tolist())) == 1
    effects = _exact(columns, means) if full else _by_forest(factors, columns, means)
    shares = {factor.name: float(np.var(effect)) / total for factor, effect in zip(factors, effects, strict=True)}
    seeds = max(0.0, within / total)
    scale = min(1.0, max(0.0, 1 - seeds) / max(1e-12, sum(shares.values())))  # a forest may claim more than there is
    shares = {name: share * scale for name, share in shares.items()}
    return shares | {REST: max(0.0, 1 - seeds - sum(shares.values())), SEEDS: seeds}


def _columns(factors: Sequence[Factor], rows: Sequence[Row]) -> list[list[str]]:
    return [[row.values[place] for row in rows] for place in range(len(factors))]


def _exact(columns: Sequence[Sequence[str]], means: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Returns for each factor the mean of all settings that share a setting's value."""
    found = []
    for column in columns:
        labels = np.array(column)
        found.append(np.array([means[labels == label].mean() for label in column]))
    return found


def _by_forest(
    factors: Sequence[Factor], columns: Sequence[Sequence[str]], means: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Returns for each factor a forest's prediction with a setting's value of it, averaged over all settings."""
    from sklearn.ensemble import RandomForestRegressor

    table = np.stack([_numbers(factor, column) for factor, column in zip(factors, columns, strict=True)], axis=1)
    forest = RandomForestRegressor(TREES, random_state=0, min_samples_leaf=1).fit(table, means)
    found = []
    for place in range(len(factors)):
        effect = []
        for value in table[:, place]:
            changed = table.copy()
            changed[:, place] = value
            effect.append(float(forest.predict(changed).mean()))
        found.append(np.array(effect))
    return found


def _numbers(factor: Factor, column: Sequence[str]) -> NDArray[np.float64]:
    """Returns a factor's values as numbers: themselves, or their places in the order of the factor."""
    try:
        found = np.array([float(label) for label in column])
        return np.log(found) if factor.log else found
    except ValueError:
        order = list(dict.fromkeys(level.label for level in factor.levels)) or sorted(set(column))
        return np.array([float(order.index(label)) for label in column])


NOT_YET = N_("What the differences say stands here once two settings have finished.")
NO_MEAN = N_("Mean and interval stand here once two runs have finished.")
MEAN = N_("The mean over {count} runs is {mean} ± {deviation} (standard deviation); its 95 %\u00a0interval: {ends}.")
FOLDS = N_(
    "Folds share most of their training images, so intervals and tests take their spread as larger than it looks "
    "(Nadeau and Bengio 2003)."
)
ONE_SEED = N_(
    "Each setting has fewer than {least} finished seeds, so no difference can be told from chance: two trainings of "
    "one setting differ, too."
)
SOME_SEEDS = N_("Settings with fewer than {least} finished seeds are not compared: {count} of {settings}.")
NONE_LARGER = N_(
    "None of the {pairs} differences between settings is larger than chance (Welch over runs, Holm over the pairs)."
)
ONE_NOT = N_("The difference between the two settings is not larger than chance (Welch over runs).")
ONE_LARGER = N_(
    "The difference is larger than chance (Welch over runs): {better} is better than {worse} by {difference} (95 %: "
    "{low} to {high}; p = {p})."
)
SINGLE_LARGER = N_(
    "One of the {pairs} differences between settings is larger than chance (Welch over runs, Holm over the pairs): "
    "{better} is better than {worse} by {difference} (95 %: {low} to {high}; p = {p})."
)
LARGER = N_(
    "{count} of the {pairs} differences between settings are larger than chance (Welch over runs, Holm over the "
    "pairs). The clearest: {better} is better than {worse} by {difference} (95 %: {low} to {high}; p = {p})."
)
SEARCHED = N_(
    "Each of the {count} settings was picked by TPE after the validation accuracy of those before, so the best figure "
    "is favoured by chance: train the best again with new seeds to know it."
)
PRUNED = N_("Pruned settings: {count}. They lay below the median of those before, were ended early, and do not count.")
BEST = N_("The best, {best}, is better than every other setting by more than chance.")
NOT_TOLD_APART = N_("The best, {best}, cannot be told from {others}.")


def sentences(rows: Sequence[Row], differences: Sequence[Difference], measure: str) -> tuple[Sentence, ...]:
    """Says which differences are larger than chance."""
    known = [row for row in rows if row.mean is not None]
    if len(rows) == 1 and not rows[0].values:
        return (_mean(rows[0], measure),)
    if len(known) < 2:
        return (Sentence(NOT_YET, {}),)
    short = [row for row in rows if len(row.measured) < LEAST_SEEDS and not row.pruned]
    if not differences:
        return (Sentence(ONE_SEED, {"least": LEAST_SEEDS}),)
    rest = [Sentence(SOME_SEEDS, {"count": len(short), "settings": len(rows), "least": LEAST_SEEDS})] if short else []
    larger = [pair for pair in differences if pair.larger_than_chance]
    if not larger:
        none = NONE_LARGER if len(differences) > 1 else ONE_NOT
        return (Sentence(none, {"pairs": len(differences)}), *rest)
    first = larger[0]
    named: dict[str, object] = {
        "count": len(larger),
        "pairs": len(differences),
        "better": first.better.label,
        "worse": first.worse.label,
        "difference": written(first.difference, measure),
        "low": written(first.interval[0], measure),
        "high": written(first.interval[1], measure),
        "p": f"{first.p_value:.2g}",
    }
    template = LARGER if len(larger) > 1 else SINGLE_LARGER if len(differences) > 1 else ONE_LARGER
    return (Sentence(template, named), *_rivals(differences, measure), *rest)


def _searched(rows: Sequence[Row]) -> list[Sentence]:
    """Says what follows from settings that were searched for."""
    pruned = sum(row.pruned for row in rows)
    said = [Sentence(SEARCHED, {"count": len(rows)})] if len(rows) > 1 else []
    return said + ([Sentence(PRUNED, {"count": pruned})] if pruned else [])


def _mean(row: Row, measure: str) -> Sentence:
    """Says what the runs of one setting come to."""
    if row.interval is None or row.mean is None:
        return Sentence(NO_MEAN, {})
    plain = measure in LOW_IS_GOOD
    mean, *ends = (f"{value:.3g}" if plain else f"{100 * value:.1f} %" for value in (row.mean, *row.interval))
    spread = written(statistics.stdev(row.measured), measure)
    return Sentence(MEAN, {"count": len(row.measured), "mean": mean, "deviation": spread, "ends": " – ".join(ends)})


def _rivals(differences: Sequence[Difference], measure: str) -> list[Sentence]:
    """Says which settings the best one cannot be told from."""
    rows = {row.setting: row for pair in differences for row in (pair.better, pair.worse)}
    sign = -1 if measure in LOW_IS_GOOD else 1
    best = max(rows.values(), key=lambda row: sign * (row.mean or 0.0))
    rivals = [pair.worse for pair in differences if pair.better == best and not pair.larger_than_chance]
    rivals.sort(key=lambda row: -sign * (row.mean or 0.0))
    if not rivals:
        whole = sum(pair.better == best for pair in differences) == len(rows) - 1
        return [Sentence(BEST, {"best": best.label})] if whole and len(rows) > 2 else []
    others = "; ".join(row.label for row in rivals[:3]) + ("; …" if len(rivals) > 3 else "")
    return [Sentence(NOT_TOLD_APART, {"best": best.label, "others": others})]


def written(value: float, measure: str) -> str:
    """Writes a difference of a measure: of shares in percentage points."""
    if measure in LOW_IS_GOOD:
        return f"{value:.3g}"
    return f"{100 * value:.1f} pp"
