"""Runs as folders: make, list, open, rename, delete.

A run is a folder ``<utc>-<slug>-<4 hex>``. ``experiment.json`` is written once; ``status.json`` is replaced by the
training process; ``metrics.jsonl`` and ``steps.jsonl`` grow. Whether a run is alive is not believed but looked up: a
run whose status is *running* while its process is gone is *interrupted*.
"""

from __future__ import annotations

import csv
import re
import secrets
import shutil
import stat
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core import settings
from core.errors import InputError, RunMissing
from core.runs import control
from core.runs.files import is_file, read_json, read_lines, write_atomic
from core.runs.process import alive
from core.runs.status import LARGEST, LIVE, REPEATABLE, RESUMABLE, RunStatus, State, Status
from core.specs import Experiment

NOTES = "notes.json"
"""File of a run's folder with its tags, group and note; see :mod:`core.runs.listing.annotations`."""
WRITTEN_BY_OTHERS = ("label.txt", "queue.json", NOTES)
"""Files of a run's folder that people's processes replace, whatever the trainer does."""
_DELETED = ".deleted-"


@dataclass(frozen=True, slots=True)
class Run:
    """One run's folder. Holds nothing but the path, so it is never out of date."""

    path: Path

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def name(self) -> str:
        """What people call it: the name last given, else the one in the experiment, else the id without its date."""
        return self.called(lambda: read_json(self.path / "experiment.json").get("name"))

    def called(self, given: Callable[[], object]) -> str:
        """Returns :attr:`name`, where its experiment's name is known or found otherwise.

        Args:
            given: Returns the experiment's name; asked where people gave no other.
        """
        try:
            label = (self.path / "label.txt").read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            label = ""
        if label:
            return label
        name = given()
        return name if isinstance(name, str) and name else self.id.partition("-")[2] or self.id

    @property
    def experiment(self) -> Experiment:
        """What the run does.

        Raises:
            RunMissing: The folder is gone.
            InputError: The file may not be read, is damaged or of another version.
        """
        try:
            text = (self.path / "experiment.json").read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _missing(self.id) from error
        except OSError as error:
            raise InputError(
                "The run {name} cannot be read: {reason}.", name=self.name, reason=error.strerror
            ) from error
        except UnicodeDecodeError as error:
            raise InputError("The experiment is not valid JSON: {reason}", reason=str(error)) from error
        return Experiment.from_json(text)

    @property
    def exists(self) -> bool:
        """Whether the folder is still there (a name that no folder can have is not), even if it may not be read."""
        try:
            return stat.S_ISREG((self.path / "experiment.json").stat().st_mode)
        except PermissionError:
            return True
        except (OSError, ValueError):
            return False

    @property
    def state(self) -> State:
        """One of :data:`core.runs.status.LIVE` or :data:`core.runs.status.ENDED`, checked against the process."""
        return self.status().state

    @property
    def recorded(self) -> RunStatus:
        """What ``status.json`` says, the state not checked against the process."""
        return RunStatus.load(self.path)

    @property
    def checkpoint(self) -> Path:
        """The best weights, or the last ones where no epoch was validated."""
        best = self.path / "best.safetensors"
        return best if is_file(best) else self.path / "last.safetensors"

    @property
    def has_weights(self) -> bool:
        """Whether a checkpoint can be loaded."""
        return is_file(self.checkpoint)

    def status(self) -> RunStatus:
        """Returns what ``status.json`` says, ``state`` checked against the process that should be writing it.

        Raises:
            RunMissing: The folder is gone.
        """
        if not self.exists:
            raise _missing(self.id)
        recorded = self.recorded
        if recorded.state not in LIVE:
            return recorded
        halting = control.halt(self.path, recorded.requests_read)
        return replace(recorded, state=checked_state(recorded, halting=halting))

    def metrics(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Returns the epochs written since ``offset``, and the next offset; damaged values are ``None``."""
        rows, end = read_lines(self.path / "metrics.jsonl", offset)
        return [_measured(row) for row in rows if _is_count(row.get("epoch"))], end

    def steps(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Returns the points of the step curve written since ``offset``, and the next offset; as :meth:`metrics`."""
        rows, end = read_lines(self.path / "steps.jsonl", offset)
        return [_measured(row) for row in rows if _is_count(row.get("step"))], end

    def classes(self) -> tuple[str, ...]:
        """Returns the class names, in the order of the logits (empty before the data were read)."""
        names = read_json(self.path / "classes.json").get("classes")
        return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()

    def split_rows(self) -> list[dict[str, str]]:
        """Returns ``split.csv``: one row an image with ``key``, ``label`` and ``split``."""
        try:
            with (self.path / "split.csv").open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        except (OSError, ValueError, csv.Error):
            return []
        return [row for row in rows if None not in map(row.get, ("key", "label", "split"))]

    def log(self, last: int = 20_000) -> str:
        """Returns the end of ``log.txt``, at most ``last`` bytes."""
        try:
            with (self.path / "log.txt").open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - last))
                return file.read().decode(errors="replace")
        except OSError:
            return ""

    @property
    def can_resume(self) -> bool:
        """Whether the run can go on from where it was interrupted, or from its start if nothing was saved by then."""
        if not is_file(self.path / "experiment.json"):
            return False
        if self.has_state:
            return self.state in RESUMABLE
        return not is_file(self.path / "last.safetensors") and self.state in REPEATABLE

    @property
    def has_state(self) -> bool:
        """Whether the state is there that the run goes on from."""
        return self.packs_state or is_file(self.path / "resume.pt")

    @property
    def packs_state(self) -> bool:
        """Whether that state can go elsewhere with the run; an earlier version's is a pickle and cannot."""
        return is_file(self.path / "resume.safetensors")

    @property
    def halting(self) -> str | None:
        """What someone requested that the trainer has not carried out yet: ``stop``, ``pause`` or ``discard``."""
        return control.halt(self.path, self.recorded.requests_read)

    @property
    def stop_requested(self) -> bool:
        """Whether someone asked the run to end, for good or for a while."""
        return self.halting is not None

    def request(self, kind: str, value: float = 1.0) -> None:
        """Sends the training process a request, see :mod:`core.runs.control`; one that has ended gets none.

        Raises:
            InputError: There is no such request, or the folder cannot be written.
        """
        if self.state in LIVE:
            control.ask(self.path, kind, value)

    def request_stop(self) -> None:
        """Asks the training process to stop after the step it is in; the best weights stay."""
        self.request("stop")

    def rename(self, name: str) -> None:
        """Gives the run another name; the folder and its address stay.

        Raises:
            InputError: The name is empty or longer than 120 characters.
            RunMissing: The folder is gone.
        """
        cleaned = " ".join(name.split())
        if not cleaned or len(cleaned) > 120:
            raise InputError("A run's name has 1 to 120 characters; this one has {count}.", count=len(cleaned))
        if not self.exists:
            raise _missing(self.id)
        write_atomic(self.path / "label.txt", cleaned + "\n")


