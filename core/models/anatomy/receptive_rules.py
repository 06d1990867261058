"""What each torch function does to what its output's cells see of the image.

Two roads are not counted into a receptive field, because they reach a cell only as one factor for its whole channel:
gates from a global pool (squeeze-and-excitation) and the statistics of a normalisation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from core.models.anatomy.receptive_field import OTHER, RESIZED, WHOLE, WINDOWS, Trail

_GATES = frozenset({"mul", "mul_", "__mul__", "__rmul__", "__imul__", "div", "true_divide"})


@dataclass(slots=True)
class Step:
    """One function that met at least one tensor of the image."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Any
    inputs: list[tuple[Tensor, Trail]]

    def get(self, index: int, name: str, default: Any = None) -> Any:  # noqa: ANN401 - torch's own arguments
        """Returns an argument by place or name."""
        return self.args[index] if len(self.args) > index else self.kwargs.get(name, default)

    @property
    def first(self) -> tuple[Tensor, Trail]:
        """The first tensor of the image, and its trail."""
        return self.inputs[0]


def first(output: Tensor | Sequence[Tensor]) -> Tensor:
    """Returns the output of a function, the first where there are several."""
    return output if isinstance(output, Tensor) else output[0]


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(value, int):
        return (value, value)
    return (int(value[0]), int(value[-1]))


def _axis(value: int, tensor: Tensor) -> int:
    return value % max(1, tensor.ndim)


def pointwise(step: Step) -> Trail:
    """Joins the trails of all inputs, cell by cell; gates that are the same for a whole channel do not count."""
    inputs = step.inputs
    if step.name in _GATES and len(inputs) > 1:
        inputs = [entry for entry in inputs if not entry[1].uniform] or inputs
    shape = first(step.output).shape
    found: Trail | None = None
    for tensor, before in inputs:
        trail = before
        if before.axes:
            shift = len(shape) - tensor.ndim
            axes = tuple(axis + shift for axis in before.axes)
            fits = shift >= 0 and all(tensor.shape[a] == shape[a + shift] for a in before.axes)
            trail = before.at(axes) if fits else before.lost(OTHER)
        if found is None:
            found = trail
        elif found.axes and trail.axes and found.axes != trail.axes:
            return found.lost(OTHER)
        else:
            found = found.joined(trail)
    return found or step.first[1]


