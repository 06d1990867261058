"""The verbs that write a run for programs that follow experiments."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from core.cli.common.output import Output


def add_trackers(add: Callable[..., argparse.ArgumentParser], runs: argparse.ArgumentParser) -> None:
    """Adds the verbs."""
    for name, text, to in (
        ("tensorboard", "Write a run as TensorBoard event files (needs tensorboardX).", "DIR"),
        ("mlflow", "Write a run into MLflow's books (needs mlflow).", "DIR|ADDRESS"),
        ("wandb", "Write a run as an offline run of Weights & Biases (needs wandb; no network).", "DIR"),
    ):
        verb = add(name, "leaving.trackers", text, runs)
        verb.add_argument("run", metavar="RUN")
        help_to = "a folder, or a server such as http://localhost:5000" if name == "mlflow" else "made where it is not"
        verb.add_argument("--to", required=True, metavar=to, help=help_to)


def tensorboard(arguments: argparse.Namespace, output: Output) -> None:
    """Writes a run's curves, histograms and settings as event files."""
    from core.runs.store import RunStore
    from core.workflows.export.trackers.tensorboard import export

    run = RunStore(arguments.runs_dir).open(arguments.run)
    folder = export(run, arguments.to)
    lines = [f"written to {folder}", f"look at it with: tensorboard --logdir {arguments.to}"]
    output.result({"run": run.id, "folder": str(folder)}, lines)


def mlflow(arguments: argparse.Namespace, output: Output) -> None:
    """Writes a run's curves, settings and results into MLflow's books."""
    from core.runs.store import RunStore
    from core.workflows.export.trackers.mlflow import export

    run = RunStore(arguments.runs_dir).open(arguments.run)
    address = export(run, arguments.to)
    lines = [f"written to {address}"]
    if address.startswith("sqlite"):
        lines.append(f"look at it with: mlflow ui --backend-store-uri {address}")
    output.result({"run": run.id, "address": address}, lines)


def wandb(arguments: argparse.Namespace, output: Output) -> None:
    """Writes a run's curves, histograms, settings and results as an offline run."""
    from core.runs.store import RunStore
    from core.workflows.export.trackers.wandb import export

    run = RunStore(arguments.runs_dir).open(arguments.run)
    folder = export(run, arguments.to)
    lines = [f"written to {folder}", f"take it to a server with: wandb sync {folder}"]
    output.result({"run": run.id, "folder": str(folder)}, lines)
