"""Why a method cannot work on a network: functions that return a constant sentence, or ``None`` where it can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import InputError
from core.interpret.activations import spatial_layers
from core.interpret.attention import attention_layers
from core.interpret.traits import RELUS, Traits, traits_of

if TYPE_CHECKING:
    from core.models.network import Network

_SHAREABLE = RELUS | frozenset(
    {
        "conv2d", "linear", "batch_norm", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "dropout", "flatten",
        "view", "reshape", "squeeze", "contiguous", "clone", "to", "unflatten",
    }
)  # fmt: skip
"""Functions for which LRP is defined, or through which values pass unchanged."""
_EXTREMES = frozenset({"max", "amax", "amin", "min", "topk", "norm", "std", "var", "exp", "log", "sqrt", "rsqrt"})


def always(_network: Network) -> str | None:
    """Every network will do."""
    return None


def needs_maps(network: Network) -> str | None:
    """The network must have a layer that keeps the picture's layout."""
    if network.anatomy.cam_layer or spatial_layers(network.anatomy):
        return None
    return "No layer of this network keeps the picture's layout, so it has no class activation map."


def needs_relus(network: Network) -> str | None:
    """All nonlinearities must be ReLUs: the method is another way back through these."""
    traits = _traits(network)
    if traits is None or traits.only_relus:
        return None
    if traits.functions & RELUS:
        return (
            "This network has other nonlinearities besides ReLU, for which the method has no rule; half of its map "
            "would be the plain gradient."
        )
    return "This network has no ReLU, and the method is nothing but a plain gradient without one."


def needs_relus_and_maps(network: Network) -> str | None:
    """Both of the above."""
    return needs_maps(network) or needs_relus(network)


def needs_sums(network: Network) -> str | None:
    """Values must be added and bent, never multiplied with one another."""
    traits = _traits(network)
    if traits is None or not (traits.multiplies or traits.functions & _EXTREMES):
        return None
    return (
        "This network multiplies values computed from the picture with one another (attention, gates or layer norms), "
        "for which DeepLift has no rule: its shares would not add up to the score."
    )


def needs_chain(network: Network) -> str | None:
    """A plain chain of convolutions, ReLUs, pools and dense layers is needed."""
    traits = _traits(network)
    if traits is None or (not traits.joins and traits.functions <= _SHAREABLE):
        return None
    return (
        "LRP is defined here for a plain chain of convolutions, ReLUs, pools and dense layers, such as VGG and "
        "AlexNet; this network has other parts."
    )


def needs_attention(network: Network) -> str | None:
    """Every token must look at every other."""
    if attention_layers(network):
        return None
    return "No layer of this network lets every part of the picture look at every other, as a Vision Transformer's do."


def _traits(network: Network) -> Traits | None:
    """Returns what the network does; ``None`` where it does not run at all, which explaining says better."""
    try:
        return traits_of(network)
    except InputError:
        return None
