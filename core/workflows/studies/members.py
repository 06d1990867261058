"""A study on disk: a job's folder beside the runs, its members' runs, and how each stands. Loads no torch.

The study is the request of a job of the kind ``studies``; the job's result says which run each member is. Whether a
member has finished is asked of its run, so that a study whose process was killed loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from core.data.sources import open_spec
from core.errors import InputError, RunMissing
from core.runs.jobs import Job, JobRequest, JobStore
from core.runs.launch import start_job
from core.runs.queue_entries import runs_folder
from core.runs.status import LIVE, RunStatus, State
from core.runs.store import Run, RunStore
from core.specs.study import Study
from core.workflows.data_check.dividing import divide
from core.workflows.studies import search
from core.workflows.studies.design import FROM_FIRST, Member, count, expand, preview
from core.workflows.studies.series import figures_of

KIND = "studies"


@dataclass(frozen=True, slots=True)
class StudyRequest(JobRequest):
    """What a study's job does.

    Attributes:
        study: The study's record.
        adopts: Id of an earlier study whose finished runs count where a member is the same experiment.
    """

    kind: ClassVar[str] = KIND
    study: dict[str, Any] = field(default_factory=dict)
    adopts: str = ""

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        return cls(dict(record["study"]), str(record.get("adopts", "")))


@dataclass(frozen=True, slots=True)
class Standing:
    """How a member stands.

    Attributes:
        member: The member.
        run: Its run; ``None`` before there is one, or after it was deleted.
        state: The run's state; ``missing`` where there is none.
        figures: What a finished run reached, see :data:`core.workflows.studies.series.METRICS`.
        judged: Images that its accuracy is a share of; 0 where that is not known.
        failure: Why it failed; ``None`` where it did not.
        pruned: Whether a search ended its setting early, so that nothing of it is missing.
    """

    member: Member
    run: Run | None
    state: State | Literal["missing"]
    figures: Mapping[str, float]
    judged: int = 0
    failure: InputError | None = None
    pruned: bool = False

    @property
    def failed(self) -> bool:
        """Whether it ended without finishing, which nobody wanted."""
        return self.state in ("failed", "interrupted", "stopped", "unreadable") and not self.pruned

    @property
    def finished(self) -> bool:
        """Whether it counts."""
        return self.state == "finished"


def start(
    study: Study,
    runs_dir: Path | str | None = None,
    *,
    adopts: str = "",
    roots: Sequence[Path] | None = None,
    owner: str = "",
) -> Job:
    """Starts a study in a process of its own, which trains its members one after the other.

    Each member stands in the queue like any run of its owner, so that others take their turns in between.

    Raises:
        InputError: A field or a value is not allowed, it has too many members, the images cannot be dealt out into its
            folds, or no process can be started.
    """
    if study.design == "optuna":
        search.check()
    made = preview(study)
    if study.folds:
        divide(open_spec(made[0].experiment.data, roots=roots), made[0].experiment.data)
    return start_job(StudyRequest(study.as_record(), adopts), runs_dir, roots=roots, owner=owner)


def find(study_id: str, runs_dir: Path | str | None = None) -> Job:
    """Returns a study by its id.

    Raises:
        InputError: There is none.
    """
    job = JobStore(KIND, runs_dir).root / study_id
    if not re.fullmatch(r"[\w-]+", study_id) or not Job(job).exists:
        raise InputError("There is no study {name} here. See them with: python -m core study --list", name=study_id)
    return Job(job)


def study_of(job: Job) -> Study:
    """Returns the study of a job.

    Raises:
        InputError: Its record is damaged.
    """
    return Study.from_record(job.request.get("study"))


def known_runs(job: Job) -> dict[str, str]:
    """Returns the ids of the runs by the members' numbers, ``first`` for the one before them."""
    found = job.result.get("runs")
    if not isinstance(found, dict):
        return {}
    return {str(key): value for key, value in found.items() if isinstance(value, str)}


def members_of(job: Job) -> tuple[Member, ...]:
    """Returns a study's members, those that a search has picked so far; worked out once for as long as files stay.

    Raises:
        InputError: Its record is damaged.
    """
    return _members(job, _stamp(job), picked(job))


def picked(job: Job) -> tuple[tuple[str, ...], ...]:
    """Returns the labels of the values of each setting that a search has picked."""
    rows = job.result.get("picked")
    return tuple(tuple(map(str, row)) for row in rows) if isinstance(rows, list) else ()


def pruned(job: Job) -> frozenset[int]:
    """Returns the numbers of the settings that a search ended early."""
    return frozenset(one for one in job.result.get("pruned", ()) if isinstance(one, int))


def planned(job: Job) -> int:
    """Returns how many runs a study has at most, those of settings that are yet to be picked among them."""
    study = _study(job, _stamp(job))
    return count(study) if study.design == "optuna" else len(members_of(job))


def _stamp(job: Job) -> int:
    try:
        return (job.path / "request.json").stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=256)
def _study(job: Job, _stamp: int) -> Study:
    return study_of(job)


@lru_cache(maxsize=16)
def _members(job: Job, stamp: int, settings: tuple[tuple[str, ...], ...]) -> tuple[Member, ...]:
    return expand(_study(job, stamp), job.id, settings)


def standings(job: Job) -> tuple[Standing, ...]:
    """Returns how the members of a study stand.

    Raises:
        InputError: Its record is damaged.
    """
    store, runs, ended = RunStore(runs_folder(job)), known_runs(job), pruned(job)
    found = (standing(member, store, runs.get(str(member.number))) for member in members_of(job))
    return tuple(replace(one, pruned=one.member.setting in ended) for one in found)


def standing(member: Member, store: RunStore, run_id: str | None) -> Standing:
    """Returns how a member stands whose run is of this id."""
    if run_id is None:
        return Standing(member, None, "missing", {})
    try:
        run = store.get(run_id)
        status = run.status()
    except RunMissing:
        return Standing(member, None, "missing", {})
    if status.state == "finished":
        return Standing(member, run, status.state, _kept_figures(run, status.ended), _judged(status))
    return Standing(member, run, status.state, {}, 0, status.failure if status.state == "failed" else None)


@lru_cache(maxsize=4096)
def _kept_figures(run: Run, _ended: float | None) -> Mapping[str, float]:
    return figures_of(run, run.recorded)


def _judged(status: RunStatus) -> int:
    held_out = status.val_images or 0
    if status.test_accuracy is None or status.images is None or status.train_images is None:
        return held_out
    return max(0, status.images - status.train_images - held_out)


def weights_from(first: Run, member: Member) -> Member:
    """Returns a member whose weights are those of the study's first run, where it asks for them."""
    model = member.experiment.model
    if model.weights != FROM_FIRST:
        return member
    return replace(member, experiment=replace(member.experiment, model=replace(model, weights=f"run:{first.id}")))


def cancel(job: Job) -> None:
    """Asks a study to pause: the member at work keeps its state, the others are not begun."""
    job.request_stop()


def part_of(series: str, runs_dir: Path | str | None = None) -> Job | None:
    """Returns the study that runs of a series belong to; ``None`` where an earlier version made them."""
    job = Job(JobStore(KIND, runs_dir).root / series)
    return job if series and re.fullmatch(r"[\w-]+", series) and job.exists else None


def varies(job: Job) -> bool:
    """Whether the runs of a study differ by more than seed, fold and remedy, so that they have no common mean."""
    try:
        return not _study(job, _stamp(job)).is_series
    except InputError:
        return True


def alive(job: Job) -> bool:
    """Whether a study's process is at work."""
    return job.state in LIVE
