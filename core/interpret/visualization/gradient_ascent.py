"""Gradient ascent on a picture, for many pictures at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.device import batch_that_fits, memory_free
from core.errors import InputError
from core.interpret.layout import Layout, batch_maps, map_layout, no_map, spatial_layers, unknown_layer
from core.interpret.probe import Probe, device_of
from core.interpret.shared_copy import Redirecting, shared_copy
from core.interpret.visualization.fourier_image import (
    Ascent,
    Canvas,
    Movement,
    as_input,
    from_bytes,
    moved,
    movements,
    noise,
    to_bytes,
)
from core.models.modes import forward_to

if TYPE_CHECKING:
    from core.models.anatomy.examine import Layer
    from core.models.network import Network

MAX_CHANNELS = 16
"""Pictures that are grown at a time, at most."""
MEMORY_SHARE = 0.25
"""Share of the free memory that they may take."""
REDIRECTED_STEPS = 16
"""Steps in which ReLUs let gradients through for pictures that no gradient reaches, as all is off on the way."""
PREVIEW_STEPS = 12
"""Steps between two previews of pictures that grow."""
NOISE_IMAGES = 16
"""Noise pictures that a grown one is compared with."""
SMALLEST, LARGEST = 16, 1024
"""Pixels a side that a picture may have."""
_INPUT_ERRORS = (RuntimeError, AssertionError, ValueError, IndexError, ZeroDivisionError)
"""What networks raise for pictures of a size that they cannot take."""


@dataclass(frozen=True, slots=True)
class Spot:
    """What is to be excited.

    Attributes:
        layer: The layer.
        layout: How its output lies; ``None`` for a row of values.
        channels: How many channels it has.
        place: A neuron's row and column on the map, both ``None`` for the one in the middle; ``None`` for all of it.
        side: Pixels a side of what the network is shown; ``None`` where it takes any.
    """

    layer: Layer
    layout: Layout | None
    channels: int
    place: tuple[int | None, int | None] | None
    side: int | None = None

    def maps(self, output: Tensor) -> Tensor:
        """Returns the output as maps BxCxhxw in float32."""
        found = output[:, :, None, None] if self.layout is None else batch_maps(output, self.layout)
        return found.float()

    def scores(self, output: Tensor) -> Tensor:
        """Returns how much each channel is excited by each picture, BxC."""
        maps = self.maps(output)
        if self.place is None:
            return maps.mean((2, 3))
        row, column = self.place
        return maps[:, :, maps.shape[2] // 2 if row is None else row, maps.shape[3] // 2 if column is None else column]


class Climber:
    """A copy of a network with shared weights, opened for input gradients; the network's lock stays free.

    Args:
        network: The network.
        spot: What is looked at.
        precision: ``fp32`` or ``bf16``.
    """

    def __init__(self, network: Network, spot: Spot, precision: str = "fp32") -> None:
        self.network, self.spot, self.precision = network, spot, precision
        self.prep = network.preprocessing
        self.gray = self.prep.channels == 1
        self._copy = shared_copy(network)
        self.device = device_of(self._copy)
        self._stack = ExitStack()

    def __enter__(self) -> Climber:
        self._stack.enter_context(Probe(self._copy, grad=True))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def output(self, pixels: Tensor, *, exact: bool = False) -> Tensor:
        """Returns the layer's output for pictures BxCxHxW from 0 to 1.

        Args:
            pixels: On any device.
            exact: Whether the arithmetic is float32 whatever the precision.
        """
        x = as_input(pixels.to(self.device), self.prep, self.spot.side).contiguous(memory_format=torch.channels_last)
        with nullcontext() if exact else autocast(self.device, self.precision):
            return forward_to(self._copy, x, self.spot.layer.name, self.spot.layer.calls)

    def measured(self, pixels: Tensor) -> Tensor:
        """Returns how much pictures excite all channels, BxC, in float32 and without a graph, a few at a time."""
        with torch.no_grad():
            return torch.cat([self.spot.scores(self.output(few, exact=True)) for few in pixels.split(MAX_CHANNELS)])


@dataclass(frozen=True, slots=True)
class Grown:
    """Pictures and what they reach.

    Attributes:
        images: BxHxWx3, uint8.
        reached: Activations, B.
    """

    images: NDArray[np.uint8]
    reached: NDArray[np.float64]


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Returns the context in which a forward pass runs in ``fp32`` or ``bf16``."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)
    return nullcontext()


def precision_for(wanted: str, device: torch.device) -> str:
    """Returns ``fp32`` or ``bf16``: what is wanted, or with ``auto`` what the device has instructions for.

    It is not timed, so that the same machine always gives the same picture.

    Raises:
        InputError: It is none of these.
    """
    if wanted not in ("auto", "fp32", "bf16"):
        raise InputError("The precision {precision} is not known. Choose auto, fp32 or bf16.", precision=wanted)
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if device.type == "cpu" and _fast_bf16() else "fp32"


def spot_of(network: Network, layer: str, place: tuple[int, int] | str | None = None, *, size: int) -> Spot:
    """Finds out how a layer is looked at, and shows it pictures of this size to see that it answers.

    Raises:
        InputError: The layer does not exist or gives no map, the place is not on the map, the size is out of range or
            too small for the network.
    """
    anatomy = network.anatomy
    row = anatomy.layers_by_name.get(layer)
    if row is None or not row.calls:
        raise unknown_layer(layer, spatial_layers(anatomy))
    layout, channels = _channels(row, network)
    if not SMALLEST <= size <= LARGEST:
        raise InputError(
            "A picture of {size} px is out of range. Choose from {low} to {high}.",
            size=size,
            low=SMALLEST,
            high=LARGEST,
        )
    wanted = (None, None) if place == "centre" else place
    if isinstance(wanted, str):
        raise InputError("The place {place} is not known. Choose centre, or a row and a column.", place=wanted)
    spot = Spot(row, layout, channels, wanted)
    return _seen(network, spot, size)


def grow(
    climber: Climber,
    channels: Sequence[int],
    *,
    size: int,
    steps: int,
    seed: int,
    progress: Callable[[int], None] = lambda _: None,
    on_preview: Callable[[NDArray[np.uint8]], None] | None = None,
) -> Grown:
    """Grows one picture a channel, all at once; none depends on the others.

    Args:
        climber: Open.
        channels: Numbers of channels.
        size: Pixels a side.
        steps: Steps of ascent.
        seed: Of starts and movements.
        progress: Called with the steps done.
        on_preview: Called every :data:`PREVIEW_STEPS` steps with the pictures as they are, BxHxWx3.
    """
    starts = [torch.Generator().manual_seed(seed * 1_000_003 + channel) for channel in channels]
    canvas = Canvas(starts, size, gray=climber.gray, device=climber.device)
    index = torch.tensor(list(channels), device=climber.device)
    rows = torch.arange(len(index), device=climber.device)
    ascent = Ascent(canvas.spectrum)

    def gradient_of(movement: Movement) -> Tensor:
        shown = moved(canvas.pixels(), movement)
        score = climber.spot.scores(climber.output(shown))[rows, index].sum()
        return torch.autograd.grad(score, canvas.spectrum)[0]

    for step, movement in enumerate(movements(steps, size, seed)):
        gradient = gradient_of(movement)
        stuck = gradient.flatten(1).abs().amax(1).eq(0)
        if step < REDIRECTED_STEPS and bool(stuck.any()):
            with Redirecting():
                gradient = torch.where(stuck.view(-1, 1, 1, 1, 1), gradient_of(movement), gradient)
        ascent.step(gradient)
        progress(step + 1)
        if on_preview is not None and (step + 1) % PREVIEW_STEPS == 0 and step + 1 < steps:
            with torch.no_grad():
                on_preview(to_bytes(canvas.pixels()))
    with torch.no_grad():
        images = to_bytes(canvas.pixels())
    again = from_bytes(images, gray=climber.gray, device=climber.device)
    reached = climber.measured(again)[rows, index]
    return Grown(images, reached.double().cpu().numpy())


def noise_scores(climber: Climber, size: int, seed: int) -> NDArray[np.float64]:
    """Returns what noise pictures give, NOISE_IMAGESxchannels.

    Raises:
        InputError: The activations are no numbers.
    """
    found = climber.measured(noise(NOISE_IMAGES, size, seed, gray=climber.gray))
    if not bool(found.isfinite().all()):
        raise InputError(
            "The activations at {layer} are not numbers (nan or infinite), so nothing can be grown from them. "
            "The weights are damaged, or the training went astray.",
            layer=climber.spot.layer.name,
        )
    return found.double().cpu().numpy()


def batch_size(network: Network, spot: Spot, size: int, device: torch.device) -> int:
    """Returns how many pictures are grown at a time so that their activations fit the memory."""
    side = spot.side or size
    stored_bytes = 0
    for row in network.anatomy.layers:
        stored_bytes += row.own_activation_bytes
        if row.name == spot.layer.name:
            break
    each = 3 * stored_bytes * (side / network.preprocessing.crop) ** 2
    return batch_that_fits(MAX_CHANNELS, (MEMORY_SHARE * memory_free(device), each))


@contextmanager
def opened(network: Network, spot: Spot, precision: str = "auto") -> Iterator[Climber]:
    """Opens a climber with the precision that suits the network's device."""
    chosen = precision_for(precision, device_of(network.model))
    with Climber(network, spot, chosen) as climber:
        yield climber


