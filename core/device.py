"""Devices: which there are, which one is meant, how much memory it has."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import psutil
import torch

from core.errors import InputError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGEST_INT = 2**31 - 1


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
    if device.type == "cpu":
        return torch.device("cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("The device mps was asked for, but torch cannot use it here. Choose cpu or auto.")
    return device


@cache
def reuse_freed_memory() -> None:
    """Makes the C library keep large freed blocks for the next allocation instead of giving them back.

    A step on the CPU frees and allocates the same activations again and again. By default glibc maps each block of
    over 32 MB anew and the kernel clears its pages: up to a third of the processor time of a forward pass. The price
    is that the process keeps its peak memory, so this is for trainers, not for servers. Elsewhere than on glibc
    nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for parameter in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD):
        mallopt(parameter, _LARGEST_INT)


def memory_in_use(device: torch.device) -> int:
    """Returns the bytes this process holds: peak allocation on a GPU, resident set on the CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return int(psutil.Process().memory_info().rss)


def memory_free(device: torch.device) -> int:
    """Returns the bytes that nobody uses now: of the GPU's memory, or of the computer's."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def batch_that_fits(most: int, *limits: tuple[float, float], least: int = 1) -> int:
    """Returns how many images may be computed at a time.

    Args:
        most: More are of no use.
        limits: Pairs of what there is and what one image takes of it, such as bytes or multiply-adds.
        least: So many even where they do not fit.
    """
    return max(least, min([most, *(int(room // max(each, 1)) for room, each in limits)]))


OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "alloc_failed")
"""What errors other than ``OutOfMemoryError`` say when memory ran out: the CPU's allocator, CUDA, cuDNN, cuBLAS."""


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in OUT_OF_MEMORY)


@contextmanager
def exact_algorithms(wanted: bool) -> Iterator[None]:
    """Lets torch use only algorithms that repeat exactly for as long as the block runs, if that is ``wanted``.

    On the CPU the usual ones do already. On a GPU some are slower, and cuBLAS needs its workspace fixed before its
    first call. Where nobody wants them, a GPU tries which convolution is quickest, and multiplies float32 in its
    tensor cores (TF32, 10 bits of mantissa).
    """
    if not wanted:
        with _quick_algorithms():
            yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


@contextmanager
def _quick_algorithms() -> Iterator[None]:
    if not torch.cuda.is_available():
        yield
        return
    before = (torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.benchmark = before[1]
