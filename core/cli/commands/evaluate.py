"""Verbs that judge: a run on images, a confusion matrix that is written down, two runs side by side."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from core.cli.commands.judging import closer
from core.cli.common.output import Output, leaky, share, table
from core.errors import InputError

if TYPE_CHECKING:
    from core.evaluation.figures import Figures
    from core.evaluation.slices import Slice

SHOWN = (
    ("accuracy", "accuracy"),
    ("balanced_accuracy", "balanced accuracy"),
    ("macro_precision", "macro precision"),
    ("macro_recall", "macro recall"),
    ("macro_f1", "macro F1"),
    ("top3_accuracy", "top 3"),
    ("top5_accuracy", "top 5"),
    ("roc_auc", "ROC AUC"),
    ("average_precision", "average precision"),
    ("log_loss", "log loss"),
    ("brier", "Brier score"),
    ("ece", "ECE"),
    ("mcc", "MCC"),
    ("kappa", "kappa"),
)
"""Figures of the table, and what they are called there."""


def add_evaluate(add: Callable[..., argparse.ArgumentParser], runs: argparse.ArgumentParser) -> None:
    """Adds the verb."""
    verb = add("evaluate", "evaluate", "Judge a run, or a confusion matrix.", runs)
    verb.add_argument("run", metavar="RUN", nargs="?", help="at another moment: RUN@start, RUN@last, RUN@12")
    verb.add_argument("--data", metavar="PATH|NAME", help="other images than the run's own")
    verb.add_argument(
        "--slices",
        nargs="*",
        metavar="COLUMN",
        help="accuracy within slices of its own images: by all columns, or by these (class, brightness, patient ...)",
    )
    verb.add_argument(
        "--matrix", metavar="JSON", help="judge these counts, a row for each true class: [[203,33],[41,136]]"
    )
    closer.add_options(verb)


def evaluate(arguments: argparse.Namespace, output: Output) -> None:
    """Judges a run on its own held-out images or on others, or a confusion matrix."""
    if closer.closer(arguments, output):
        return
    if arguments.matrix is not None:
        _matrix(arguments, output)
    elif arguments.run is None:
        raise InputError("evaluate needs a RUN, or a confusion matrix: --matrix [[203,33],[41,136]].")
    else:
        _run(arguments, output)


def _run(arguments: argparse.Namespace, output: Output) -> None:
    from core.workflows import evaluate as judging
    from core.workflows.checkpoints import run_at

    run, checkpoint = run_at(arguments.run, runs_dir=arguments.runs_dir)
    found = judging.evaluate(run, arguments.data, checkpoint=checkpoint)
    scores, figures = found.scores, found.figures()
    rows = [(c.name, f"{c.precision:.3f}", f"{c.recall:.3f}", f"{c.f1:.3f}", c.support) for c in scores.per_class]
    lines = [
        f"{found.split}: {scores.images} images, accuracy {share(scores.accuracy)} "
        f"(always naming the largest class: {share(scores.baseline)})",
        "",
        *_figure_lines(figures),
        "",
        *table(rows, ("class", "precision", "recall", "F1", "images")),
        *(f"left out: {image.reason}" for image in found.unreadable),
    ]
    leaks = None if arguments.data else run.status().leaks
    lines[1:1] = leaky(leaks)
    if found.seen:
        lines.append(f"left out: {found.seen} images that the run learned from")
    record = scores.as_record()
    record["per_class"] = [
        {**row, **figures.class_record(label), **{name: row[name] for name in ("precision", "recall", "f1")}}
        for label, row in enumerate(record["per_class"])
    ]
    record |= figures.as_record()
    record |= {
        "run": run.id,
        "checkpoint": checkpoint,
        "split": found.split,
        "classes": list(found.predictions.classes),
        "unreadable": [{"key": image.key, "reason": image.reason} for image in found.unreadable],
        "seen": found.seen,
        "leaks": leaks and leaks.groups,
    }
    if arguments.slices is not None:
        if arguments.data:
            raise InputError("--slices are of the run's own images, so --data cannot stand beside them.")
        from core.workflows.slices import by_columns

        parts = by_columns(run, found, only=arguments.slices)
        record["slices"] = [one.as_record() for one in parts]
        lines += _slice_lines(parts)
    output.result(record, lines)


def _slice_lines(parts: Sequence[Slice]) -> list[str]:
    """Writes the slices, the worst first."""
    if not parts:
        return ["", "no slice has five images or more"]
    rows = [
        (
            one.column,
            one.value,
            one.images,
            share(one.accuracy),
            f"{share(one.interval[0])} to {share(one.interval[1])}",
            share(one.rest),
            "worse" if one.worse else "",
        )
        for one in parts
    ]
    told = "slices, the worst first; each interval holds by itself, 'worse' after Holm over all of them"
    return ["", told, *table(rows, ("column", "slice", "images", "accuracy", "95 %", "the rest", ""))]


def _matrix(arguments: argparse.Namespace, output: Output) -> None:
    for word in ("run", "data", "slices"):
        if getattr(arguments, word) is not None:
            raise InputError("--matrix is judged by itself, so {word} cannot stand beside it.", word=word)
    try:
        data = json.loads(arguments.matrix)
    except (ValueError, RecursionError) as error:
        raise InputError(
            "--matrix is no list of rows: {text}. Write one row a class: [[203,33],[41,136]].",
            text=arguments.matrix[:60],
        ) from error
    from core.evaluation.figures import judge_matrix, read_matrix

    confusion = read_matrix(data)
    figures = judge_matrix(confusion)
    rows = figures.per_class
    support = confusion.sum(axis=1)
    images = int(confusion.sum())
    baseline = float(support.max() / images)
    lines = [
        f"{images} images, accuracy {share(figures.values['accuracy'])} "
        f"(always naming the largest class: {share(baseline)})",
        "",
        *_figure_lines(figures),
        "",
        *table(
            [
                (label, *(f"{row[name]:.4f}" for name in ("precision", "recall", "f1")), int(support[label]))
                for label, row in enumerate(rows)
            ],
            ("class", "precision", "recall", "F1", "images"),
        ),
        "",
        "A matrix holds no probabilities: it has no ROC curve, no calibration. (A ROC curve drawn through its one "
        "point has the area of the mean recall.)",
    ]
    record: dict[str, Any] = {
        **figures.as_record(),
        "images": images,
        "baseline": baseline,
        "confusion": confusion.tolist(),
        "per_class": [
            {"name": str(label), **figures.class_record(label), "support": int(support[label])}
            for label in range(len(rows))
        ],
    }
    output.result(record, lines)


def _figure_lines(figures: Figures) -> list[str]:
    rows = []
    for name, title in SHOWN:
        if name in figures.intervals:
            low, high = figures.intervals[name]
            rows.append((title, f"{figures.values[name]:.4f}", f"{low:.4f} to {high:.4f}"))
    over = "" if figures.groups is None else f" over {figures.groups} groups"
    return table(rows, ("figure", "value", f"95 % interval{over}"))


def add_compare_runs(add: Callable[..., argparse.ArgumentParser], runs: argparse.ArgumentParser) -> None:
    """Adds the verb."""
    verb = add("compare-runs", "evaluate", "Say whether two networks or recipes differ by more than chance.", runs)
    verb.set_defaults(verb=("core.cli.commands.evaluate", "compare_runs"))
    verb.add_argument("first", metavar="A", help="RUN or RUN@12; for a recipe a series' id, or RUN,RUN,RUN")
    verb.add_argument("second", metavar="B", help="likewise; differences are B less A")
    verb.add_argument("--data", metavar="PATH|NAME", help="judge two networks on other pictures")


def compare_runs(arguments: argparse.Namespace, output: Output) -> None:
    """Says whether two networks, or two recipes, differ by more than chance, and which question that is."""
    from core.workflows import comparison

    found = comparison.compare_runs(arguments.first, arguments.second, data=arguments.data, runs_dir=arguments.runs_dir)
    low, high = found.interval
    over = " and ".join(map(str, found.counts)) + (" pictures" if found.disagree is not None else " seeds")
    lines = [
        found.question,
        f"accuracy {share(found.accuracies[0])} and {share(found.accuracies[1])} on {over}; difference "
        f"{100 * found.difference:+.1f} points (95 %: {100 * low:+.1f} to {100 * high:+.1f})",
        f"{found.test}: p = {found.p_value:.3g}, "
        + ("more than chance alone gives" if found.p_value < 0.05 else "no more than chance gives"),
    ]
    if found.disagree is not None:
        lines.append(f"{found.disagree} pictures that one gets right and the other wrong")
    if found.groups is not None:
        lines.append(f"their division keeps related pictures together: the test rests on {found.groups} groups")
    if found.leaky:
        lines.append(f"leaky, so their accuracies flatter them: {', '.join(found.leaky)}")
    output.result({**dataclasses.asdict(found), "interval": [low, high], "leaky": list(found.leaky)}, lines)
