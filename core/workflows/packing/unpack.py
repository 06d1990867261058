"""Taking in a packed run: nothing in it is believed, and nothing is left behind where anything is wrong."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import stat
import tempfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from core.data.folders.archive import METHODS, as_input_errors, check_table_of_contents, opened, safe_path
from core.errors import InputError
from core.messages import Progress
from core.runs.status import LIVE, RunStatus
from core.runs.store import Run, RunStore
from core.workflows.packing import checks
from core.workflows.packing.contents import FORMAT, MANIFEST, MOST_FILES, SCHEMA, belongs

LARGEST_MANIFEST = 10_000_000
_CHUNK = 1 << 20
_RATIO, _FREE = 100, 50_000_000
"""Most bytes that may come out for each byte of the zip, and so many whatever its size."""
_PART = ".importing-"
_RUN_ID = re.compile(r"[\w-]{1,120}")


@dataclass(frozen=True, slots=True)
class _Listed:
    """A file that the manifest names: its hash and its size."""

    sha256: str
    size: int


def import_run(
    file: Path | BinaryIO, name: str, runs_dir: Path | str | None = None, *, progress: Progress | None = None
) -> Run:
    """Takes in a run that :func:`core.workflows.packing.pack.pack` wrote, elsewhere or here.

    Args:
        file: The zip.
        name: What it is called.
        runs_dir: Folder of the runs; by default :func:`core.settings.runs_dir`.
        progress: Called with bytes checked and all; what it raises ends the work, and nothing is left behind.

    Returns:
        The run. It keeps its id, so that nobody takes it in twice; its process, if it had one, is not believed.

    Raises:
        InputError: The zip is damaged, hostile, no packed run, of a newer version or changed since it was packed; or
            the run is here already, or there is no room. Nothing is left behind.
    """
    store = RunStore(runs_dir)
    try:
        with opened(file) as stream, as_input_errors(name):
            size = stream.seek(0, 2)
            check_table_of_contents(stream, size, name)
            with zipfile.ZipFile(stream) as archive:
                run_id, entries = _entries(archive, name)
                listed = _manifest(archive, entries.pop(PurePosixPath(MANIFEST), None), run_id, name)
                _agree(entries, listed, name)
                if (store.root / run_id).exists():
                    raise InputError("The run {run} is here already. Delete it first, or open it.", run=run_id)
                _check_room(sum(part.size for part in listed.values()), size, store.root, name)
                return _taken(archive, entries, listed, store.root / run_id, name, progress)
    except OSError as error:
        raise InputError(
            "{name} could not be taken in: {reason}.", name=name, reason=error.strerror or type(error).__name__
        ) from error


def _entries(archive: zipfile.ZipFile, name: str) -> tuple[str, dict[PurePosixPath, zipfile.ZipInfo]]:
    """Returns the run's id and its files by their paths below its folder, each entry checked."""
    infos = archive.infolist()
    if len(infos) > MOST_FILES:
        raise InputError("{name} holds more than {limit} entries.", name=name, limit=MOST_FILES)
    found: dict[PurePosixPath, zipfile.ZipInfo] = {}
    runs = set()
    for info in infos:
        path = safe_path(info.filename, name)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise InputError(
                "{name} holds {entry}, which is a link or a device. Pack the files themselves.",
                name=name,
                entry=str(path),
            )
        if info.filename.endswith("/"):
            continue
        if info.flag_bits & 0x1:
            raise InputError("{name} is encrypted. Pack it again without a password.", name=name)
        inside = PurePosixPath(*path.parts[1:])
        if info.compress_type not in METHODS or not (belongs(inside) or str(inside) == MANIFEST):
            raise InputError("{name} holds {entry}, which does not belong to a run.", name=name, entry=str(path))
        if inside in found:
            raise InputError("{name} holds {entry} twice.", name=name, entry=str(path))
        runs.add(path.parts[0])
        found[inside] = info
    if len(runs) != 1 or not _RUN_ID.fullmatch(next(iter(runs))):
        raise _no_run(name)
    return runs.pop(), found


