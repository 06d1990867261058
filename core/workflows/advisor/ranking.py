"""What a ranking of backbones is: its rows, its order, and how well it foretold finished runs. Loads no torch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.errors import InputError
from core.evaluation.transferability import Transferability
from core.messages import Sentence
from core.runs.status import RunStatus
from core.runs.store import Run
from core.specs import DataSpec, HeadSpec, ModelSpec, from_record

MAIN_SCORE = "log_me"
"""The score that the predicted order goes by: defined for any number of features, and made to compare networks with
features of different lengths, where shares of images classified right soon all stand at 100 %."""
IMAGES = 1000
"""Training images that a ranking looks at, at most."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """One backbone's part of a ranking.

    Attributes:
        model: Network and weights; its head plays no part.
        scores: What its frozen features promise; ``None`` where it was left out.
        seconds: For building it, one pass over the images and the scores.
        precision: ``fp32`` or ``bf16``.
        problem: Why it was left out.
    """

    model: ModelSpec
    scores: Transferability | None = None
    seconds: float = 0.0
    precision: str = ""
    problem: Sentence | None = None

    def score(self, name: str = MAIN_SCORE) -> float | None:
        """Returns one of :data:`SCORES`."""
        return None if self.scores is None else getattr(self.scores, name)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Backbones compared on the training images of a data set.

    Attributes:
        data: The images and their division; only the split ``train`` was looked at.
        rows: The backbones, in the order in which they were asked for.
        images: Training images that the scores rest on.
        training_images: Training images altogether.
        classes: Number of classes.
        seconds: For everything, reading the images too.
        device: Where it was computed.
        complete: Whether every backbone was looked at; not so while it goes on, or after a stop.
    """

    data: DataSpec
    rows: tuple[Ranked, ...]
    images: int
    training_images: int
    classes: int
    seconds: float
    device: str
    complete: bool = True

    def ordered(self, score: str = MAIN_SCORE) -> tuple[Ranked, ...]:
        """Returns the backbones that have this score, the most promising first; of equals the one of more evidence."""
        scored = [row for row in self.rows if row.score(score) is not None]
        return tuple(sorted(scored, key=lambda row: (-(row.score(score) or 0.0), -(row.score(MAIN_SCORE) or 0.0))))

    def find(self, model: ModelSpec) -> Ranked | None:
        """Returns the row of a network, whatever its head."""
        return next((row for row in self.rows if without_head(row.model) == without_head(model)), None)

    def as_record(self) -> dict[str, Any]:
        """Returns the ranking as JSON-ready data, the predicted order included."""
        rows = []
        for row in self.rows:
            problem = row.problem and {"template": row.problem.template, "values": _plain(row.problem.values)}
            rows.append({**dataclasses.asdict(replace(row, problem=None)), "problem": problem})
        order = [self.rows.index(row) for row in self.ordered()]
        return {**dataclasses.asdict(replace(self, rows=())), "rows": rows, "order": order}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Ranking:
        """Reads what :meth:`as_record` wrote.

        Raises:
            InputError: It is no ranking, or one of another version.
        """
        try:
            rows = []
            for row in record["rows"]:
                scores, problem = row["scores"], row["problem"]
                rows.append(
                    Ranked(
                        model=from_record(ModelSpec, "model", row["model"]),
                        scores=None if scores is None else Transferability(**scores),
                        seconds=row["seconds"],
                        precision=row["precision"],
                        problem=None if problem is None else Sentence(problem["template"], problem["values"]),
                    )
                )
            data = from_record(DataSpec, "data", record["data"])
            stored = {field.name for field in dataclasses.fields(cls)} - {"data", "rows"}
            return cls(data=data, rows=tuple(rows), **{name: record[name] for name in stored})
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError("The ranking is damaged or of another version. Make it anew.") from error


