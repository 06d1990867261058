"""Networks put together from pieces: what each piece makes of its input, and the network itself.

A design is a list of :class:`core.specs.Piece`; the last layer, which tells the classes apart, is not in the list but
added to it. Sizes and parameters are worked out with pencil and paper, without torch; :func:`construct` builds the
same with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.errors import InputError
from core.specs import Piece

if TYPE_CHECKING:
    from torch import nn

HEAD = "classifier"
"""Name of the last layer, which is added to every design."""
MAX_PARAMETERS = 500_000_000
"""Most parameters that a network of one's own may have; in float32 that is 2 GB."""
MAX_VALUES = 100_000_000
"""Most values that one layer may make of one image."""

Shape = tuple[int, ...]
"""Channels, height and width of a feature map; or the number of values once it is flat."""

_PREFIX = {
    "conv": "conv",
    "batch-norm": "norm",
    "relu": "act",
    "leaky-relu": "act",
    "elu": "act",
    "gelu": "act",
    "tanh": "act",
    "sigmoid": "act",
    "max-pool": "pool",
    "average-pool": "pool",
    "dropout": "dropout",
    "global-average-pool": "pool",
    "flatten": "flatten",
    "linear": "linear",
    "transposed-conv": "up",
    "unflatten": "unflatten",
}
_WINDOWED = ("conv", "max-pool", "average-pool", "transposed-conv")


@dataclass(frozen=True, slots=True)
class Step:
    """What one piece of a design does to a feature map.

    Attributes:
        piece: The piece.
        index: Its place in the design; ``None`` for a layer that is added (flatten, the last layer).
        name: Name of its module in the network, such as ``conv1``.
        input_shape: C x H x W, or the number of values.
        shape: The same for its output; empty if it is impossible.
        parameters: Number of its parameters.
        formula: Where these come from, such as ``(5*5*1+1)*10 = 260``; empty without any.
        size_formula: Where the output's side comes from, for pieces with a window.
        problem: Why the piece is impossible here; nothing behind it is worked out then.
    """

    piece: Piece
    index: int | None
    name: str
    input_shape: Shape
    shape: Shape
    parameters: int = 0
    formula: str = ""
    size_formula: str = ""
    problem: InputError | None = None


def trace_design(
    design: tuple[Piece, ...], channels: int, image_size: int, num_classes: int | None = None, *, single: bool = False
) -> list[Step]:
    """Works out what each piece makes of its input.

    Where the design does not flatten the feature map before its first linear layer, that is done for it and stands in
    the list as a step of its own.

    Args:
        design: The pieces, without the last layer.
        channels: Channels of the image.
        image_size: Side of the image, in pixels.
        num_classes: Adds the last layer with so many outputs; ``None`` to leave it (and the flattening that only it
            would need) out.
        single: Whether the last layer tells two classes apart by one sigmoid output.

    Returns:
        A step for each piece, up to the first that is impossible.
    """
    steps: list[Step] = []
    counters: dict[str, int] = {}
    shape: Shape = (channels, image_size, image_size)
    todo: list[tuple[int | None, Piece, str]] = [(index, piece, "") for index, piece in enumerate(design)]
    if num_classes is not None:
        todo.append((None, Piece("linear", size=num_classes), HEAD))
    total = 0
    for index, piece, name in todo:
        needed = [(None, Piece("flatten"), "")] if piece.kind == "linear" and len(shape) == 3 else []
        for place, part, title in (*needed, (index, piece, name)):
            prefix = _PREFIX[part.kind]
            counters[prefix] = counters.get(prefix, 0) + (not title)
            step = _step(part, place, title or f"{prefix}{counters[prefix]}", shape)
            if single and num_classes == 2 and title == HEAD:
                count = shape[0] + 1
                step = replace(step, parameters=count, formula=f"({shape[0]}+1)*1 = {count:,}")
            total += step.parameters
            problem = step.problem or _too_large(step, total)
            if problem is not None:
                steps.append(Step(part, place, step.name, shape, (), problem=problem, size_formula=step.size_formula))
                return steps
            steps.append(step)
            shape = step.shape
    return steps


