"""The verbs that pack a whole run and take one in."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from core.cli.common.output import Output
from core.errors import InputError


def add_packing(add: Callable[..., argparse.ArgumentParser], runs: argparse.ArgumentParser) -> None:
    """Adds the verbs."""
    packed = add("pack", "leaving.packing", "Write a whole run as a zip, with the hash of every file.", runs)
    packed.add_argument("run", metavar="RUN")
    packed.add_argument("--out", required=True, metavar="FILE.zip")
    packed.add_argument("--without-epochs", action="store_true", help="leave out the weights of single epochs")
    taken = add("import", "leaving.packing", "Take in a run that pack has written; nothing in it is believed.", runs)
    taken.set_defaults(verb=("core.cli.commands.leaving.packing", "import_"))
    taken.add_argument("file", metavar="FILE.zip")


def pack(arguments: argparse.Namespace, output: Output) -> None:
    """Packs a run."""
    from core.runs.store import RunStore
    from core.workflows.packing.pack import pack as write

    run, path = RunStore(arguments.runs_dir).open(arguments.run), Path(arguments.out)
    if not path.parent.is_dir():
        raise InputError("The folder {folder} is not there. Make it first.", folder=str(path.parent))
    count = write(run, path, epochs=not arguments.without_epochs)
    size = path.stat().st_size
    lines = [f"written to {path}: {count} files, {size / 1e6:.1f} MB"]
    if run.can_resume and run.has_state and not run.packs_state:
        lines.append("an earlier version's state of training is not packed: it can be resumed here, but not elsewhere")
    output.result({"run": run.id, "file": str(path), "files": count, "bytes": size}, lines)


def import_(arguments: argparse.Namespace, output: Output) -> None:
    """Takes in a packed run."""
    from core.runs.status import RESUMABLE
    from core.workflows.packing.unpack import import_run

    path = Path(arguments.file)
    if not path.is_file():
        raise InputError("There is no file {path}.", path=str(path))

    def progress(done: int, total: int) -> None:
        output.progress(f"checked {done / 1e6:.0f} of {total / 1e6:.0f} MB", passing=True)

    run = import_run(path, path.name, arguments.runs_dir, progress=progress)
    lines = [f"taken in: {run.name}", str(run.path)]
    if run.state in RESUMABLE and not run.can_resume:
        lines.append(f"it is {run.state} and cannot go on here: the zip has no state that training goes on from")
    output.result({"run": run.id, "path": str(run.path), "name": run.name, "state": run.state}, lines)
