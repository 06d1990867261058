"""Verbs that prepare images: divide them."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.common.helpers import roots
from core.cli.common.output import Output, table
from core.data.dataset import Dataset
from core.messages import Progress
from core.specs import DataSpec


def split(arguments: argparse.Namespace, output: Output) -> None:
    """Divides images, and writes the division as folders where that is asked for."""
    from core.data.division.on_disk import fingerprint, write_division
    from core.data.splits import split_warnings

    dataset = _divided(arguments)
    record: dict[str, object] = {"counts": dataset.counts(), "hash": fingerprint(dataset)}
    lines = [*_counted(dataset), "", f"hash: {record['hash']}"]
    lines += [f"note: {sentence}" for sentence in split_warnings(dataset)]
    if arguments.write:
        target = write_division(dataset, Path(arguments.write).expanduser(), _passing(output, "written"))
        record["path"] = str(target.absolute())
        lines.append(f"written to {target}")
    output.result(record, lines)


def _divided(arguments: argparse.Namespace) -> Dataset:
    """Opens a source and divides it as the words say."""
    from core.data.sources import absolute_source, open_spec
    from core.workflows.data_check.dividing import divide

    spec = DataSpec(
        absolute_source(arguments.source),
        val_share=arguments.val,
        test_share=arguments.test,
        seed=arguments.seed,
        val_of=arguments.of,
        group_by=arguments.group_by,
    )
    return divide(open_spec(spec, roots=roots(arguments)), spec)


def _counted(dataset: Dataset) -> list[str]:
    counts = dataset.counts()
    rows = [(name, *(counts[part].get(name, 0) for part in counts)) for name in dataset.classes]
    return table(rows, ("class", *counts))


def _passing(output: Output, doing: str) -> Progress:
    return lambda done, total: output.progress(f"{doing} {done} of {total}", passing=True)