def _conv(step: Step) -> Trail:
    tensor, trail = step.first
    weight = step.get(1, "weight")
    if trail.why:
        return trail
    if trail.axes != (2, 3) or tensor.ndim != 4:
        return trail.lost(OTHER)
    kernel = _pair(weight.shape[2:])
    stride, dilation = _pair(step.get(3, "stride", 1)), _pair(step.get(5, "dilation", 1))
    padding = step.get(4, "padding", 0)
    if isinstance(padding, str):
        reach = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)] if padding == "same" else [0, 0]
        padding = [value // 2 for value in reach]
    return trail.slid(kernel, stride, _pair(padding), dilation)


def _pool(step: Step) -> Trail:
    trail = step.first[1]
    if trail.why:
        return trail
    if trail.axes != (2, 3):
        return trail.lost(OTHER)
    kernel = step.get(1, "kernel_size")
    stride = step.get(2, "stride") or kernel
    dilation = 1 if step.name.startswith("avg") else step.get(4, "dilation", 1)
    return trail.slid(_pair(kernel), _pair(stride), _pair(step.get(3, "padding", 0)), _pair(dilation))


def _adaptive_pool(step: Step) -> Trail:
    tensor, trail = step.first
    if trail.why:
        return trail
    if trail.axes != (2, 3):
        return trail.lost(OTHER)
    old, new = tensor.shape[2:], first(step.output).shape[2:]
    if tuple(new) == (1, 1):
        return trail.lost(WHOLE, uniform=True)
    if any(a % b for a, b in zip(old, new, strict=True)):
        return trail.lost(RESIZED)
    kernel = (old[0] // new[0], old[1] // new[1])
    return trail.slid(kernel, kernel, (0, 0))


def _reshape(step: Step) -> Trail:
    tensor, trail = step.first
    return trail.reshaped(tuple(tensor.shape), tuple(first(step.output).shape))


def _permute(step: Step) -> Trail:
    tensor, trail = step.first
    order = list(range(tensor.ndim))
    if step.name == "permute":
        given = step.args[1:] or (step.kwargs["dims"],)
        order = [_axis(axis, tensor) for axis in (given[0] if isinstance(given[0], tuple | list) else given)]
    elif step.name == "movedim":
        return trail.lost(OTHER)
    else:
        swap = (-2, -1)
        if step.name not in ("T", "mT", "H", "mH", "t"):
            swap = tuple(step.get(i, name) for i, name in ((1, "dim0"), (2, "dim1")))
        elif step.name == "T":
            order.reverse()
        a, b = (_axis(value, tensor) for value in swap)
        if step.name != "T":
            order[a], order[b] = b, a
    return trail.at(tuple(order.index(axis) for axis in trail.axes))


def _linear(step: Step) -> Trail:
    tensor, trail = step.first
    return trail.lost(WHOLE) if tensor.ndim - 1 in trail.axes else trail


def _matmul(step: Step) -> Trail:
    tensor, trail = step.first
    if len(step.inputs) > 1:
        return next((trail for _, trail in step.inputs if trail.why), trail).lost(WHOLE)
    if tensor is not step.args[0] or step.name == "einsum" or tensor.ndim != step.output.ndim:
        return trail.lost(OTHER)
    return _linear(step)


def _attention(step: Step) -> Trail:
    return step.first[1].lost(WHOLE)


def _along(step: Step) -> Trail:
    """Functions that mix the values along the axis ``dim``, and leave the shape."""
    tensor, trail = step.first
    dims = step.get(2 if step.name == "roll" else 1, "dims" if step.name in ("roll", "flip") else "dim", -1)
    mixed = {_axis(d, tensor) for d in ((dims,) if isinstance(dims, int) else dims or ()) if isinstance(d, int)}
    if not mixed.intersection(trail.axes):
        return trail
    return trail.lost(WINDOWS if step.name in ("roll", "flip") else WHOLE)


def _reduce(step: Step) -> Trail:
    tensor, trail = step.first
    dim = step.get(1, "dim")
    if isinstance(dim, Tensor):
        return pointwise(step)
    if dim is None or isinstance(dim, bool):
        return trail.lost(WHOLE, uniform=True)
    gone = {_axis(value, tensor) for value in ((dim,) if isinstance(dim, int) else dim)}
    if gone.intersection(trail.axes):
        return trail.lost(WHOLE, uniform=gone.issuperset(trail.axes))
    if first(step.output).ndim == tensor.ndim:
        return trail
    return trail.at(tuple(axis - sum(1 for g in gone if g < axis) for axis in trail.axes))


def _index(step: Step) -> Trail:
    tensor, trail = step.first
    if trail.why or tensor is not step.args[0]:
        return trail.lost(OTHER)
    index = step.args[1] if isinstance(step.args[1], tuple) else (step.args[1],)
    if any(entry is not None and entry is not Ellipsis and not isinstance(entry, int | slice) for entry in index):
        return trail.lost(OTHER)
    named = sum(1 for entry in index if entry is not None and entry is not Ellipsis)
    full = [slice(None)] * (tensor.ndim - named)
    place = index.index(Ellipsis) if Ellipsis in index else len(index)
    entries = [*index[:place], *full, *index[place + 1 :]]
    axis = out = 0
    places: dict[int, int] = {}
    rows, columns = trail.rows, trail.columns
    for entry in entries:
        if entry is None:
            out += 1
            continue
        if isinstance(entry, slice):
            if axis in trail.axes:
                start, _, leap = entry.indices(tensor.shape[axis])
                if len(trail.axes) == 1:
                    # what stands before the patches may be left out; anything else tears rows and columns apart
                    if leap != 1:
                        return trail.lost(OTHER)
                elif axis == trail.axes[0]:
                    rows = rows.sliced(start, leap)
                else:
                    columns = columns.sliced(start, leap)
            places[axis] = out
            out += 1
        elif axis in trail.axes:
            return trail.lost(OTHER)
        axis += 1
    return replace(trail, axes=tuple(places[a] for a in trail.axes), rows=rows, columns=columns)


def _split(step: Step) -> Trail:
    tensor, trail = step.first
    name, place, default = ("dim", 1, 0) if step.name == "unbind" else ("dim", 2, 0)
    dim = _axis(step.get(place, name, default), tensor)
    if dim in trail.axes:
        return trail.lost(OTHER)
    if step.name != "unbind":
        return trail
    return trail.at(tuple(axis - (axis > dim) for axis in trail.axes))


def _pad(step: Step) -> Trail:
    tensor, trail = step.first
    widths = step.get(1, "pad")
    if trail.why:
        return trail
    before = {tensor.ndim - 1 - i: widths[2 * i] for i in range(len(widths) // 2)}
    after = {tensor.ndim - 1 - i: widths[2 * i + 1] for i in range(len(widths) // 2)}
    if len(trail.axes) == 1:
        return trail.lost(OTHER) if before.get(trail.axes[0]) or after.get(trail.axes[0]) else trail
    above, left = (before.get(axis, 0) for axis in trail.axes)
    return replace(trail, rows=trail.rows.sliced(-above, 1), columns=trail.columns.sliced(-left, 1))


def _concat(step: Step) -> Trail:
    tensor = step.first[0]
    dim = step.get(1, "dim", 0)
    if step.name == "stack":
        dim = dim % (tensor.ndim + 1)
        inputs = [(t, r.at(tuple(a + (a >= dim) for a in r.axes))) for t, r in step.inputs]
    else:
        dim, inputs = _axis(dim, tensor), step.inputs
    for _, other in inputs:
        if other.axes and dim in other.axes:  # a class token before the patches leaves them as they are
            return other if len(inputs) == 1 and len(other.axes) == 1 else other.lost(OTHER)
    found = inputs[0][1]
    for _, other in inputs[1:]:
        found = found.joined(other) if found.axes == other.axes or found.why or other.why else found.lost(OTHER)
    return found


def _expand(step: Step) -> Trail:
    tensor, trail = step.first
    shape = step.output.shape
    shift = len(shape) - tensor.ndim
    if any(tensor.shape[axis] != shape[axis + shift] for axis in trail.axes):
        return trail.lost(OTHER)
    return trail.at(tuple(axis + shift for axis in trail.axes))


def _resize(step: Step) -> Trail:
    return step.first[1].lost(RESIZED)


def _unknown(step: Step) -> Trail:
    return step.first[1].lost(OTHER)


def _names(rule: Callable[[Step], Trail], names: str) -> dict[str, Callable[[Step], Trail]]:
    return dict.fromkeys(names.split(), rule)


RULES: dict[str, Callable[[Step], Trail]] = {
    **_names(_conv, "conv2d"),
    **_names(_pool, "max_pool2d max_pool2d_with_indices avg_pool2d"),
    **_names(_adaptive_pool, "adaptive_avg_pool2d adaptive_max_pool2d"),
    **_names(_reshape, "view reshape flatten unflatten view_as reshape_as squeeze unsqueeze"),
    **_names(_permute, "permute transpose swapaxes swapdims movedim T mT H mH t"),
    **_names(_linear, "linear"),
    **_names(_matmul, "matmul bmm mm addmm baddbmm einsum __matmul__ __rmatmul__"),
    **_names(_attention, "scaled_dot_product_attention multi_head_attention_forward"),
    **_names(_along, "softmax log_softmax cumsum cumprod logcumsumexp roll flip sort argsort"),
    **_names(_reduce, "mean sum amax amin max min var std var_mean std_mean prod logsumexp norm median argmax argmin"),
    **_names(_index, "__getitem__"),
    **_names(_split, "chunk split tensor_split unbind unsafe_chunk unsafe_split"),
    **_names(_pad, "pad"),
    **_names(_concat, "cat concat concatenate stack"),
    **_names(_expand, "expand expand_as broadcast_to repeat"),
    **_names(_resize, "interpolate upsample conv_transpose2d pixel_shuffle grid_sample"),
    **_names(_unknown, "conv1d conv3d unfold fold pixel_unshuffle select index_select gather take scatter"),
}
"""What a function does to the trail; those not named here treat each cell on its own."""