class RunStore:
    """All runs under one folder."""

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root).expanduser().absolute() if root else settings.runs_dir()

    def create(self, experiment: Experiment, **status: Any) -> Run:
        """Makes the folder of a new run in state *queued*.

        Args:
            experiment: What it does.
            status: What its status says from the start, such as its ``owner``.

        Raises:
            InputError: The folder cannot be made or written.
        """
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        slug = _slug(experiment.name or f"{experiment.model.backbone}-{Path(experiment.data.source).name}")
        for _ in range(100):
            path = self.root / f"{stamp}-{slug}-{secrets.token_hex(2)}"
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise InputError(
                    "The run's folder cannot be made under {root}: {reason}.", root=self.root, reason=error.strerror
                ) from error
            break
        try:
            RunStatus(**{"doing": "queued", "launched": time.time(), **status}).write(path)
            write_atomic(path / "experiment.json", experiment.to_json() + "\n")
        except OSError as error:
            shutil.rmtree(path, ignore_errors=True)
            raise InputError(
                "The run cannot be written under {root}: {reason}.", root=self.root, reason=error.strerror
            ) from error
        return Run(path)

    def list(self) -> list[Run]:
        """Returns all runs, the newest first, those too that may not be read."""
        try:
            folders = [path for path in self.root.iterdir() if not path.name.startswith(".")]
        except OSError:
            return []
        runs = map(Run, sorted(folders, key=lambda p: p.name, reverse=True))
        return [run for run in runs if run.exists]

    def open(self, reference: str | Path) -> Run:
        """Returns the run with this id under the root, or at this path.

        Raises:
            RunMissing: There is none.
        """
        name = str(reference)
        if re.fullmatch(r"[^/\\]+", name) and not name.startswith("."):
            run = Run(self.root / name)
            if run.exists:
                return run
        run = Run(Path(reference).expanduser().absolute())
        if run.exists:
            return run
        raise RunMissing("There is no run {name} under {root}.", name=name, root=self.root)

    def get(self, run_id: str) -> Run:
        """Returns the run with this id, and never one outside the root: what a page calls with a person's input.

        Raises:
            RunMissing: There is none.
        """
        run = Run(self.root / run_id)
        if not re.fullmatch(r"[^/\\]+", run_id) or run_id.startswith(".") or not run.exists:
            raise _missing(run_id)
        return run

    def delete(self, run: Run) -> None:
        """Removes a run's folder for good.

        Raises:
            InputError: Its process is still at work.
            RunMissing: It is gone already.
        """
        if run.state in LIVE:
            raise InputError("The run {name} is still {state}. Stop it first.", name=run.name, state=run.state)
        doomed = self.root / f"{_DELETED}{run.id}-{secrets.token_hex(2)}"
        try:
            run.path.rename(doomed)
        except OSError as error:
            raise InputError(
                "The run {name} cannot be deleted: {reason}.", name=run.name, reason=error.strerror
            ) from error
        for folder in self.root.glob(f"{_DELETED}*"):  # also what a killed process did not get to
            shutil.rmtree(folder, ignore_errors=True)


def checked_state(recorded: Status, *, halting: str | None) -> State:
    """Returns the state that a status claims, held against the process it names.

    Args:
        recorded: What ``status.json`` contains.
        halting: What somebody requested that ends the process, ``stop``, ``pause`` or ``discard``.
    """
    if recorded.state in LIVE and not alive(recorded):
        return "interrupted"
    if recorded.state in ("queued", "starting", "running") and halting:
        return "pausing" if halting == "pause" else "stopping"
    return recorded.state


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def _measured(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row of measures without what cannot be one; the phase's name alone is a text."""
    return {name: value if _is_measure(name, value) else None for name, value in row.items()}


def _is_measure(name: str, value: object) -> bool:
    if isinstance(value, str):
        return name == "phase"
    return isinstance(value, float) or (isinstance(value, int) and abs(value) <= LARGEST)


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).lower()
    return re.sub(r"[^\w]+|_+", "-", plain).strip("-")[:48].strip("-") or "run"


def _missing(name: str) -> RunMissing:
    return RunMissing("The run {name} does not exist any more. Choose another one.", name=name)
