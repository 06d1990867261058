"""What a part of a network looks for: the picture that activates it most, grown from noise by gradient ascent.

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
MAX_STEPS = 4096

OnImage = Callable[["Visualization"], None]
OnPreview = Callable[[list[int], NDArray[np.uint8]], None]
Place = tuple[int, int] | Literal["centre"] | None


@dataclass(frozen=True, slots=True, eq=False)
class Visualization:
    """The picture that activates one channel, neuron or class most.

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
        """Whether the picture activates it more than any of the noise pictures: if not, nothing seems to."""
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
        if not 1 <= self.steps <= MAX_STEPS:
            raise InputError(
                "{steps} steps are out of range. Choose from 1 to {most}.", steps=self.steps, most=MAX_STEPS
            )
        if not 0 <= self.seed < 2**31:
            raise InputError("The seed {seed} is out of range. Choose a whole number from 0.", seed=self.seed)


def maximise(  # noqa: PLR0913 - a picture's settings, all by keyword
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
    on_image: OnImage | None = None,
    on_preview: OnPreview | None = None,
    fresh: bool = False,
) -> tuple[Visualization, ...]:
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
        on_image: Called with each picture once it is grown, a batch after the other.
        on_preview: Called now and then with the numbers of the channels at work and their pictures, BxHxWx3.
        fresh: Whether pictures on disk are left alone, to measure the work.

    Raises:
        InputError: The layer, a channel or the place does not exist, the layer gives no map, the size is too small for
            the network, or the network's activations are no numbers.
    """
    recipe = Recipe(size, steps, seed, place, precision)
    spot = spot_of(network, layer, place, size=size)
    wanted = _checked(channels, spot.channels, layer)
    done = {} if fresh else {image.channel: image for image in cached_images(network, layer, wanted, recipe)}
    for image in done.values():
        if on_image is not None:
            on_image(image)
    missing = [channel for channel in dict.fromkeys(wanted) if channel not in done]
    if missing:
        keys = {} if fresh else _keys(network, layer, missing, recipe)
        with opened(network, spot, precision) as climber:
            for batch in _batches(climber, missing, recipe, progress, on_preview):
                if not fresh:
                    image_cache.write(
                        [(keys[image.channel], CachedImage(image.image, _figures(image))) for image in batch]
                    )
                for image in batch:
                    done[image.channel] = image
                    if on_image is not None:
                        on_image(image)
    return tuple(done[channel] for channel in wanted)


def maximise_classes(network: Network, classes: Sequence[int], **settings: Any) -> tuple[Visualization, ...]:
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


def cached_images(network: Network, layer: str, channels: Sequence[int], recipe: Recipe) -> tuple[Visualization, ...]:
    """Returns those of the pictures that are on disk already, in order."""
    found = []
    for channel, key in _keys(network, layer, channels, recipe).items():
        file = image_cache.read(key)
        if file is None or set(file.figures) != {"reached", "noise", "noise_most"}:
            continue
        found.append(Visualization(file.image, layer, channel, recipe.place, **file.figures))
    return tuple(found)


def _batches(
    climber: Climber, channels: list[int], recipe: Recipe, progress: Progress | None, on_preview: OnPreview | None
) -> Iterator[list[Visualization]]:
    """Grows pictures a batch at a time, and yields each batch."""
    noise = noise_scores(climber, recipe.size, recipe.seed)
    size = batch_size(climber.network, climber.spot, recipe.size, climber.device)
    total = recipe.steps * len(channels)
    for start in range(0, len(channels), size):
        few = channels[start : start + size]

        def report(step: int, start: int = start, few: list[int] = few) -> None:
            if progress is not None:
                progress(recipe.steps * start + step * len(few), total)

        batch_preview = None if on_preview is None else partial(on_preview, few)
        grown = grow(
            climber,
            few,
            size=recipe.size,
            steps=recipe.steps,
            seed=recipe.seed,
            progress=report,
            on_preview=batch_preview,
        )
        yield [
            Visualization(
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


def _figures(image: Visualization) -> dict[str, float]:
    return {"reached": image.reached, "noise": image.noise, "noise_most": image.noise_most}


__all__ = ["SIZE", "STEPS", "Recipe", "Spot", "Visualization", "cached_images", "maximise", "maximise_classes"]
