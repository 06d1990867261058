"""What an epoch adds up to, where its time went, and when to report it."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from core.training.loop.distributed import World

REPORT_SECONDS = 0.25
"""Seconds between two reports; reading the loss more often would make the device wait."""
SYNC_STEPS = 8
"""Steps after which several processes agree on whether to report and what to do."""
CHECKPOINT_SECONDS = 180.0
"""Seconds of an epoch after which its middle is worth writing down."""


class EpochMeter:
    """Sums loss, right answers and images where they are computed, and times the parts of a step.

    Args:
        device: Where the network computes.
        world: The processes that train together.

    Attributes:
        sums: Loss, right answers and images of the steps that this process took, float64 (float32 on Metal, which has
            no double precision). The first process's go on from what all had summed before.
        seconds: Seconds by part: ``data``, ``forward``, ``backward``.
    """

    def __init__(self, device: torch.device, world: World) -> None:
        self._world = world
        self.sums = torch.zeros(3, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)
        self._micro_batches = torch.zeros_like(self.sums)
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Forgets the times of the epoch before."""
        self.seconds = dict.fromkeys(("data", "forward", "backward"), 0.0)
        self._mark = self._reported = self._checkpointed = time.perf_counter()

    def set_sums(self, sums: Sequence[float]) -> None:
        """Goes on from what all processes have summed in this epoch."""
        self.sums = torch.tensor(sums, dtype=self.sums.dtype, device=self.sums.device)
        if not self._world.first:
            self.sums.zero_()

    def start(self) -> None:
        """Starts the clock; what was added since the last step is dropped."""
        self._micro_batches = torch.zeros_like(self.sums)
        self._mark = self._reported = time.perf_counter()

    def lap(self, part: str) -> None:
        """Adds the seconds since the last lap to a part."""
        now = time.perf_counter()
        self.seconds[part] += now - self._mark
        self._mark = now

    @torch.no_grad()
    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Adds a micro-batch.

        Args:
            loss: Sum over its images.
            logits: ``B x K``.
            labels: ``B``.
        """
        right = (logits.argmax(1) == labels).sum()
        self._micro_batches += torch.stack([loss, right, torch.full_like(loss, len(labels))]).to(self.sums.dtype)

    def step(self) -> None:
        """Counts what was added: an optimizer step was made of it."""
        self.sums += self._micro_batches
        self._micro_batches.zero_()

    def totals(self) -> list[float]:
        """Returns the sums of all processes; the device has to be waited for."""
        return self._world.sum(self.sums).tolist()

    def report_due(self, step: int) -> bool:
        """Whether it is time to report; all processes agree on it.

        Args:
            step: Optimizer steps so far.
        """
        due = self.unreported_seconds() >= REPORT_SECONDS
        if self._world.size == 1:
            return due
        return step % SYNC_STEPS == 0 and bool(self._world.from_first(due))

    def unreported_seconds(self, *, now: bool = False) -> float:
        """Returns the seconds from the last report to the last lap, or to ``now``."""
        return (time.perf_counter() if now else self._mark) - self._reported

    def reported(self) -> bool:
        """Notes that a report is out; returns whether a checkpoint is due, on which all processes agree."""
        self._reported = time.perf_counter()
        due = self._world.from_first(self._reported - self._checkpointed > CHECKPOINT_SECONDS)
        if due:
            self._checkpointed = self._reported
        return due

    def skip(self) -> None:
        """Lets the time since the last lap count for no part."""
        self._mark = time.perf_counter()
