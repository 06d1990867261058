"""A chain of layers: the size of what leaves each and the number of its parameters, by formula and by torch."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import torch
from torch import nn

from core.errors import InputError
from core.messages import N_

KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "conv": (N_("Convolution"), ("channels", "kernel", "stride", "padding", "dilation")),
    "transposed": (N_("Transposed convolution"), ("channels", "kernel", "stride", "padding")),
    "max": (N_("Max pooling"), ("kernel", "stride")),
    "mean": (N_("Mean pooling"), ("kernel", "stride")),
    "norm": (N_("Batch norm"), ()),
    "global": (N_("Global mean"), ()),
    "flatten": (N_("Flatten"), ()),
    "linear": (N_("Linear"), ("features",)),
}
"""Layers by their word in a chain: what each is called, and its numbers in order."""
LONGEST, LARGEST = 20, 4096
"""Layers of a chain, and side or channels, at most."""
_MARGIN = (("padding", 0), ("dilation", 1))
_USUAL = {"stride": 1, "padding": 0, "dilation": 1}

CHAINS: dict[str, tuple[str, tuple[int, int, int], str]] = {
    "stride": (
        N_("Halved by strides (the notes): 7,845 at the end"),
        (1, 28, 28),
        "conv 32 3 2 1\nconv 32 3 2 1\nflatten\nlinear 5",
    ),
    "pointwise": (N_("1 × 1: 32 channels become 5 (the notes)"), (32, 6, 6), "conv 5 1"),
    "mnist": (
        N_("The notes' digits: 30,840"),
        (1, 28, 28),
        "conv 10 5 1 1\nmax 2\nconv 20 5 1 1\nmax 2\nflatten\nlinear 50\nlinear 10",
    ),
    "emnist": (
        N_("The notes' letters: 16,490"),
        (1, 28, 28),
        "conv 6 3 1 1\nmax 2\nnorm\nconv 6 3 1 1\nmax 2\nnorm\nflatten\nlinear 50\nlinear 26",
    ),
    "cats": (
        N_("Cats and dogs, small: 3,453,121 (the notes)"),
        (3, 150, 150),
        "conv 32 3\nmax 2\nconv 64 3\nmax 2\nconv 128 3\nmax 2\nconv 128 3\nmax 2\nflatten\nlinear 512\nlinear 1",
    ),
    "autoencoder": (
        N_("The notes' autoencoder, 557: 28 come back as 31"),
        (1, 28, 28),
        "conv 6 3 1 1\nmax 2\nconv 4 3 1 1\nmax 2\ntransposed 6 3 2\ntransposed 1 3 2",
    ),
    "vgg": (
        N_("VGG's first layers: 640 in grey, 1,792 in colour"),
        (3, 224, 224),
        "conv 64 3 1 1\nconv 64 3 1 1\nmax 2\nconv 128 3 1 1\nconv 128 3 1 1\nmax 2",
    ),
    "vgg-head": (
        N_("VGG16's dense layers: 102,764,544 in the first (the notes)"),
        (512, 7, 7),
        "flatten\nlinear 4096\nlinear 4096\nlinear 1000",
    ),
    "apples": (N_("VGG16 for twelve apples: 49,164 learn (the notes)"), (4096, 1, 1), "flatten\nlinear 12"),
    "brains": (
        N_("Brain scans, Testing Model 1: 1,058,530 (the notes)"),
        (1, 64, 64),
        "conv 32 3 1 1\nmax 2\nconv 32 3 1 1\nmax 2\nflatten\nlinear 128\nlinear 2",
    ),
    "brains-2": (
        N_("Brain scans, Testing Model 2: 4,212,386 (the notes)"),
        (1, 64, 64),
        "conv 32 3 1 1\nconv 32 3 1 1\nmax 2\nflatten\nlinear 128\nlinear 64\nlinear 2",
    ),
    "dense": (
        N_("Dense 3-5-8-4: the shapes of its weights (the notes)"),
        (3, 1, 1),
        "flatten\nlinear 5\nlinear 8\nlinear 4",
    ),
    "photo": (N_("A photo and two edge maps: 25,125,000 values (the notes)"), (5, 1675, 3000), "conv 1 1"),
}
"""Chains by name: title, channels, height and width of the picture, and the layers, one a line."""


@dataclass(frozen=True, slots=True)
class Sized:
    """A layer of a chain.

    Attributes:
        kind: One of :data:`KINDS`.
        numbers: Its numbers by their names.
        given: Shape of what comes in, CxHxW or the number of values.
        shape: Shape of what goes out, as torch has it.
        parameters: Number of its parameters, as torch has them.
        weight: Shape of its weights, as torch has it; empty without any.
        size_formula: How the height of the output comes about, LaTeX with figures; empty where it does not change.
        parameter_formula: How the number of parameters comes about; empty without any.
    """

    kind: str
    numbers: dict[str, int]
    given: tuple[int, ...]
    shape: tuple[int, ...]
    parameters: int
    weight: tuple[int, ...]
    size_formula: str
    parameter_formula: str


@dataclass(frozen=True, slots=True)
class Painted:
    """How a transposed convolution paints one side of its map.

    Attributes:
        windows: Of each cell that comes in, the first place that it paints and the one behind the last, before the
            padding is cut off.
        length: Places before the padding is cut off.
        cut: Places that the padding cuts off at each end.
        counts: How many windows paint each place that is left, as torch adds them up.
    """

    windows: tuple[tuple[int, int], ...]
    length: int
    cut: int
    counts: tuple[int, ...]


def paint(cells: int, kernel: int, stride: int, padding: int) -> Painted:
    """Works out where a transposed convolution's windows fall on one side of a map.

    Args:
        cells: Cells that come in.
        kernel: Cells of a window.
        stride: Places from one window to the next.
        padding: Places that are cut off at each end.

    Raises:
        InputError: A number is out of range, or nothing is left.
    """
    if min(cells, kernel, stride) < 1 or padding < 0 or (length := (cells - 1) * stride + kernel) <= 2 * padding:
        raise InputError("This transposed convolution leaves nothing. Choose a larger kernel or a smaller padding.")
    ones = torch.ones(1, 1, cells), torch.ones(1, 1, kernel)
    counts = torch.nn.functional.conv_transpose1d(*ones, stride=stride, padding=padding)[0, 0]
    windows = tuple((cell * stride, cell * stride + kernel) for cell in range(cells))
    return Painted(windows, length, padding, tuple(int(count) for count in counts.tolist()))


def read_chain(text: str) -> list[tuple[str, dict[str, int]]]:
    """Reads a chain: a layer a line, its word and its numbers, as in ``conv 32 3 2 1``.

    Raises:
        InputError: A word or a number is none, one is missing or too much, or there are too many layers.
    """
    lines = [line.strip() for line in re.split(r"[\n;]", text) if line.strip()]
    if not lines:
        raise InputError("The chain is empty. Give it at least one layer, such as conv 32 3 2 1.")
    if len(lines) > LONGEST:
        raise InputError("The chain has {count} layers; at most {most} are shown.", count=len(lines), most=LONGEST)
    return [_read_line(line[:200]) for line in lines]


def _read_line(line: str) -> tuple[str, dict[str, int]]:
    word, *rest = re.split(r"[\s,]+", line)
    if word not in KINDS:
        raise InputError("“{word}” is no layer. Choose one of: {all}.", word=word[:40], all=", ".join(KINDS))
    names = KINDS[word][1]
    needed = [name for name in names if name not in _USUAL]
    if not len(needed) <= len(rest) <= len(names):
        raise InputError("“{line}” needs these numbers: {names}.", line=line[:60], names=" ".join(names) or "-")
    numbers = {name: _USUAL[name] for name in names if name in _USUAL}
    if word in ("max", "mean"):
        numbers["stride"] = 0  # as large as the window
    for name, text in zip(names, rest, strict=False):
        least = 0 if name == "padding" else 1
        if not text.isdecimal() or not least <= int(text[:8]) <= LARGEST:
            raise InputError(
                "“{line}”: the {name} is {value}; it is a whole number from {least} to {most}.",
                line=line[:60],
                name=name,
                value=text[:20],
                least=least,
                most=LARGEST,
            )
        numbers[name] = int(text)
    if numbers.get("stride") == 0:
        numbers["stride"] = numbers["kernel"]
    return word, numbers


def follow(shape: tuple[int, int, int], chain: list[tuple[str, dict[str, int]]]) -> list[Sized]:
    """Follows a picture's shape through a chain; torch builds every layer on shapes alone, without values.

    Args:
        shape: Channels, height and width of the picture.
        chain: As :func:`read_chain` gives it.

    Raises:
        InputError: A layer cannot take what it is given.
    """
    found: list[Sized] = []
    given: tuple[int, ...] = shape
    for number, (kind, numbers) in enumerate(chain, start=1):
        _check(kind, numbers, given, number)
        with torch.device("meta"):
            module = _module(kind, numbers, given)
            out = tuple(module(torch.empty(2, *given))[0].shape)
        shown = tuple(int(side) for side in out)
        found.append(
            Sized(
                kind,
                numbers,
                given,
                shown,
                sum(p.numel() for p in module.parameters()),
                next((tuple(p.shape) for p in module.parameters()), ()),
                _size_formula(kind, numbers, given),
                _parameter_formula(kind, numbers, given),
            )
        )
        given = shown
    return found


def output_side(side: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Returns the side of what leaves a window: floor((h + 2p - d(k - 1) - 1) / s) + 1."""
    return (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def transposed_side(side: int, kernel: int, stride: int, padding: int) -> int:
    """Returns the side of what leaves a transposed convolution: (h - 1)s - 2p + k."""
    return (side - 1) * stride - 2 * padding + kernel


def _module(kind: str, numbers: dict[str, int], given: tuple[int, ...]) -> nn.Module:
    stride, padding, dilation = (numbers.get(name, usual) for name, usual in _USUAL.items())
    if kind == "conv":
        return nn.Conv2d(given[0], numbers["channels"], numbers["kernel"], stride, padding, dilation)
    if kind == "transposed":
        return nn.ConvTranspose2d(given[0], numbers["channels"], numbers["kernel"], stride, padding)
    if kind in ("max", "mean"):
        return (nn.MaxPool2d if kind == "max" else nn.AvgPool2d)(numbers["kernel"], numbers["stride"])
    if kind == "norm":
        return nn.BatchNorm2d(given[0]).eval()
    if kind == "global":
        return nn.AdaptiveAvgPool2d(1)
    return nn.Flatten() if kind == "flatten" else nn.Linear(given[0], numbers["features"])


def _check(kind: str, numbers: dict[str, int], given: tuple[int, ...], number: int) -> None:
    if kind == "linear":
        if len(given) != 1:
            raise InputError("Layer {n} is linear and is given a map. Put flatten before it.", n=number)
        if given[0] * numbers["features"] > 500_000_000:
            raise InputError("Layer {n} would have more than 500 million weights. Make the map smaller.", n=number)
        return
    if len(given) == 1:
        raise InputError("Layer {n} needs a map and is given one row of values, after flatten.", n=number)
    if kind in ("conv", "max", "mean"):
        sides = [
            output_side(
                side, numbers["kernel"], numbers["stride"], numbers.get("padding", 0), numbers.get("dilation", 1)
            )
            for side in given[1:]
        ]
    elif kind == "transposed":
        sides = [transposed_side(side, numbers["kernel"], numbers["stride"], numbers["padding"]) for side in given[1:]]
    else:
        return
    if min(sides) < 1:
        raise InputError(
            "Layer {n} has a window that does not fit into the map of {height} x {width}. Take a smaller one, or pad.",
            n=number,
            height=given[1],
            width=given[2],
        )
    if math.prod(sides) > LARGEST**2:
        raise InputError("Layer {n} would make a map of {h} x {w}, too large.", n=number, h=sides[0], w=sides[1])


def _size_formula(kind: str, numbers: dict[str, int], given: tuple[int, ...]) -> str:
    if kind == "transposed":
        k, s, p = (numbers[name] for name in ("kernel", "stride", "padding"))
        return rf"({given[1]}-1)\cdot{s}-2\cdot{p}+{k}={transposed_side(given[1], k, s, p)}"
    if kind in ("conv", "max", "mean"):
        k, s = numbers["kernel"], numbers["stride"]
        p, d = numbers.get("padding", 0), numbers.get("dilation", 1)
        reach = str(k) if d == 1 else rf"({d}\cdot({k}-1)+1)"
        result = output_side(given[1], k, s, p, d)
        return rf"\left\lfloor\frac{{{given[1]}+2\cdot{p}-{reach}}}{{{s}}}\right\rfloor+1={result}"
    if kind == "flatten":
        return rf"{given[0]}\cdot{given[1]}\cdot{given[2]}={math.prod(given)}"
    return ""


def _parameter_formula(kind: str, numbers: dict[str, int], given: tuple[int, ...]) -> str:
    if kind in ("conv", "transposed"):
        k, out = numbers["kernel"], numbers["channels"]
        return rf"{k}\cdot{k}\cdot{given[0]}\cdot{out}+{out}={k * k * given[0] * out + out:,}"
    if kind == "linear":
        out = numbers["features"]
        return rf"{given[0]}\cdot{out}+{out}={given[0] * out + out:,}"
    return rf"2\cdot{given[0]}={2 * given[0]:,}" if kind == "norm" else ""
