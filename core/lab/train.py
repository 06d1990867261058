"""Carries an experiment out: opens the images, builds the network, runs the loop, fills the run's folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from core.data.augment import Augmenter
from core.data.sources import open_dataset
from core.device import memory_in_use, resolve_device, reuse_freed_memory
from core.errors import InputError
from core.evaluation.predictions import predict_store, write_predictions
from core.lab.data import Decoded, decode
from core.lab.networks import build_network
from core.lab.proof import Proof
from core.lab.worker import Tell
from core.models import catalog, download
from core.models.network import Network, load_into
from core.runs.files import write_json
from core.runs.recorder import Recorder
from core.runs.store import Run
from core.training.checkpoint import Checkpointer
from core.training.engine import fit
from core.training.events import EpochEnd, Event, Finished, PhaseStarted, Progress, Started, Step, as_record
from core.training.feeds import Material


def train(run: Run, recorder: Recorder, tell: Tell, roots: Sequence[Path] | None = None) -> None:
    """Trains a run whose device is held.

    Args:
        run: Its experiment says what to do; its ``control`` file may ask to stop.
        recorder: Writes its folder.
        tell: Receives each event as a record, for a progress display.
        roots: Folders that the images (and a weight file) must lie under, links resolved; ``None`` for no limit.

    Raises:
        InputError: The images, the weights or the device are not to be had, or the training diverged.
        OSError: The folder cannot be written.
    """
    begin = time.perf_counter()
    reuse_freed_memory()
    experiment = run.experiment
    device = resolve_device(experiment.training.device)
    recorder.update(state="running", doing="building the network", device=str(device), begun=time.time())
    spec = experiment.data
    dataset = open_dataset(spec.source, roots=roots, seed=spec.seed, images_per_class=spec.images_per_class)
    seed = experiment.training.seed
    try:
        catalog.fetch(experiment.model.backbone, experiment.model.weights, _fetching(run, recorder, tell))
    except _Stopped:
        recorder.update(state="stopped", doing="", ended=time.time(), seconds=time.perf_counter() - begin)
        return
    recorder.update(doing="building the network", done=0, total=0)
    network = build_network(experiment.model, dataset.classes, seed=seed, runs_dir=run.path.parent, roots=roots)
    _record_weights(run, recorder, network)
    proof = Proof(network, experiment)
    recorder.environment(device=str(device), threads=torch.get_num_threads())
    recorder.update(doing="reading images", done=0, total=len(dataset))
    augmented = experiment.augment.active
    try:
        images = decode(dataset, spec, network.preprocessing, canvas=augmented, progress=_reading(run, recorder, tell))
    except _Stopped:
        recorder.update(state="stopped", doing="", ended=time.time(), seconds=time.perf_counter() - begin)
        return
    _record_data(recorder, images)
    material = Material(
        store=images.store,
        augmenter=Augmenter(experiment.augment, network.preprocessing.crop) if augmented else None,
        train=torch.tensor(images.positions("train")),
        val=torch.tensor(images.positions("val")),
    )
    checkpointer = Checkpointer(network.model, run.path)
    teller = _Teller(run, recorder, tell, len(material.train))
    try:
        for event in fit(network, material, experiment, device, stop=lambda: run.stop_requested):
            if isinstance(event, PhaseStarted):
                checkpointer.settle()
            elif isinstance(event, EpochEnd):
                checkpointer.epoch_end(improved=event.improved)
            elif isinstance(event, Finished):
                checkpointer.flush()
            teller.hear(event)
    except (InputError, KeyboardInterrupt):
        checkpointer.settle()
        raise
    results = _judge(run, recorder, network, images, device, proof) if teller.finished.epochs else {}
    recorder.update(
        state="stopped" if teller.finished.stopped else "finished",
        doing="",
        ended=time.time(),
        seconds=time.perf_counter() - begin,
        eta_seconds=0.0,
        memory_bytes=memory_in_use(device),
        images_per_second=teller.finished.images_per_second,
        **results,
    )
    recorder.log(f"ended: {recorder.status['state']}")


class _Stopped(Exception):
    """The run was asked to stop while its weights were fetched or its images read."""


def _fetching(run: Run, recorder: Recorder, tell: Tell) -> Callable[[download.Progress], None]:
    """Tells how far a download of pretrained weights is, in bytes."""

    def progress(now: download.Progress) -> None:
        if run.stop_requested:
            raise _Stopped
        doing = "downloading the weights"
        recorder.update(now=False, doing=doing, done=now.done, total=now.total or 0)
        tell({"event": "progress", "doing": doing, "done": now.done, "total": now.total or 0})

    return progress


def _reading(run: Run, recorder: Recorder, tell: Tell) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if run.stop_requested:
            raise _Stopped
        recorder.update(now=False, done=done, total=total)
        tell({"event": "progress", "doing": "reading images", "done": done, "total": total})

    return progress


def _record_weights(run: Run, recorder: Recorder, network: Network) -> None:
    """Writes what was handed on from an earlier run or a file: counts into the status, names into ``weights.json``."""
    found = network.grafted
    if found is None:
        return
    write_json(run.path / "weights.json", found.to_dict())
    counts = {
        "copied": len(found.copied),
        "missing": len(found.missing),
        "misfit": len(found.misfit),
        "unused": len(found.unused),
        "kept": len(found.kept),
    }
    recorder.update(grafted={**counts, "values": found.values, "total": found.total})
    recorder.log("weights handed on: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    for row in found.misfit:
        recorder.log(f"does not fit: {row.name} {row.theirs} ≠ {row.ours}")


def _record_data(recorder: Recorder, images: Decoded) -> None:
    dataset = images.dataset
    recorder.classes(dataset.classes)
    recorder.split((item.key, dataset.classes[item.label], item.split) for item in dataset.items)
    for bad in images.unreadable:
        recorder.log(f"left out {bad.key}: {bad.reason}")
    recorder.update(images=len(dataset), unreadable=len(images.unreadable), done=0, total=0)


def _judge(
    run: Run, recorder: Recorder, network: Network, images: Decoded, device: torch.device, proof: Proof
) -> dict[str, Any]:
    """Loads the best weights, compares them with those before training, and judges them on the images that were not
    learned from; writes the predictions."""
    recorder.update(doing="evaluating")
    load_into(network.model, run.checkpoint)
    results: dict[str, Any] = {"val_accuracy": None, "test_accuracy": None, **proof.verify(network.model)}
    positions: list[int] = []
    for split in ("val", "test"):
        positions += images.positions(split)
    probabilities = predict_store(network, images.store, positions, device)
    known = {item.key: item for item in images.dataset.items}
    items = [known[images.store.dataset.items[position].key] for position in positions]
    write_predictions(run.path / "predictions.parquet", items, probabilities, network.classes)
    right = probabilities.argmax(axis=1) == [item.label for item in items]
    for split in ("val", "test"):
        hits = [bool(hit) for hit, item in zip(right, items, strict=True) if item.split == split]
        if hits:
            results[f"{split}_accuracy"] = sum(hits) / len(hits)
    return results


class _Teller:
    """Writes events into the run's folder and passes them on."""

    def __init__(self, run: Run, recorder: Recorder, tell: Tell, images: int) -> None:
        self.run, self.recorder, self.tell, self.images = run, recorder, tell, images
        self.epochs = self.steps = 0
        self.epoch_seconds: Sequence[float] = ()
        self.begin = time.perf_counter()
        self.finished = Finished(True, 0, None, None, 0.0, 0.0)

    def hear(self, event: Event) -> None:
        record = as_record(event)
        update = self.recorder.update
        if isinstance(event, Started):
            self.epochs, self.steps = event.epochs, event.steps
            update(**record)
        elif isinstance(event, PhaseStarted):
            self.epoch_seconds = ()
            update(
                doing="training", phase=event.phase, phase_index=event.index, precision=event.precision,
                cached=event.cached, phase_parameters=event.trainable_parameters,
            )  # fmt: skip
        elif isinstance(event, Progress):
            update(now=False, doing=event.doing, done=event.done, total=event.total)
        elif isinstance(event, Step):
            self._step(event)
        elif isinstance(event, EpochEnd):
            self._epoch(event, record)
        elif isinstance(event, Finished):
            self.finished = event
            update(best_epoch=event.best_epoch, best_val_accuracy=event.best_val_accuracy)
        self.tell({"event": type(event).__name__.lower(), **record})

    def _step(self, event: Step) -> None:
        point = {"epoch": event.epoch, "loss": event.loss, "accuracy": event.accuracy}
        self.recorder.step(event.step, self.steps, {**point, "t": round(time.perf_counter() - self.begin, 3)})
        if event.step * self.epochs >= event.epoch * self.steps:
            return  # the epoch's end follows at once, with figures that count its validation too
        left = (self.steps - event.step) / max(1, self.steps) * self.epochs * self.images
        self.recorder.update(
            now=False,
            doing="training",
            step=event.step,
            epoch=event.epoch,
            images_per_second=event.images_per_second,
            memory_bytes=memory_in_use(torch.device(self.recorder.status["device"])),
            eta_seconds=left / event.images_per_second,
        )

    def _epoch(self, event: EpochEnd, record: dict[str, Any]) -> None:
        self.recorder.epoch(record)
        self.epoch_seconds = [*self.epoch_seconds[-4:], event.seconds]
        typical = min(self.epoch_seconds)
        changes: dict[str, Any] = {
            "doing": "training",
            "epoch": event.epoch,
            "epochs_done": event.epoch,
            "eta_seconds": (self.epochs - event.epoch) * typical,
            "images_per_second": event.images_per_second,
            "memory_bytes": memory_in_use(torch.device(self.recorder.status["device"])),
            "step": round(self.steps * event.epoch / self.epochs),
        }
        if event.improved:
            changes |= {"best_epoch": event.epoch, "best_val_accuracy": event.val_accuracy}
        self.recorder.update(now=False, **changes)