@dataclass(frozen=True, slots=True)
class Pair:
    """A backbone that was ranked and trained.

    Attributes:
        row: What was predicted.
        run: Id of its best run on the same images.
        name: The run's name.
        preset: The run's recipe.
        accuracy: What the run reached.
    """

    row: Ranked
    run: str
    name: str
    preset: str
    accuracy: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A ranking held against what was reached.

    Attributes:
        score: The score that predicted.
        split: ``test`` where every run was tested, else ``val``: which accuracy counts.
        pairs: One for each backbone that was ranked and trained, the best first.
        tau: Kendall's tau between score and accuracy, -1 to 1 (1: the order was right); ``None`` with fewer than 3
            pairs or where all are equal.
        weighted_tau: The same with more weight on the best (Vigna 2015, arXiv:1404.3325), as papers on
            transferability report it.
        images: How many images the accuracies rest on: differences of one or two of them are chance. 0 where no run
            has a record of them.
    """

    score: str
    split: str
    pairs: tuple[Pair, ...]
    tau: float | None
    weighted_tau: float | None
    images: int = 0


def candidate(text: str) -> ModelSpec:
    """Reads a backbone as the command line names it: ``resnet18``, or with its weights ``resnet18@none``.

    Raises:
        InputError: The weights are not written as weights are.
    """
    name, _, weights = text.strip().partition("@")
    return ModelSpec(name, weights or "default")


def without_head(model: ModelSpec) -> ModelSpec:
    """Returns the same network with a plain head: what a score of frozen features belongs to."""
    return replace(model, head=HeadSpec())


def compare(ranking: Ranking, runs: Iterable[Run], score: str = MAIN_SCORE) -> Comparison:
    """Holds a ranking against the finished runs on the same images, divided alike.

    Of several runs of one network the one with the best validation accuracy counts.

    Args:
        ranking: What was predicted.
        runs: Any runs; those that do not belong to it are passed over.
        score: One of :data:`SCORES`.
    """
    best: dict[ModelSpec, tuple[float, Run, RunStatus]] = {}
    for run in runs:
        try:
            status, experiment = run.status(), run.experiment
        except InputError:  # gone, or damaged
            continue
        accuracy = status.val_accuracy
        model = without_head(experiment.model)
        if status.state != "finished" or experiment.data != ranking.data or accuracy is None:
            continue
        if model not in best or accuracy > best[model][0]:
            best[model] = (accuracy, run, status)
    matched = [(row, *best[key]) for row in ranking.ordered(score) if (key := without_head(row.model)) in best]
    tests = [status.test_accuracy for *_, status in matched if status.test_accuracy is not None]
    tested = bool(matched) and len(tests) == len(matched)
    accuracies = tests if tested else [accuracy for _, accuracy, *_ in matched]
    pairs = [
        Pair(row, run.id, run.name, run.experiment.training.preset, accuracy)
        for (row, _, run, _), accuracy in zip(matched, accuracies, strict=True)
    ]
    pairs.sort(key=lambda pair: -pair.accuracy)
    predicted = [float(pair.row.score(score) or 0.0) for pair in pairs]
    tau, weighted = _agreement(predicted, [pair.accuracy for pair in pairs])
    measured = "test" if tested else "val"
    images = [sum(row["split"] == measured for row in run.split_rows()) for _, _, run, _ in matched[:1]]
    return Comparison(score, measured, tuple(pairs), tau, weighted, sum(images))


def _agreement(predicted: Sequence[float], accuracy: Sequence[float]) -> tuple[float | None, float | None]:
    """Returns Kendall's tau and its weighted form, where there is something to compare."""
    if len(predicted) < 3:
        return None, None
    from scipy import stats

    found = (stats.kendalltau(predicted, accuracy).statistic, stats.weightedtau(predicted, accuracy).statistic)
    plain, weighted = (None if math.isnan(value) else float(value) for value in found)
    return plain, weighted


def _plain(values: dict[str, object]) -> dict[str, object]:
    """Returns values that JSON can hold."""
    return {key: value if isinstance(value, int | float | str) else str(value) for key, value in values.items()}
