"""Multiply-adds of the functions that have them: convolutions, matrix products, attention.

One multiply-add is one product and its addition to a sum. Biases, normalisations, activations and pools are not
counted, as is usual where GFLOPs of networks are compared (torchvision's own figures, fvcore).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

Found = list[tuple[int, Tensor | None]]
"""Multiply-adds, and the weight that they are made with, where there is one."""


def _get(args: tuple[Any, ...], kwargs: dict[str, Any], index: int, name: str) -> Any:  # noqa: ANN401 - torch's own arguments
    return args[index] if len(args) > index else kwargs[name]


def _conv(args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> Found:
    weight = _get(args, kwargs, 1, "weight")
    return [(output.numel() * math.prod(weight.shape[1:]), weight)]


def _transposed_conv(args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> Found:  # noqa: ARG001
    weight = _get(args, kwargs, 1, "weight")
    return [(_get(args, kwargs, 0, "input").numel() * math.prod(weight.shape[1:]), weight)]


def _linear(args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> Found:
    weight = _get(args, kwargs, 1, "weight")
    return [(output.numel() * weight.shape[-1], weight)]


def _matmul(args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> Found:
    return [(output.numel() * _get(args, kwargs, 0, "input").shape[-1], None)]


def _added_matmul(args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> Found:
    left = args[1] if len(args) > 1 else kwargs["mat1" if "mat1" in kwargs else "batch1"]
    return [(output.numel() * left.shape[-1], None)]


def _einsum(args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> Found:  # noqa: ARG001
    operands = args[1:] if len(args) != 2 or isinstance(args[1], Tensor) else tuple(args[1])
    if not isinstance(args[0], str) or len(operands) < 2 or "..." in args[0]:
        return []
    sizes: dict[str, int] = {}
    for names, tensor in zip(args[0].replace(" ", "").split("->")[0].split(","), operands, strict=True):
        sizes.update(zip(names, tensor.shape, strict=True))
    return [(math.prod(sizes.values()), None)]


def _attention(args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> Found:  # noqa: ARG001
    query, key, value = (_get(args, kwargs, i, name) for i, name in enumerate(("query", "key", "value")))
    pairs = query.shape[:-1].numel() * key.shape[-2]
    return [(pairs * query.shape[-1] + pairs * value.shape[-1], None)]


def _multi_head(args: tuple[Any, ...], kwargs: dict[str, Any], output: object) -> Found:  # noqa: ARG001
    query, key, value = args[:3]
    width = args[3]
    projected = sum(tensor.numel() * width for tensor in (query, key, value))
    length, batch = (query.shape[0], query.shape[1]) if query.ndim == 3 else (query.shape[0], 1)
    pairs = batch * length * key.shape[0]
    return [(projected + 2 * pairs * width, args[5]), (query.shape[:-1].numel() * width * width, args[11])]


COUNTS: dict[str, Callable[[tuple[Any, ...], dict[str, Any], Any], Found]] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _conv),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _transposed_conv),
    "linear": _linear,
    **dict.fromkeys(("matmul", "bmm", "mm", "__matmul__"), _matmul),
    **dict.fromkeys(("addmm", "baddbmm"), _added_matmul),
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _multi_head,
}
"""Counts by the function's name."""
