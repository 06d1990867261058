"""Writes a training's events into its run's folder and passes them on; polls the requests made of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch

from core.device import memory_in_use
from core.errors import Cancelled
from core.messages import Progress
from core.models.weights import download
from core.runs import control
from core.runs.recorder import EventSink, Recorder
from core.runs.store import Run
from core.training.loop.events import (
    Changed,
    CheckpointDue,
    EpochEnd,
    Event,
    Finished,
    JudgedBefore,
    PhaseStarted,
    ProgressEvent,
    Recovered,
    Started,
    Step,
    as_record,
)
from core.training.loop.live_changes import ControlRequest


class ControlPoller:
    """Reads the requests made of a run, and writes into its status up to where it has read.

    Args:
        run: The run.
        recorder: Writes its status.

    Attributes:
        halt: The last request that ends the run: ``stop``, ``pause`` or ``discard``; ``None`` before one came.
    """

    def __init__(self, run: Run, recorder: Recorder) -> None:
        self.run, self.recorder = run, recorder
        self.halt: str | None = None
        self._offset = recorder.status.requests_read

    def __call__(self) -> Sequence[ControlRequest]:
        """Returns the requests since the last call; a discarded training only needs to stop."""
        rows, offset = control.read(self.run.path, self._offset)
        if offset == self._offset:
            return ()
        self._offset = offset
        requests = []
        for row in rows:
            kind = str(row["kind"])
            if kind in control.STOP_REQUESTS:
                self.halt = kind
                requests.append(ControlRequest("pause" if kind == "pause" else "stop"))
            else:
                requests.append(ControlRequest(kind, row["value"]))
            self.recorder.log(f"asked: {kind} {row['value'] if kind in control.LIVE_CHANGES else ''}".rstrip())
        if self.halt is None:
            self.recorder.update(requests_read=offset)  # a request to end is answered by the state that ends
        return requests

    def interrupt(self) -> None:
        """Ends the work before the training if that was requested.

        Raises:
            Cancelled: It was.
        """
        self.halt = control.halt(self.run.path, self._offset)
        if self.halt is not None:
            raise Cancelled

    @property
    def requests_read(self) -> int:
        """Up to where the requests were read, in bytes."""
        return self._offset


def download_progress(
    poller: ControlPoller, recorder: Recorder, emit: EventSink
) -> Callable[[download.DownloadProgress], None]:
    """Returns a callback that reports a download of pretrained weights, in bytes."""

    def progress(now: download.DownloadProgress) -> None:
        poller.interrupt()
        doing = "downloading the weights"
        recorder.update(now=False, doing=doing, done=now.done, total=now.total or 0)
        emit({"event": "progress", "doing": doing, "done": now.done, "total": now.total or 0})

    return progress


def reading_progress(poller: ControlPoller, recorder: Recorder, emit: EventSink) -> Progress:
    """Returns a callback that reports how many images are read."""

    def progress(done: int, total: int) -> None:
        poller.interrupt()
        recorder.update(now=False, done=done, total=total)
        emit({"event": "progress", "doing": "reading images", "done": done, "total": total})

    return progress


class EventLog:
    """Writes events into the run's folder and passes them on.

    Args:
        recorder: Writes the folder.
        emit: Receives each event as a record.
        images: Training images of an epoch.
        spent: Seconds that the run trained before it was interrupted.
    """

    def __init__(self, recorder: Recorder, emit: EventSink, images: int, spent: float = 0.0) -> None:
        self.recorder, self.emit, self.images = recorder, emit, images
        self.epochs = self.steps = 0
        self.device = torch.device("cpu")
        self.epoch_seconds: Sequence[float] = ()
        self.begin = time.perf_counter() - spent
        self.learned = recorder.status.phase_parameters or 0  # a run that goes on learned these before
        self.finished = Finished(True, 0, None, None, 0.0, 0.0)

    @property
    def spent(self) -> float:
        """Seconds of training so far, before interruptions too."""
        return time.perf_counter() - self.begin

    def on_event(self, event: Event) -> None:
        """Records an event."""
        record = as_record(event)
        update = self.recorder.update
        if isinstance(event, Started):
            self.epochs, self.steps, self.device = event.epochs, event.steps, torch.device(event.device)
            update(**record)
        elif isinstance(event, PhaseStarted):
            self.epoch_seconds = ()
            self.learned = max(self.learned, event.trainable_parameters)
            self.recorder.precision(event.index, event.precision)
            update(
                doing="training",
                phase=event.phase,
                phase_index=event.index,
                precision=event.precision,
                cached=event.cached,
                cut=event.cut,
                phase_parameters=event.trainable_parameters,
            )
        elif isinstance(event, ProgressEvent):
            update(now=False, doing=event.doing, done=event.done, total=event.total)
        elif isinstance(event, JudgedBefore):
            self.recorder.judged_before(record)
        elif isinstance(event, Step):
            self._step(event)
        elif isinstance(event, EpochEnd):
            self._epoch(event)
        elif isinstance(event, Changed):
            self._changed(event)
        elif isinstance(event, Recovered):
            self.recorder.log(f"out of memory: each batch is computed in {event.parts} parts from now on")
            update(parts=event.parts, part_images=event.images)
        elif isinstance(event, Finished):
            self.finished = event
            update(best_epoch=event.best_epoch, best_val_accuracy=event.best_val_accuracy, early=list(event.early))
        if not isinstance(event, CheckpointDue):
            self.emit({"event": type(event).__name__.removesuffix("Event").lower(), **record})

    def _changed(self, event: Changed) -> None:
        act = event.act
        self.epochs, self.steps = event.epochs, event.steps
        self.recorder.live_change(act, event.index)
        what = ", ".join(event.stages) if act.kind == "unfreeze" else f"{act.value:g}"
        self.recorder.log(f"changed at step {act.step}: {act.kind} {what}".rstrip())
        self.recorder.update(epochs=event.epochs, steps=event.steps)

    def _step(self, event: Step) -> None:
        point = {"epoch": event.epoch, "loss": event.loss, "accuracy": event.accuracy, "lr": event.lr}
        self.recorder.step(event.step, self.steps, {**point, "t": round(self.spent, 3)})
        if event.step * self.epochs >= event.epoch * self.steps:
            return  # the epoch's end follows at once, with figures that count its validation too
        left = (self.steps - event.step) / max(1, self.steps) * self.epochs * self.images
        self.recorder.update(
            now=False,
            doing="training",
            step=event.step,
            epoch=event.epoch,
            lr=event.lr,
            images_per_second=event.images_per_second,
            memory_bytes=memory_in_use(self.device),
            eta_seconds=left / event.images_per_second,
            spent_seconds=self.spent,
        )

    def _epoch(self, event: EpochEnd) -> None:
        self.recorder.epoch(as_record(event))
        self.epoch_seconds = [*self.epoch_seconds[-4:], event.seconds]
        typical = min(self.epoch_seconds)
        changes = {
            "doing": "training",
            "epoch": event.epoch,
            "epochs_done": event.epoch,
            "lr": event.lr,
            "eta_seconds": (self.epochs - event.epoch) * typical,
            "images_per_second": event.images_per_second,
            "memory_bytes": memory_in_use(self.device),
            "step": round(self.steps * event.epoch / self.epochs),
            "spent_seconds": self.spent,
        }
        if event.improved:
            changes |= {
                "best_epoch": event.epoch,
                "best_val_accuracy": event.val_accuracy,
                "learned_parameters": self.learned,
            }
        self.recorder.update(now=False, **changes)
