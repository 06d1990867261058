"""Several processes that train one network together: each learns from its share of every batch.

Started by ``torchrun`` (or anything that sets ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK`` and ``MASTER_ADDR``), every
process runs the same loop on the same data. The gradients are summed over all of them before each step, so the weights
stay the same everywhere and the loss curve is that of one process with the same batch (Li et al. 2020,
arXiv:2006.15704). Only the first one, of rank 0, reads requests and writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from core.device import resolve_device
from core.errors import InputError

T = TypeVar("T")
TIMEOUT = timedelta(days=1)
"""How long a process waits for the others: the first one may be waiting for its device, or for a slow disk."""


class World:
    """The processes that train together; by itself, just this one.

    Attributes:
        rank: This process's number, from 0.
        size: Number of processes.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size
        self._control_group: Any = None

    @property
    def first(self) -> bool:
        """Whether this process reads requests and writes."""
        return self.rank == 0

    def share(self, positions: Tensor) -> Tensor:
        """Returns this process's part of a batch, ``N`` or fewer positions; the parts differ by one at most."""
        return positions if self.size == 1 else positions.tensor_split(self.size)[self.rank]

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Replaces the gradients by their sums over all processes; a missing one counts as zero."""
        if self.size == 1:
            return
        for kind in {parameter.dtype for parameter in parameters}:
            alike = [parameter for parameter in parameters if parameter.dtype == kind]
            for parameter in alike:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
            gradients = [parameter.grad for parameter in alike if parameter.grad is not None]
            flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
            dist.all_reduce(flat)
            parts = flat.split([gradient.numel() for gradient in gradients])
            torch._foreach_copy_(gradients, [p.view(g.shape) for p, g in zip(parts, gradients, strict=True)])

    def sum(self, values: Tensor) -> Tensor:
        """Returns the sum of a tensor over all processes, on its device."""
        if self.size == 1:
            return values
        total = values.detach().cpu().clone()
        dist.all_reduce(total, group=self._control_group)
        return total.to(values.device)

    def from_first(self, value: T) -> T:
        """Returns what the process of rank 0 gives: anything that can be pickled."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, group=self._control_group)
        return box[0]

    def gather(self, value: T) -> list[T]:
        """Returns the values of all processes, by rank."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value, group=self._control_group)
        return found

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Gives all processes the values that tensors have in the first one, in place."""
        if self.size == 1:
            return
        for tensor in tensors:
            dist.broadcast(tensor.detach(), src=0)


ALONE = World()
"""A training in one process."""
_joined: list[tuple[World, torch.device]] = []


def launched() -> bool:
    """Whether this process was started as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def joined(device: str) -> Iterator[tuple[World, torch.device]]:
    """Joins the processes that were started together with this one for as long as the block runs.

    Args:
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ...; of several processes each takes the GPU of its
            ``LOCAL_RANK``.

    Yields:
        The world, and this process's device; of a process that was started by itself, :data:`ALONE` and the device.

    Raises:
        InputError: The device is not there, a process has no GPU of its own, or the others cannot be reached.
    """
    if _joined:  # by what called this
        yield _joined[-1]
        return
    place = resolve_device(device)
    if not launched():
        yield ALONE, place
        return
    rank, size, local = (int(os.environ.get(name, "0")) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    if place.type == "cuda":
        if local >= torch.cuda.device_count():
            raise InputError(
                "Process {rank} wants the GPU {gpu}, but torch sees {count} here. Start as many processes as there are "
                "GPUs.",
                rank=rank,
                gpu=local,
                count=torch.cuda.device_count(),
            )
        place = torch.device("cuda", local)
        torch.cuda.set_device(place)
    world = World(rank, size)
    try:
        dist.init_process_group("nccl" if place.type == "cuda" else "gloo", timeout=TIMEOUT)
        world._control_group = dist.new_group(backend="gloo", timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise InputError(
            "The {size} processes cannot find each other: {reason}", size=size, reason=str(error)
        ) from error
    _joined.append((world, place))
    try:
        yield world, place
    finally:
        _joined.pop()
        dist.destroy_process_group()
