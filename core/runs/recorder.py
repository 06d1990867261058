"""The training process's pen: the only writer of a run folder after launch."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib import metadata
from typing import Any, Generic, TypeVar, overload

import psutil

from core import settings
from core.runs.files import append_line, read_lines, to_json, write_atomic, write_json
from core.runs.jobs import Job
from core.runs.process import process_stamp
from core.runs.status import FILE as STATUS_FILE
from core.runs.status import JobStatus, RunStatus, Status
from core.runs.store import Run
from core.specs import Experiment, LiveChange

PACKAGES = ("torch", "torchvision", "numpy", "pillow", "scikit-learn", "safetensors", "streamlit", "captum", "timm")
HEARTBEAT_SECONDS = 0.5
"""Seconds between two writes of ``status.json`` that only move a counter on."""
_S = TypeVar("_S", bound=Status)
EventSink = Callable[[dict[str, Any]], None]
"""Receives plain records about what goes on in a process, for whoever shows it."""
BEFORE = "before.json"
"""File of a run's folder: what the network was worth on the validation images before its first step."""
STEP_POINTS = 2_000
"""Lines that ``steps.jsonl`` is meant to hold; the step curve is thinned to about this many."""


class Recorder(Generic[_S]):
    """Writes what a run, or a job beside the runs, does into its folder.

    Args:
        run: The run or job, whose folder exists.
    """

    @overload
    def __init__(self: Recorder[RunStatus], run: Run) -> None: ...
    @overload
    def __init__(self: Recorder[JobStatus], run: Job) -> None: ...
    def __init__(self, run: Run | Job) -> None:
        self.run: Run | Job = run
        self._status: Any = run.recorded
        self._changes = process_stamp()
        self._written = 0.0
        self._point = 0

    @property
    def status(self) -> _S:
        """The status as it stands."""
        if self._changes:  # of many a step only the last are looked at
            self._status, self._changes = replace(self._status, **self._changes), {}
        found: _S = self._status
        return found

    def update(self, *, now: bool = True, **changes: Any) -> None:
        """Changes fields of the status; with ``now=False`` it is written at most every half second."""
        self._changes |= changes
        clock_time = time.time()
        if not now and clock_time - self._written < HEARTBEAT_SECONDS:
            return
        self._written = clock_time
        self._changes["heartbeat"] = clock_time
        self.status.write(self.run.path)

    def update_at_last(self, **changes: Any) -> None:
        """Changes fields of the status even where the disk has no room for a second file, as far as that can be.

        Raises:
            OSError: It cannot.
        """
        try:
            self.update(**changes)
        except OSError:
            content, path = to_json(self.status.as_record()).encode(), self.run.path / STATUS_FILE
            if len(content) > path.stat().st_blocks * 512:
                raise
            with path.open("r+b") as file:
                file.write(content)
                file.truncate()

    def judged_before(self, record: dict[str, Any]) -> None:
        """Writes the figures of epoch 0 into :data:`BEFORE`; what is no finite number is left out."""
        write_json(self.run.path / BEFORE, {name: value for name, value in record.items() if math.isfinite(value)})

    def epoch(self, record: dict[str, Any]) -> None:
        """Appends an epoch to ``metrics.jsonl``."""
        append_line(self.run.path / "metrics.jsonl", record)

    def step(self, step: int, steps: int, record: dict[str, Any]) -> None:
        """Appends a point to ``steps.jsonl``, unless the last one is too near for a curve of so many steps."""
        every = max(1, -(-steps // STEP_POINTS))
        if step - self._point >= every:
            self._point = step
            append_line(self.run.path / "steps.jsonl", {"step": step, **record})

    def rewind(self, epoch: int, step: int) -> None:
        """Takes back what was logged after an epoch and a step: a run that goes on logs it again.

        Rows that do not say when they were logged are dropped.
        """
        files = (("metrics.jsonl", "epoch", epoch), ("health.jsonl", "epoch", epoch), ("steps.jsonl", "step", step))
        for name, key, last in files:
            path = self.run.path / name
            rows, _ = read_lines(path)
            kept = [row for row in rows if isinstance(row.get(key), int) and row[key] <= last]
            if len(kept) < len(rows):
                write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept))
        self._point = step

    def precision(self, phase: int, precision: str) -> None:
        """Writes which number format ``auto`` chose for a phase into the experiment, for a repetition of the run."""
        assert isinstance(self.run, Run)
        experiment = self.run.experiment
        known = experiment.training.precisions
        if experiment.training.precision == "auto" and len(known) == phase:
            training = replace(experiment.training, precisions=(*known, precision))
            self._write(replace(experiment, training=training))

    def live_change(self, change: LiveChange, index: int) -> None:
        """Writes what a person changed into the experiment, so that a repetition of the run changes it too."""
        assert isinstance(self.run, Run)
        experiment = self.run.experiment
        changes = experiment.training.acts
        if index < len(changes) and changes[index] == change:
            return  # it stood there already and was repeated
        training = replace(experiment.training, acts=(*changes[:index], change, *changes[index:]))
        self._write(replace(experiment, training=training))

    def _write(self, experiment: Experiment) -> None:
        write_atomic(self.run.path / "experiment.json", experiment.to_json() + "\n")

    def classes(self, names: Sequence[str]) -> None:
        """Writes the class names, in the order of the logits."""
        write_json(self.run.path / "classes.json", {"classes": list(names)})

    def split(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Writes which image (key, class name) stands in which split."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(("key", "label", "split"))
        writer.writerows(rows)
        write_atomic(self.run.path / "split.csv", text.getvalue())

    def environment(self, **more: Any) -> None:
        """Writes what the run runs on: versions, machine, command, the project's commit."""
        versions: dict[str, str | None] = {}
        for package in PACKAGES:
            try:
                versions[package] = metadata.version(package)
            except metadata.PackageNotFoundError:
                versions[package] = None
        record = {
            "python": platform.python_version(),
            "packages": versions,
            "platform": platform.platform(),
            "cores": os.cpu_count(),
            "memory_bytes": psutil.virtual_memory().total,
            "command": [sys.executable, *sys.orig_argv[1:]],
            "commit": _commit(),
            **more,
        }
        write_json(self.run.path / "environment.json", record)

    def log(self, line: str) -> None:
        """Appends a line, with the time, to ``log.txt``."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        with (self.run.path / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{stamp} {line}\n")


def _commit() -> str | None:
    """Returns the project's git commit, or nothing where it is no checkout."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=settings.PROJECT, capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
