"""Which convolution makes a layer's channels."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from core.interpret.layout import kind_of
from core.interpret.probe import Probe, reach
from core.models.anatomy.examine import Anatomy

if TYPE_CHECKING:
    from core.models.network import Network

_PASSING = ("norm", "activation")
_IDLE = ("Dropout", "Identity", "StochasticDepth")


def maker_of(network: Network, x: Tensor, layer: str) -> str | None:
    """Returns the convolution whose kernel k makes channel k of a layer, alone.

    A norm or activation hands channel k on; that it really does, and that nothing was added on the way, is checked on
    an image.

    Args:
        network: The network.
        x: One normalised image, 1xCxHxW.
        layer: Name of a layer.

    Returns:
        The convolution's name (the layer itself, if it is one); ``None`` where several paths or kernels contribute.
    """
    last = _last_leaf(network.anatomy, layer)
    chain = _chain(network.anatomy, last)
    if not chain or (len(chain) == 1 and last == layer):
        return chain[0] if chain else None
    with Probe(network, (*chain, layer)) as probe:
        reach(probe, x, (*chain, layer), network.anatomy)
        outputs = dict(probe.outputs)  # modules run again below: the probe would overwrite these
        if layer not in outputs or last not in outputs or not torch.equal(outputs[layer], outputs[last]):
            return None
        for before, name in pairwise(chain):
            if before not in outputs or name not in outputs:
                return None
            again = probe.model.get_submodule(name)(outputs[before].clone())
            if not isinstance(again, Tensor) or again.shape != outputs[name].shape:
                return None
            if not torch.allclose(again, outputs[name], rtol=1e-3, atol=1e-4):
                return None
    return chain[0] if isinstance(probe.model.get_submodule(chain[0]), nn.Conv2d) else None


def _last_leaf(anatomy: Anatomy, layer: str) -> str:
    """Returns the layer itself, or the last one in it where it holds one convolution and what follows that."""
    inside = [entry for entry in anatomy.layers if entry.leaf and entry.name.startswith(f"{layer}.")]
    kinds = [kind_of(entry) for entry in inside]
    return inside[-1].name if kinds.count("conv") == 1 and set(kinds) <= {"conv", *_PASSING} else layer


def _chain(anatomy: Anatomy, layer: str) -> tuple[str, ...]:
    """Returns a convolution and the norms and activations behind it, up to the layer; empty if there are none such."""
    leaves = [entry for entry in anatomy.layers if entry.leaf and entry.output_shape and entry.calls]
    place = next((index for index, entry in enumerate(leaves) if entry.name == layer), None)
    chain: list[str] = []
    while place is not None and place >= 0:
        entry = leaves[place]
        if any(idle in entry.kind for idle in _IDLE):
            place -= 1
            continue
        kind = kind_of(entry)
        if entry.calls != 1 or kind not in ("conv", *_PASSING):
            return ()
        chain.append(entry.name)
        if kind == "conv":
            return tuple(reversed(chain))
        if place and leaves[place - 1].output_shape != entry.input_shape:
            return ()
        place -= 1
    return ()
