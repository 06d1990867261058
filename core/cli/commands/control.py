"""Verbs that act on runs: go on with one, send one a request, look at the queue."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from core.cli.commands.train import carry_out
from core.cli.common.helpers import roots
from core.cli.common.output import Output, duration, table
from core.errors import InputError
from core.runs.status import LIVE
from core.runs.store import Run, RunStore

if TYPE_CHECKING:
    from core.runs.jobs import Job
    from core.runs.queue import Place


def resume(arguments: argparse.Namespace, output: Output) -> int:
    """Goes on with a run in the foreground; the first Ctrl-C pauses it again."""
    from core.runs.launch import resume_here

    run = RunStore(arguments.runs_dir).open(arguments.run)

    def make() -> Run:
        resume_here(run)
        return run

    halt = ("pause", "pausing after this step; once more ends at once")
    return carry_out(make, halt, run.experiment.training.device, arguments, output)


def pause(arguments: argparse.Namespace, output: Output) -> None:
    """Asks a run to pause after the step it is in."""
    _ask(arguments, output, "pause")


def stop(arguments: argparse.Namespace, output: Output) -> None:
    """Asks a run to stop after the step it is in, or to go without a trace."""
    _ask(arguments, output, "discard" if arguments.discard else "stop")


def change(arguments: argparse.Namespace, output: Output) -> None:
    """Asks a run to learn at another rate, to unfreeze stages, or to train longer."""
    kind = next(kind for kind in ("rate", "unfreeze", "extend") if getattr(arguments, kind) is not None)
    _ask(arguments, output, kind, getattr(arguments, kind))


def _ask(arguments: argparse.Namespace, output: Output, kind: str, *value: float) -> None:
    run = RunStore(arguments.runs_dir).open(arguments.run)
    state = run.state
    if state not in LIVE:
        raise InputError("The run {name} is {state}, so there is no process to ask.", name=run.name, state=state)
    run.request(kind, *value)
    asked = " ".join([kind, *(f"{number:g}" for number in value)])
    record = {"run": run.id, "path": str(run.path), "asked": kind, "value": value[0] if value else None}
    output.result({**record, "state": run.state}, [f"asked: {asked}"])


def queue(arguments: argparse.Namespace, output: Output) -> None:
    """Shows who has and who waits for which device; moves a run in the line; starts again what a restart left."""
    from core.runs import queue as line

    store = RunStore(arguments.runs_dir)
    revived: list[Any] = []
    if arguments.move:
        name, where = arguments.move
        line.move(_waiting(store, name), where)
    if arguments.revive:
        revived = line.revive(store.root, roots=roots(arguments))
        for run in revived:
            output.progress(f"started again: {run.id}")
    rows = [_row(place) for place in (*line.working(store), *line.waiting(store))]
    shown = [
        (
            row["position"] or "now",
            row["run"],
            row["name"],
            row["device"] or "-",
            row["owner"] or "-",
            duration(row["starts_in"]),
        )
        for row in rows
    ]
    lines = table(shown, ("place", "run", "name", "device", "owner", "starts in"))
    record = {
        "working": [row for row in rows if not row["position"]],
        "waiting": [row for row in rows if row["position"]],
        "revived": [run.id for run in revived],
    }
    output.result(record, lines if rows else ["Nothing waits, and no device is taken."])


def _waiting(store: RunStore, name: str) -> Run | Job:
    """Returns the run of this id, or the job that waits with the runs."""
    from core.runs import queue as line

    found = next((place.run for place in line.waiting(store) if place.run.id == name), None)
    return found or store.open(name)


def _row(place: Place) -> dict[str, Any]:
    run = place.run
    left = None
    if isinstance(run, Run) and not place.position:
        from core.runs.queue import remaining

        left = remaining(run.status())
    return {
        "run": run.id,
        "kind": "run" if isinstance(run, Run) else run.kind,
        "name": run.name,
        "position": place.position,
        "device": place.device,
        "owner": place.owner,
        "starts_in": place.starts_in,
        "ends_in": left,
        "path": str(run.path),
    }
