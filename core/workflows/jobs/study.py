"""A study outside of the page: one process that trains its members one after the other, each a run of its own.

What costs most in a small training is not the training: starting a process and loading PyTorch take seconds, and the
features of a frozen backbone are the same for every head. In one process the first is paid once, the images are decoded
once, and the features are found in their files.
"""

from __future__ import annotations

import gc
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from core.errors import InputError, StorageError
from core.runs import launch
from core.runs.jobs import Job
from core.runs.queue import known_device
from core.runs.status import LIVE
from core.runs.store import Run, RunStore
from core.specs import Experiment
from core.specs.study import Study
from core.workflows.jobs.job_process import JobContext
from core.workflows.studies import members as folder
from core.workflows.studies.design import Member, expand
from core.workflows.studies.members import Standing, StudyRequest

if TYPE_CHECKING:
    from core.workflows.trainer_process.image_shelf import ImageShelf

POLL_SECONDS = 0.3
"""Seconds between two looks at whether the study was asked to end."""
FIRST = "first"
__all__ = ["StudyRequest", "result", "work"]


def result(job: Job) -> tuple[Standing, ...] | None:
    """Returns how the members of a study stand; ``None`` where it cannot be read."""
    try:
        return folder.standings(job) if job.result else None
    except InputError:
        return None


def work(request: StudyRequest, context: JobContext) -> None:
    """Trains what is missing: members never tried first, then those that failed or were interrupted."""
    _Work(Study.from_record(request.study), request.adopts, context).carry_out()


class _Work:
    """One process's work on a study."""

    def __init__(self, study: Study, adopts: str, context: JobContext) -> None:
        self.study, self.context, self.job = study, context, context.job
        self.store = RunStore(context.runs_dir)
        self.members = expand(study, self.job.id)
        self.runs = folder.known_runs(self.job) or self._adopted(adopts)
        self.durations: list[float] = []
        self.shelf: ImageShelf | None = None

    def carry_out(self) -> None:
        self._note()
        if not self._handed_on():
            return
        found = [self._standing(member) for member in self.members]
        todo = [one for one in found if not one.finished and one.state not in LIVE]
        todo.sort(key=lambda one: one.state != "missing")  # what ended this process before comes last
        done = sum(one.finished for one in found)
        for number, one in enumerate(todo):
            self.context.raise_if_cancelled()
            self._report("training", done + number)
            began = time.time()
            self._train(str(one.member.number), one.member.experiment, one.run)
            self.durations.append(time.time() - began)
        self.context.raise_if_cancelled()
        self._report("training", done + len(todo))

    def _standing(self, member: Member) -> Standing:
        return folder.standing(member, self.store, self.runs.get(str(member.number)))

    def _handed_on(self) -> bool:
        """Trains the run whose weights members begin from; returns whether the members can begin."""
        if self.study.first is None:
            return True
        run = self._known(FIRST)
        if run is None or run.state != "finished":
            self._report("training the first run", 0)
            self._train(FIRST, replace(self.study.first, series=""), run)
            self.context.raise_if_cancelled()
            run = self._known(FIRST)
        if run is None or not run.has_weights:
            failure = run.recorded.failure if run is not None else None
            raise failure or InputError("The run whose weights the members begin from has left none. Try again.")
        first = run
        self.members = tuple(folder.weights_from(first, member) for member in self.members)
        return True

    def _known(self, key: str) -> Run | None:
        with suppress(InputError):
            return self.store.get(self.runs[key]) if key in self.runs else None
        return None

    def _train(self, key: str, experiment: Experiment, before: Run | None) -> None:
        """Trains a member, or goes on with it; how it fails is recorded in its own folder, and the study goes on."""
        from core.workflows.trainer_process.image_shelf import ImageShelf
        from core.workflows.trainer_process.worker import work as train

        self.shelf = self.shelf or ImageShelf()
        several = experiment.training.processes > 1
        run = self._spawned(experiment, before) if several else self._queued(experiment, before)
        self.runs[key] = run.id
        self._note()
        with _forwarded(self.job, run):
            try:
                if several:
                    _wait_for(run)
                else:
                    train(run, roots=self.context.roots, shelf=self.shelf)
            except StorageError:
                raise
            except Exception as error:  # noqa: BLE001 (any member may fail in a way of its own)
                self.context.recorder.log(f"member {key} ({run.id}) ended: {error}")
        gc.collect()

    def _spawned(self, experiment: Experiment, before: Run | None) -> Run:
        """Returns a run with processes of its own, as several GPUs need them: the one before, or a new one."""
        if before is not None and before.can_resume:
            launch.resume(before, roots=self.context.roots)
            return before
        if before is not None:
            self.store.delete(before)
        owner = self.context.recorder.status.owner
        return launch.start(experiment, self.context.runs_dir, roots=self.context.roots, owner=owner)

    def _queued(self, experiment: Experiment, before: Run | None) -> Run:
        """Returns a run that waits for this process: the one before where it can go on, or a new one."""
        if before is not None and before.can_resume:
            launch.resume_here(before)
            return before
        if before is not None:
            self.store.delete(before)
        return self.store.create(
            experiment,
            owner=self.context.recorder.status.owner,
            foreground=True,  # revived with the study, not without it
            queue_device=known_device(experiment.training.device) or "",
            estimate_seconds=statistics.median(self.durations) if self.durations else None,
        )

    def _adopted(self, earlier: str) -> dict[str, str]:
        """Returns the finished runs of an earlier study that are the same experiments."""
        if not earlier:
            return {}
        job = folder.find(earlier, self.context.runs_dir)
        kept = {_plain(one.member.experiment): one.run.id for one in folder.standings(job) if one.finished and one.run}
        found = {str(one.number): kept[text] for one in self.members if (text := _plain(one.experiment)) in kept}
        before = folder.known_runs(job)
        same_first = self.study.first is not None and folder.study_of(job).first == self.study.first
        return found | ({FIRST: before[FIRST]} if same_first and FIRST in before else {})

    def _note(self) -> None:
        self.job.write_result({"runs": self.runs})

    def _report(self, doing: str, done: int) -> None:
        each = statistics.median(self.durations) if self.durations else None
        left = None if each is None else each * (len(self.members) - done)
        self.context.progress(doing, done, len(self.members), eta_seconds=left)


def _plain(experiment: Experiment) -> str:
    return replace(experiment, name="", series="").to_json()


def _wait_for(run: Run) -> None:
    while run.state in LIVE:
        time.sleep(POLL_SECONDS)


@contextmanager
def _forwarded(job: Job, run: Run) -> Iterator[None]:
    """Passes on to the run at work that the study was asked to end: the run pauses, and keeps its state."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(POLL_SECONDS):
            if job.stop_requested:
                with suppress(InputError, OSError):
                    run.request("pause")
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