def _channels(row: Layer, network: Network) -> tuple[Layout | None, int]:
    """Returns a layer's layout and its number of channels."""
    shape = row.output_shape
    if len(shape) == 1:
        return None, shape[0]
    layout = map_layout(row, network.anatomy)
    if layout is None and row.layout == "NCHW" and len(shape) == 3:  # a single pixel is a map here
        layout = "NCHW"
    if layout is None:
        raise no_map(row.name, network.anatomy)
    return layout, shape[0] if layout == "NCHW" else shape[-1]


def _seen(network: Network, spot: Spot, size: int) -> Spot:
    """Returns the spot with the side that the network needs, tried out; and its place checked."""
    crop = network.preprocessing.crop
    shape = _output_size(network, spot, size)
    if shape is None:
        works = [side for side in _sides(size) if side != crop and _output_size(network, spot, side) is not None]
        if works:
            raise InputError(
                "Pictures of {size} px are too small for the layer {layer}. Choose at least {least} px.",
                size=size,
                layer=spot.layer.name,
                least=works[0],
            )
        spot = Spot(spot.layer, spot.layout, spot.channels, spot.place, crop)
        shape = _output_size(network, spot, crop)
    if shape is None:
        raise InputError(
            "The layer {layer} gives no answer to a picture of this network's size.", layer=spot.layer.name
        )
    row, column = spot.place or (None, None)
    if not (0 <= (row or 0) < shape[0] and 0 <= (column or 0) < shape[1]):
        raise InputError(
            "There is no neuron at row {row}, column {column}: the map of {layer} is {height} × {width} for a picture "
            "of {size} px. Count from 0.",
            row=row,
            column=column,
            layer=spot.layer.name,
            height=shape[0],
            width=shape[1],
            size=size,
        )
    return spot


def _sides(size: int) -> list[int]:
    return [side for side in (32, 48, 64, 96, 128, 160, 192, 224, 256, 320) if side > size]


def _output_size(network: Network, spot: Spot, size: int) -> tuple[int, int] | None:
    """Returns height and width of the layer's map for a picture of this size; ``None`` where it gives none."""
    with Climber(network, spot) as climber, torch.no_grad():
        try:
            maps = spot.maps(climber.output(torch.full((1, 1 if climber.gray else 3, size, size), 0.5), exact=True))
        except _INPUT_ERRORS:
            return None
    return (maps.shape[2], maps.shape[3]) if maps.numel() and maps.shape[1] == spot.channels else None


def _fast_bf16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware."""
    checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(check() for check in checks if check is not None)
