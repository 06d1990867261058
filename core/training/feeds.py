"""What a phase trains on: images through the whole network, or features computed once through its tail alone.

A feed joins batches with the module that turns them into logits, so that the loop is one and the same for both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from core.data.augment import Augmenter
from core.data.images import normalise
from core.data.loaders import PixelStore, centre, iterate
from core.models import heads
from core.models.network import Network
from core.training.precision import autocast

Batch = tuple[Tensor, Tensor]
"""Inputs of the feed's module, and labels ``B`` (int64), both on the device."""


@dataclass(frozen=True, slots=True)
class Material:
    """Decoded images and which of them serve for what.

    Attributes:
        store: The images; as canvases with a margin where they are augmented.
        augmenter: Changes a training batch, or ``None``.
        train: Positions in the store that are learned from.
        val: Positions that epochs are judged on.
    """

    store: PixelStore
    augmenter: Augmenter | None
    train: Tensor
    val: Tensor


class Feed(Protocol):
    """Batches, and the module that turns them into logits."""

    def logits(self, inputs: Tensor) -> Tensor:
        """Returns logits ``B x K`` in float32."""
        ...

    def batches(self, positions: Tensor, batch_size: int, generator: torch.Generator | None) -> Iterator[Batch]:
        """Goes through ``positions`` in the order given; a generator asks for augmentation."""
        ...


@dataclass(slots=True)
class PixelFeed:
    """Images through the whole network.

    Attributes:
        network: The network, on the device, in channels_last.
        material: The images.
        device: Where it computes.
        precision: ``fp32`` or ``bf16``.
    """

    network: Network
    material: Material
    device: torch.device
    precision: str

    def logits(self, inputs: Tensor) -> Tensor:
        """Returns logits ``B x K`` of normalised images ``B x 3 x H x W``."""
        with autocast(self.device, self.precision):
            return self.network.model(inputs).float()

    def batches(self, positions: Tensor, batch_size: int, generator: torch.Generator | None) -> Iterator[Batch]:
        """Yields normalised images ``B x 3 x H x W`` and their labels."""
        augmenter = self.material.augmenter if generator is not None else None
        prep = self.network.preprocessing
        for images, labels, _ in iterate(self.material.store, positions, batch_size):
            pixels = images.to(self.device, non_blocking=True)
            if augmenter is not None and generator is not None:
                pixels = augmenter(pixels, generator)
            elif self.material.store.canvas:
                pixels = centre(pixels, prep)
            yield (
                normalise(pixels, prep).contiguous(memory_format=torch.channels_last),
                labels.to(self.device, non_blocking=True),
            )


@dataclass(slots=True)
class FrozenFeed:
    """Augmented images through a frozen backbone without a graph, then through the tail that learns."""

    pixels: PixelFeed
    tail: nn.Module

    def logits(self, inputs: Tensor) -> Tensor:
        """Returns logits ``B x K`` of features ``B x D``."""
        return self.tail(inputs).float()

    def batches(self, positions: Tensor, batch_size: int, generator: torch.Generator | None) -> Iterator[Batch]:
        """Yields the features that enter the head, and labels."""
        for images, labels in self.pixels.batches(positions, batch_size, generator):
            yield extract(self.pixels, images), labels


@dataclass(slots=True)
class FeatureFeed:
    """Features computed once, through the tail that learns.

    Attributes:
        tail: From the head's input to the logits; it shares its parameters with the network.
        features: ``N x D...`` by row.
        labels: ``N``.
        rows: For each position in the store its row, or -1.
    """

    tail: nn.Module
    features: Tensor
    labels: Tensor
    rows: Tensor = field(repr=False)

    def logits(self, inputs: Tensor) -> Tensor:
        """Returns logits ``B x K`` of features ``B x D``."""
        return self.tail(inputs).float()

    def batches(
        self,
        positions: Tensor,
        batch_size: int,
        generator: torch.Generator | None,  # noqa: ARG002 (features are never augmented)
    ) -> Iterator[Batch]:
        """Yields rows of the features and their labels."""
        for chosen in self.rows[positions].split(batch_size):
            index = chosen.to(self.features.device)
            yield self.features[index], self.labels[index]


@torch.no_grad()
def extract(feed: PixelFeed, images: Tensor) -> Tensor:
    """Returns what enters the head for normalised images, in float32, without a graph."""
    with autocast(feed.device, feed.precision):
        return heads.head_input(feed.network.model, feed.network.anatomy, images).float()


def compute_features(
    feed: PixelFeed, tail: nn.Module, positions: Tensor, batch_size: int, stop: Callable[[], bool]
) -> Iterator[int | FeatureFeed]:
    """Sends each image through the frozen backbone once.

    Args:
        feed: Images and the network, whose backbone is frozen and in eval mode.
        tail: The part that learns.
        positions: Which images, ``N``.
        batch_size: Images at a time.
        stop: Asked after each batch; ``True`` ends the work without a result.

    Yields:
        The number of images done, after each batch; last, the feed on the features.
    """
    features: Tensor | None = None
    labels = feed.material.store.labels[positions].to(feed.device)
    done = 0
    for images, _ in feed.batches(positions, batch_size, None):
        batch = extract(feed, images)
        if features is None:
            features = batch.new_empty((len(positions), *batch.shape[1:]))
        features[done : done + len(batch)] = batch
        done += len(batch)
        yield done
        if stop():
            return
    if features is None:
        return
    rows = torch.full((len(feed.material.store.labels),), -1, dtype=torch.long)
    rows[positions] = torch.arange(len(positions))
    yield FeatureFeed(tail, features, labels, rows)
