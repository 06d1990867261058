"""What a phase trains on: images through the whole network, or what comes out of its frozen part.

A feed joins batches with what turns them into logits, so that the loop is one and the same for all.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from core.data.augment import NUMBERS, Augmenter, Drawn
from core.data.images import normalise
from core.data.pixel_store import PixelStore, centre, iterate
from core.device import memory_free
from core.models.network import Network
from core.training.features.backbone_split import Cut
from core.training.features.feature_store import Features, FeatureStore, Form, Writer
from core.training.optim.precision import autocast

Batch = tuple[Tensor, Tensor]
"""Inputs of the feed's module, and labels ``B`` (int64), both on the device."""
AugmentSource = torch.Generator | int | None
"""How training images are changed: anew each time, as a view that was drawn once, or not at all."""
STORE_SHARE = 0.25
"""Share of a GPU's free memory that decoded images may take."""


@dataclass(frozen=True, slots=True)
class Material:
    """Decoded images and which of them serve for what.

    Attributes:
        store: The images; as canvases with a margin where they are augmented.
        train: Positions in the store that are learned from.
        val: Positions that epochs are judged on.
    """

    store: PixelStore
    train: Tensor
    val: Tensor


class Feed(Protocol):
    """Batches, and the module that turns them into logits."""

    def logits(self, inputs: Tensor) -> Tensor:
        """Returns logits ``B x K`` in float32."""
        ...

    def batches(self, parts: Sequence[Tensor], chance: AugmentSource) -> Iterator[Batch]:
        """Yields one batch for each part, which holds positions in the store."""
        ...


