"""Writes the report of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from core.errors import InputError
from core.evaluation.calibration import reliability
from core.evaluation.figures import Figures
from core.runs.files import read_json, read_lines, write_atomic
from core.runs.store import Run
from core.workflows.checkpoints import network_at
from core.workflows.coach.diagnose import advise_run
from core.workflows.evaluate import Evaluation, evaluate, grouped, recorded
from core.workflows.images import reopen
from core.workflows.report import charts, pictures, recipe
from core.workflows.report.charts import Line

MOST_CLASSES = 20
"""Classes up to which the confusion matrix is drawn whole; of more the report lists the most frequent mistakes."""
MOST_LISTED = 20
SHOWN = (
    ("accuracy", "Accuracy", True),
    ("balanced_accuracy", "Balanced accuracy", True),
    ("top3_accuracy", "Top-3 accuracy", True),
    ("macro_precision", "Macro precision", True),
    ("macro_recall", "Macro recall", True),
    ("macro_f1", "Macro F1", True),
    ("roc_auc", "ROC AUC, macro", False),
    ("average_precision", "Average precision, macro", False),
    ("mcc", "MCC", False),
    ("log_loss", "Log loss (nats)", False),
    ("brier", "Brier score", False),
    ("ece", "ECE (15 bins of equal mass)", True),
)
Step = Callable[[str, int, int], object]


@dataclass(frozen=True, slots=True)
class Written:
    """A report that was written.

    Attributes:
        bytes: Its size.
        pictures: Pictures with heatmaps in it.
        split: What the run was judged on; empty where it was not.
    """

    bytes: int
    pictures: int
    split: str


def write_report(
    run: Run,
    path: Path,
    *,
    checkpoint: str = "best",
    roots: Sequence[Path] | None = None,
    tested: bool = True,
    step: Step = lambda *_: None,
) -> Written:
    """Writes a run's report: one HTML file with all that it needs inside.

    Args:
        run: A run that has ended.
        path: The file.
        checkpoint: Which weights, as for :func:`core.workflows.checkpoints.network_at`.
        roots: Folders that the run's images must lie under, links resolved; ``None`` for no limit.
        tested: Whether the heatmaps are tested, which takes some seconds each.
        step: Called with what is being done, how much of it is done and how much there is; what it raises ends it.

    Raises:
        InputError: The run cannot be read, or has no such weights.
        OSError: The file cannot be written.
    """
    experiment = run.experiment
    step("judging", 0, 0)
    part, unjudged = _judged(run, checkpoint, roots)
    looked: list[pictures.Looked] = []
    shown: list[tuple[str, str]] = []
    missing = ""
    try:
        dataset = reopen(run, roots=roots)
        shown = pictures.samples(dataset)
        if part is not None and run.has_weights:
            step("building the network", 0, 0)
            network = network_at(run, checkpoint, roots=roots)
            looked = pictures.worst(
                run, network, dataset, part.predictions, tested=tested, checkpoint=checkpoint, step=step
            )
    except InputError as error:
        missing = str(error)
    step("writing the report", 0, 0)
    text = (
        _templates()
        .get_template("report.html.j2")
        .render(
            run=run,
            name=run.name,
            made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            experiment=experiment,
            network=recipe.in_words(experiment)[0][1],
            status=run.status(),
            environment=read_json(run.path / "environment.json"),
            checkpoint=checkpoint,
            recipe=recipe.in_words(experiment),
            data=recipe.data_in_words(run, experiment),
            counts=_counts(run),
            findings=_findings(run),
            unjudged=unjudged,
            pictures=looked,
            samples=shown,
            missing=missing,
            curves=_curves(run),
            **_of(run, part, roots),
        )
    )
    write_atomic(path, text.encode("utf-8", "replace"))
    return Written(path.stat().st_size, len(looked), part.split if part else "")


def _judged(run: Run, checkpoint: str, roots: Sequence[Path] | None) -> tuple[Evaluation | None, str]:
    """Returns what the run answered on its test images, else on those of validation; or why it cannot be judged."""
    found = recorded(run) if checkpoint == "best" else {}
    part = found.get("test") or found.get("val")
    if part is not None:
        return part, ""
    try:
        return evaluate(run, checkpoint=checkpoint, roots=roots), ""
    except InputError as error:
        return None, str(error)


def _of(run: Run, part: Evaluation | None, roots: Sequence[Path] | None) -> dict[str, Any]:
    """Returns what the report says of an evaluation."""
    if part is None:
        return {"part": None, "figures": None, "rows": [], "matrix": None, "confused": [], "reliability": ""}
    figures = _figures(run, part, roots)
    scores, names = part.scores, part.predictions.classes
    rows = [
        (title, _written(figures.values[name], share=share), *(_written(end, share=share) for end in ends))
        for name, title, share in SHOWN
        if (ends := figures.intervals.get(name)) is not None
    ]
    confidence = part.predictions.probabilities.max(axis=1).astype(np.float64)
    right = (part.predictions.probabilities.argmax(axis=1) == part.predictions.labels).astype(np.int64)
    whole = len(names) <= MOST_CLASSES
    return {
        "part": part,
        "figures": figures,
        "rows": rows,
        "matrix": scores.confusion.tolist() if whole else None,
        "shares": scores.confusion_shares.tolist() if whole else None,
        "confused": [(names[true], names[said], count) for true, said, count in scores.confused()[:MOST_LISTED]],
        "reliability": charts.reliability(reliability(confidence, right)),
    }


def _figures(run: Run, part: Evaluation, roots: Sequence[Path] | None) -> Figures:
    try:
        return grouped(run, part, roots=roots).figures()
    except InputError:  # the groups cannot be formed any more; the report says that each image counts by itself
        return part.figures()


def _written(value: float, *, share: bool) -> str:
    return f"{100 * value:.1f} %" if share else f"{value:.3f}"


def _curves(run: Run) -> list[str]:
    rows, _end = run.metrics()
    best = run.recorded.best_epoch
    starts = {row.get("phase_index"): row for row in reversed(rows)}
    marks = [(float(row["epoch"]), str(row.get("phase") or "")) for index, row in starts.items() if index]
    if best:
        marks.append((float(best), "best"))

    def line(title: str, colour: str, name: str) -> Line:
        points = [(float(row["epoch"]), float(row[name])) for row in rows if row.get(name) is not None]
        return Line(title, colour, points)

    return [
        charts.lines(
            [line("training", "train", f"train_{name}"), line("validation", "val", f"val_{name}")],
            across="epoch",
            up=name,
            marks=marks,
            share=name == "accuracy",
        )
        for name in ("accuracy", "loss")
    ]


def _counts(run: Run) -> dict[str, Any]:
    """Returns the images of each class in each split, the largest classes first."""
    found = Counter((row["label"], row["split"]) for row in run.split_rows())
    splits = [name for name in ("train", "val", "test") if any(split == name for _label, split in found)]
    sizes = Counter[str]()
    for (label, _split), count in found.items():
        sizes[label] += count
    return {
        "splits": splits,
        "rows": [(name, [found[name, split] for split in splits], size) for name, size in sizes.most_common(50)],
        "more": max(0, len(sizes) - 50),
        "totals": [sum(count for (_label, split), count in found.items() if split == name) for name in splits],
        "all": sum(sizes.values()),
    }


def _findings(run: Run) -> list[tuple[str, str, str]]:
    """Returns what the coach says of the run: tone, sentence, advice."""
    counts: dict[str, dict[str, int]] = {}
    for row in run.split_rows():
        split = counts.setdefault(row["split"], {})
        split[row["label"]] = split.get(row["label"], 0) + 1
    rows, _end = run.metrics()
    if not rows:
        return []
    health, _end = read_lines(run.path / "health.jsonl")
    found = advise_run(rows, health, run.status(), run.experiment, counts)
    return [(finding.tone, str(finding.sentence), str(finding.advice)) for finding in found]


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
