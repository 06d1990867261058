"""What a generator is asked to learn. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from core.runs.jobs import JobRequest
from core.specs import DataSpec, from_record
from core.specs.checks import number, one_of, whole

if TYPE_CHECKING:
    from core.training.gan.pictures import Recipe

SIDES = (28, 32, 48, 64)
MOST_PICTURES = 20_000


@dataclass(frozen=True, slots=True)
class GanRequest(JobRequest):
    """Which pictures are learned, and how.

    Attributes:
        data: The pictures, and how they are divided: the training ones are learned.
        channels: 1 for gray pictures, 3 for RGB.
        side: Side of the pictures, one of :data:`SIDES`.
        noise: Values of noise that a picture is made of.
        epochs: Passes over the pictures.
        batch_size: Pictures a step.
        generator_steps: Steps of the generator for each of the discriminator.
        generator_rate: Rate of its Adam.
        discriminator_rate: Likewise.
        images: Pictures at most.
        seed: Of the weights, the order and the noise.
        device: ``auto``, ``cpu``, ``cuda``, ...
    """

    kind: ClassVar[str] = "gans"
    data: DataSpec
    channels: int = 1
    side: int = 28
    noise: int = 32
    epochs: int = 20
    batch_size: int = 64
    generator_steps: int = 1
    generator_rate: float = 1e-3
    discriminator_rate: float = 1e-3
    images: int = 2000
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        one_of("channels", self.channels, (1, 3))
        one_of("side", self.side, SIDES)
        whole("noise", self.noise, low=2, high=512)
        whole("epochs", self.epochs, low=1, high=1000)
        whole("batch_size", self.batch_size, low=2, high=4096)
        whole("generator_steps", self.generator_steps, low=1, high=10)
        number("generator_rate", self.generator_rate, low=0.0, high=1.0, above=True)
        number("discriminator_rate", self.discriminator_rate, low=0.0, high=1.0, above=True)
        whole("images", self.images, low=2, high=MOST_PICTURES)
        whole("seed", self.seed, low=0, high=2**31 - 1)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Reads what a request was written as."""
        return cls(**{**record, "data": from_record(DataSpec, "data", record["data"])})

    def recipe(self) -> Recipe:
        """Returns how the two learn."""
        from core.training.gan.pictures import Recipe

        return Recipe(
            self.epochs, self.batch_size, self.generator_steps, self.generator_rate, self.discriminator_rate, self.seed
        )
