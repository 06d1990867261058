"""A study of many heatmaps in a process of its own: started by a page, kept beside the runs, and found again.

This module loads no torch before a study is made.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.runs.files import write_atomic
from core.runs.jobs import Job, JobStore
from core.runs.launch import start_job
from core.runs.queue import queue_device
from core.runs.recorder import EventSink, Recorder
from core.runs.store import RunStore
from core.workflows.jobs.job_process import carry_out, turn

if TYPE_CHECKING:
    from core.workflows.inspection.heatmap_study import Maps, Study

KIND = "heat-studies"
VERB = "heat-study"
MAPS = "maps.npz"


@dataclass(frozen=True, slots=True)
class StudyRequest:
    """What is studied of a run.

    Attributes:
        method: Id of a row of :data:`core.interpret.attribution.explain.METHODS`.
        layer: Layer for methods that look at one; ``None`` for the network's own choice.
        of: ``predicted`` or ``truth``: which class is explained.
        moment: Which of its weights, see :func:`core.workflows.checkpoints.network_at`.
        settings: The method's own settings, by name.
    """

    method: str = "grad-cam"
    layer: str | None = None
    of: str = "predicted"
    moment: str = "best"
    settings: Mapping[str, int] = field(default_factory=dict)


def start(
    run_id: str,
    asked: StudyRequest,
    *,
    most: int | None = None,
    runs_dir: Path | str | None = None,
    roots: Sequence[Path] | None = None,
    owner: str = "",
) -> Job:
    """Starts a process that studies the heatmaps of a run's held-out pictures; it queues for the device with the runs.

    Args:
        run_id: The run, which has weights.
        asked: What is studied.
        most: Pictures at most.
        runs_dir: Folder of the runs, beside which the study is kept.
        roots: Folders that pictures may be read under, links resolved; ``None`` for no limit.
        owner: Who starts it; owners take turns at a device.

    Raises:
        RunMissing: There is no such run.
        InputError: The folder cannot be written, or no process can be started.
    """
    request = _request(run_id, asked, runs_dir)
    return start_job(KIND, VERB, {**request, "most": most}, runs_dir, roots=roots, owner=owner)


def latest(run_id: str, asked: StudyRequest, runs_dir: Path | str | None = None) -> Job | None:
    """Returns the newest study of these weights in this way, whatever became of it."""
    wanted = _request(run_id, asked, runs_dir)
    return next((job for job in JobStore(KIND, runs_dir).list() if wanted.items() <= job.request.items()), None)


def _request(run_id: str, asked: StudyRequest, runs_dir: Path | str | None) -> dict[str, Any]:
    run = RunStore(runs_dir).get(run_id)
    stamp = run.checkpoint.stat().st_mtime_ns if run.has_weights else 0  # better weights make another study
    return {"run": run_id, "stamp": str(stamp), **asdict(asked)}


def result(job: Job) -> tuple[Study, Maps] | None:
    """Returns what a study found and the maps behind it; ``None`` before it did, or where that is damaged."""
    import zipfile

    import numpy as np

    from core.workflows.inspection.heatmap_study import Study

    record = job.result
    if not record:
        return None
    try:
        with np.load(job.path / MAPS) as file:
            maps = file["maps"]
        made = Study.from_record(record)
    except (InputError, OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile):
        return None
    return (made, maps) if len(maps) == len(made.rows) else None


def work(job: Job, tell: EventSink = lambda _: None, *, roots: Sequence[Path] | None = None) -> dict[str, Any]:
    """Carries out a job of :func:`start` in this process; returns its final status.

    Args:
        job: A job in state *queued*.
        tell: Receives what goes on, for a progress display.
        roots: Folders that pictures may be read under; ``None`` for no limit.

    Raises:
        InputError: The request cannot be carried out; the status says why, too. Or the job was done before, or is
            being done; then nothing is changed.
    """
    return carry_out(
        job,
        lambda recorder: _work(job, recorder, tell, roots),
        busy=InputError("These heatmaps are studied by another process already."),
        done=InputError("These heatmaps were studied before. Start a new study."),
        unforeseen=InputError("The study ended with an error that was not foreseen; its log has the details."),
    )


def _work(job: Job, recorder: Recorder, tell: EventSink, roots: Sequence[Path] | None) -> None:
    request = job.request
    try:
        run_id, most = str(request["run"]), request.get("most")
        asked = StudyRequest(**{field.name: request[field.name] for field in fields(StudyRequest)})
        settings = {str(name): int(value) for name, value in asked.settings.items()}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError("The request of this study is damaged. Make a new one.") from error

    def report(**record: Any) -> None:
        recorder.update(now=False, **record)
        tell(record)

    with turn(job, recorder, queue_device("auto"), tell) as held:
        if not held:
            return
        recorder.update(state="running", doing="loading libraries", ahead=0, begun=time.time())
        from core.device import resolve_device
        from core.workflows.checkpoints import network_at
        from core.workflows.images import reopen
        from core.workflows.inspection import heatmap_study

        run = RunStore(job.path.parent.parent).get(run_id)
        network = network_at(run, asked.moment, roots=roots)
        network.model.to(resolve_device("auto"))
        made, maps = heatmap_study.study(
            network,
            reopen(run, roots=roots),
            method=asked.method,
            layer=asked.layer,
            settings=settings,
            of=asked.of,
            most=heatmap_study.MAX_IMAGES if most is None else int(most),
            progress=lambda done, total: report(doing="explaining", done=done, total=total),
            stop=lambda: job.stop_requested,
        )
    keep(job, made, maps)
    recorder.update(state="finished" if made.complete else "stopped", doing="", ended=time.time(), seconds=made.seconds)


def keep(job: Job, made: Study, maps: Maps) -> None:
    """Writes what a study found into its folder, the maps first."""
    import numpy as np

    file = io.BytesIO()
    np.savez_compressed(file, maps=maps)
    write_atomic(job.path / MAPS, file.getvalue())
    job.write_result(made.as_record())
