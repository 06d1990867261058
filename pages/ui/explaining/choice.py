"""What heatmap is drawn of a picture, and how: the same record on every page, so that each map is made once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from core.interpret.attribution.method import Method
    from core.models.network import Network

OPACITY = 55
SHELF, KEPT = "explanations", 160
"""Where explanations are kept, by the subject's key and :attr:`Choice.key`."""


class Ways(TypedDict):
    """What the core's functions that explain are given, whatever the class."""

    layer: str | None
    settings: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be drawn.

    Attributes:
        method: Id of the method.
        target: Index of the class.
        against: Index of the class it is held against; ``None`` for none.
        layer: The layer; ``None`` for the network's own choice.
        settings: The method's settings that differ from the usual ones.
    """

    method: str
    target: int
    against: int | None = None
    layer: str | None = None
    settings: tuple[tuple[str, int], ...] = ()

    @property
    def key(self) -> tuple[Hashable, ...]:
        """What caches of its map are keyed on, beside the subject's key."""
        return (self.method, self.target, self.against, self.layer, self.settings)

    @property
    def ways(self) -> Ways:
        """What the core's functions that explain are given of it, whatever the class: layer and settings."""
        return {"layer": self.layer, "settings": dict(self.settings)}

    @property
    def row(self) -> Method:
        """The row of the table of methods."""
        from core.interpret.attribution.explain import METHODS

        return METHODS[self.method]


@dataclass(frozen=True, slots=True)
class Look:
    """How maps are drawn: opacity from 0 to 1, and the colours of those without a sign."""

    opacity: float = OPACITY / 100
    colormap: str = "viridis"


def reasons(network: Network) -> dict[str, str | None]:
    """Returns why each method cannot work on the network; ``None`` for those that can."""
    from core.interpret.attribution.explain import METHODS

    return {row.id: row.unavailable(network) for row in METHODS.values()}


def usual(usable: Sequence[str]) -> str:
    """Returns the method that is used unless another is chosen."""
    return "grad-cam" if "grad-cam" in usable else usable[0]
