"""What the training loop says while it works, as plain data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Started:
    """The loop is about to begin.

    Attributes:
        device: The device's id.
        epochs: Epochs of all phases together.
        steps: Optimizer steps of all phases together.
        train_images: Images that are learned from.
        val_images: Images that each epoch is judged on.
        trainable_parameters: Of the last phase.
        total_parameters: Of the whole network.
    """

    device: str
    epochs: int
    steps: int
    train_images: int
    val_images: int
    trainable_parameters: int
    total_parameters: int


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """A phase begins.

    Attributes:
        phase: Its name.
        index: Its place, from 0.
        trainable_parameters: Values that learn in it.
        cached: Whether its epochs run on features computed once.
        precision: ``fp32`` or ``bf16``.
    """

    phase: str
    index: int
    trainable_parameters: int
    cached: bool
    precision: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Something other than a training step goes on: ``computing features`` or ``validating``."""

    doing: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Step:
    """Some optimizer steps were taken (told a few times a second, not each step, but at least once an epoch).

    Attributes:
        step: Steps so far in the whole run.
        epoch: The epoch it belongs to, from 1.
        loss: Mean cross-entropy of the images since the last event, in nats.
        accuracy: Share of them classified right, while training.
        images_per_second: Speed since the last event.
    """

    step: int
    epoch: int
    loss: float
    accuracy: float
    images_per_second: float


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """An epoch ended and was validated.

    Attributes:
        epoch: From 1, counted over all phases.
        phase: The phase's name.
        phase_index: Its place, from 0.
        train_loss: Mean cross-entropy over the epoch's training images, as they were seen, in nats.
        train_accuracy: Share of them classified right, as they were seen.
        val_loss: Mean cross-entropy over the validation images, in nats.
        val_accuracy: Share of them classified right.
        lr: The head's rate at the end of the epoch.
        seconds: Wall time of the epoch, what it had to prepare and its validation included.
        images_per_second: Training images over ``seconds``.
        improved: Whether no earlier epoch was better (higher accuracy, then lower loss).
    """

    epoch: int
    phase: str
    phase_index: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    lr: float
    seconds: float
    images_per_second: float
    improved: bool


@dataclass(frozen=True, slots=True)
class Finished:
    """The loop is over.

    Attributes:
        stopped: Whether it was asked to stop before its last epoch.
        epochs: Epochs that were completed.
        best_epoch: The best of them, or ``None`` if none was completed.
        best_val_accuracy: Its validation accuracy.
        seconds: Wall time of the whole loop.
        images_per_second: Training images seen, over ``seconds``.
    """

    stopped: bool
    epochs: int
    best_epoch: int | None
    best_val_accuracy: float | None
    seconds: float
    images_per_second: float


Event = Started | PhaseStarted | Progress | Step | EpochEnd | Finished


def as_record(event: Event) -> dict[str, Any]:
    """Returns an event as a flat dictionary for JSON."""
    return dataclasses.asdict(event)