@dataclass(slots=True)
class PixelFeed:
    """Images through the whole network.

    Attributes:
        network: The network, on the device, in channels_last.
        material: The images.
        device: Where it computes.
        precision: ``fp32`` or ``bf16``.
        augmenter: Changes training batches, or ``None``.
        seed: Of the views, which are a function of it, their number, and an image's position.
        model: What computes; by default the network's own module.
    """

    network: Network
    material: Material
    device: torch.device
    precision: str
    augmenter: Augmenter | None = None
    seed: int = 0
    model: nn.Module | None = None
    _there: Tensor | None = field(default=None, repr=False)

    def logits(self, inputs: Tensor) -> Tensor:
        """Returns logits ``B x K`` of normalised images ``B x 3 x H x W``."""
        with autocast(self.device, self.precision):
            logits: Tensor = (self.model or self.network.model)(inputs)
            return logits.float()

    def batches(self, parts: Sequence[Tensor], chance: AugmentSource) -> Iterator[Batch]:
        """Yields normalised images ``B x 3 x H x W`` and their labels."""
        prep = self.network.preprocessing
        for images, labels, positions in self._images(parts):
            pixels = images.to(self.device, non_blocking=True)
            if self.augmenter is not None and chance is not None:
                drawn = self._view(chance, positions) if isinstance(chance, int) else chance
                pixels = self.augmenter(pixels, drawn)
            elif self.material.store.canvas:
                pixels = centre(pixels, prep)
            yield (
                normalise(pixels, prep).contiguous(memory_format=torch.channels_last),
                labels.to(self.device, non_blocking=True),
            )

    def move_to_device(self) -> None:
        """Copies all images to the device for good, if they are in memory and there is room for them."""
        store = self.material.store
        if self.device.type != "cuda" or store.cached < len(store):
            return
        if 3 * store.side**2 * len(store) <= STORE_SHARE * memory_free(self.device):
            everything = torch.arange(len(store)).split(256)
            self._there = torch.cat([store.batch(part).to(self.device) for part in everything])

    def _images(self, parts: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        if self._there is None:
            yield from iterate(self.material.store, parts, pinned=self.device.type == "cuda")
            return
        for part in parts:
            yield self._there[part.to(self.device, non_blocking=True)], self.material.store.labels[part], part

    def _view(self, view: int, positions: Tensor) -> Drawn:
        """Returns the numbers by which a view of these images is made."""
        words = np.random.SeedSequence([self.seed, view]).generate_state(2, np.uint32).tolist()
        chance = torch.Generator().manual_seed((words[0] << 31) + words[1])
        return Drawn(torch.rand(len(self.material.store), NUMBERS, generator=chance)[positions].to(self.device))


@dataclass(slots=True)
class FrozenFeed:
    """Images through the frozen part without a graph, then through the part that learns."""

    pixels: PixelFeed
    cut: Cut
    suffix: nn.Module

    def logits(self, inputs: Tensor) -> Tensor:
        """Returns logits ``B x K`` of normalised images ``B x 3 x H x W``."""
        return behind(self.pixels, self.cut, self.suffix, extract(self.pixels, self.cut, inputs))

    def batches(self, parts: Sequence[Tensor], chance: AugmentSource) -> Iterator[Batch]:
        """Yields normalised images and their labels."""
        return self.pixels.batches(parts, chance)


@dataclass(slots=True)
class FeatureFeed:
    """Features computed once, through the part that learns.

    Attributes:
        pixels: The images that they are of.
        cut: Where they were taken.
        suffix: From there to the logits.
        kept: Features of some images by view; ``None`` for images as they are.
    """

    pixels: PixelFeed
    cut: Cut
    suffix: nn.Module
    kept: dict[int | None, CachedFeatures] = field(default_factory=dict, repr=False)

    def logits(self, inputs: Tensor) -> Tensor:
        """Returns logits ``B x K`` of features ``B x ...``."""
        return behind(self.pixels, self.cut, self.suffix, inputs)

    def batches(self, parts: Sequence[Tensor], chance: AugmentSource) -> Iterator[Batch]:
        """Yields rows of the features and their labels."""
        kept, device = self.kept[chance if isinstance(chance, int) else None], self.pixels.device
        labels = self.pixels.material.store.labels
        for part in parts:
            index = kept.rows[part].to(kept.features.values.device)
            yield kept.features.rows(index).to(device, non_blocking=True), labels[part].to(device, non_blocking=True)


@dataclass(frozen=True, slots=True)
class CachedFeatures:
    """Features of some images.

    Attributes:
        features: ``N x ...`` by row.
        rows: For each position in the store its row, or -1.
    """

    features: Features
    rows: Tensor


@torch.no_grad()
def extract(feed: PixelFeed, cut: Cut, images: Tensor) -> Tensor:
    """Returns what the frozen part makes of normalised images, without a graph."""
    with autocast(feed.device, feed.precision):
        return cut.prefix(images)


def behind(feed: PixelFeed, cut: Cut, suffix: nn.Module, features: Tensor) -> Tensor:
    """Returns logits ``B x K`` of features; a head alone computes in float32, more than that as the phase does."""
    with nullcontext() if cut.whole else autocast(feed.device, feed.precision):
        logits: Tensor = suffix(features)
        return logits.float()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Features that are to be computed, or found.

    Attributes:
        pixels: The images.
        cut: The end of the frozen part, which is in eval mode.
        form: What one image's features look like.
        positions: Which images, ``N``, in this order.
        batch: Images at a time.
        view: As which view; ``None`` for images as they are.
        key: Their name among the files; ``None`` if they may not be shared.
        in_memory: Whether to hold them in memory, not only in a file.
    """

    pixels: PixelFeed
    cut: Cut
    form: Form
    positions: Tensor
    batch: int
    view: int | None
    key: str | None
    in_memory: bool

    def gather(self, shelf: FeatureStore) -> Iterator[int | CachedFeatures]:
        """Finds the features on the shelf, or sends each image through the frozen part once.

        Yields:
            The number of images done, after each batch; last, the features, unless no place for them was left.
        """
        lock = None
        try:
            found = self._found(shelf)
            if found is None and self.key is not None:
                for held in shelf.waiting(self.key):
                    lock = held
                    yield 0
                found = self._found(shelf)
            if found is None:
                found = yield from self._compute(shelf)
        finally:
            if lock is not None:
                lock.release()
        if found is not None:
            yield CachedFeatures(found, self._rows())

    def _found(self, shelf: FeatureStore) -> Features | None:
        found = None if self.key is None else shelf.open(self.key, self.form, len(self.positions))
        if found is None or not self.in_memory:
            return found
        return Features(found.values.to(self._place, copy=True), self.form)

    @property
    def _place(self) -> torch.device:
        """Where features in memory lie: on the device, if there is room."""
        device = self.pixels.device
        size = self.form.bytes * len(self.positions)
        fits = device.type == "cuda" and size <= STORE_SHARE * memory_free(device)
        return device if fits else torch.device("cpu")

    def _compute(self, shelf: FeatureStore) -> Generator[int, None, Features | None]:
        count = len(self.positions)
        file = None if self.key is None else shelf.writer(self.key, self.form, count)
        if file is None and not self.in_memory:
            return None
        size = (count, *self.form.lying) if self.in_memory else (0, *self.form.lying)
        kept = Features(torch.empty(size, dtype=self.form.dtype, device=self._place), self.form)
        complete = False
        try:
            done = 0
            for images, _ in self.pixels.batches(self.positions.split(self.batch), self.view):
                batch = extract(self.pixels, self.cut, images)
                file = self._note(kept, file, done, batch)
                if file is None and not self.in_memory:
                    return None
                done += len(batch)
                yield done
            complete = True
        finally:
            if file is not None and not complete:
                file.give_up()
        if file is not None and self.key is not None:
            try:
                file.close()
            except OSError:
                file.give_up()
        if self.in_memory:
            return kept
        return None if self.key is None else shelf.open(self.key, self.form, count)

    def _note(self, kept: Features, file: Writer | None, done: int, batch: Tensor) -> Writer | None:
        """Takes in a batch; returns the file, or ``None`` once it cannot be written."""
        lying = kept.put(done, batch) if self.in_memory else kept.lying(batch)
        try:
            if file is not None:
                file.add(lying)
        except OSError:
            assert file is not None
            file.give_up()
            return None
        return file

    def _rows(self) -> Tensor:
        rows = torch.full((len(self.pixels.material.store.labels),), -1, dtype=torch.long)
        rows[self.positions] = torch.arange(len(self.positions))
        return rows
