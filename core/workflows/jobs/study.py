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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

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
from core.workflows.studies.design import Member, count, expand
from core.workflows.studies.members import Standing, StudyRequest
from core.workflows.studies.search import Search, Told

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
        self.picked, self.pruned = [*folder.picked(self.job)], set(folder.pruned(self.job))
        self.members = expand(study, self.job.id, self.picked)
        self.first: Run | None = None
        self.runs = folder.known_runs(self.job) or self._adopted(adopts)
        self.durations: list[float] = []
        self.shelf: ImageShelf | None = None

    def carry_out(self) -> None:
        self._note()
        if not self._handed_on():
            return
        self._train_missing()
        while self.study.design == "optuna" and len(self.picked) < self.study.samples:
            self.context.raise_if_cancelled()
            search = Search(self.study, _told(self._standings()))
            if search.levels is None:
                break
            self.picked.append(tuple(level.label for level in search.levels))
            self.members = self._with_weights(expand(self.study, self.job.id, self.picked))
            self._note()
            self._train_missing(search)
        self.context.raise_if_cancelled()
        self._report("training", sum(one.finished or one.pruned for one in self._standings()))

    def _train_missing(self, search: Search | None = None) -> None:
        """Trains the members that have not finished; one of a search's newest setting may be pruned."""
        found = self._standings()
        todo = [one for one in found if not one.finished and not one.pruned and one.state not in LIVE]
        todo.sort(key=lambda one: one.state != "missing")  # what ended this process before comes last
        newest, each = len(self.picked) - 1, len(self.study.seeds) * max(1, self.study.folds)
        done = sum(one.finished or one.pruned for one in found)
        for number, one in enumerate(todo):
            self.context.raise_if_cancelled()
            if one.member.setting in self.pruned:
                continue
            self._report("training", done + number)
            began = time.time()
            prunes = search is not None and one.member.number == newest * each  # by its first run
            judge = self._judge(search, newest) if search is not None and prunes else None
            self._train(str(one.member.number), one.member.experiment, one.run, judge)
            self.durations.append(time.time() - began)

    def _judge(self, search: Search, setting: int) -> Callable[[Run, Mapping[str, Any]], None]:
        """Returns what ends a run whose setting a search prunes."""

        def judge(run: Run, record: Mapping[str, Any]) -> None:
            accuracy = record.get("val_accuracy")
            if record.get("event") != "epochend" or accuracy is None or setting in self.pruned:
                return
            if record["epoch"] < run.experiment.training.epochs and search.prunes(record["epoch"], accuracy):
                self.pruned.add(setting)
                self._note()
                run.request("stop")

        return judge

    def _standings(self) -> list[Standing]:
        found = [folder.standing(one, self.store, self.runs.get(str(one.number))) for one in self.members]
        return [replace(one, pruned=one.member.setting in self.pruned) for one in found]

    def _with_weights(self, members: Sequence[Member]) -> tuple[Member, ...]:
        first = self.first
        return tuple(members if first is None else (folder.weights_from(first, member) for member in members))

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
        self.first = run
        self.members = self._with_weights(self.members)
        return True

    def _known(self, key: str) -> Run | None:
        with suppress(InputError):
            return self.store.get(self.runs[key]) if key in self.runs else None
        return None

    def _train(
        self,
        key: str,
        experiment: Experiment,
        before: Run | None,
        judge: Callable[[Run, Mapping[str, Any]], None] | None = None,
    ) -> None:
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
                    seen = {} if judge is None else {"emit": partial(judge, run)}
                    train(run, roots=self.context.roots, shelf=self.shelf, **seen)
            except StorageError:
                raise
            except Exception as error:  # noqa: BLE001 (any member may fail in a way of its own)
                self.context.recorder.log(f"member {key} ({run.id}) ended: {error}")
        gc.collect()
        if not gc.get_freeze_count():
            gc.freeze()  # the libraries are loaded now: no later collection need look through them

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
        picked = {"picked": self.picked, "pruned": sorted(self.pruned)} if self.picked else {}
        self.job.write_result({"runs": self.runs, **picked})

    def _report(self, doing: str, done: int) -> None:
        each = statistics.median(self.durations) if self.durations else None
        total = count(self.study) if self.study.design == "optuna" else len(self.members)
        left = None if each is None else each * (total - done)
        self.context.progress(doing, done, total, eta_seconds=left)


def _told(found: Sequence[Standing]) -> list[Told]:
    """Returns what a search is told of how the members of a study stand."""
    rows = []
    for setting in sorted({one.member.setting for one in found}):
        members = [one for one in found if one.member.setting == setting]
        values = [one.figures["val_accuracy"] for one in members if one.finished and "val_accuracy" in one.figures]
        epochs = members[0].run.metrics()[0] if members[0].run is not None else []
        course = {
            int(row["epoch"]): float(row["val_accuracy"]) for row in epochs if row.get("val_accuracy") is not None
        }
        picked = tuple(level.label for level in members[0].member.levels)
        rows.append(Told(picked, statistics.fmean(values) if values else None, course, members[0].pruned))
    return rows


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
