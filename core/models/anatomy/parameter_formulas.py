"""Where a layer's numbers come from: the window of its kernel, and its parameters as a formula with figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from core.models.anatomy.receptive_field import Shape

Pair = tuple[int, int]


def formula(module: nn.Module | None, shapes: Mapping[str, Shape]) -> str:
    """Writes the number of parameters that a module holds itself as arithmetic.

    Args:
        module: The module; ``None`` for a parameter alone.
        shapes: Shape of each of its own parameters, by the parameter's own name.

    Returns:
        Such as ``(3*3*3+1)*64 = 1,792``; empty without parameters. The right side is always the true number.

    Example:
        >>> formula(nn.Linear(512, 1000), {"weight": (1000, 512), "bias": (1000,)})
        '(512+1)*1000 = 513,000'
    """
    if not shapes:
        return ""
    count = sum(math.prod(shape) for shape in shapes.values())
    text, value = _known(module, shapes) or ("", -1)
    if value != count:  # a layer of its own making, whatever it descends from
        text = "+".join(_product(name, shape) for name, shape in shapes.items())
    return text if text == str(count) else f"{text} = {count:,}"


def _known(module: nn.Module | None, shapes: Mapping[str, Shape]) -> tuple[str, int] | None:
    """Returns the usual way of writing it for the usual layers, and what that gives."""
    if isinstance(module, nn.MultiheadAttention):
        return _attention(module, shapes)
    if "weight" not in shapes or not shapes.keys() <= {"weight", "bias"}:
        return None
    weight, bias = shapes["weight"], "bias" in shapes
    if isinstance(module, _ConvTransposeNd):
        text = "*".join(map(str, (*weight[2:], *weight[:2])))
        out = module.out_channels
        return (f"{text}+{out}", math.prod(weight) + out) if bias else (text, math.prod(weight))
    if isinstance(module, _ConvNd):
        into = f"{module.in_channels}" if module.groups == 1 else f"({module.in_channels}/{module.groups})"
        taps = "*".join((*map(str, module.kernel_size), into))
        return _weighted(taps, math.prod(module.kernel_size) * module.in_channels // module.groups, weight[0], bias)
    if isinstance(module, nn.Linear):
        return _weighted(str(module.in_features), module.in_features, module.out_features, bias)
    if isinstance(module, _NormBase | nn.LayerNorm | nn.GroupNorm) or (bias and weight == shapes["bias"]):
        size, values = "*".join(map(str, weight)), math.prod(weight)
        if not bias:
            return size, values
        return (f"2*{size}" if len(weight) == 1 else f"2*({size})"), 2 * values
    return None


def _weighted(taps: str, inputs: int, outputs: int, bias: bool) -> tuple[str, int]:
    """Writes ``outputs`` sums of ``inputs`` weighted values, each with a bias or not."""
    return (f"({taps}+1)*{outputs}", (inputs + 1) * outputs) if bias else (f"{taps}*{outputs}", inputs * outputs)


def _attention(module: nn.MultiheadAttention, shapes: Mapping[str, Shape]) -> tuple[str, int] | None:
    """Query, key and value are three linear layers in one; the projection behind them is a layer of its own."""
    width = module.embed_dim
    if shapes.keys() == {"in_proj_weight", "in_proj_bias"}:
        return f"3*({width}+1)*{width}", 3 * (width + 1) * width
    return (f"3*{width}*{width}", 3 * width * width) if shapes.keys() == {"in_proj_weight"} else None


def _product(name: str, shape: Shape) -> str:
    if "relative_position" in name and len(shape) == 2:
        side = math.isqrt(shape[0])
        if side % 2 and side * side == shape[0]:  # two places in a window lie 1-n to n-1 apart, both ways
            window = f"(2*{(side + 1) // 2}-1)"
            return f"{window}*{window}*{shape[1]}"
    return "*".join(map(str, shape)) or "1"


def window(module: nn.Module) -> dict[str, Any]:
    """Returns kernel, stride, padding and dilation of a convolution or pool, and a convolution's groups.

    Returns:
        Pairs of height and width by name, ``groups`` a number; empty for other layers and for other than two
        dimensions.
    """
    kernel = _pair(getattr(module, "kernel_size", None))
    if kernel is None or not isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.MaxPool2d | nn.AvgPool2d):
        return {}
    stride = _pair(getattr(module, "stride", None)) or kernel
    dilation = _pair(getattr(module, "dilation", 1)) or (1, 1)
    padding = getattr(module, "padding", 0)
    if isinstance(padding, str):
        same = [((k - 1) * d) // 2 for k, d in zip(kernel, dilation, strict=True)]
        pads: Pair | None = (same[0], same[1]) if padding == "same" else (0, 0)
    else:
        pads = _pair(padding)
    groups = getattr(module, "groups", None)
    found = {"kernel": kernel, "stride": stride, "padding": pads or (0, 0), "dilation": dilation}
    return {**found, "groups": groups} if isinstance(groups, int) else found


def _pair(value: object) -> Pair | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, value)
    if isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(entry, int) for entry in value):
        return (value[0], value[1])
    return None
