"""What a part of a network looks for: the picture that excites it most, grown from noise by gradient ascent.

Activation maximisation (Erhan et al. 2009, "Visualizing Higher-Layer Features of a Deep Network") as in "Feature
Visualization" (Olah et al. 2017, https://doi.org/10.23915/distill.00007): the picture is held as a spectrum with
decorrelated colours, and is moved, zoomed and turned a little before each look, so that what grows is a pattern and not
a texture of single pixels. The forward pass ends at the layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.interpret.probe import device_of
from core.interpret.target import resolve_target
from core.interpret.visualization import image_cache
from core.interpret.visualization.gradient_ascent import (
    Climber,
    Spot,
    batch_size,
    grow,
    noise_scores,
    opened,
    precision_for,
    spot_of,
)
from core.interpret.visualization.image_cache import CachedImage
from core.messages import Progress

if TYPE_CHECKING:
    from core.models.network import Network

SIZE = 128
"""Pixels a side, by default."""
STEPS = 128
"""Steps of ascent, by default."""
MOST_STEPS = 4096

Found = Callable[["Dream"], None]
Watch = Callable[[list[int], NDArray[np.uint8]], None]
Place = tuple[int, int] | Literal["centre"] | None


@dataclass(frozen=True, slots=True, eq=False)
class Dream:
    """The picture that excites one channel, neuron or class most.

    Attributes:
        image: HxWx3, uint8.
        layer: The layer's name; the head's for a class.
        channel: The channel's number, or the class's.
        place: Row and column of the neuron on the layer's map, ``centre``, or ``None`` for the mean over the map.
        reached: The activation that this very picture, rounded to 256 levels, gives.
        noise: Mean activation of random pictures with the spectrum and contrast of photographs.
        noise_most: Largest activation among them.
    """

    image: NDArray[np.uint8]
    layer: str
    channel: int
    place: Place
    reached: float
    noise: float
    noise_most: float

    @property
    def excited(self) -> bool:
        """Whether the picture excites it more than any of the noise pictures: if not, nothing seems to."""
        return self.reached > self.noise_most


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a picture is grown; all but the precision is checked where it is used.

    Attributes:
        size: Pixels a side.
        steps: Steps of ascent.
        seed: Of the noise it starts from and of the movements.
        place: For a single neuron, its row and column on the map, or ``centre``; ``None`` for the whole channel.
        precision: ``fp32``, ``bf16``, or ``auto`` for what this machine has instructions for.
    """

    size: int = SIZE
    steps: int = STEPS
    seed: int = 0
    place: Place = None
    precision: str = "auto"

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= MOST_STEPS:
            raise InputError(
                "{steps} steps are out of range. Choose from 1 to {most}.", steps=self.steps, most=MOST_STEPS
            )
        if not 0 <= self.seed < 2**31:
            raise InputError("The seed {seed} is out of range. Choose a whole number from 0.", seed=self.seed)


def maximise(  # noqa: PLR0913 - what may be said of a picture, all by keyword
    network: Network,
    layer: str,
    channels: Sequence[int],
    *,
    size: int = SIZE,
    steps: int = STEPS,
    seed: int = 0,
    place: Place = None,
    precision: str = "auto",
    progress: Progress | None = None,
    found: Found | None = None,
    watch: Watch | None = None,
    fresh: bool = False,
) -> tuple[Dream, ...]:
    """Grows one picture for each of some channels of a layer, many at a time.

    The network itself is neither hooked nor locked while it works: others may use it meanwhile. Pictures are kept on
    disk and found there again.

    Args:
        network: The network.
        layer: A layer that gives maps of any layout, or a row of values (then a channel is one value).
        channels: Numbers of its channels; one picture each, in this order.
        size: Pixels a side.
        steps: Steps of ascent.
        seed: Of the noise it starts from and of the movements; equal seeds give equal pictures, whatever else is
            grown in the same call.
        place: For a single neuron, its row and column on the map, or ``centre``; ``None`` for the whole channel.
        precision: ``fp32``, ``bf16``, or ``auto`` for what this machine has instructions for.
        progress: Called with steps done and in all, all pictures together; what it raises ends the work with nothing
            left behind.
        found: Called with each picture once it is grown, a batch after the other.
        watch: Called now and then with the numbers of the channels at work and their pictures as they are, BxHxWx3.
        fresh: Whether pictures on disk are left alone, to measure the work.

    Raises:
        InputError: The layer, a channel or the place does not exist, the layer gives no map, the size is too small for
            the network, or the network's activations are no numbers.
    """
    recipe = Recipe(size, steps, seed, place, precision)
    spot = spot_of(network, layer, place, size=size)
    wanted = _checked(channels, spot.channels, layer)
    done = {} if fresh else {dream.channel: dream for dream in kept(network, layer, wanted, recipe)}
    for dream in done.values():
        if found is not None:
            found(dream)
    missing = [channel for channel in dict.fromkeys(wanted) if channel not in done]
    if missing:
        keys = {} if fresh else _keys(network, layer, missing, recipe)
        with opened(network, spot, precision) as climber:
            for batch in _batches(climber, missing, recipe, progress, watch):
                if not fresh:
                    image_cache.write(
                        [(keys[dream.channel], CachedImage(dream.image, _figures(dream))) for dream in batch]
                    )
                for dream in batch:
                    done[dream.channel] = dream
                    if found is not None:
                        found(dream)
    return tuple(done[channel] for channel in wanted)


