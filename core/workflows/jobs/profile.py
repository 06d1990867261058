"""Measurements of networks on this machine: made once, in a process of their own, and kept.

A profile depends on the network's structure and image size, the device and the number of threads, not on weights,
classes, head or images; so one measurement serves every training of that network here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from core import settings
from core.errors import Cancelled, InputError
from core.runs.files import read_json, write_json
from core.runs.jobs import Job, JobStore
from core.runs.launch import start_job
from core.runs.recorder import Recorder
from core.specs import Experiment, HeadSpec, ModelSpec, from_record
from core.training.estimate.estimate import Counts, Estimate, estimate
from core.training.estimate.step_time import Profile
from core.workflows.jobs.job_process import carry_out

KIND = "profiles"
FORMAT = 3
"""Goes up when what is measured changes; profiles of another format are measured anew."""
NICENESS = 5
"""How far the measuring process stands back behind others."""


def estimate_here(experiment: Experiment, classes: int, counts: Counts) -> Estimate:
    """Estimates what an experiment needs on its device of this machine, with seconds if its network was measured.

    Args:
        experiment: What is to be done.
        classes: Number of classes in the data.
        counts: Number of images.

    Raises:
        InputError: The network, a freeze plan or the device does not fit.
    """
    from core.device import resolve_device

    device = resolve_device(experiment.training.device)
    known = profile_known(experiment.model, str(device))
    return estimate(experiment, classes, counts, profile=known, device_type=device.type)


def profile_known(spec: ModelSpec, device: str = "auto") -> Profile | None:
    """Returns what was measured of a network here; ``None`` where it was not measured yet.

    Args:
        spec: The network; its weights and its head play no part.
        device: ``auto``, ``cpu``, ``cuda:0``, ...
    """
    path = _file(spec, device)
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError:
        return None


def profile_now(
    spec: ModelSpec,
    device: str = "auto",
    *,
    progress: Callable[[int, int], None] = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> Profile:
    """Measures a network in this process and keeps the result.

    Args:
        spec: The network; random weights are measured, nothing is downloaded.
        device: ``auto``, ``cpu``, ``cuda:0``, ...
        progress: Told how many passes are done, and how many there will be at most.
        stop: Asked between passes.

    Raises:
        InputError: The network cannot be built, or does not fit into memory.
        Cancelled: ``stop`` said so.
    """
    from core.device import resolve_device, reuse_freed_memory
    from core.models.network import assemble
    from core.training.estimate.layer_timing import measure

    place = resolve_device(device)
    if place.type == "cpu":
        reuse_freed_memory()
    network = assemble(_bare(spec), ("a", "b"), seed=0)
    found = measure(network, place, title=_title(str(place)), progress=progress, stop=stop)
    path = _file(spec, device)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, found.to_dict())
    return found


def start(spec: ModelSpec, device: str = "auto", runs_dir: Path | str | None = None) -> Job:
    """Starts a process that measures a network, or returns the job that does so already.

    Args:
        spec: The network.
        device: ``auto``, ``cpu``, ``cuda:0``, ...
        runs_dir: Folder of the runs, beside which the job is kept.

    Raises:
        InputError: The folder cannot be written, or no process can be started.
    """
    from core.runs.store import LIVE

    job = latest(spec, device, runs_dir)
    if job is not None and job.state in LIVE:
        return job
    return start_job(KIND, "profile", _request(spec, device), runs_dir)


def latest(spec: ModelSpec, device: str = "auto", runs_dir: Path | str | None = None) -> Job | None:
    """Returns the newest job that measured this network on this device, whatever became of it."""
    wanted = json.loads(json.dumps(_request(spec, device)))
    return next((job for job in JobStore(KIND, runs_dir).list() if job.request == wanted), None)


def work(job: Job, tell: Callable[[int, int], None] = lambda *_: None) -> dict[str, Any]:
    """Carries out a job of :func:`start` in this process; returns its final status.

    Raises:
        InputError: The network cannot be measured, or the job was done before.
    """
    return carry_out(
        job,
        lambda recorder: _work(job, recorder, tell),
        busy=InputError("This network is measured by another process already."),
        done=InputError("This measurement was made before. Start a new one."),
        unforeseen=InputError("The measurement ended with an error that was not foreseen; its log has the details."),
    )


def _work(job: Job, recorder: Recorder, tell: Callable[[int, int], None]) -> None:
    try:
        spec = from_record(ModelSpec, "model", job.request["model"])
        device = str(job.request["device"])
    except KeyError as error:
        raise InputError("The request of this measurement is damaged. Start a new one.") from error
    recorder.update(state="starting", doing="loading libraries")
    os.nice(NICENESS)
    recorder.update(state="running", doing="measuring", done=0, total=0)

    def progress(done: int, total: int) -> None:
        recorder.update(now=False, done=done, total=total)
        tell(done, total)

    try:
        profile_now(spec, device, progress=progress, stop=lambda: job.stop_requested)
    except Cancelled:
        recorder.update(state="stopped", ended=time.time())
        return
    recorder.update(state="finished", doing="", ended=time.time())


def _bare(spec: ModelSpec) -> ModelSpec:
    """Returns the network of ``spec`` with random weights and a plain head, at the same image size."""
    from core.models.catalog.catalog import input_size

    return dataclasses.replace(
        spec, weights="none", init="own", init_bias=0.0, head=HeadSpec(), image_size=input_size(spec)
    )


def _request(spec: ModelSpec, device: str) -> dict[str, Any]:
    from core.device import resolve_device

    return {"model": dataclasses.asdict(_bare(spec)), "device": str(resolve_device(device))}


def _file(spec: ModelSpec, device: str) -> Path:
    import torch

    request = _request(spec, device)
    place = request["device"]
    versions = [FORMAT, torch.__version__, torch.get_num_threads() if place == "cpu" else 0, _title(place)]
    key = hashlib.sha256(json.dumps([request, versions], sort_keys=True).encode()).hexdigest()[:20]
    return settings.cache_dir() / KIND / f"{spec.backbone.replace('/', '-')}-{key}.json"


@lru_cache(maxsize=8)
def _title(device: str) -> str:
    """Returns what a device is called, so that another machine's profiles in a shared folder are not taken for ours."""
    from core.device import list_devices

    known = next((row for row in list_devices() if row.id == device), None)
    return f"{known.title}, {known.cores}" if known else device


@lru_cache(maxsize=64)
def _read(path: Path, stamp: int) -> Profile | None:  # noqa: ARG001 (a changed file is another entry)
    try:
        return Profile.from_dict(read_json(path))
    except (KeyError, TypeError, ValueError):  # damaged: measured anew
        return None
