"""Verbs that prepare images: bring them in, check them, divide them, write changed copies."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from core.cli.common.helpers import revision_of, roots
from core.cli.common.output import Output, table
from core.data.dataset import Dataset
from core.messages import Progress
from core.specs import DataSpec

_LISTED = 20
_KNOWN = "torchvision:"


def check(arguments: argparse.Namespace, output: Output) -> None:
    """Looks for what is wrong with images."""
    from core.data.sources import open_spec
    from core.workflows.data_check.check import check as look

    dataset = open_spec(_spec(arguments), roots=roots(arguments))
    found = look(
        dataset,
        features=not arguments.quick,
        progress=lambda doing, done, total: output.progress(f"{doing} {done} of {total}", passing=True),
    )
    record = found.as_record()
    lines = [f"{dataset.title}: {sum(found.classes.values())} images, {len(found.classes)} classes", ""]
    lines += table(list(found.classes.items()), ("class", "images"))
    lines += ["", f"copies: {record['exact']} equal files, {record['near']} that were changed"]
    lines += _groups("leak, in two splits", found.leaks) + _groups("in two classes", found.conflicts)
    lines += [
        f"doubtful label: {doubt.key}: {doubt.label}, looks like {doubt.suggested}"
        for doubt in found.suspects[:_LISTED]
    ]
    lines += [f"unlike its class: {key}" for key, _ in found.outliers[:_LISTED]]
    lines += [f"{kind}: {', '.join(keys[:_LISTED])}" for kind, keys in found.looks.items() if keys]
    lines += [f"cannot be read: {bad.key}: {bad.reason}" for bad in found.unreadable[:_LISTED]]
    lines += [f"passed over: {reason}" for _, reason in found.left_out[:_LISTED]]
    lines += [f"finds {share_of:.0%} of copies {kind} in these images" for kind, share_of in found.recall.items()]
    output.result(record, lines)


def _groups(title: str, groups: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"{title}: {', '.join(group[:6])}" for group in groups[:_LISTED]]
    return lines + ([f"{title}: ... and {len(groups) - _LISTED} groups more"] if len(groups) > _LISTED else [])


def bring(arguments: argparse.Namespace, output: Output) -> None:
    """Makes a data source of a file, or of a set that torchvision knows."""
    from core.data.importing.importer import import_data
    from core.data.importing.kaggle import PREFIX, fetch_kaggle
    from core.data.importing.uploaded import import_zip
    from core.data.sources import open_dataset

    known = str(arguments.file).removeprefix(_KNOWN)
    if known != str(arguments.file):
        from core.data.importing.known_sets import fetch_set

        folder = fetch_set(known, arguments.name, progress=lambda doing, *done: _passing(output, doing)(*done))
    elif str(arguments.file).startswith(PREFIX):
        folder = fetch_kaggle(
            str(arguments.file), arguments.name, progress=lambda doing, *done: _passing(output, doing)(*done)
        )
    else:
        taken_in = _passing(output, "taken in")
        zipped = str(arguments.file).lower().endswith(".zip") and Path(arguments.file).expanduser().is_file()
        read = import_zip if zipped else partial(import_data, roots=roots(arguments))
        folder = read(Path(arguments.file).expanduser(), arguments.name, progress=taken_in)
    dataset = open_dataset(str(folder))
    record = {
        "name": folder.name,
        "path": str(folder),
        "counts": dataset.counts(),
        "left_out": [{"key": key, "reason": str(reason)} for key, reason in dataset.ignored],
    }
    lines = [*_counted(dataset), "", f"--data {folder.name} opens it"]
    output.result(record, lines + [f"passed over: {reason}" for _, reason in dataset.ignored[:_LISTED]])


def augment(arguments: argparse.Namespace, output: Output) -> None:
    """Writes changed copies of the training images."""
    from core.cli.common.shorthands import augmentation
    from core.data.division.offline_copies import write_copies
    from core.data.sources import open_dataset
    from core.specs.checks import whole

    spec = augmentation(arguments.preset)
    whole("copies", arguments.copies, low=1, high=1000)
    dataset = _all_training(arguments, output) if arguments.val == arguments.test == 0 else _divided(arguments, output)
    target = write_copies(
        dataset,
        spec,
        arguments.copies,
        Path(arguments.write).expanduser(),
        seed=arguments.seed,
        progress=_passing(output, "written"),
    )
    before, written = dataset.counts()["train"], open_dataset(str(target)).counts()
    after = written.get("train") or written["all"]
    lines = table([(name, before[name], after[name]) for name in dataset.classes], ("class", "before", "after"))
    output.result(
        {"before": before, "after": after, "path": str(target.absolute())}, [*lines, "", f"written to {target}"]
    )


def split(arguments: argparse.Namespace, output: Output) -> None:
    """Divides images, and writes the division as folders where that is asked for."""
    from core.data.division.on_disk import fingerprint, write_division
    from core.data.splits import split_warnings

    dataset = _divided(arguments, output)
    record: dict[str, object] = {"counts": dataset.counts(), "hash": fingerprint(dataset)}
    lines = [*_counted(dataset), "", f"hash: {record['hash']}"]
    lines += [f"note: {sentence}" for sentence in split_warnings(dataset)]
    if arguments.write:
        target = write_division(dataset, Path(arguments.write).expanduser(), _passing(output, "written"))
        record["path"] = str(target.absolute())
        lines.append(f"written to {target}")
    output.result(record, lines)


def _all_training(arguments: argparse.Namespace, output: Output) -> Dataset:
    """Opens a source of which nothing is held out."""
    from core.data.sources import open_spec

    dataset = open_spec(replace(_spec(arguments), seed=arguments.seed), roots=roots(arguments))
    output.progress("note: nothing is held out; divide what is written with --group-by stem, so that no copy straddles")
    return replace(dataset, items=tuple(replace(item, split="train") for item in dataset.items))


def _spec(arguments: argparse.Namespace) -> DataSpec:
    """Returns the source as the revision that is named has it."""
    from core.data.sources import absolute_source

    return DataSpec(absolute_source(arguments.source), revision=revision_of(arguments.source, arguments.revision))


def _divided(arguments: argparse.Namespace, output: Output) -> Dataset:
    """Opens a source and divides it as the words say."""
    from core.data.sources import open_spec
    from core.workflows.data_check.dividing import divide

    spec = replace(
        _spec(arguments),
        val_share=arguments.val,
        test_share=arguments.test,
        seed=arguments.seed,
        val_of=arguments.of,
        group_by=arguments.group_by,
        anew=arguments.anew,
    )
    opened = open_spec(spec, roots=roots(arguments))
    if opened.presplit and not spec.anew:
        output.progress("note: the images bring a division of their own, which is kept; --anew sets it aside")
    return divide(opened, spec)


def _counted(dataset: Dataset) -> list[str]:
    counts = dataset.counts()
    rows = [(name, *(counts[part].get(name, 0) for part in counts)) for name in dataset.classes]
    return table(rows, ("class", *counts))


def _passing(output: Output, doing: str) -> Progress:
    return lambda done, total: output.progress(
        f"{doing} {done} of {total}" if total else f"{doing} {done}", passing=True
    )
