"""Carries an experiment out: opens the images, builds the network, runs the loop, fills the run's folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from core.data.revisions import store as revisions
from core.data.splits import split_warnings
from core.device import memory_in_use, reuse_freed_memory
from core.disk_cache import remove_leftovers
from core.errors import Cancelled, InputError
from core.evaluation.predictions import write_predictions
from core.models.catalog import catalog
from core.models.network import Network, blank, load_into
from core.runs import snapshots
from core.runs.files import read_json, write_json
from core.runs.recorder import EventSink, Recorder
from core.runs.status_parts import LeakSearch, TransferCounts
from core.runs.store import WRITTEN_BY_OTHERS, Run
from core.specs import Experiment
from core.training.checkpoints import resume_state
from core.training.checkpoints.checkpoint import BEST, NEXT, Checkpointer, load_pair, settle_pair
from core.training.checkpoints.epoch_weights import WEIGHTS_FOLDER
from core.training.estimate import batch_size
from core.training.features.batch_sources import Material
from core.training.loop.distributed import joined
from core.training.loop.events import CheckpointDue, EpochEnd, Finished, PhaseStarted
from core.training.loop.trainer import Trainer
from core.workflows.data_check.leaks import Leaks, open_leaks
from core.workflows.images import DATA_FILE, Decoded, decode, listed_again, open_source
from core.workflows.network_loading import build_network
from core.workflows.trainer_process.event_log import ControlPoller, EventLog, download_progress, reading_progress
from core.workflows.trainer_process.frozen_check import FrozenCheck
from core.workflows.trainer_process.image_shelf import ImageShelf
from core.workflows.trainer_process.judging import judge
from core.workflows.trainer_process.observers import TrainingObservers

LISTED = 1000
"""Groups of leaking copies that a run's folder names."""


def train(
    run: Run, recorder: Recorder, emit: EventSink, roots: Sequence[Path] | None = None, shelf: ImageShelf | None = None
) -> None:
    """Trains a run whose device is held, or goes on with one that was interrupted.

    Args:
        run: Carries the experiment; its ``control.jsonl`` may request changes or an end.
        recorder: Writes its folder.
        emit: Receives each event as a record, for a progress display.
        roots: Folders that the images (and a weight file) must lie under, links resolved; ``None`` for no limit.
        shelf: Keeps images for the next training of this process; ``None`` where there is none.

    Raises:
        InputError: The images, the weights or the device are not to be had, they changed since the run was
            interrupted, or the training diverged.
        OSError: The folder cannot be written.
    """
    _Training(run, recorder, emit, roots, shelf or ImageShelf()).carry_out()


def train_along(run: Run, roots: Sequence[Path] | None = None) -> None:
    """Takes this process's part in a training that the process of rank 0 carries out; writes nothing.

    Args:
        run: The same as there.
        roots: As for :func:`train`.

    Raises:
        InputError: The images, the weights or the device are not to be had.
    """
    reuse_freed_memory()
    experiment = run.experiment
    with joined(experiment.training.device) as (world, device):
        dataset = open_source(run, roots=roots)
        network = build_network(
            experiment.model, dataset.classes, seed=experiment.training.seed, runs_dir=run.path.parent, roots=roots
        )
        images = decode(dataset, experiment.data, network.preprocessing, canvas=augments(experiment))
        settled: Experiment | None = world.from_first(None)
        if settled is None:  # stopped before it began
            return
        trainer = Trainer(network, material_of(images), settled, device, world=world)
        if run.has_state:
            trainer.resume(load_pair(network.model, run.path))
        for _ in trainer.run():
            pass


def augments(experiment: Experiment) -> bool:
    """Whether any phase changes its training images."""
    return any(experiment.augmentation(phase).active for phase in experiment.training.phases)


def material_of(images: Decoded) -> Material:
    """Returns decoded images as the loop wants them."""
    positions = (torch.tensor(images.positions(split)) for split in ("train", "val"))
    return Material(images.store, *positions)


