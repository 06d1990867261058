"""Where networks come from, one module a source. Every source answers the same questions (:class:`Source`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import nn

from core.models.architectures.records import Backbone, WeightsEntry
from core.models.weights.download import Report
from core.specs import Piece, Preprocessing


@dataclass(frozen=True, slots=True)
class Shape:
    """What a network is built for.

    Attributes:
        image_size: Side of the images, in pixels.
        channels: Channels of the images.
        design: Pieces of a network of one's own; empty for the network's own.
    """

    image_size: int
    channels: int
    design: tuple[Piece, ...] = ()


class Source(Protocol):
    """A source of networks. ``entry`` is always the name of one of :meth:`entries`, ``name`` one of its networks."""

    def record(self, name: str) -> Backbone:
        """Returns the network's record."""
        ...

    def entries(self, name: str) -> tuple[WeightsEntry, ...]:
        """Returns its weights, the default first; none where there are none."""
        ...

    def categories(self, name: str, entry: str) -> tuple[str, ...]:
        """Returns the classes in the order of the logits; none where nobody named them."""
        ...

    def preprocessing(self, name: str, entry: str) -> Preprocessing:
        """Returns how pixels become its input; ``entry`` is empty for a network without weights."""
        ...

    def construct(self, name: str, shape: Shape, *, initialise: bool = False) -> nn.Module:
        """Builds it for RGB (or its own channels), with values as the surrounding context has it."""
        ...

    def pretrained(self, name: str, entry: str, shape: Shape, report: Report | None) -> nn.Module:
        """Builds it with these weights, downloading them where they are not here."""
        ...

    def fetch(self, name: str, entry: str, report: Report | None) -> None:
        """Downloads these weights where they are not here."""
        ...
