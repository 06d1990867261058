"""Verbs that list what there is."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from core.cli.common.output import Output, attributes, share, table
from core.errors import InputError, RunMissing
from core.runs.store import Run, RunStore

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.workflows.data_check.report import Check

_TWINS = 100
"""Pairs of copies that are listed at most."""


def datasets(_arguments: argparse.Namespace, output: Output) -> None:
    """Lists the embedded data sets."""
    from core.data.embedded import EMBEDDED

    rows = [attributes(info, "name", "title", "description", "licence") for info in EMBEDDED.values()]
    output.result({"datasets": rows}, table([(r["name"], r["description"]) for r in rows], ("name", "description")))


def backbones(arguments: argparse.Namespace, output: Output) -> None:
    """Lists the backbones with their size, accuracy and whether their weights are here."""
    from core.models.catalog import catalog

    if arguments.timm and not catalog.timm_available():
        raise InputError("timm is not installed. Install it with “pip install timm”.")
    names = catalog.search(arguments.search, include_timm=arguments.timm)
    rows = [_listed(name) for name in names]
    if arguments.family:
        families = sorted({row["family"] for row in rows})
        rows = [row for row in rows if arguments.family.lower() in row["family"].lower()]
        if not rows and families:
            raise InputError(
                "No family is called {family}. There are: {families}.",
                family=arguments.family,
                families=", ".join(families),
            )
    if arguments.sort:
        descending = arguments.sort == "top1"
        rows.sort(key=lambda row: _sort_key(row[arguments.sort], descending))
    header = ("name", "family", "parameters", "input_size", "gflops", "top1", "weights")
    shown = [tuple("-" if row[key] is None else row[key] for key in header) for row in rows]
    output.result({"backbones": rows}, table(shown, header) if rows else ["No backbone fits."])


def _listed(name: str) -> dict[str, Any]:
    """Returns one backbone's row; networks of timm are not built for it, so their parameters stay open."""
    from core.models.catalog import catalog, timm

    known = catalog.BACKBONES.get(name)
    if known is None:
        return {
            "name": name,
            "title": name.removeprefix(catalog.TIMM),
            "family": timm.family(name),
            "parameters": None,
            "input_size": catalog.preprocessing(name).crop,
            "gflops": None,
            "top1": None,
            "weights": catalog.weights_state(name),
            "entries": [],
        }
    return {
        **attributes(known, "name", "title", "family", "parameters", "input_size", "gflops", "top1"),
        "weights": catalog.weights_state(name),
        "entries": [dataclasses.asdict(entry) for entry in catalog.entries(name)],
    }


def _sort_key(value: float | str | None, descending: bool) -> tuple[bool, float | str]:
    if value is None:
        return True, 0
    return False, -value if descending and not isinstance(value, str) else value


def recipes(_arguments: argparse.Namespace, output: Output) -> None:
    """Lists the runs of the course."""
    from core.training.course_recipes import COURSE

    rows = [
        {
            "name": run.id,
            "title": run.title,
            "description": run.description,
            "backbone": run.model.backbone,
            "weights": run.model.weights,
            "epochs": run.training.epochs,
            "classes": run.classes,
            "slip": run.slip,
        }
        for run in COURSE.values()
    ]
    header = ("name", "backbone", "weights", "epochs", "title")
    output.result({"recipes": rows}, table([tuple(row[key] for key in header) for row in rows], header))


def methods(_arguments: argparse.Namespace, output: Output) -> None:
    """Lists the attribution methods."""
    from core.interpret.attribution.explain import METHODS

    rows = [
        {
            "name": m.id,
            **attributes(m, "title", "family", "needs", "signed", "passes", "served_by", "description", "paper"),
            "settings": m.defaults,
        }
        for m in METHODS.values()
    ]
    shown = [(r["name"], r["served_by"], _words(r["settings"]), r["description"]) for r in rows]
    output.result({"methods": rows}, table(shown, ("name", "by", "settings", "description")))


def _words(settings: Mapping[str, int]) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items())


def runs(arguments: argparse.Namespace, output: Output) -> None:
    """Lists the runs, the newest first."""
    rows = []
    for run in RunStore(arguments.runs_dir).list():
        with suppress(RunMissing):  # deleted since it was listed
            rows.append(_run_row(run))
    for row in rows:
        for reason in row.get("unreadable", ()):
            output.progress(f"{row['run']}: {reason}")
    shown = [
        (
            row["run"],
            row["state"],
            row["backbone"] or "-",
            row["preset"] or "-",
            f"{row['epoch']}/{row['epochs'] or '-'}",
            share(row["best_val_accuracy"]) + (" leaky" if row["leaks"] else ""),
        )
        for row in rows
    ]
    lines = table(shown, ("run", "state", "backbone", "preset", "epoch", "val accuracy"))
    output.result({"runs": rows}, lines if rows else ["There are no runs yet."])


