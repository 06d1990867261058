"""The verb that writes a run's report."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from core.cli.common.output import Output
from core.errors import InputError


def add_report(add: Callable[..., argparse.ArgumentParser], runs: argparse.ArgumentParser) -> None:
    """Adds the verb."""
    verb = add("report", "leaving.report", "Write a run as one HTML file that opens offline and prints.", runs)
    verb.add_argument("run", metavar="RUN", help="at another moment: RUN@start, RUN@last, RUN@12")
    verb.add_argument("--out", required=True, metavar="FILE.html")
    verb.add_argument("--untested", action="store_true", help="do not test the heatmaps, which takes seconds each")
    verb.add_argument("--lang", default="en", metavar="CODE", help="language, where it has a catalogue; en by default")


def report(arguments: argparse.Namespace, output: Output) -> None:
    """Writes the report."""
    from core.translations import languages
    from core.workflows.checkpoints import run_at
    from core.workflows.jobs.data_check import kept
    from core.workflows.report.report import write_report

    run, checkpoint = run_at(arguments.run, runs_dir=arguments.runs_dir)
    path = Path(arguments.out)
    if arguments.lang not in languages():
        raise InputError(
            "There is no catalogue of the language {code}. There are: {known}.",
            code=arguments.lang[:20],
            known=", ".join(languages()),
        )
    if not path.parent.is_dir():
        raise InputError("The folder {folder} is not there. Make it first.", folder=str(path.parent))

    def step(doing: str, done: int, total: int) -> None:
        output.progress(f"{doing}: {done} of {total}" if total else doing, passing=True)

    found = write_report(
        run,
        path,
        checkpoint=checkpoint,
        tested=not arguments.untested,
        language=arguments.lang,
        check=kept(run.experiment.data, run.path.parent),
        step=step,
    )
    output.result(
        {"run": run.id, "checkpoint": checkpoint, "file": str(path), **asdict(found)},
        [f"written to {path}: {found.bytes / 1e3:.0f} kB, {found.pictures} pictures with heatmaps"],
    )