class _Training:
    """One process's work on a run."""

    def __init__(
        self, run: Run, recorder: Recorder, emit: EventSink, roots: Sequence[Path] | None, shelf: ImageShelf
    ) -> None:
        self.run, self.recorder, self.emit, self.roots, self.shelf = run, recorder, emit, roots, shelf
        self.begin = time.perf_counter()
        self.experiment = run.experiment
        self.poller = ControlPoller(run, recorder)
        self.resumes = run.has_state
        self.spent = recorder.status.spent_seconds if self.resumes else 0.0

    def carry_out(self) -> None:
        reuse_freed_memory()
        self._clear_up()
        with joined(self.experiment.training.device) as (self.world, self.device):
            self._carry_out()

    def _carry_out(self) -> None:
        self.recorder.update(state="running", doing="building the network", device=str(self.device), begun=time.time())
        try:
            network = self._network()
            frozen_check = FrozenCheck(network, self.experiment)
            self.recorder.environment(device=str(self.device), threads=torch.get_num_threads())
            images = self._images(network)
        except Cancelled:
            self.world.from_first(None)
            self._end("paused" if self.poller.halt == "pause" else "stopped")
            return
        self._settle_batch(network)
        self.world.from_first(self.experiment)
        material = material_of(images)
        observers = TrainingObservers(self.run, self.recorder, network, material, self.device, self.shelf.looks)
        trainer = Trainer(
            network,
            material,
            self.experiment,
            self.device,
            poll_requests=self.poller,
            observer=observers.observer,
            world=self.world,
        )
        if self.resumes:
            trainer.resume(load_pair(network.model, self.run.path))
            self.recorder.log(f"goes on after epoch {trainer.state.epoch}, step {trainer.state.step}")
        # also where it was killed before its first checkpoint
        self.recorder.rewind(trainer.state.epoch, trainer.state.step)
        observers.resume_after(trainer.state.epoch, trainer.state.best_epoch)
        finished = self._loop(trainer, observers, len(material.train))
        judged = finished.epochs and not finished.paused and self.poller.halt != "discard"
        results = self._judge(network, images, frozen_check, trainer.learning) if judged else {}
        if judged:
            observers.best(finished.best_epoch)
        state = "paused" if finished.paused else "stopped" if finished.stopped else "finished"
        self._end(state, images_per_second=finished.images_per_second, **results)

    def _clear_up(self) -> None:
        """Removes what a killed process left half written, and all that it made where no state was saved."""
        folder = self.run.path
        remove_leftovers(folder, WRITTEN_BY_OTHERS)
        if self.resumes:
            settle_pair(folder)
            return
        for name in (BEST, NEXT):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / WEIGHTS_FOLDER, ignore_errors=True)
        snapshots.clear(folder)

    def _network(self) -> Network:
        """Builds the network, its pretrained weights fetched before."""
        spec = self.experiment.model
        catalog.fetch(spec.backbone, spec.weights, download_progress(self.poller, self.recorder, self.emit))
        self.recorder.update(doing="building the network", done=0, total=0)
        listed = listed_again(self.run, roots=self.roots) if self.resumes else None
        self.divided = listed is not None
        self.dataset = listed or open_source(self.run, roots=self.roots)
        seed = self.experiment.training.seed
        try:
            network = build_network(
                spec, self.dataset.classes, seed=seed, runs_dir=self.run.path.parent, roots=self.roots
            )
        except InputError as error:  # what it began with is gone: its checkpoint holds all values
            if not self.resumes:
                raise
            self.recorder.log(f"goes on without the weights that it began with: {error}")
            network = blank(spec, self.dataset.classes)
            load_pair(network.model, self.run.path)
        if not self.resumes:
            self._record_weights(network)
        return network

    def _images(self, network: Network) -> Decoded:
        """Decodes the images; those of a run that goes on must be what they were."""
        self.recorder.update(doing="reading images", done=0, total=len(self.dataset))
        spec, prep, canvas = self.experiment.data, network.preprocessing, augments(self.experiment)
        progress = reading_progress(self.poller, self.recorder, self.emit)

        def decoded() -> Decoded:
            return decode(self.dataset, spec, prep, canvas=canvas, divided=self.divided, progress=progress)

        images = decoded() if self.divided else self.shelf.images(self.dataset, spec, prep, decoded, canvas=canvas)
        fingerprint = images.store.fingerprint()
        if self.resumes:
            self._compare(images, fingerprint)
        else:
            self._record_data(images, fingerprint)
        return images

    def _compare(self, images: Decoded, fingerprint: str) -> None:
        """Makes sure that the images are those that the run began with."""
        classes = images.dataset.classes
        now = {item.key: (classes[item.label], item.split) for item in images.dataset.items}
        before = {row["key"]: (row["label"], row["split"]) for row in self.run.split_rows()}
        gone, new = before.keys() - now.keys(), now.keys() - before.keys()
        moved = [key for key in now.keys() & before.keys() if now[key] != before[key]]
        if gone or new or moved:
            example = next(iter(sorted(gone) or sorted(new) or sorted(moved)))
            raise InputError(
                "The images in {source} are not those that the run began with: {gone} are gone, {new} are new, {moved} "
                "stand elsewhere (such as {example}). Put them back to go on, or train again.",
                source=self.experiment.data.source,
                gone=len(gone),
                new=len(new),
                moved=len(moved),
                example=example,
            )
        if fingerprint != read_json(self.run.path / DATA_FILE).get("fingerprint", fingerprint):
            raise InputError(
                "The pixels of images in {source} have changed since the run began. Put the old images back to go on, "
                "or train again.",
                source=self.experiment.data.source,
            )

    def _record_data(self, images: Decoded, fingerprint: str) -> None:
        dataset = images.dataset
        if revision := self.experiment.data.revision:
            revisions.write_into(self.run.path, revision)
        for sentence in split_warnings(dataset):
            self.recorder.log(str(sentence))
            self.emit({"event": "note", "text": str(sentence)})
        self.recorder.classes(dataset.classes)
        self.recorder.split((item.key, dataset.classes[item.label], item.split) for item in dataset.items)
        for bad in images.unreadable:
            self.recorder.log(f"left out {bad.key}: {bad.reason}")
        place = {item.key: (number, item) for number, item in enumerate(images.store.dataset.items)}
        left_out = [
            (number, item.key, dataset.classes[item.label])
            for number, item in sorted((place[bad.key] for bad in images.unreadable), key=lambda found: found[0])
        ]
        leaks = self._leaks(images)
        record = {"fingerprint": fingerprint, "left_out": left_out, "leaks": leaks.groups[:LISTED]}
        write_json(self.run.path / DATA_FILE, record)
        self.recorder.update(images=len(dataset), unreadable_images=len(images.unreadable), done=0, total=0)

    def _leaks(self, images: Decoded) -> Leaks:
        """Looks for copies in different splits that nobody set aside, and records how many there are."""
        self.recorder.update(doing="looking for leaks", done=0, total=0)
        revision = revisions.of(images.dataset.name, self.experiment.data.revision)
        found = self.shelf.leaks(lambda: open_leaks(images.dataset, revision, images.store))
        count = LeakSearch(len(found.groups), sum(map(len, found.groups)), found.changed)
        self.recorder.update(leaks=count)
        if not found.changed:
            self.recorder.log("leaks: only equal files were looked for, as the images are many")
        if count.warning:
            self.recorder.log(str(count.warning))
            self.emit({"event": "note", "text": str(count.warning)})
        return found

    def _record_weights(self, network: Network) -> None:
        """Writes what was taken over from an earlier run or a file.

        Counts go into the status, names into ``weights.json``.
        """
        found = network.transferred
        if found is None:
            return
        write_json(self.run.path / "weights.json", found.to_dict())
        counts = {
            "copied": len(found.copied),
            "missing": len(found.missing),
            "misfit": len(found.misfit),
            "unused": len(found.unused),
            "kept": len(found.kept),
        }
        self.recorder.update(transferred=TransferCounts(**counts, values=found.values, total=found.total))
        self.recorder.log("weights handed on: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
        for row in found.misfit:
            self.recorder.log(f"does not fit: {row.name} {row.theirs} ≠ {row.ours}")

    def _settle_batch(self, network: Network) -> None:
        """Finds the batch size where the experiment leaves it open; a run that goes on keeps what was found."""
        if self.experiment.training.batch_size == "auto":
            known = self.recorder.status.batch_size if self.resumes else None
            size = known or batch_size.batch_size(self.experiment, len(network.classes), self.device)
            training = replace(self.experiment.training, batch_size=size)
            self.experiment = replace(self.experiment, training=training)
            self.recorder.log(f"batch size: {size}")
        self.recorder.update(batch_size=self.experiment.training.images)

    def _loop(self, trainer: Trainer, observers: TrainingObservers, images: int) -> Finished:
        """Runs the loop, and writes weights and state as it goes."""
        checkpointer = Checkpointer(trainer, self.run.path)
        event_log = EventLog(self.recorder, self.emit, images, self.spent)
        try:
            for event in trainer.run():
                if isinstance(event, PhaseStarted):
                    checkpointer.settle()
                elif isinstance(event, CheckpointDue | Finished):
                    checkpointer.save()
                event_log.on_event(event)
                observers.on_event(event, trainer)
                if isinstance(event, EpochEnd):  # its record comes first: a resumed run writes it again,
                    checkpointer.epoch_end(improved=event.improved)  # but one not written would be missing
        except (InputError, KeyboardInterrupt):
            checkpointer.settle()
            raise
        self.recorder.update(spent_seconds=event_log.spent)
        return event_log.finished

    def _judge(
        self, network: Network, images: Decoded, frozen_check: FrozenCheck, learned: frozenset[str]
    ) -> dict[str, Any]:
        """Loads the best weights, compares them with those before training, and evaluates them.

        The images are those that were not learned from; the predictions are written into the run's folder.
        """
        self.recorder.update(doing="evaluating")
        load_into(network.model, self.run.checkpoint)
        results: dict[str, Any] = {
            "val_accuracy": None,
            "test_accuracy": None,
            **frozen_check.verify(network.model, learned),
        }
        material, test = material_of(images), images.positions("test")
        positions = [*material.val.tolist(), *test]
        probabilities = judge(network, material, test, self.experiment, self.device)
        known = {item.key: item for item in images.dataset.items}
        items = [known[images.store.dataset.items[position].key] for position in positions]
        write_predictions(self.run.path / "predictions.parquet", items, probabilities, network.classes)
        right = probabilities.argmax(axis=1) == [item.label for item in items]
        for split in ("val", "test"):
            hits = [bool(hit) for hit, item in zip(right, items, strict=True) if item.split == split]
            if hits:
                results[f"{split}_accuracy"] = sum(hits) / len(hits)
        return results

    def _end(self, state: str, **results: Any) -> None:
        """Says in the status how the run ended; a finished one needs its state no longer."""
        before = (self.recorder.status.seconds or 0.0) if self.resumes else 0.0
        self.recorder.update(
            state=state,
            doing="",
            ended=time.time(),
            requests_read=self.poller.requests_read,
            seconds=before + time.perf_counter() - self.begin,
            eta_seconds=0.0,
            memory_bytes=memory_in_use(self.device),
            **results,
        )
        if state == "finished":
            resume_state.remove(self.run.path)
        self.recorder.log(f"ended: {state}")
