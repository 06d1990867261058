"""How many images a step may take: as many as the memory holds, and no more than are of use."""

from __future__ import annotations

import torch

from core.device import memory_free
from core.specs import Experiment
from core.training.estimate.step_memory import memory_of

MAX_BATCH = {"cpu": 32, "cuda": 256}
"""Largest batches that are chosen; on a CPU larger ones are not quicker, and learn less an epoch."""
MEMORY_SHARE = 0.8
"""Share of the free memory that a step may take."""


def batch_size(experiment: Experiment, classes: int, device: torch.device) -> int:
    """Returns the largest power of two of images whose step fits into the memory of a device.

    Args:
        experiment: Network, phases and freeze plan; every phase's step must fit.
        classes: Number of classes.
        device: Where it will run; what is free there now counts.

    Returns:
        At least 2, even if that does not fit: then the training itself reports it.
    """
    free = MEMORY_SHARE * memory_free(device)
    size = MAX_BATCH.get(device.type, MAX_BATCH["cpu"])
    while size > 2 and max(_needs(experiment, classes, size, device)) > free:
        size //= 2
    return size


def _needs(experiment: Experiment, classes: int, size: int, device: torch.device) -> list[int]:
    precision = "bf16" if experiment.training.precision == "bf16" else "fp32"
    return [
        memory_of(
            experiment.model,
            classes,
            experiment.plan(phase),
            size,
            precision=precision,
            optimizer=phase.optimizer,
            momentum=phase.momentum,
            device_type=device.type,
        ).step
        for phase in experiment.training.phases
    ]
