"""A study of many heatmaps in a process of its own: started by a page, kept beside the runs, and found again.

This module loads no torch before a study is made.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from core.errors import Cancelled, InputError
from core.runs.files import write_atomic
from core.runs.jobs import Job, JobRequest
from core.runs.store import Run, RunStore
from core.workflows.jobs.job_process import JobContext

if TYPE_CHECKING:
    from core.workflows.inspection.heatmap_study import Maps, Study

MAPS = "maps.npz"


@dataclass(frozen=True, slots=True)
class StudyRequest(JobRequest):
    """What is studied of a run.

    Attributes:
        run: The run's id.
        stamp: As :func:`weights_stamp` returns it: better weights make another study.
        method: Id of a row of :data:`core.interpret.attribution.explain.METHODS`.
        layer: Layer for methods that look at one; ``None`` for the network's own choice.
        of: ``predicted`` or ``truth``: which class is explained.
        moment: Which checkpoint, see :func:`core.workflows.checkpoints.network_at`.
        settings: The method's own settings, by name.
        most: Pictures at most; ``None`` for as many as usual.
    """

    kind: ClassVar[str] = "heat-studies"
    run: str
    stamp: str
    method: str = "grad-cam"
    layer: str | None = None
    of: str = "predicted"
    moment: str = "best"
    settings: Mapping[str, int] = field(default_factory=dict)
    most: int | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        settings = {str(name): int(value) for name, value in record["settings"].items()}
        return cls(**{**record, "settings": settings})

    def identity(self) -> dict[str, Any]:
        """Returns all but the number of pictures."""
        return {name: value for name, value in self.as_record().items() if name != "most"}


def weights_stamp(run: Run) -> str:
    """Returns when a run's best weights were written; ``0`` where it has none."""
    return str(run.checkpoint.stat().st_mtime_ns if run.has_weights else 0)


def result(job: Job) -> tuple[Study, Maps] | None:
    """Returns what a study found and the maps behind it; ``None`` before it did, or where that is damaged."""
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


def work(request: StudyRequest, context: JobContext) -> None:
    """Studies the heatmaps; what was found before a cancel is kept."""
    from core.device import resolve_device
    from core.workflows.checkpoints import network_at
    from core.workflows.images import reopen
    from core.workflows.inspection import heatmap_study

    run = RunStore(context.runs_dir).get(request.run)
    network = network_at(run, request.moment, roots=context.roots)
    network.model.to(resolve_device(request.device))
    made, maps = heatmap_study.study(
        network,
        reopen(run, roots=context.roots),
        method=request.method,
        layer=request.layer,
        settings=dict(request.settings),
        of=request.of,
        most=heatmap_study.MAX_IMAGES if request.most is None else request.most,
        progress=lambda done, total: context.progress("explaining", done, total),
        stop=context.cancelled,
    )
    keep(context.job, made, maps)
    if not made.complete:
        raise Cancelled


def keep(job: Job, made: Study, maps: Maps) -> None:
    """Writes what a study found into its folder, the maps first."""
    import numpy as np

    file = io.BytesIO()
    np.savez_compressed(file, maps=maps)
    write_atomic(job.path / MAPS, file.getvalue())
    job.write_result(made.as_record())
