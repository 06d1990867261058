"""What is recorded during a training: the health of its stages, snapshots of pinned images, weights after epochs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from core.errors import DISK_FULL
from core.models.network import Network
from core.runs.files import append_line, read_lines
from core.runs.recorder import Recorder
from core.runs.store import Run
from core.training.checkpoints.epoch_weights import EpochWeights
from core.training.features.batch_sources import Material
from core.training.loop.events import EpochEnd, Event, Finished, PhaseStarted
from core.training.loop.trainer import Trainer
from core.training.monitoring.health_monitor import HealthMonitor, StepObserver
from core.training.monitoring.kept_looks import KeptLooks
from core.workflows.trainer_process.snapshot_taker import SnapshotTaker

T = TypeVar("T")


class TrainingObservers:
    """Records a training without ending it, except for a full disk: what fails is logged once and not tried again.

    Args:
        run: The run; ``health.jsonl``, ``snapshots/`` and ``weights/`` go into its folder.
        recorder: Writes its log.
        network: As it is before its training.
        material: The images.
        device: Where the network will compute.
        kept: Looks of trainings of this process before.

    Attributes:
        observer: Called by the training loop at each step.
    """

    def __init__(
        self, run: Run, recorder: Recorder, network: Network, material: Material, device: torch.device, kept: KeptLooks
    ) -> None:
        self._run, self._recorder = run, recorder
        self._failed: set[str] = set()
        self._health: HealthMonitor | None = self._try("health", lambda: HealthMonitor(network, material, device, kept))
        self._snapshots: SnapshotTaker | None = self._try(
            "snapshots", lambda: SnapshotTaker(run.path, network, material, device, kept)
        )
        allowed = run.experiment.training.kept_mib << 20
        self._epoch_weights: EpochWeights | None = self._try(
            "weights of epochs", lambda: EpochWeights(run.path, network.model, allowed)
        )
        self.observer: StepObserver = self._health or StepObserver()
        self._best: int | None = None

    def resume_after(self, epoch: int, best: int | None) -> None:
        """Continues with a run that was interrupted after an epoch."""
        self._best = best
        if self._health is not None:
            rows, _ = read_lines(self._run.path / "health.jsonl")
            self._health.resume_after(epoch, int(rows[-1].get("epoch", 0)) if rows else 0)
        if (snapshots := self._snapshots) is not None:
            self._try("snapshots", lambda: snapshots.rewind(epoch))
        self._keep(lambda weights: weights.rewind(epoch))

    def on_event(self, event: Event, trainer: Trainer) -> None:
        """Records what is due after an event."""
        if isinstance(event, EpochEnd):
            self._best = event.epoch if event.improved else self._best
            with trainer.average_applied():
                self._note(event.epoch, trainer.state.step, last=event.epoch >= trainer.epochs)
                if (snapshots := self._snapshots) is not None:
                    self._try(
                        "snapshots", lambda: snapshots.epoch_end(event.epoch, self._best, improved=event.improved)
                    )
                self._keep(lambda weights: weights.epoch_end(event.epoch))
        elif isinstance(event, PhaseStarted):
            self._keep(EpochWeights.phase_started)
        elif isinstance(event, Finished) and trainer.state.epoch and not trainer.state.done:
            with trainer.average_applied():
                self._note(trainer.state.epoch, trainer.state.step, last=True)
                self._take(trainer.state.epoch)

    def best(self, epoch: int | None) -> None:
        """Takes a snapshot of the best epoch, whose weights the network has now, where there is none."""
        if epoch:
            self._best = epoch
            self._take(epoch)

    def _note(self, epoch: int, step: int, *, last: bool = False) -> None:
        health = self._health
        if health is None:
            return

        def note() -> None:
            row = health.epoch_end(epoch, step, last=last)
            if health.error is not None:
                raise health.error
            if row is not None:
                append_line(self._run.path / "health.jsonl", row)

        self._try("health", note)

    def _take(self, epoch: int) -> None:
        if (snapshots := self._snapshots) is not None:
            self._try("snapshots", lambda: snapshots.take(epoch, self._best))

    def _keep(self, what: Callable[[EpochWeights], None]) -> None:
        if (weights := self._epoch_weights) is not None:
            self._try("weights of epochs", lambda: what(weights))

    def _try(self, what: str, record: Callable[[], T]) -> T | None:
        if what in self._failed:
            return None
        try:
            return record()
        except Exception as error:
            if isinstance(error, OSError) and error.errno in DISK_FULL:
                raise
            self._failed.add(what)
            self._recorder.log(f"{what} are not recorded any more: {type(error).__name__}: {error}")
            return None
