"""What the training loop reports while it works, as plain data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from core.specs import LiveChange


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
    """A phase begins, or goes on differently: after a pause, or because a person let a stage join in.

    Attributes:
        phase: Its name.
        index: Its place, from 0.
        trainable_parameters: Values that learn in it.
        cached: Whether its epochs run on features computed once.
        precision: ``fp32`` or ``bf16``.
        cut: The last frozen stage whose output is computed without a graph; ``None`` where everything learns.
    """

    phase: str
    index: int
    trainable_parameters: int
    cached: bool
    precision: str
    cut: str | None = None


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """Something other than a training step goes on: ``computing features`` or ``validating``."""

    doing: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class JudgedBefore:
    """The network was judged on the validation images before its first step: epoch 0 of its curves.

    Attributes:
        val_loss: As of :class:`EpochEnd`, like the others.
        val_accuracy: Share classified right.
        val_balanced_accuracy: Mean over the classes of that share.
        val_f1: Mean over the classes of the F1 score.
    """

    val_loss: float
    val_accuracy: float
    val_balanced_accuracy: float
    val_f1: float


@dataclass(frozen=True, slots=True)
class Step:
    """Some optimizer steps were taken (reported a few times a second, not each step, but at least once an epoch).

    Attributes:
        step: Steps so far in the whole run.
        epoch: The epoch it belongs to, from 1.
        loss: Mean loss of the images since the last event.
        accuracy: Share of them classified right, while training.
        images_per_second: Speed since the last event.
        lr: The head's rate.
    """

    step: int
    epoch: int
    loss: float
    accuracy: float
    images_per_second: float
    lr: float = 0.0


@dataclass(frozen=True, slots=True)
class Changed:
    """A person's live change took effect; an experiment with it among its ``acts`` repeats it.

    Attributes:
        act: The change, with the step before which it took effect.
        index: Its place among the experiment's live changes.
        epochs: Epochs of all phases together, from now on.
        steps: Optimizer steps of all phases together, from now on.
        stages: Stages that learn from now on, where it let some join in.
    """

    act: LiveChange
    index: int
    epochs: int
    steps: int
    stages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recovered:
    """A step did not fit into the memory; from now on each batch is computed in smaller parts.

    Attributes:
        parts: Into how many parts a batch is split.
        images: Images a part.
    """

    parts: int
    images: int


@dataclass(frozen=True, slots=True)
class CheckpointDue:
    """The state is worth writing down, in the middle of a long epoch."""

    step: int


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """An epoch ended and was validated.

    Attributes:
        epoch: From 1, counted over all phases.
        phase: The phase's name.
        phase_index: Its place, from 0.
        train_loss: Mean loss over the epoch's training images, as they were seen.
        train_accuracy: Share of them classified right, as they were seen.
        val_loss: Mean loss over the validation images (without label smoothing or class weights).
        val_accuracy: Share of them classified right.
        val_balanced_accuracy: Mean over the classes of the share classified right.
        val_f1: Mean over the classes of the F1 score.
        lr: The head's rate at the end of the epoch.
        seconds: Wall time of the epoch, what it had to prepare and its validation included.
        images_per_second: Training images over ``seconds``.
        improved: Whether no earlier epoch was better by the experiment's metric, then by the loss.
        data_seconds: Of ``seconds``, waiting for images (or features) and preparing them.
        forward_seconds: Forward passes and the loss; on a GPU, until they were handed over.
        backward_seconds: Backward passes and optimizer steps, likewise.
        val_seconds: Validation.
    """

    epoch: int
    phase: str
    phase_index: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    val_balanced_accuracy: float
    val_f1: float
    lr: float
    seconds: float
    images_per_second: float
    improved: bool
    data_seconds: float = 0.0
    forward_seconds: float = 0.0
    backward_seconds: float = 0.0
    val_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Finished:
    """The loop is over.

    Attributes:
        stopped: Whether it was asked to stop before its last epoch.
        paused: Whether it was asked to pause; then its state can be written down and gone on from.
        early: The phases that ended early because they no longer improved.
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
    paused: bool = False
    early: tuple[str, ...] = ()


Event = (
    Started
    | PhaseStarted
    | ProgressEvent
    | JudgedBefore
    | Step
    | Changed
    | Recovered
    | CheckpointDue
    | EpochEnd
    | Finished
)


def as_record(event: Event) -> dict[str, Any]:
    """Returns an event as a flat dictionary for JSON."""
    return dataclasses.asdict(event)
