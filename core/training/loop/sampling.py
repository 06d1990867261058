"""Which images an epoch shows, and in what order: each once, or the classes made equally frequent."""

from __future__ import annotations

import torch
from torch import Tensor


def epoch_order(sampler: str, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Draws the order of an epoch.

    Everything comes from the generator, so that its state before the epoch repeats the epoch. As many are drawn as
    :meth:`core.specs.TrainingSpec.drawn` says.

    Args:
        sampler: One of :data:`core.specs.SAMPLERS`, which explains them.
        labels: Labels of the training images, ``N``.
        generator: On the CPU.

    Returns:
        Places in ``labels``, in the order in which they are learned from.
    """
    shuffled = torch.randperm(len(labels), generator=generator)
    if sampler == "shuffle":
        return shuffled
    counts = labels.bincount()
    if sampler == "weighted":
        return torch.multinomial(1 / counts[labels].double(), len(labels), replacement=True, generator=generator)
    present = counts[counts > 0]
    size = int(present.max() if sampler == "oversample" else present.min())
    of_class = shuffled[labels[shuffled].argsort(stable=True)].split(present.tolist())
    chosen = torch.cat([own.repeat(-(-size // len(own)))[:size] for own in of_class])
    return chosen[torch.randperm(len(chosen), generator=generator)]
