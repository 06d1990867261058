"""Devices: which there are, which one is meant, how much memory it has."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

import psutil
import torch

from core.errors import InputError


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A device that can train.

    Attributes:
        id: As torch names it, ``cpu`` or ``cuda:0``.
        title: What a person calls it.
        memory: Its whole memory, in bytes.
        cores: CPU cores, or multiprocessors of a GPU.
    """

    id: str
    title: str
    memory: int
    cores: int


def list_devices() -> tuple[DeviceInfo, ...]:
    """Returns the GPUs that torch can use and, last, the CPU."""
    found = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        found.append(
            DeviceInfo(f"cuda:{index}", properties.name, properties.total_memory, properties.multi_processor_count)
        )
    title = platform.processor() or platform.machine()
    return (*found, DeviceInfo("cpu", title, psutil.virtual_memory().total, os.cpu_count() or 1))


def resolve_device(name: str) -> torch.device:
    """Turns ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` into a device that exists here.

    Raises:
        InputError: The device is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError("The device {device} is not known. Choose auto, cpu or cuda.", device=name) from error
    if device.type == "cuda":
        count = torch.cuda.device_count()
        index = device.index or 0
        if index >= count:
            raise InputError(
                "The device {device} was asked for, but torch sees {count} CUDA devices here. Choose cpu or auto.",
                device=name,
                count=count,
            )
        return torch.device("cuda", index)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("The device mps was asked for, but torch cannot use it here. Choose cpu or auto.")
    return device


def memory_in_use(device: torch.device) -> int:
    """Returns the bytes this process holds: peak allocation on a GPU, resident set on the CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return int(psutil.Process().memory_info().rss)
