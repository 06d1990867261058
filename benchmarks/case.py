"""A cell of the matrix, and what is asked of a network by plain torch: none of it uses the project's probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.interpret.layout import require_map_layer, to_maps
from core.models.network import Network

Array = NDArray[np.float64]
Found = tuple[Array | None, str]


@dataclass(frozen=True, slots=True)
class Case:
    """A cell of the matrix: a network and an image, a class and settings."""

    network: Network
    x: Tensor
    target: int
    settings: dict[str, int]

    @property
    def layer(self) -> str:
        return self.network.anatomy.cam_layer

    def scores(self, images: Tensor) -> Array:
        """The class's logit of each image."""
        with torch.no_grad():
            return np.concatenate([logits_of(self.network.model(x))[:, self.target].double() for x in images.split(16)])

    def gradient(self, images: Tensor) -> Tensor:
        """Its gradient with respect to each image."""
        leaf = images.clone().requires_grad_()
        score = logits_of(self.network.model(leaf.clone()))[:, self.target].sum()
        return torch.autograd.grad(score, leaf)[0].double()


def logits_of(output: Any) -> Tensor:
    """What a network says, without what others say beside it."""
    return output if isinstance(output, Tensor) else output[0]


def maps_and_slopes(case: Case) -> tuple[Tensor, Tensor]:
    """The layer's maps and their gradient, through the whole graph from the image on."""
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        tensor = output[0] if isinstance(output, tuple) else output
        kept[:] = [tensor]
        handed = tensor.clone()
        return (handed, *output[1:]) if isinstance(output, tuple) else handed

    handle = case.network.model.get_submodule(case.layer).register_forward_hook(keep)
    score = logits_of(case.network.model(case.x.clone().requires_grad_()))[0, case.target]
    handle.remove()
    (slope,) = torch.autograd.grad(score, kept[0], allow_unused=True)
    layout = require_map_layer(case.layer, case.network.anatomy)
    slope = torch.zeros_like(kept[0]) if slope is None else slope
    return to_maps(kept[0].detach(), layout).double(), to_maps(slope, layout).double()
