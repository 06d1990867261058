"""Grad-CAM worked out by hand: the weight of each channel, and what the channels add up to in one cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from core.errors import InputError
from core.interpret.attribution.cam import grad_cam, layer_pass
from core.models.anatomy.records import Anatomy

if TYPE_CHECKING:
    from core.models.network import Network


@dataclass(frozen=True, slots=True)
class Worked:
    """A heatmap with all that it is made of.

    Attributes:
        layer: The layer that it looks at.
        target: The class that is explained.
        logit: The class's score.
        activations: The layer's maps, CxHxW float64.
        gradients: Gradient of the score with respect to them, likewise.
        weights: Mean gradient of each channel, C.
        raw: The maps weighed and added, HxW; below zero what speaks against the class.
        heatmap: What is left above zero, as the app's Grad-CAM gives it.
    """

    layer: str
    target: int
    logit: float
    activations: Tensor
    gradients: Tensor
    weights: Tensor
    raw: Tensor
    heatmap: Tensor

    def products(self, row: int, column: int) -> Tensor:
        """Returns what each channel adds in a cell: its weight times its activation there, C.

        Raises:
            InputError: There is no such cell.
        """
        rows, columns = self.raw.shape
        if not (0 <= row < rows and 0 <= column < columns):
            raise InputError(
                "The map has {rows} x {columns} cells, counted from 0: row {row}, column {column} is not among them.",
                rows=rows,
                columns=columns,
                row=row,
                column=column,
            )
        return self.weights * self.activations[:, row, column]


def work_out(network: Network, x: Tensor, *, target: int | None = None) -> Worked:
    """Works Grad-CAM out on the layer that heatmaps look at.

    Args:
        network: The network; it is left as it was.
        x: One normalised image, 1xCxHxW.
        target: Class index; ``None`` for the class with the highest score.

    Raises:
        InputError: The network has no feature map, or the class does not exist.
    """
    anatomy: Anatomy = network.anatomy
    if not anatomy.cam_layer:
        raise InputError("The network {network} has no feature map, so there is no such heatmap.", network=network.name)
    found = layer_pass(network, x, target=target)
    weights = found.gradients.mean((1, 2))
    raw = (weights[:, None, None] * found.activations).sum(0)
    return Worked(
        found.layer,
        found.target,
        float(found.logits[0, found.target]),
        found.activations,
        found.gradients,
        weights,
        raw,
        grad_cam(found.activations, found.gradients),
    )


def strongest(values: Tensor, count: int) -> list[int]:
    """Returns the places of the values furthest from zero, the furthest first."""
    found: list[int] = torch.argsort(values.abs(), descending=True)[:count].tolist()
    return found
