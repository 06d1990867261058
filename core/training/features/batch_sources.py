"""What a phase trains on: images through the whole network, or what comes out of its frozen part.

A batch source joins batches with what turns them into logits, so that the loop is one and the same for all.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from core.data.augment import Augmenter
from core.data.images import normalise
from core.data.operations.draws import Drawn, drawn
from core.data.pixel_store import PixelStore, centre, iterate
from core.device import memory_free
from core.models.network import Network
from core.training.features.backbone_split import BackboneSplit
from core.training.features.feature_store import Features, FeatureStore, Form, Writer
from core.training.optim.precision import autocast

Batch = tuple[Tensor, Tensor]
"""Inputs of the source's module, and labels ``B`` (int64), both on the device."""
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


class BatchSource(Protocol):
    """Batches, and the module that turns them into logits."""

    def logits(self, inputs: Tensor) -> Tensor:
        """Returns logits ``B x K`` in float32."""
        ...

    def batches(self, parts: Sequence[Tensor], augment_source: AugmentSource) -> Iterator[Batch]:
        """Yields one batch for each part, which holds positions in the store."""
        ...


@dataclass(slots=True)
class PixelSource:
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
    _on_device: Tensor | None = field(default=None, repr=False)

    def logits(self, inputs: Tensor) -> Tensor:
        """Returns logits ``B x K`` of normalised images ``B x 3 x H x W``."""
        with autocast(self.device, self.precision):
            logits: Tensor = (self.model or self.network.model)(inputs)
            return logits.float()

    def batches(self, parts: Sequence[Tensor], augment_source: AugmentSource) -> Iterator[Batch]:
        """Yields normalised images ``B x 3 x H x W`` and their labels."""
        prep = self.network.preprocessing
        for images, labels, positions in self._images(parts):
            pixels = images.to(self.device, non_blocking=True)
            if self.augmenter is not None and augment_source is not None:
                pixels = self.augmenter(pixels, self._chance(self.augmenter, augment_source, positions))
            elif self.material.store.canvas:
                pixels = centre(pixels, prep)
            yield (
                normalise(pixels, prep).contiguous(memory_format=torch.channels_last),
                labels.to(self.device, non_blocking=True),
            )

    def move_to_device(self) -> None:
        """Copies all images to the device for good, if they are in memory and fit there."""
        store = self.material.store
        if self.device.type != "cuda" or store.cached < len(store):
            return
        if 3 * store.side**2 * len(store) <= STORE_SHARE * memory_free(self.device):
            everything = torch.arange(len(store)).split(256)
            self._on_device = torch.cat([store.batch(part).to(self.device) for part in everything])

    def _images(self, parts: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        if self._on_device is None:
            yield from iterate(self.material.store, parts, pinned=self.device.type == "cuda")
            return
        for part in parts:
            yield self._on_device[part.to(self.device, non_blocking=True)], self.material.store.labels[part], part

    def _chance(
        self, augmenter: Augmenter, augment_source: torch.Generator | int, positions: Tensor
    ) -> torch.Generator | Drawn:
        """Returns what these images are changed by: of a view or an epoch, each one's own numbers."""
        if isinstance(augment_source, torch.Generator):
            return augment_source
        return drawn(self.seed, augment_source, positions.numpy(), augmenter.numbers)


@dataclass(slots=True)
class FrozenSource:
    """Images through the frozen part without a graph, then through the part that learns."""

    pixels: PixelSource
    split: BackboneSplit
    suffix: nn.Module

    def logits(self, inputs: Tensor) -> Tensor:
        """Returns logits ``B x K`` of normalised images ``B x 3 x H x W``."""
        return logits_of(self.pixels, self.split, self.suffix, extract(self.pixels, self.split, inputs))

    def batches(self, parts: Sequence[Tensor], augment_source: AugmentSource) -> Iterator[Batch]:
        """Yields normalised images and their labels."""
        return self.pixels.batches(parts, augment_source)


@dataclass(slots=True)
class FeatureSource:
    """Features computed once, through the part that learns.

    Attributes:
        pixels: The images that they are of.
        split: Where they were taken.
        suffix: From there to the logits.
        kept: Features of some images by view; ``None`` for images as they are.
    """

    pixels: PixelSource
    split: BackboneSplit
    suffix: nn.Module
    kept: dict[int | None, CachedFeatures] = field(default_factory=dict, repr=False)

    def logits(self, inputs: Tensor) -> Tensor:
        """Returns logits ``B x K`` of features ``B x ...``."""
        return logits_of(self.pixels, self.split, self.suffix, inputs)

    def batches(self, parts: Sequence[Tensor], augment_source: AugmentSource) -> Iterator[Batch]:
        """Yields rows of the features and their labels."""
        kept, device = self.kept[augment_source if isinstance(augment_source, int) else None], self.pixels.device
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
def extract(source: PixelSource, split: BackboneSplit, images: Tensor) -> Tensor:
    """Returns what the frozen part makes of normalised images, without a graph."""
    with autocast(source.device, source.precision):
        return split.prefix(images)


def logits_of(source: PixelSource, split: BackboneSplit, suffix: nn.Module, features: Tensor) -> Tensor:
    """Returns logits ``B x K`` of features; a head alone computes in float32, more than that as the phase does."""
    with nullcontext() if split.whole else autocast(source.device, source.precision):
        logits: Tensor = suffix(features)
        return logits.float()


@dataclass(frozen=True, slots=True)
class FeatureRequest:
    """Features that are to be computed, or found.

    Attributes:
        pixels: The images.
        split: The end of the frozen part, which is in eval mode.
        form: What one image's features look like.
        positions: Which images, ``N``, in this order.
        batch: Images at a time.
        view: As which view; ``None`` for images as they are.
        key: Their name among the files; ``None`` if they may not be shared.
        in_memory: Whether to hold them in memory, not only in a file.
    """

    pixels: PixelSource
    split: BackboneSplit
    form: Form
    positions: Tensor
    batch: int
    view: int | None
    key: str | None
    in_memory: bool

    def gather(self, cache: FeatureStore) -> Iterator[int | CachedFeatures]:
        """Finds the features in the store, or sends each image through the frozen part once.

        Yields:
            The number of images done, after each batch; last, the features, unless no place for them was left.
        """
        lock = None
        try:
            found = self._found(cache)
            if found is None and self.key is not None:
                for acquired in cache.wait_for_lock(self.key):
                    lock = acquired
                    yield 0
                found = self._found(cache)
            if found is None:
                found = yield from self._compute(cache)
        finally:
            if lock is not None:
                lock.release()
        if found is not None:
            yield CachedFeatures(found, self._rows())

    def _found(self, cache: FeatureStore) -> Features | None:
        found = None if self.key is None else cache.open(self.key, self.form, len(self.positions))
        if found is None or not self.in_memory:
            return found
        return Features(found.values.to(self._place, copy=True), self.form)

    @property
    def _place(self) -> torch.device:
        """Where features in memory lie: on the device, if they fit."""
        device = self.pixels.device
        size = self.form.bytes * len(self.positions)
        fits = device.type == "cuda" and size <= STORE_SHARE * memory_free(device)
        return device if fits else torch.device("cpu")

    def _compute(self, cache: FeatureStore) -> Generator[int, None, Features | None]:
        count = len(self.positions)
        file = None if self.key is None else cache.writer(self.key, self.form, count)
        if file is None and not self.in_memory:
            return None
        size = (count, *self.form.stored_shape) if self.in_memory else (0, *self.form.stored_shape)
        kept = Features(torch.empty(size, dtype=self.form.dtype, device=self._place), self.form)
        complete = False
        try:
            done = 0
            for images, _ in self.pixels.batches(self.positions.split(self.batch), self.view):
                batch = extract(self.pixels, self.split, images)
                file = self._add_batch(kept, file, done, batch)
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
        return None if self.key is None else cache.open(self.key, self.form, count)

    def _add_batch(self, kept: Features, file: Writer | None, done: int, batch: Tensor) -> Writer | None:
        """Takes in a batch; returns the file, or ``None`` once it cannot be written."""
        stored = kept.put(done, batch) if self.in_memory else kept.to_stored(batch)
        try:
            if file is not None:
                file.add(stored)
        except OSError:
            assert file is not None
            file.give_up()
            return None
        return file

    def _rows(self) -> Tensor:
        rows = torch.full((len(self.pixels.material.store.labels),), -1, dtype=torch.long)
        rows[self.positions] = torch.arange(len(self.positions))
        return rows
