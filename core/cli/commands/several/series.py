"""The verb that trains one recipe several times, and reports its runs together."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from core.cli.common.helpers import gentle_stop, roots, user
from core.cli.common.output import Output, share, table
from core.cli.common.training_options import given
from core.errors import InputError
from core.runs.status import LIVE
from core.runs.store import Run
from core.workflows.remedies import COMPARED, Remedied
from core.workflows.remedies import table as remedied
from core.workflows.run_series import Spread, Summary, members, start_series, summary

POLL_SECONDS = 0.5
SHARE_METRICS = ("test_accuracy", "val_accuracy", "val_balanced_accuracy", "val_f1")
"""Metrics that are shares, and shown in percent."""


def series(arguments: argparse.Namespace, output: Output) -> int:
    """Starts a series and waits for its runs, or reports one that was started before."""
    if arguments.series:
        _nothing_beside(arguments)
        runs = members(arguments.series, arguments.runs_dir)
        if not runs:
            raise InputError("There are no runs of a series {name} here.", name=arguments.series)
        return _report(runs, output)
    runs = _started(arguments)
    output.progress(f"series {runs[0].experiment.series}: {len(runs)} runs")
    if not arguments.background:
        stop_requested = [False]

        def request_stop() -> None:
            stop_requested[0] = True
            output.progress("stopping after this step; the best weights are kept")
            for run in runs:
                if run.state in LIVE:
                    run.request("stop")

        with gentle_stop(lambda: stop_requested[0], request_stop):
            _wait(runs, output)
    return _report(runs, output)


def _started(arguments: argparse.Namespace) -> tuple[Run, ...]:
    from core.cli.common.experiment_args import experiment

    if arguments.seeds is None and arguments.folds is None and not arguments.remedies:
        raise InputError(
            "series needs --seeds 0,1,2, --folds 5 or --remedies (or the id of a series that was started)."
        )
    return start_series(
        experiment(arguments),
        arguments.seeds or (),
        arguments.folds or 0,
        arguments.runs_dir,
        remedies=COMPARED if arguments.remedies else (),
        roots=roots(arguments),
        owner=user(),
    )


def _nothing_beside(arguments: argparse.Namespace) -> None:
    names = ("seeds", "folds", "experiment", "recipe")
    words = [f"--{name}" for name in names if getattr(arguments, name) is not None]
    words += ["--remedies"] if arguments.remedies else []
    others = [*given(arguments), *words]
    if others:
        raise InputError(
            "The id of a series tells of one that was started before, so {word} cannot stand beside it.", word=others[0]
        )


def _wait(runs: Sequence[Run], output: Output) -> None:
    """Waits until no run is live, and prints how each ended."""
    left = list(runs)
    while left:
        for run in [run for run in left if run.state not in LIVE]:
            left.remove(run)
            output.progress(f"{run.state}: {run.name} ({len(runs) - len(left)} of {len(runs)})")
        if left:
            time.sleep(POLL_SECONDS)


def _report(runs: Sequence[Run], output: Output) -> int:
    found, under = summary(runs), remedied(runs)
    under = under if len({one.remedy for one in under}) > 1 else ()
    record = {
        "series": runs[0].experiment.series,
        "runs": [{"run": run.id, "name": run.name, "state": run.state, "path": str(run.path)} for run in runs],
        "finished": len(found.finished),
        "metrics": {
            name: {"mean": spread.mean, "deviation": spread.deviation, "values": list(spread.values)}
            for name, spread in found.metrics.items()
        },
    }
    if under:
        record["remedies"] = [one.as_record() for one in under]
    output.result(record, _lines(found, len(runs)) + _remedy_lines(under))
    return 1 if found.left_out else 0


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
