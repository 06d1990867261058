"""Why a method cannot work on a network: functions that return a constant sentence, or ``None`` where it can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import InputError
from core.interpret.attribution.attention_weights import attention_layers, readable
from core.interpret.layout import spatial_layers
from core.interpret.op_trace import GATES, RELUS, SMOOTH, OpTrace, op_trace_of

if TYPE_CHECKING:
    from core.models.network import Network

_SHAREABLE = RELUS | frozenset(
    {
        "conv2d",
        "linear",
        "batch_norm",
        "max_pool2d",
        "avg_pool2d",
        "adaptive_avg_pool2d",
        "dropout",
        "flatten",
        "view",
        "reshape",
        "squeeze",
        "contiguous",
        "clone",
        "to",
        "unflatten",
    }
)
"""Functions for which LRP is defined, or through which values pass unchanged."""
_POOLS = frozenset({"max_pool2d", "adaptive_max_pool2d"})
_LINEAR = frozenset(
    {
        *("conv1d", "conv2d", "conv_transpose2d", "linear", "batch_norm", "addmm", "matmul", "einsum"),
        *("add", "add_", "radd", "iadd", "sub", "sub_", "rsub", "isub", "neg", "cat", "concat", "stack", "hstack"),
        *("mul", "mul_", "rmul", "imul", "div", "div_", "truediv", "true_divide", "itruediv"),
        *("mean", "sum", "avg_pool2d", "adaptive_avg_pool2d", "interpolate", "upsample", "lerp"),
        *("dropout", "dropout2d", "feature_dropout", "alpha_dropout", "to", "float", "type", "type_as", "clone"),
        *("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "contiguous", "expand", "repeat", "get"),
        *("transpose", "permute", "movedim", "t", "flip", "roll", "pad", "chunk", "split", "tensor_split", "unbind"),
        *("getitem", "select", "narrow", "index_select", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle"),
    }
)
"""Functions of one value from the picture, or sums of several, that are linear, so that DeepLift needs no rule."""


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
    """Values must be added and bent, never multiplied with one another, and by functions that DeepLift knows."""
    traits = _traits(network)
    if traits is None:
        return None
    if traits.multiplies:
        return (
            "This network multiplies values computed from the picture with one another (attention, gates or layer "
            "norms), for which DeepLift has no rule: its shares would not add up to the score."
        )
    if traits.functions <= _LINEAR | _POOLS | RELUS | SMOOTH | GATES:
        return None
    return (
        "This network works with functions for which DeepLift has no rule (such as powers, or the largest of several "
        "values): its shares would not add up to the score."
    )


def needs_chain(network: Network) -> str | None:
    """A plain chain of convolutions, ReLUs, pools and dense layers is needed."""
    traits = _traits(network)
    if traits is None or (not traits.merges and traits.functions <= _SHAREABLE):
        return None
    return (
        "LRP is defined here for a plain chain of convolutions, ReLUs, pools and dense layers, such as VGG and "
        "AlexNet; this network has other parts."
    )


def needs_attention(network: Network) -> str | None:
    """Every token must look at every other, in a way that can be worked out."""
    if attention_layers(network):
        if readable(network):
            return None
        return "The attention of this network cannot be worked out from what enters its layers."
    return "No layer of this network lets every part of the picture look at every other, as a Vision Transformer's do."


def _traits(network: Network) -> OpTrace | None:
    """Returns what the network does; ``None`` where it does not run at all, which explaining says better."""
    try:
        return op_trace_of(network)
    except InputError:
        return None
