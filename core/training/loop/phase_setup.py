"""Getting a phase ready: what of the network is computed apart, in which number format, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property

import torch
from torch import Tensor, nn

from core.data.augment import Augmenter
from core.models import freeze
from core.models.modes import eval_mode
from core.models.network import Network
from core.specs import Experiment, FreezePlan, Phase
from core.training.features.backbone_split import Cut, find_cut
from core.training.features.batch_sources import (
    AugmentSource,
    CachedFeatures,
    FeatureFeed,
    Feed,
    FrozenFeed,
    Material,
    PixelFeed,
    Wanted,
    extract,
)
from core.training.features.feature_store import FeatureStore, Form, key_of, room_in_memory
from core.training.loop.events import ProgressEvent
from core.training.optim.precision import choose_precision, trial_images


class Preparation:
    """A phase's feeds, for one plan of what learns.

    Args:
        network: On the device; the plan is applied to it here.
        material: Images and who serves for what.
        experiment: Batch size, seed, views, mixing, precision.
        phase: Says how images are changed.
        plan: What learns.
        device: Where to compute.

    Attributes:
        cut: The end of the frozen part, if it can be computed apart.
        cached: Whether the training images' features are computed once and kept; known after :meth:`settle`.
        train: What is learned from.
        val: What epochs are judged on.
    """

    def __init__(
        self,
        network: Network,
        material: Material,
        experiment: Experiment,
        phase: Phase,
        plan: FreezePlan,
        device: torch.device,
    ) -> None:
        self.network, self.material, self.device = network, material, device
        self.training, self._augment = experiment.training, experiment.augmentation(phase)
        model, anatomy = network.model, network.anatomy
        freeze.apply(model, anatomy, plan)
        freeze.set_train_mode(model, anatomy, plan)
        augmenter = Augmenter(self._augment, network.preprocessing.crop) if self._augment.active else None
        self.pixels = PixelFeed(network, material, device, "fp32", augmenter, self.training.seed)
        self.pixels.move_to_device()
        with network.lock:
            self.cut: Cut | None = find_cut(model, anatomy, plan)
        self.cached = False
        self.train: Feed = self.pixels
        self.val: Feed = self.pixels
        self._shelf = FeatureStore.own()
        self._in_memory = True
        self._at_once = self.training.images
        self._features: FeatureFeed | None = None

    @property
    def stage(self) -> str | None:
        """The last stage of the part that is computed apart."""
        return None if self.cut is None else self.cut.stage

    @property
    def views(self) -> int:
        """Views that are drawn of each image; 0 where images are drawn anew, or are not changed at all."""
        return self.training.views if self._augment.active else 0

    def chance(self, epoch: int, generator: torch.Generator) -> AugmentSource:
        """Returns how the training images of an epoch, from 0, are changed."""
        return epoch % self.views if self.views else generator

    def choose_precision(self) -> str:
        """Times a few passes of each number format on a real batch, in eval mode and without lasting effects."""
        wanted = self.training.precision
        if wanted != "auto" or self.device.type != "cpu":
            return choose_precision(wanted, self.device, lambda: None)
        positions = self.material.train[: trial_images(self.training.images, len(self.material.train))]
        images, _ = next(iter(self.pixels.batches([positions], None)))
        model, backward = self.network.model, self.cut is None or not self.cut.whole
        learning = [parameter for parameter in model.parameters() if parameter.requires_grad]

        def work() -> None:
            with torch.set_grad_enabled(backward):
                logits = model(images)
                if backward:
                    torch.autograd.grad(logits.float().sum(), learning, allow_unused=True)

        with eval_mode(model):
            return choose_precision("auto", self.device, work)

    def settle(self, precision: str) -> None:
        """Decides what is kept, and makes the feeds."""
        self.pixels.precision = precision
        compiled = self.training.compile and self.device.type == "cuda"
        if compiled:
            self.pixels.model = torch.compile(self.network.model)  # type: ignore[assignment]
        if self.cut is None:
            return
        suffix: nn.Module = torch.compile(self.cut.suffix) if compiled else self.cut.suffix  # type: ignore[assignment]
        again = not self._augment.active or bool(self.views)
        train = len(self.material.train) * max(1, self.views)
        self.cached = again and not self.training.mix.active and self._fit(train + len(self.material.val))
        kept = self.cached or self._fit(len(self.material.val))
        self._features = FeatureFeed(self.pixels, self.cut, suffix)
        self.train = self._features if self.cached else FrozenFeed(self.pixels, self.cut, suffix)
        self.val = self._features if kept else self.train

    def ready(self, epoch: int, parts: int = 1) -> Iterator[ProgressEvent]:
        """Finds or computes the features that an epoch needs and that are not there yet.

        Features for which no place is left after all are computed in each epoch instead.

        Args:
            epoch: From 0.
            parts: Into how many parts a batch is cut because it did not fit into memory; 1 for whole.
        """
        self._at_once = -(-self.training.images // parts)
        if self._features is not None and self.val is self._features:
            together = self.cached and not self.views
            wanted = [self.material.train, self.material.val] if together else [self.material.val]
            yield from self._gather(torch.cat(wanted), None)
        if self.cached and self.views:
            yield from self._gather(self.material.train, epoch % self.views)

    def _gather(self, positions: Tensor, view: int | None) -> Iterator[ProgressEvent]:
        feed = self._features
        if feed is None or view in feed.kept:
            return
        positions = positions.unique()  # in rising order: the same images make the same file, however they are divided
        wanted = Wanted(
            self.pixels,
            feed.cut,
            self._form,
            positions,
            self._at_once,
            view,
            self._key(positions, view),
            self._in_memory,
        )
        for item in wanted.gather(self._shelf):
            if isinstance(item, CachedFeatures):
                feed.kept[view] = item
                yield ProgressEvent("computing features", len(positions), len(positions))
            elif item < len(positions):
                yield ProgressEvent("computing features", item, len(positions))
        if view not in feed.kept:
            live = FrozenFeed(self.pixels, feed.cut, feed.suffix)
            self.cached, self.train = False, live
            self.val = live if view is None else self.val

    @cached_property
    def _form(self) -> Form:
        """What one image's features look like."""
        assert self.cut is not None
        prep = self.network.preprocessing
        blank = torch.zeros(1, prep.channels, prep.crop, prep.crop, device=self.device)
        return Form.of(extract(self.pixels, self.cut, blank.contiguous(memory_format=torch.channels_last)))

    def _fit(self, images: int) -> bool:
        """Whether the features of so many images can be kept, and where."""
        size = images * self._form.bytes
        self._in_memory = size <= room_in_memory()
        shared = self.material.store.fingerprint_of(self.material.val) is not None
        return self._in_memory or (shared and size <= self._shelf.room())

    @cached_property
    def _digest(self) -> str:
        assert self.cut is not None
        return self.cut.digest()

    def _key(self, positions: Tensor, view: int | None) -> str | None:
        """Returns the name of some images' features; ``None`` if these pixels are not known."""
        pixels = self.material.store.fingerprint_of(positions)
        if pixels is None:
            return None
        changed = (
            ""
            if view is None
            else (view, self.training.seed, len(self.material.store), positions.tolist(), asdict(self._augment))
        )
        prep = self.network.preprocessing
        return key_of((self._digest, pixels, changed, asdict(prep), self.pixels.precision, self._at_once), self.device)
