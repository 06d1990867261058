"""The verb that writes a run for TensorBoard."""

from __future__ import annotations

import argparse

from core.cli.common.output import Output


def tensorboard(arguments: argparse.Namespace, output: Output) -> None:
    """Writes a run's curves, histograms and settings as event files."""
    from core.runs.store import RunStore
    from core.workflows.export.tensorboard import export

    run = RunStore(arguments.runs_dir).open(arguments.run)
    folder = export(run, arguments.to)
    lines = [f"written to {folder}", f"look at it with: tensorboard --logdir {arguments.to}"]
    output.result({"run": run.id, "folder": str(folder)}, lines)
