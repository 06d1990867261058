"""Whether the files of a run that came from elsewhere are what their names say, and hold no code."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np

from core.errors import InputError
from core.models.weights.safe_reader import open_tensors
from core.runs.status import RunStatus
from core.runs.store import Run
from core.training.checkpoints import resume_state
from core.training.checkpoints.checkpoint import belong_together
from core.training.loop.session import position_in

LARGEST_JSON = 64_000_000


def check(folder: Path, name: str) -> None:
    """Makes sure that a run can be opened.

    Args:
        folder: Its files.
        name: What the zip is called.

    Raises:
        InputError: A file is damaged, too large, of a newer version, or holds code.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            _check(path, name)
    run = Run(folder)
    run.experiment  # noqa: B018 - reading says what is wrong, a newer schema among it
    if RunStatus.load(folder).state == "unreadable":
        raise _damaged("status.json", name)
    if (folder / "classes.json").is_file() and not run.classes():
        raise _damaged("classes.json", name)
    if run.packs_state:
        _check_state(run, name)
    if run.has_weights and not run.classes():
        raise InputError("{name} holds weights but not the names of their classes.", name=name)


def _check_state(run: Run, name: str) -> None:
    """Makes sure that a state is one of the run's training.

    One that the last weights do not belong to, as in a run packed at work, is left out.
    """
    try:
        position_in(resume_state.read(run.path), len(run.experiment.training.phases))
        fits = belong_together(run.path)
    except InputError as error:
        raise _damaged(resume_state.STATE, name) from error
    if not fits:
        resume_state.remove(run.path)


def _check(path: Path, name: str) -> None:
    ending = path.suffix.lower()
    if ending == ".safetensors":
        open_tensors(path)
    elif ending == ".npz":
        _check_arrays(path, name)
    elif ending == ".parquet":
        _check_parquet(path, name)
    elif ending == ".json":
        if path.stat().st_size > LARGEST_JSON:
            raise _damaged(path.name, name)
        try:
            json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise _damaged(path.name, name) from error


def _check_arrays(path: Path, name: str) -> None:
    """Reads the head of every array: none may be one of objects, which would be pickles."""
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                with archive.open(info) as file:
                    version = np.lib.format.read_magic(file)
                    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
                    dtype = read[version](file)[2]
                    if dtype.hasobject:
                        raise _code(path.name, name)
    except InputError:
        raise
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise _damaged(path.name, name) from error


def _check_parquet(path: Path, name: str) -> None:
    from pyarrow import ArrowException, parquet

    try:
        parquet.read_metadata(path)
    except (ArrowException, OSError, ValueError) as error:
        raise _damaged(path.name, name) from error


def _damaged(entry: str, name: str) -> InputError:
    return InputError("{entry} in {name} is damaged, or not what its name says.", entry=entry, name=name)


def _code(entry: str, name: str) -> InputError:
    return InputError("{entry} in {name} holds code, and code is not taken in.", entry=entry, name=name)
