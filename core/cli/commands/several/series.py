"""The verb that trains one recipe several times, a study without factors, and reports its runs together."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from core.cli.commands.several.study import wait_for
from core.cli.common.helpers import roots, user
from core.cli.common.output import Output, share, table
from core.cli.common.training_options import given
from core.errors import InputError
from core.workflows.remedies import COMPARED, Remedied
from core.workflows.remedies import table as remedied
from core.workflows.studies import members as studies
from core.workflows.studies.series import Spread, Summary, members, series_study, summary

SHARE_METRICS = ("test_accuracy", "val_accuracy", "val_balanced_accuracy", "val_f1")
"""Metrics that are shares, and shown in percent."""


def series(arguments: argparse.Namespace, output: Output) -> int:
    """Starts a series and waits for its runs, or reports one that was started before."""
    if arguments.series:
        _nothing_beside(arguments)
        return _report(arguments.series, arguments, output)
    from core.cli.common.experiment_args import experiment

    if arguments.seeds is None and arguments.folds is None and not arguments.remedies:
        raise InputError(
            "series needs --seeds 0,1,2, --folds 5 or --remedies (or the id of a series that was started)."
        )
    study = series_study(
        experiment(arguments),
        arguments.seeds or (),
        arguments.folds or 0,
        remedies=COMPARED if arguments.remedies else (),
    )
    job = studies.start(study, arguments.runs_dir, roots=roots(arguments), owner=user())
    output.progress(f"series {job.id}: {len(studies.members_of(job))} runs")
    if not arguments.background:
        wait_for(job, output)
    return _report(job.id, arguments, output)


def _nothing_beside(arguments: argparse.Namespace) -> None:
    names = ("seeds", "folds", "experiment", "recipe")
    words = [f"--{name}" for name in names if getattr(arguments, name) is not None]
    words += ["--remedies"] if arguments.remedies else []
    others = [*given(arguments), *words]
    if others:
        raise InputError(
            "The id of a series tells of one that was started before, so {word} cannot stand beside it.", word=others[0]
        )


def _report(name: str, arguments: argparse.Namespace, output: Output) -> int:
    """Reports a series; one that an earlier version started is no study, and all its runs are there."""
    runs = members(name, arguments.runs_dir)
    job = studies.part_of(name, arguments.runs_dir)
    if not runs and job is None:
        raise InputError("There are no runs of a series {name} here.", name=name)
    count = len(runs) if job is None else len(studies.members_of(job))
    found, under = summary(runs), remedied(runs)
    under = under if len({one.remedy for one in under}) > 1 else ()
    record = {
        "series": name,
        "runs": [{"run": run.id, "name": run.name, "state": run.state, "path": str(run.path)} for run in runs],
        "finished": len(found.finished),
        "metrics": {
            name: {"mean": spread.mean, "deviation": spread.deviation, "values": list(spread.values)}
            for name, spread in found.metrics.items()
        },
    }
    if under:
        record["remedies"] = [one.as_record() for one in under]
    missing = job is not None and not studies.alive(job) and len(found.finished) < count
    more = [f"train what is missing: python -m core study --resume {name}"] if missing else []
    output.result(record, _lines(found, count) + _remedy_lines(under) + more)
    return 1 if found.left_out or missing else 0


def _lines(found: Summary, count: int) -> list[str]:
    lines = [f"{len(found.finished)} of {count} runs finished" + (f", {len(found.live)} go on" if found.live else "")]
    rows = [(name.replace("_", " "), *_figures(name, spread)) for name, spread in found.metrics.items()]
    return lines + (table(rows, ("", "mean", "deviation", "least", "most")) if rows else [])


def _figures(name: str, spread: Spread) -> tuple[str, ...]:
    values = (spread.mean, spread.deviation, min(spread.values), max(spread.values))
    return tuple("-" if v is None else share(v) if name in SHARE_METRICS else f"{v:.3g}" for v in values)


def _remedy_lines(under: Sequence[Remedied]) -> list[str]:
    """Writes what each remedy did for the rarest class."""
    if not under:
        return []
    first = under[0]
    names = ("recall", "balanced_accuracy", "accuracy")
    rows = [
        (one.remedy, *(f"{share(one.figures[n])} ({_ends(one, n)})" for n in names if n in one.figures))
        for one in under
    ]
    head = f"recall of {first.rarest} ({first.learned} learned from, {first.judged} of {first.split} judged)"
    return ["", head, *table(rows, ("remedy", "its recall (95 %)", "balanced accuracy", "accuracy"))]


def _ends(one: Remedied, name: str) -> str:
    return " to ".join(share(end) for end in one.intervals[name])
