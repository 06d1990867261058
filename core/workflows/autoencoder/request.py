"""What an autoencoder is asked to learn. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from core.runs.jobs import JobRequest
from core.specs import DataSpec, Piece, from_record
from core.specs.checks import number, one_of, whole

if TYPE_CHECKING:
    from core.training.autoencoder.training import Recipe

CORRUPTIONS = ("none", "noise", "occlusion")
LOSSES = ("mse", "l1", "mse-mean", "correlation")
MOST_PICTURES = 20_000


@dataclass(frozen=True, slots=True)
class AutoencoderRequest(JobRequest):
    """What learns to give what back.

    Attributes:
        data: The pictures, and how they are divided.
        encoder: Pieces down to the narrow place.
        decoder: Pieces back to a picture.
        channels: 1 for gray pictures, 3 for RGB.
        side: Side of the pictures, in pixels.
        loss: One of :data:`LOSSES`.
        corruption: One of :data:`CORRUPTIONS`, which it has to undo.
        strength: Standard deviation of the noise, or the hidden square's side as a share of the picture's.
        epochs: Passes over the training pictures.
        batch_size: Pictures a step.
        lr: Rate of Adam.
        images: Training pictures at most.
        seed: Of the weights, the order and what is corrupted.
        device: ``auto``, ``cpu``, ``cuda``, ...
    """

    kind: ClassVar[str] = "autoencoders"
    data: DataSpec
    encoder: tuple[Piece, ...]
    decoder: tuple[Piece, ...]
    channels: int = 1
    side: int = 28
    loss: str = "mse"
    corruption: str = "none"
    strength: float = 0.3
    epochs: int = 10
    batch_size: int = 32
    lr: float = 2e-3
    images: int = 2000
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        one_of("channels", self.channels, (1, 3))
        whole("side", self.side, low=8, high=256)
        one_of("loss", self.loss, LOSSES)
        one_of("corruption", self.corruption, CORRUPTIONS)
        number("strength", self.strength, low=0.0, high=1.0)
        whole("epochs", self.epochs, low=1, high=1000)
        whole("batch_size", self.batch_size, low=1, high=4096)
        number("lr", self.lr, low=0.0, high=1.0, above=True)
        whole("images", self.images, low=2, high=MOST_PICTURES)
        whole("seed", self.seed, low=0, high=2**31 - 1)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        parts = {
            name: tuple(from_record(Piece, "piece", piece) for piece in record[name]) for name in ("encoder", "decoder")
        }
        return cls(**{**record, "data": from_record(DataSpec, "data", record["data"]), **parts})

    def recipe(self) -> Recipe:
        """Returns how it learns."""
        from core.training.autoencoder.training import Recipe

        return Recipe(self.loss, self.corruption, self.strength, self.epochs, self.batch_size, self.lr, self.seed)
