"""Verbs that train and judge."""

from __future__ import annotations

import argparse
import os
import subprocess
from collections.abc import Callable
from typing import Any

from core.cli.common.experiment_args import experiment
from core.cli.common.helpers import gentle_stop, roots, user
from core.cli.common.output import Output, leaky, share
from core.cli.common.training_options import given
from core.errors import InputError
from core.models.anatomy_cache import blueprint
from core.runs.process import program
from core.runs.status import RunStatus
from core.runs.store import Run, RunStore
from core.training.recipes import idle_phases


def train(arguments: argparse.Namespace, output: Output) -> int:
    """Trains a new run, or one whose folder was made before, in the foreground; under ``torchrun`` with others."""
    device = getattr(arguments, "device", None)
    if arguments.run:
        _nothing_beside(arguments)
        device = RunStore(arguments.runs_dir).open(arguments.run).experiment.training.device
    halt = ("stop", "stopping after this step; the best weights are kept")
    return carry_out(lambda: _run(arguments, output), halt, device or "auto", arguments, output)


def carry_out(
    make: Callable[[], Run], halt: tuple[str, str], device: str, arguments: argparse.Namespace, output: Output
) -> int:
    """Trains a run in this process, or in this one and those that ``torchrun`` started with it.

    Args:
        make: Makes or opens the run.
        halt: What the first Ctrl-C requests, and the message then.
        device: Where it trains.
        arguments: Of the command line.
        output: Receives progress and result.
    """

    def work_here(run: Run) -> RunStatus:
        from core.workflows.trainer_process.worker import work

        output.progress(f"run {run.id}")

        def request_stop() -> None:
            output.progress(halt[1])
            run.request(halt[0])

        with gentle_stop(lambda: run.stop_requested, request_stop):
            return work(run, lambda record: show(record, output), roots=roots(arguments))

    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        run = make()
        processes = run.experiment.training.processes
        if processes > 1:
            return subprocess.call([*program(processes), "train", "--run", str(run.path), *_passed_on(arguments)])
        return report(run, work_here(run), output)
    from core.workflows.trainer_process.torchrun import work_together

    found = work_together(make, work_here, device, roots(arguments))
    return 0 if found is None else report(*found, output)


def _passed_on(arguments: argparse.Namespace) -> list[str]:
    """Returns the words that processes started from this one are given too."""
    limits = [word for root in arguments.within or () for word in ("--within", root)]
    return [*(["--json"] if arguments.json else []), *(["--quiet"] if arguments.quiet else []), *limits]


def _run(arguments: argparse.Namespace, output: Output) -> Run:
    """Opens the run that was made before, or makes one and says in which of its phases nothing new learns."""
    store = RunStore(arguments.runs_dir)
    if arguments.run:
        return store.open(arguments.run)
    wanted = experiment(arguments)
    for remark in idle_phases(wanted, blueprint(wanted.model, num_classes=2)):  # what is free depends on no class
        output.progress(f"note: {remark}")
    return store.create(wanted, owner=user(), foreground=True)


def report(run: Run, status: RunStatus, output: Output) -> int:
    """Says how a training ended."""
    keys = (
        "best_epoch",
        "best_val_accuracy",
        "val_accuracy",
        "test_accuracy",
        "seconds",
        "images_per_second",
        "trainable_parameters",
        "total_parameters",
        "state",
    )
    record: dict[str, Any] = {"run": run.id, "path": str(run.path), **{key: getattr(status, key) for key in keys}}
    lines = [f"{status.state}: {run.path}"]
    if record["best_epoch"]:
        lines.append(
            f"best epoch {record['best_epoch']}: validation accuracy {share(record['val_accuracy'])}, "
            f"test accuracy {share(record['test_accuracy'])}"
        )
    record["leaks"] = status.leaks and status.leaks.groups
    output.result(record, [*lines, *leaky(status.leaks)])
    return 0


def _nothing_beside(arguments: argparse.Namespace) -> None:
    others = [*given(arguments), *(f"--{word}" for word in ("experiment", "recipe") if getattr(arguments, word))]
    if others:
        raise InputError(
            "--run trains a run that was made before and reads all else from it, so {word} cannot stand beside it.",
            word=others[0],
        )


def show(record: dict[str, Any], output: Output) -> None:
    """Turns an event into a line of progress."""
    event = record["event"]
    if event == "waiting":
        output.progress(f"waiting for the device, {record['ahead']} run(s) ahead")
    elif event == "note":
        output.progress(f"note: {record['text']}")
    elif event == "progress":
        output.progress(f"{record['doing']}: {record['done']} of {record['total']}", passing=True)
    elif event == "phasestarted":
        cached = ", on features computed once" if record["cached"] else ""
        output.progress(
            f"phase {record['phase']}: {record['trainable_parameters']:,} values learn, {record['precision']}{cached}"
        )
    elif event == "step":
        output.progress(
            f"epoch {record['epoch']}, step {record['step']}: loss {record['loss']:.4f}, "
            f"{record['images_per_second']:.0f} images/s",
            passing=True,
        )
    elif event == "epochend":
        output.progress(
            f"epoch {record['epoch']}: loss {record['train_loss']:.4f} / {record['val_loss']:.4f}, accuracy "
            f"{share(record['train_accuracy'])} / {share(record['val_accuracy'])} (train / val), "
            f"{record['seconds']:.2f} s" + (", best so far" if record["improved"] else "")
        )
