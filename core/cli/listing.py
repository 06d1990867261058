"""Verbs that list what there is."""

from __future__ import annotations

import argparse
import dataclasses

from core.cli.output import Output, share, table
from core.errors import InputError, RunMissing


def datasets(_arguments: argparse.Namespace, output: Output) -> None:
    """Lists the embedded data sets."""
    from core.data.embedded import EMBEDDED

    rows = [
        {"name": info.name, "title": info.title, "description": info.description, "licence": info.licence}
        for info in EMBEDDED.values()
    ]
    output.result({"datasets": rows}, table([(r["name"], r["description"]) for r in rows], ("name", "description")))


def backbones(_arguments: argparse.Namespace, output: Output) -> None:
    """Lists the backbones with their size and whether their weights are here."""
    from core.models.catalog import BACKBONES, weights_state

    rows = [
        {
            "name": row.name,
            "family": row.family,
            "parameters": row.parameters,
            "input_size": row.input_size,
            "weights": weights_state(row.name),
        }
        for row in BACKBONES.values()
    ]
    header = ("name", "family", "parameters", "input_size", "weights")
    output.result({"backbones": rows}, table([tuple(row[key] for key in header) for row in rows], header))


def methods(_arguments: argparse.Namespace, output: Output) -> None:
    """Lists the attribution methods."""
    from core.interpret.attribution import METHODS

    rows = [
        {"name": m.id, "title": m.title, "needs": m.needs, "description": m.description, "paper": m.paper}
        for m in METHODS.values()
    ]
    output.result({"methods": rows}, table([(r["name"], r["description"]) for r in rows], ("name", "description")))


def runs(arguments: argparse.Namespace, output: Output) -> None:
    """Lists the runs, the newest first."""
    from core.runs.store import RunStore

    rows = []
    for run in RunStore(arguments.runs_dir).list():
        try:
            status, experiment = run.status(), run.experiment
        except RunMissing:  # deleted since it was listed
            continue
        except InputError as error:  # one damaged run must not hide the others
            output.progress(f"{run.id} is left out: {error}")
            continue
        rows.append(
            {
                "run": run.id,
                "name": run.name,
                "state": status["state"],
                "backbone": experiment.model.backbone,
                "preset": experiment.training.preset,
                "data": experiment.data.source,
                "epoch": status.get("epoch", 0),
                "epochs": experiment.training.epochs,
                "best_val_accuracy": status.get("best_val_accuracy"),
                "path": str(run.path),
            }
        )
    shown = [
        (r["run"], r["state"], r["backbone"], r["preset"], f"{r['epoch']}/{r['epochs']}", share(r["best_val_accuracy"]))
        for r in rows
    ]
    lines = table(shown, ("run", "state", "backbone", "preset", "epoch", "val accuracy"))
    output.result({"runs": rows}, lines if rows else ["There are no runs yet."])


def devices(_arguments: argparse.Namespace, output: Output) -> None:
    """Lists the devices."""
    from core.device import list_devices

    rows = [dataclasses.asdict(device) for device in list_devices()]
    shown = [(r["id"], r["title"], f"{r['memory'] / 2**30:.1f} GiB", r["cores"]) for r in rows]
    output.result({"devices": rows}, table(shown, ("device", "title", "memory", "cores")))


def data(arguments: argparse.Namespace, output: Output) -> None:
    """Describes a folder of images or an embedded data set."""
    from core.data.health import inspect
    from core.data.sources import open_dataset

    dataset = open_dataset(arguments.source)
    report = inspect(dataset, lambda done, total: output.progress(f"checked {done} of {total}", passing=True))
    record = report.as_record()
    splits = list(record["counts"])
    rows = [(name, *(record["counts"][split].get(name, 0) for split in splits)) for name in dataset.classes]
    lines = [f"{dataset.title}: {len(dataset)} images, {len(dataset.classes)} classes", ""]
    lines += table(rows, ("class", *splits))
    lines += [f"cannot be read: {bad['key']}: {bad['reason']}" for bad in record["unreadable"]]
    output.result(record, lines)
