"""Measurements of networks on this machine: made once, in a process of their own, and kept.

A profile depends on the network's structure and image size, the device and the number of threads, not on weights,
classes, head or images; so one measurement serves every training of that network here.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

from core.disk_cache import DiskCache, name_of
from core.messages import Progress
from core.runs.jobs import Job, JobRequest
from core.specs import Experiment, HeadSpec, ModelSpec, from_record
from core.training.estimate.estimate import Counts, Estimate, estimate
from core.training.estimate.step_time import Profile
from core.workflows.jobs.job_process import JobContext

FORMAT = 3
"""Goes up when what is measured changes; profiles of another format are measured anew."""
CACHE = DiskCache("profiles", ".json", max_files=400)
"""One file has about 100 kB."""
NICENESS = 5
"""How far the measuring process stands back behind others."""


@dataclass(frozen=True, slots=True)
class ProfileRequest(JobRequest):
    """Which network is measured.

    Attributes:
        model: The network with random weights and a plain head.
        device: ``cpu``, ``cuda:0``, ...
    """

    kind: ClassVar[str] = "profiles"
    model: ModelSpec
    device: str = "auto"

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        return cls(from_record(ModelSpec, "model", record["model"]), str(record["device"]))


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
    return CACHE.read(_name(spec, device), _load)


def profile_now(
    spec: ModelSpec,
    device: str = "auto",
    *,
    progress: Progress = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> Profile:
    """Measures a network in this process and keeps the result.

    Args:
        spec: The network; random weights are measured, nothing is downloaded.
        device: ``auto``, ``cpu``, ``cuda:0``, ...
        progress: Called with passes done and the most there will be.
        stop: Called between passes.

    Raises:
        InputError: The network cannot be built, or does not fit into memory.
        Cancelled: ``stop`` returned true.
    """
    from core.device import resolve_device, reuse_freed_memory
    from core.models.network import assemble
    from core.training.estimate.layer_timing import measure

    place = resolve_device(device)
    if place.type == "cpu":
        reuse_freed_memory()
    network = assemble(_bare(spec), ("a", "b"), seed=0)
    found = measure(network, place, title=_title(str(place)), progress=progress, stop=stop)
    CACHE.write({_name(spec, device): json.dumps(found.to_dict()).encode()})
    return found


def profile_request(spec: ModelSpec, device: str = "auto") -> ProfileRequest:
    """Returns the request to measure a network.

    Args:
        spec: The network; its weights and its head play no part.
        device: ``auto``, ``cpu``, ``cuda:0``, ...
    """
    from core.device import resolve_device

    return ProfileRequest(_bare(spec), str(resolve_device(device)))


def work(request: ProfileRequest, context: JobContext) -> None:
    """Measures the network, which is kept for all trainings of it."""
    os.nice(NICENESS)
    profile_now(
        request.model,
        request.device,
        progress=lambda done, total: context.progress("measuring", done, total),
        stop=context.cancelled,
    )


def result(job: Job) -> Profile | None:
    """Returns what is known of the network that a job measured."""
    request = job.read_request()
    return profile_known(request.model, request.device) if isinstance(request, ProfileRequest) else None


def _bare(spec: ModelSpec) -> ModelSpec:
    """Returns the network of ``spec`` with random weights and a plain head, at the same image size."""
    from core.models.catalog.catalog import input_size

    return dataclasses.replace(
        spec, weights="none", init="own", init_bias=0.0, head=HeadSpec(), image_size=input_size(spec)
    )


def _name(spec: ModelSpec, device: str) -> str:
    import torch

    request = profile_request(spec, device)
    place = request.device
    versions = [FORMAT, torch.__version__, torch.get_num_threads() if place == "cpu" else 0, _title(place)]
    return f"{spec.backbone.replace('/', '-')}-{name_of(json.dumps([request.as_record(), versions], sort_keys=True))}"


@lru_cache(maxsize=8)
def _title(device: str) -> str:
    """Returns what a device is called, so that another machine's profiles in a shared folder are not taken for ours."""
    from core.device import list_devices

    known = next((row for row in list_devices() if row.id == device), None)
    return f"{known.title}, {known.cores}" if known else device


def _load(path: Path) -> Profile:
    return _parsed(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _parsed(path: Path, stamp: int) -> Profile:  # noqa: ARG001 (a changed file is another entry)
    return Profile.from_dict(json.loads(path.read_text(encoding="utf-8")))