def _manifest(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo | None, run_id: str, name: str
) -> dict[PurePosixPath, _Listed]:
    """Returns the files that the manifest names, by their paths."""
    if info is None:
        raise _no_run(name)
    with archive.open(info) as file:
        text = file.read(LARGEST_MANIFEST + 1)
    try:
        record: Any = json.loads(text) if len(text) <= LARGEST_MANIFEST else None
        if record["format"] != FORMAT or record["run"] != run_id:
            raise _no_run(name)
        if type(record["schema"]) is not int or record["schema"] > SCHEMA:
            raise InputError("{name} was packed by a newer version of this app. Update it first.", name=name)
        listed = {
            safe_path(path, name): _Listed(str(part["sha256"]), int(part["bytes"]))
            for path, part in record["files"].items()
        }
    except (KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise _no_run(name) from error
    if any(part.size < 0 for part in listed.values()):
        raise _no_run(name)
    return listed


def _agree(entries: dict[PurePosixPath, zipfile.ZipInfo], listed: dict[PurePosixPath, _Listed], name: str) -> None:
    for path in sorted(entries.keys() ^ listed.keys()):
        if path in listed:
            raise InputError("{name} misses {entry}, which it should hold. Pack it again.", name=name, entry=str(path))
        raise InputError("{name} holds {entry}, which was not packed with it.", name=name, entry=str(path))
    for needed in ("experiment.json", "status.json"):
        if PurePosixPath(needed) not in entries:
            raise _no_run(name)


def _check_room(needed: int, size: int, root: Path, name: str) -> None:
    if needed > max(_FREE, _RATIO * size):
        raise InputError("{name} grows far too much when it is unpacked. It was not unpacked.", name=name)
    root.mkdir(parents=True, exist_ok=True)
    if needed > shutil.disk_usage(root).free:
        raise InputError(
            "The disk is too full for {name}: it needs {needed} MB.", name=name, needed=round(needed / 1e6)
        )


def _taken(
    archive: zipfile.ZipFile,
    entries: dict[PurePosixPath, zipfile.ZipInfo],
    listed: dict[PurePosixPath, _Listed],
    target: Path,
    name: str,
    progress: Progress | None,
) -> Run:
    """Unpacks into a hidden folder, checks what is there, and gives the folder its name."""
    part = Path(tempfile.mkdtemp(prefix=_PART, dir=target.parent))
    done, total = 0, sum(file.size for file in listed.values())
    try:
        for path, info in entries.items():
            _unpack(archive, info, part / path, listed[path], name)
            done += listed[path].size
            if progress is not None:
                progress(done, total)
        checks.check(part, name)
        _without_process(part)
        part.chmod(0o755)
        part.rename(target)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError("{name} holds a file and a folder of the same name.", name=name) from error
    except OSError as error:
        if target.exists():  # somebody else took it in just now
            raise InputError("The run {run} is here already. Delete it first, or open it.", run=target.name) from error
        raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Run(target)


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, listed: _Listed, name: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with archive.open(info) as source, path.open("xb") as file:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > listed.size:
                break
            digest.update(chunk)
            file.write(chunk)
    if size != listed.size or digest.hexdigest() != listed.sha256:
        raise InputError(
            "{entry} in {name} is not what was packed: it was changed or damaged since. Nothing was taken in.",
            name=name,
            entry=path.name,
        )


def _without_process(folder: Path) -> None:
    """Writes the status anew without the process that it names, which is another machine's."""
    found = RunStatus.load(folder)
    state = "interrupted" if found.state in LIVE else found.state
    replace(
        found, state=state, pid=None, create_time=None, boot=None, ticks=None, spawned=None, owner="", requests_read=0
    ).write(folder)


def _no_run(name: str) -> InputError:
    return InputError(
        "{name} is no packed run. Give a zip that “Download” on the page Runs, or the verb pack, has written.",
        name=name,
    )
