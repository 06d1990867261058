"""Getting a phase ready: what of the network is computed apart, in which number format, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from core.data.augment import Augmenter
from core.models import freeze
from core.models.modes import eval_mode
from core.models.network import Network
from core.specs import AugmentSpec, Experiment, FreezePlan, Phase, TrainingSpec
from core.training.features.backbone_split import BackboneSplit, find_split
from core.training.features.batch_sources import (
    AugmentSource,
    BatchSource,
    CachedFeatures,
    FeatureRequest,
    FeatureSource,
    FrozenSource,
    Material,
    PixelSource,
    extract,
)
from core.training.features.feature_store import FeatureStore, Form, free_memory_bytes, key_of
from core.training.loop.events import ProgressEvent
from core.training.optim.precision import choose_precision, trial_images


def draws_by_image(training: TrainingSpec, spec: AugmentSpec) -> bool:
    """Whether an augmentation's numbers are each image's own in an epoch; else all come from one stream.

    What an epoch shows several times is changed anew each time; earlier runs go on as they began.
    """
    once = training.sampler in ("shuffle", "undersample")
    return once and spec.active and (training.draws == "image" or bool(spec.operations))


class PhaseSetup:
    """A phase's batch sources, for one plan of what learns.

    Args:
        network: On the device; the plan is applied to it here.
        material: Images and who serves for what.
        experiment: Batch size, seed, views, mixing, precision.
        phase: How images are changed.
        plan: What learns.
        device: Where to compute.

    Attributes:
        split: The end of the frozen part, if it can be computed apart.
        cached: Whether the training images' features are computed once and kept; known after :meth:`choose_sources`.
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
        self.pixels = PixelSource(network, material, device, "fp32", augmenter, self.training.seed)
        self.pixels.move_to_device()
        with network.lock:
            self.split: BackboneSplit | None = find_split(model, anatomy, plan)
        self.cached = False
        self.train: BatchSource = self.pixels
        self.val: BatchSource = self.pixels
        self._store = FeatureStore.own()
        self._in_memory = True
        self._at_once = self.training.images
        self._features: FeatureSource | None = None
        self._judged: FeatureSource | None = None
        self._forms: dict[str, Form] = {}

    @property
    def stage(self) -> str | None:
        """The last stage of the part that is computed apart."""
        return None if self.split is None else self.split.stage

    @property
    def views(self) -> int:
        """Views that are drawn of each image; 0 where images are drawn anew, or are not changed at all."""
        return self.training.views if self._augment.active else 0

    def augment_source(self, epoch: int, generator: torch.Generator) -> AugmentSource:
        """Returns how the training images of an epoch, from 0, are changed.

        One that an epoch draws several times is changed each time anew, unless its views are fixed.
        """
        if self.views:
            return epoch % self.views
        return epoch if draws_by_image(self.training, self._augment) else generator

    def choose_precision(self) -> str:
        """Times a few passes of each number format on a real batch, in eval mode and without lasting effects."""
        wanted = self.training.precision
        if wanted != "auto" or self.device.type != "cpu":
            return choose_precision(wanted, self.device, lambda: None, "")
        positions = self.material.train[: trial_images(self.training.images, len(self.material.train))]
        images, _ = next(iter(self.pixels.batches([positions], None)))
        model, backward = self.network.model, self.split is None or not self.split.whole
        learning = [parameter for parameter in model.parameters() if parameter.requires_grad]

        def work() -> None:
            with torch.set_grad_enabled(backward):
                logits = model(images)
                if backward:
                    torch.autograd.grad(logits.float().sum(), learning, allow_unused=True)

        with eval_mode(model):
            what = (str(model), tuple(images.shape), self.stage, sum(value.numel() for value in learning))
            return choose_precision("auto", self.device, work, repr(what))

    def choose_sources(self, precision: str) -> None:
        """Decides what is kept, and makes the batch sources.

        Epochs are judged in float32 whatever they are trained in, as is everything that is said of a network later.
        """
        self.pixels.precision = precision
        compiled = self.training.compile and self.device.type == "cuda"
        if compiled:
            self.pixels.model = torch.compile(self.network.model)  # type: ignore[assignment]
        exact = self.pixels if precision == "fp32" else replace(self.pixels, precision="fp32")
        self.val = exact
        if self.split is None:
            return
        suffix: nn.Module = torch.compile(self.split.suffix) if compiled else self.split.suffix  # type: ignore[assignment]
        self._features = FeatureSource(self.pixels, self.split, suffix)
        self._judged = self._features if exact is self.pixels else FeatureSource(exact, self.split, suffix)
        again = not self._augment.active or bool(self.views)
        train = len(self.material.train) * max(1, self.views)
        self.cached = again and not self.training.mix.active and self._fit(train)
        kept = self.cached or self._fit(0)
        self.train = self._features if self.cached else FrozenSource(self.pixels, self.split, suffix)
        self.val = self._judged if kept else FrozenSource(exact, self.split, suffix)

    def prepare_features(self, epoch: int, parts: int = 1) -> Iterator[ProgressEvent]:
        """Finds or computes the features that an epoch needs and that are not there yet.

        Features for which no place is left after all are computed in each epoch instead.

        Args:
            epoch: From 0.
            parts: Into how many parts a batch is split because it did not fit into memory; 1 for whole.
        """
        self._at_once = -(-self.training.images // parts)
        learned, judged = self.material.train, self.material.val
        keeps = self._judged is not None and self.val is self._judged
        if keeps and self.cached and not self.views and self._judged is self._features:
            yield from self._gather(self._features, torch.cat([learned, judged]), None)
            return
        if keeps:
            yield from self._gather(self._judged, judged, None)
        if self.cached:
            yield from self._gather(self._features, learned, epoch % self.views if self.views else None)

    def _gather(self, source: FeatureSource | None, positions: Tensor, view: int | None) -> Iterator[ProgressEvent]:
        if source is None or view in source.kept:
            return
        positions = positions.unique()  # in rising order: the same images make the same file, however they are divided
        wanted = FeatureRequest(
            source.pixels,
            source.split,
            self._form(source),
            positions,
            self._at_once,
            view,
            self._key(source.pixels, positions, view),
            self._in_memory,
        )
        for item in wanted.gather(self._store):
            if isinstance(item, CachedFeatures):
                source.kept[view] = item
                yield ProgressEvent("computing features", len(positions), len(positions))
            elif item < len(positions):
                yield ProgressEvent("computing features", item, len(positions))
        if view not in source.kept:
            live = FrozenSource(source.pixels, source.split, source.suffix)
            if source is self._features:
                self.cached, self.train = False, live
            if source is self._judged and view is None:
                self.val = live

    def _form(self, source: FeatureSource) -> Form:
        """What one image's features look like."""
        if source.pixels.precision not in self._forms:
            prep = self.network.preprocessing
            blank = torch.zeros(1, prep.channels, prep.crop, prep.crop, device=self.device)
            blank = blank.contiguous(memory_format=torch.channels_last)
            self._forms[source.pixels.precision] = Form.of(extract(source.pixels, source.split, blank))
        return self._forms[source.pixels.precision]

    def _fit(self, train: int) -> bool:
        """Whether the features of so many views of training images, and of all that are judged, can be kept."""
        assert self._features is not None
        assert self._judged is not None
        size = len(self.material.val) * self._form(self._judged).bytes
        size += train * self._form(self._features).bytes if train else 0
        self._in_memory = size <= free_memory_bytes()
        shared = self.material.store.fingerprint_of(self.material.val) is not None
        return self._in_memory or (shared and size <= self._store.free_bytes())

    @cached_property
    def _digest(self) -> str:
        assert self.split is not None
        return self.split.digest()

    def _key(self, source: PixelSource, positions: Tensor, view: int | None) -> str | None:
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
        return key_of((self._digest, pixels, changed, asdict(prep), source.precision, self._at_once), self.device)
