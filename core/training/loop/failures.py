"""How a training can fail, in sentences."""

from __future__ import annotations

import torch

from core.device import ran_out_of_memory
from core.errors import InputError, OutOfMemory

SINGLE_VALUE_ERROR = "more than 1 value per channel"
"""torch's message where batch normalisation sees a single value of each channel."""


def explained(error: Exception, images: int, size: int, device: torch.device) -> InputError | None:
    """Returns an error of torch's as a sentence; ``None`` for one that has none.

    Args:
        error: What a step raised.
        images: In the batch, as small as it was cut.
        size: Side of the images, in pixels.
        device: Where it was computed.
    """
    if ran_out_of_memory(error):
        return too_large(images, size, device)
    if isinstance(error, ValueError) and SINGLE_VALUE_ERROR in str(error):
        return too_few(size)
    return None


def too_large(images: int, size: int, device: torch.device) -> OutOfMemory:
    """Returns that a batch does not fit into the memory.

    Args:
        images: In the batch, as small as it was cut.
        size: Side of the images, in pixels.
        device: Whose memory.
    """
    return OutOfMemory(
        "A batch of {batch} images at {size} px does not fit into the memory of {device}. "
        "Choose a smaller batch or image size, or freeze more stages.",
        batch=images,
        size=size,
        device=str(device),
    )


def diverged(epoch: int, rate: float) -> InputError:
    """Returns that the loss is not a number any more.

    Args:
        epoch: In which it happened, from 1.
        rate: The phase's rate.
    """
    return InputError(
        "In epoch {epoch} the loss was not a number any more, so the run ended; the best weights so far are "
        "kept. The learning rate is probably too high: try {rate}.",
        epoch=epoch,
        rate=f"{rate / 10:g}",
    )


def too_few(size: int) -> InputError:
    """Returns that batch normalisation sees a single value of each channel.

    Args:
        size: Side of the images, in pixels.
    """
    return InputError(
        "A normalisation layer that learns saw a single value of each channel, whose spread nobody can tell: one "
        "image at {size} px. Choose a batch of at least 2 images, larger images, or freeze the last stages.",
        size=size,
    )