def _step(piece: Piece, index: int | None, name: str, shape: Shape) -> Step:
    if piece.kind in (*_WINDOWED, "global-average-pool") and len(shape) != 3:
        problem = InputError(
            "{layer} needs a feature map, but {values} plain values reach it. Move it before the flatten and the "
            "linear layers.",
            layer=name,
            values=shape[0],
        )
        return Step(piece, index, name, shape, (), problem=problem)
    if piece.kind == "transposed-conv":
        return _transposed(piece, index, name, shape)
    if piece.kind in _WINDOWED:
        return _windowed(piece, index, name, shape)
    if piece.kind == "unflatten":
        return _unflattened(piece, index, name, shape)
    if piece.kind == "global-average-pool":
        return Step(piece, index, name, shape, (shape[0], 1, 1))
    if piece.kind == "flatten":
        return Step(piece, index, name, shape, (math.prod(shape),))
    if piece.kind == "linear":
        count = (shape[0] + 1) * piece.size
        return Step(piece, index, name, shape, (piece.size,), count, f"({shape[0]}+1)*{piece.size} = {count:,}")
    if piece.kind == "batch-norm":
        return Step(piece, index, name, shape, shape, 2 * shape[0], f"2*{shape[0]} = {2 * shape[0]:,}")
    return Step(piece, index, name, shape, shape)


def _transposed(piece: Piece, index: int | None, name: str, shape: Shape) -> Step:
    """A transposed convolution: each pixel paints a window, windows lie a stride apart, and the padding is cut off."""
    channels, height, _ = shape
    kernel, padding, stride = piece.kernel, piece.padding, piece.stride or 1
    side = (height - 1) * stride - 2 * padding + kernel
    filled = f"({height} - 1)*{stride} - {2 * padding} + {kernel} = {side}"
    if side < 1:
        problem = InputError(
            "{layer} leaves nothing: (h - 1)s - 2p + k = {formula}. Choose less padding, or a larger window.",
            layer=name,
            formula=filled,
        )
        return Step(piece, index, name, shape, (), size_formula=filled, problem=problem)
    count = (kernel * kernel * channels + 1) * piece.size
    formula = f"({kernel}*{kernel}*{channels}+1)*{piece.size} = {count:,}"
    return Step(piece, index, name, shape, (piece.size, side, side), count, formula, filled)


