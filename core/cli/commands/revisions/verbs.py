"""Changes a data source without touching its files, and lists what was changed before."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from core.cli.common.helpers import revision_of, roots
from core.cli.common.output import Output, table
from core.data.dataset import Dataset
from core.data.revisions import store
from core.data.revisions.record import Revision
from core.errors import InputError
from core.specs import DataSpec


def edit(arguments: argparse.Namespace, output: Output) -> None:
    """Makes a revision of a source, or of one of its revisions."""
    from core.data.sources import absolute_source, open_spec, revise

    spec = DataSpec(absolute_source(arguments.source), revision=revision_of(arguments.source, arguments.revision))
    opened = open_spec(spec, roots=roots(arguments))
    labels, splits = _pairs("--relabel", arguments.relabel), _pairs("--move", arguments.move)
    names = _pairs("--merge", arguments.merge)
    _check_classes(opened, names)
    before = store.of(opened.name, spec.revision)
    kept = [key for group in arguments.keep for key in group]
    known = {*before.keys, *(item.key for item in opened.items)}
    _check_keys(opened, known, [*arguments.exclude, *arguments.restore, *labels, *splits, *kept])
    changed = before.restoring(arguments.restore).excluding(arguments.exclude).relabelling(labels).moving(splits)
    changed = changed.merging(names)
    for group in arguments.keep:
        changed = changed.keeping(group)
    if changed.hash != before.hash:  # one edit is one step of the history, however many kinds of change it holds
        changed = replace(changed, parent=before.hash)
    if arguments.name:
        changed = changed.named(arguments.name)
    digest = revise(spec, changed, roots=roots(arguments)).revision
    found = store.of(opened.name, digest)
    lines = [f"revision {digest or 'none: the files as they lie'}"]
    lines += [f"  {sentence}" for sentence in found.changes(before)] or ["  nothing changed"]
    output.result(_record(found), lines + ([f"--revision {digest} takes it"] if digest else []))


def history(arguments: argparse.Namespace, output: Output) -> None:
    """Lists the revisions of a source, the newest first."""
    from core.data.sources import absolute_source, open_dataset

    try:
        source = open_dataset(arguments.source, roots=roots(arguments)).name
    except InputError:  # its images are gone: what was changed of them can be seen all the same
        source = absolute_source(arguments.source)
    found = store.history(source)
    by_hash = {one.hash: one for one in found}
    rows = [
        (
            one.hash,
            one.name,
            datetime.fromtimestamp(one.made, UTC).strftime("%Y-%m-%d %H:%M"),
            "; ".join(map(str, one.changes(by_hash.get(one.parent)))),
        )
        for one in found
    ]
    lines = table(rows, ("revision", "name", "made (UTC)", "changed")) if rows else [f"{source} was never changed"]
    output.result({"source": source, "revisions": [_record(one) | {"made": one.made} for one in found]}, lines)


def _record(revision: Revision) -> dict[str, object]:
    return {
        "revision": revision.hash,
        "parent": revision.parent,
        "name": revision.name,
        "excluded": len(revision.excluded),
        "relabelled": len(revision.relabelled),
        "moved": len(revision.moved),
        "merged": dict(revision.merged),
        "kept": len(revision.kept),
    }


def _pairs(option: str, words: Sequence[str]) -> dict[str, str]:
    """Reads ``A=B``; the last equals sign counts, as a file's name may hold one."""
    found = {}
    for word in words:
        key, equals, value = word.rpartition("=")
        if not (equals and key and value):
            raise InputError("{option} {word} is not of the form A=B.", option=option, word=word)
        found[key] = value
    return found


def _check_keys(dataset: Dataset, known: set[str], keys: Sequence[str]) -> None:
    for key in keys:
        if key not in known:
            raise InputError(
                "{title} has no picture {key}. Name it by its path below the folder, such as {example}.",
                title=dataset.title,
                key=key,
                example=dataset.items[0].key,
            )


def _check_classes(dataset: Dataset, names: dict[str, str]) -> None:
    for name in names:
        if name not in dataset.classes:
            raise InputError(
                "{title} has no class {name}. Its classes: {known}.",
                title=dataset.title,
                name=name,
                known=", ".join(dataset.classes[:10]),
            )