def _run_row(run: Run) -> dict[str, Any]:
    """Returns what is said of a run; ``unreadable`` holds the reasons where something of it cannot be read."""
    status, experiment = run.status(), None
    reasons = [*map(str, status.faults)]
    try:
        experiment = run.experiment
    except RunMissing:
        raise
    except InputError as error:
        reasons = reasons or [str(error)]
    row = {
        "run": run.id,
        "name": run.name,
        "state": status.state if experiment else "unreadable",
        "backbone": experiment and experiment.model.backbone,
        "preset": experiment and experiment.training.preset,
        "data": experiment and experiment.data.source,
        "epoch": status.epoch,
        "epochs": experiment and experiment.training.epochs,
        "best_val_accuracy": status.best_val_accuracy,
        "leaks": status.leaks and status.leaks.groups,
        "path": str(run.path),
    }
    return {**row, "unreadable": reasons} if reasons else row


def devices(_arguments: argparse.Namespace, output: Output) -> None:
    """Lists the devices."""
    from core.device import list_devices

    rows = [dataclasses.asdict(device) for device in list_devices()]
    shown = [(r["id"], r["title"], f"{r['memory'] / 2**30:.1f} GiB", r["cores"]) for r in rows]
    output.result({"devices": rows}, table(shown, ("device", "title", "memory", "cores")))


def data(arguments: argparse.Namespace, output: Output) -> None:
    """Describes a folder of images or an embedded data set."""
    from core.data.sources import open_dataset
    from core.data.splits import split_warnings
    from core.workflows.data_check.check import check

    dataset = open_dataset(arguments.source)
    found = check(
        dataset,
        features=False,
        progress=lambda _doing, done, total: output.progress(f"checked {done} of {total}", passing=True),
    )
    known, pairs, sizes = found.as_record(), _pairs(dataset, found), found.sizes
    record = {
        "classes": list(dataset.classes),
        "counts": dataset.without(bad.key for bad in found.unreadable).counts(),
        "unreadable": known["unreadable"],
        "ignored": known["left_out"],
        "sizes": sizes and {**attributes(sizes, "smallest", "largest", "distinct"), "median": sizes.typical},
        **{name: known[name] for name in ("modes", "bits", "formats")},
        "leaks": sum(pair["leak"] for pair in pairs),
        "conflicts": sum(pair["conflict"] for pair in pairs),
        "unlisted": max(0, len(pairs) - _TWINS),
        "twins": pairs[:_TWINS],
        "notes": [str(sentence) for sentence in split_warnings(dataset)],
    }
    splits = list(record["counts"])
    rows = [(name, *(record["counts"][split].get(name, 0) for split in splits)) for name in dataset.classes]
    lines = [f"{dataset.title}: {len(dataset)} images, {len(dataset.classes)} classes", ""]
    lines += table(rows, ("class", *splits))
    output.result(record, [*lines, *_health_lines(record)])


def _pairs(dataset: Dataset, found: Check) -> list[dict[str, Any]]:
    """Returns copies in pairs, each with one of those in training where there are some; the gravest first."""
    from core.workflows.data_check.report import home_of

    item_of = {item.key: item for item in dataset.items}
    equal = {key: group for group in found.equal for key in group}
    pairs = []
    for group in found.groups:
        home = home_of(group, item_of)
        first = next(key for key in group if item_of[key].split == home)
        for second in group:
            if second != first:
                one, other = item_of[first], item_of[second]
                pairs.append(
                    {
                        "first": first,
                        "second": second,
                        "exact": second in equal.get(first, ()),
                        "leak": one.split != other.split,
                        "conflict": one.label != other.label,
                    }
                )
    return sorted(pairs, key=lambda pair: (not pair["leak"], not pair["conflict"], not pair["exact"], pair["first"]))


def _health_lines(record: dict[str, Any], most: int = 20) -> list[str]:
    """Returns what a person should know of the images, as lines; each list names ``most`` at the most."""
    lines = [""]
    if sizes := record["sizes"]:
        size = {name: "{} x {}".format(*sizes[name]) for name in ("smallest", "median", "largest")}
        lines.append(f"sizes: {size['median']} px is the median, from {size['smallest']} to {size['largest']}")
    lines.append("colour modes: " + ", ".join(f"{name} {count}" for name, count in record["modes"].items()))
    if bits := record["bits"]:
        lines.append(f"{bits}-bit pictures in files of 16 bits: scaled by {(1 << bits) - 1}")
    lines += [f"note: {sentence}" for sentence in record["notes"]]
    listed, all_pairs = record["twins"][:most], len(record["twins"]) + record["unlisted"]
    lines.append(f"leaks: {record['leaks']} pairs of equal or look-alike pictures stand in two splits")
    if record["conflicts"]:
        lines.append(f"label conflicts: {record['conflicts']} pairs stand in two classes")
    for twin in listed:
        place = [name for name, here in (("two splits", twin["leak"]), ("two classes", twin["conflict"])) if here]
        kind = "equal" if twin["exact"] else "alike"
        lines.append(f"{kind}, in {' and '.join(place) or 'one place'}: {twin['first']} and {twin['second']}")
    if all_pairs > len(listed):
        lines.append(f"... and {all_pairs - len(listed)} pairs more")
    for title, rows in (("cannot be read", record["unreadable"]), ("passed over", record["ignored"])):
        lines += [f"{title}: {row['key']}: {row['reason']}" for row in rows[:most]]
        if len(rows) > most:
            lines.append(f"{title}: ... and {len(rows) - most} more")
    return lines