def maximise_classes(network: Network, classes: Sequence[int], **settings: Any) -> tuple[Dream, ...]:
    """Grows one picture for each of some classes: the one with the highest score (logit).

    Args:
        network: The network, with the person's own head or a pretrained one.
        classes: Numbers of classes.
        settings: As :func:`maximise` takes them, but for ``place``.

    Raises:
        InputError: There is no such class; or as :func:`maximise`.
    """
    import torch

    logits = torch.empty(1, network.anatomy.num_classes)
    known = [resolve_target(number, logits, network.classes) for number in classes]
    return maximise(network, network.anatomy.head, known, **settings)


def kept(network: Network, layer: str, channels: Sequence[int], recipe: Recipe) -> tuple[Dream, ...]:
    """Returns those of the pictures that are on disk already, in order."""
    found = []
    for channel, key in _keys(network, layer, channels, recipe).items():
        file = image_cache.read(key)
        if file is None or set(file.figures) != {"reached", "noise", "noise_most"}:
            continue
        found.append(Dream(file.image, layer, channel, recipe.place, **file.figures))
    return tuple(found)


def _batches(
    climber: Climber, channels: list[int], recipe: Recipe, progress: Progress | None, watch: Watch | None
) -> Iterator[list[Dream]]:
    """Grows pictures a batch at a time, and yields each batch."""
    noise = noise_scores(climber, recipe.size, recipe.seed)
    most = batch_size(climber.network, climber.spot, recipe.size, climber.device)
    total = recipe.steps * len(channels)
    for start in range(0, len(channels), most):
        few = channels[start : start + most]

        def report(step: int, start: int = start, few: list[int] = few) -> None:
            if progress is not None:
                progress(recipe.steps * start + step * len(few), total)

        glance = None if watch is None else partial(watch, few)
        grown = grow(
            climber, few, size=recipe.size, steps=recipe.steps, seed=recipe.seed, progress=report, watch=glance
        )
        yield [
            Dream(
                image,
                climber.spot.layer.name,
                channel,
                recipe.place,
                float(reached),
                float(noise[:, channel].mean()),
                float(noise[:, channel].max()),
            )
            for channel, image, reached in zip(few, grown.images, grown.reached, strict=True)
        ]


def _checked(channels: Sequence[int], count: int, layer: str) -> list[int]:
    if not channels:
        raise InputError("No channel is chosen. Choose some from 0 to {last}.", last=count - 1)
    for channel in channels:
        if not 0 <= channel < count:
            raise InputError(
                "There is no channel {channel} in the layer {layer}. Choose from 0 to {last}.",
                channel=channel,
                layer=layer,
                last=count - 1,
            )
    return [int(channel) for channel in channels]


def _keys(network: Network, layer: str, channels: Sequence[int], recipe: Recipe) -> dict[int, str]:
    settings = {**asdict(recipe), "precision": precision_for(recipe.precision, device_of(network.model))}
    return image_cache.keys_of(network, layer, channels, **settings)


def _figures(dream: Dream) -> dict[str, float]:
    return {"reached": dream.reached, "noise": dream.noise, "noise_most": dream.noise_most}


__all__ = ["SIZE", "STEPS", "Dream", "Recipe", "Spot", "kept", "maximise", "maximise_classes"]
