"""What a feature visualization is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.interpret.visualization.activation_maximization import Recipe


@dataclass(frozen=True, slots=True)
class VisualizationRequest:
    """What is wanted.

    Attributes:
        layer: The layer; empty for the head's classes.
        channels: Numbers of channels, or of classes.
        labels: What each is called, translated.
        recipe: How they are grown.
    """

    layer: str
    channels: tuple[int, ...]
    labels: tuple[str, ...]
    recipe: Recipe
