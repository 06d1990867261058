"""Packing a run: its folder as a zip, with a list of all files and their hashes."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO

from core.errors import RunMissing
from core.runs.store import Run
from core.workflows.packing.contents import EPOCHS, FORMAT, MANIFEST, SCHEMA, belongs

_CHUNK = 1 << 20


def files_of(run: Run, *, epochs: bool = True) -> list[PurePosixPath]:
    """Returns the files of a run that are packed, by their paths below its folder.

    Args:
        run: The run.
        epochs: Whether the weights of single epochs are among them.
    """
    below = sorted(path for path in run.path.rglob("*") if path.is_file() and not path.is_symlink())
    found = [PurePosixPath(path.relative_to(run.path).as_posix()) for path in below]
    return [path for path in found if belongs(path) and (epochs or path.parts[0] != EPOCHS)]


def epoch_bytes(run: Run) -> int:
    """Returns what the weights of single epochs take."""
    folder = run.path / EPOCHS
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0


def pack(run: Run, target: Path | IO[bytes], *, epochs: bool = True) -> int:
    """Writes a run as a zip that :func:`core.workflows.packing.unpack.import_run` takes in.

    What only this machine could use is left out: locks and requests; and the state that a run of an earlier version
    goes on from, which is a pickle. What is removed meanwhile is left out, too.

    Args:
        run: The run, also one at work: then it is packed as it is now.
        target: The zip.
        epochs: Whether the weights of single epochs are packed.

    Returns:
        How many files were packed.

    Raises:
        RunMissing: The run is gone.
        OSError: The zip cannot be written.
    """
    if not run.exists:
        raise RunMissing("The run {name} does not exist any more. Choose another one.", name=run.id)
    listed: dict[str, dict[str, object]] = {}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for inside in files_of(run, epochs=epochs):
            try:
                source = (run.path / inside).open("rb")
            except FileNotFoundError:
                continue
            digest, size = hashlib.sha256(), 0
            with source, archive.open(f"{run.id}/{inside}", "w", force_zip64=True) as file:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
            listed[str(inside)] = {"sha256": digest.hexdigest(), "bytes": size}
        manifest = {"format": FORMAT, "schema": SCHEMA, "run": run.id, "name": run.name, "files": listed}
        archive.writestr(f"{run.id}/{MANIFEST}", json.dumps(manifest, indent=1, ensure_ascii=False))
    return len(listed)