def _unflattened(piece: Piece, index: int | None, name: str, shape: Shape) -> Step:
    """Plain values laid out as a square map again."""
    values = math.prod(shape)
    side = math.isqrt(values // piece.size)
    if len(shape) == 1 and piece.size * side * side == values and side:
        return Step(
            piece, index, name, shape, (piece.size, side, side), size_formula=f"{values} = {piece.size}*{side}*{side}"
        )
    problem = InputError(
        "{layer} cannot lay {values} values out as {channels} square maps. Choose a linear layer before it with "
        "{channels}·s·s outputs, such as {some}.",
        layer=name,
        values=values,
        channels=piece.size,
        some=piece.size * 49,
    )
    return Step(piece, index, name, shape, (), problem=problem)


def _windowed(piece: Piece, index: int | None, name: str, shape: Shape) -> Step:
    channels, height, _ = shape
    kernel, padding = piece.kernel, piece.padding
    stride = piece.stride or (1 if piece.kind == "conv" else kernel)
    side = (height + 2 * padding - kernel) // stride + 1
    filled = f"floor(({height} + {2 * padding} - {kernel})/{stride}) + 1 = {side}"
    if height + 2 * padding < kernel:
        problem = InputError(
            "{layer} does not fit: the feature map that reaches it is {side} px wide, its window {kernel} px. "
            "floor((h + 2p - k)/s) + 1 = {formula}. Choose a smaller window, more padding, or fewer pools before it.",
            layer=name,
            side=height,
            kernel=kernel,
            formula=filled,
        )
        return Step(piece, index, name, shape, (), size_formula=filled, problem=problem)
    if piece.kind != "conv":
        if 2 * padding > kernel:
            problem = InputError(
                "{layer} has padding {padding}, more than half of its window of {kernel} px: some windows would hold "
                "nothing but padding. Choose at most {most}.",
                layer=name,
                padding=padding,
                kernel=kernel,
                most=kernel // 2,
            )
            return Step(piece, index, name, shape, (), size_formula=filled, problem=problem)
        return Step(piece, index, name, shape, (channels, side, side), size_formula=filled)
    count = (kernel * kernel * channels + 1) * piece.size
    formula = f"({kernel}*{kernel}*{channels}+1)*{piece.size} = {count:,}"
    return Step(piece, index, name, shape, (piece.size, side, side), count, formula, filled)


def _too_large(step: Step, total: int) -> InputError | None:
    if total > MAX_PARAMETERS:
        return InputError(
            "With {layer} the network has {parameters} parameters; at most {limit} are built. Pool more, or choose "
            "fewer channels or a smaller layer.",
            layer=step.name,
            parameters=f"{total:,}",
            limit=f"{MAX_PARAMETERS:,}",
        )
    if math.prod(step.shape) > MAX_VALUES:
        return InputError(
            "{layer} makes {values} values of one image; at most {limit} are computed. Choose smaller images, fewer "
            "channels or a larger stride.",
            layer=step.name,
            values=f"{math.prod(step.shape):,}",
            limit=f"{MAX_VALUES:,}",
        )
    return None


def construct(
    design: tuple[Piece, ...], channels: int, image_size: int, num_classes: int, *, single: bool = False
) -> nn.Module:
    """Builds a network from its pieces, in train mode, with torch's own initial weights.

    Args:
        design: The pieces, without the last layer.
        channels: Channels of the image.
        image_size: Side of the image, in pixels.
        num_classes: Outputs of the last layer.
        single: Whether two classes are told apart by one sigmoid output.

    Returns:
        A sequence whose modules are called ``conv1``, ``norm1``, ``act1``, ``pool1``, ``dropout1``, ``flatten1``,
        ``linear1`` and so on, and the last one ``classifier``; B x ``channels`` x H x W images to B x
        ``num_classes`` logits.

    Raises:
        InputError: A piece does not fit what reaches it, or the network is too large; the sentence has the formula.
    """
    from collections import OrderedDict

    from torch import nn

    from core.models.architectures.sigmoid_output import SigmoidOutput

    single = single and num_classes == 2
    steps = trace_design(design, channels, image_size, num_classes, single=single)
    if steps[-1].problem is not None:
        raise steps[-1].problem
    layers = OrderedDict((step.name, _module(step)) for step in steps)
    if single:
        layers[HEAD] = SigmoidOutput(steps[-1].input_shape[0])
    network = nn.Sequential(layers)
    network.__dict__["input_channels"] = channels  # not to be read from a design without convolutions
    return network


def construct_body(design: tuple[Piece, ...], channels: int, image_size: int) -> nn.Sequential:
    """Builds what the pieces make without a last layer for classes, such as a network that gives pictures back.

    Args:
        design: The pieces.
        channels: Channels of the image.
        image_size: Side of the image, in pixels.

    Returns:
        A sequence whose modules are called as by :func:`construct`, so that their weights fit there.

    Raises:
        InputError: A piece does not fit what reaches it, or the network is too large; the sentence has the formula.
    """
    from collections import OrderedDict

    from torch import nn

    steps = trace_design(design, channels, image_size)
    if not steps:
        raise InputError("The network has no layers yet. Add at least one, or start from one of the small networks.")
    if steps[-1].problem is not None:
        raise steps[-1].problem
    return nn.Sequential(OrderedDict((step.name, _module(step)) for step in steps))


def _module(step: Step) -> nn.Module:  # noqa: PLR0911 - one return a kind
    from torch import nn

    piece, entry = step.piece, step.input_shape[0]
    match piece.kind:
        case "conv":
            return nn.Conv2d(entry, piece.size, piece.kernel, piece.stride or 1, piece.padding)
        case "linear":
            return nn.Linear(entry, piece.size)
        case "transposed-conv":
            return nn.ConvTranspose2d(entry, piece.size, piece.kernel, piece.stride or 1, piece.padding)
        case "unflatten":
            return nn.Unflatten(1, step.shape)
        case "batch-norm":
            return nn.BatchNorm2d(entry) if len(step.input_shape) == 3 else nn.BatchNorm1d(entry)
        case "max-pool":
            return nn.MaxPool2d(piece.kernel, piece.stride or None, piece.padding)
        case "average-pool":
            return nn.AvgPool2d(piece.kernel, piece.stride or None, piece.padding)
        case "global-average-pool":
            return nn.AdaptiveAvgPool2d(1)
        case "flatten":
            return nn.Flatten(1)
        case "dropout":
            return nn.Dropout(piece.rate)
        case "leaky-relu":
            return nn.LeakyReLU(piece.rate)
    plain = {"relu": nn.ReLU, "elu": nn.ELU, "gelu": nn.GELU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
    return plain[piece.kind]()
