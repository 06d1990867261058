"""Judging a run under corruptions and attacks, and by the mean answer to several views of each picture."""

from __future__ import annotations

import argparse
from typing import Any

from core.cli.common.output import Output, share, table
from core.errors import InputError


def add_options(verb: argparse.ArgumentParser) -> None:
    """Adds the options to the verb ``evaluate``."""
    verb.add_argument(
        "--corruptions", metavar="A,B,...", help="accuracy at five strengths: fog,blur,rotation,fgsm,... or all"
    )
    verb.add_argument(
        "--tta",
        metavar="N|mirror|crops",
        help="the mean answer to the picture and N draws of the run's own augmentation, to its mirror image, or to ten "
        "crops, against the picture alone",
    )
    verb.add_argument("--split", choices=("test", "val", "train"), help="of these pictures; by default the held-out")
    verb.add_argument(
        "--pictures", type=int, metavar="N", help="how many pictures of the split, by lot; 0 for all (default: 100)"
    )


def closer(arguments: argparse.Namespace, output: Output) -> bool:
    """Carries out what was asked for; returns whether anything was."""
    asked = [word for word in ("corruptions", "tta") if getattr(arguments, word) is not None]
    if not asked:
        for word in ("split", "pictures"):
            if getattr(arguments, word) is not None:
                raise InputError("--{word} goes with --corruptions or --tta.", word=word)
        return False
    if len(asked) > 1 or arguments.matrix is not None or arguments.data is not None:
        beside = asked[1] if len(asked) > 1 else "matrix" if arguments.matrix is not None else "data"
        raise InputError(
            "--{word} is judged by itself, so --{other} cannot stand beside it.", word=asked[0], other=beside
        )
    if arguments.run is None:
        raise InputError("--{word} needs a RUN.", word=asked[0])
    (_robustness if asked == ["corruptions"] else _views)(arguments, output)
    return True


def _most(arguments: argparse.Namespace) -> int:
    from core.specs.checks import whole
    from core.workflows.judging.held_out import PICTURES

    return PICTURES if arguments.pictures is None else whole("--pictures", arguments.pictures, low=0, high=10_000_000)


def _robustness(arguments: argparse.Namespace, output: Output) -> None:
    from core.workflows.checkpoints import run_at
    from core.workflows.judging.robustness import CORRUPTIONS, measure, named

    names = named(arguments.corruptions)
    run, checkpoint = run_at(arguments.run, runs_dir=arguments.runs_dir)
    found = measure(
        run,
        names,
        split=arguments.split or "",
        most=_most(arguments),
        checkpoint=checkpoint,
        progress=lambda doing, done, total: output.progress(f"{doing} {done} of {total}", passing=True),
    )
    curves = {name: found.curve(name) for name in names}
    rows = [(name, *(f"{100 * value:.1f}" for value, _ in curve)) for name, curve in curves.items()]
    lines = [
        f"{found.split}: {len(found.keys)} of {found.of} images, accuracy in % at strengths 0 (as they are) to 5",
        "",
        *table(rows, ("corruption", *map(str, range(6)))),
    ]
    clean = next(iter(curves.values()))[0]
    record: dict[str, Any] = {
        "run": run.id,
        "checkpoint": checkpoint,
        "split": found.split,
        "images": len(found.keys),
        "of": found.of,
        "accuracy": clean[0],
        "corruptions": {
            name: {"accuracy": [value for value, _ in curve], "intervals": [list(interval) for _, interval in curve]}
            for name, curve in curves.items()
        },
        "mean_corruption_accuracy": None,
        "intervals": {"accuracy": list(clean[1])},
    }
    chosen = [name for name in names if name in CORRUPTIONS]
    if chosen:
        value, (low, high) = found.mean(chosen)
        record["mean_corruption_accuracy"] = value
        record["intervals"]["mean_corruption_accuracy"] = [low, high]
        lines += ["", f"mean over corruptions and strengths: {share(value)} (95 %: {share(low)} to {share(high)})"]
    output.result(record, lines)


def _views(arguments: argparse.Namespace, output: Output) -> None:
    from core.workflows.checkpoints import run_at
    from core.workflows.judging.test_time import DRAWS, MOST_DRAWS, Views, average_views

    word = arguments.tta
    if not (word.isascii() and word.isdigit()) and word not in ("mirror", "crops"):
        raise InputError(
            "--tta {value} is neither mirror nor crops nor a number of draws from 1 to {most}.",
            value=word[:40],
            most=MOST_DRAWS,
        )
    way, draws = ("draws", int(word)) if word.isdigit() else (word, DRAWS)
    run, checkpoint = run_at(arguments.run, runs_dir=arguments.runs_dir)
    found = average_views(
        run,
        Views(way, draws),
        split=arguments.split or "",
        most=_most(arguments),
        checkpoint=checkpoint,
        progress=lambda doing, done, total: output.progress(f"{doing} {done} of {total}", passing=True),
    )
    (alone, (low, high)), (mean, (low_mean, high_mean)) = found.without, found.with_views
    difference, (least, most) = found.difference
    lines = [
        f"{found.split}: {found.pictures} of {found.of} images, {found.views} views of each",
        f"the picture alone: {share(alone)} (95 %: {share(low)} to {share(high)})",
        f"mean of the views: {share(mean)} (95 %: {share(low_mean)} to {share(high_mean)})",
        f"difference {100 * difference:+.1f} points (95 %: {100 * least:+.1f} to {100 * most:+.1f}), McNemar "
        f"p = {found.p_value:.3g}, {found.gained} gained and {found.lost} lost",
        f"log loss {found.log_losses[0]:.4f} and {found.log_losses[1]:.4f}",
    ]
    output.result({"run": run.id, "checkpoint": checkpoint, **found.as_record()}, lines)
