"""torchvision's classifiers: built, described and filled from its own registry."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from torch import nn
from torchvision import models
from torchvision.models import MaxVit, VisionTransformer
from torchvision.models.vision_transformer import interpolate_embeddings

from core.errors import InputError
from core.models.architectures import families
from core.models.architectures.build_modes import OnMeta, Uninitialised
from core.models.architectures.records import Backbone, WeightsEntry
from core.models.catalog.source import Shape
from core.models.weights import torchvision
from core.models.weights.download import Report
from core.specs import Preprocessing

_IMAGENET = "ImageNet-1K"
_AUXILIARY = {"googlenet": 0, "inception_v3": 3_326_696}
"""Networks with auxiliary classifiers, which are never built here, and how many of their published parameters
belong to those."""


class Hub:
    """See :class:`core.models.catalog.source.Source`."""

    def names(self) -> list[str]:
        """Returns all classifiers that torchvision registers."""
        return models.list_models(module=models)

    def record(self, name: str) -> Backbone:
        """Returns the network's record, from its default weights' metadata."""
        meta = torchvision.default(name).meta
        title, family = families.find(name)
        return Backbone(
            name=name,
            title=title,
            family=family.title,
            parameters=meta["num_params"] - _AUXILIARY.get(name, 0),
            input_size=self.preprocessing(name, "").crop,
            num_classes=len(meta["categories"]),
            gflops=meta["_ops"],
            top1=meta["_metrics"][_IMAGENET]["acc@1"],
            weights_mb=round(meta["_file_size"] * 1.048576, 1),  # the registry counts in MiB
            year=family.year,
            paper=family.paper,
            source="torchvision",
        )

    def entries(self, name: str) -> tuple[WeightsEntry, ...]:
        """Returns its weights."""
        return torchvision.entries(name)

    def categories(self, name: str, entry: str) -> tuple[str, ...]:
        """Returns its classes."""
        return tuple(torchvision.find(name, entry).meta["categories"] or ())

    @lru_cache(maxsize=512)  # noqa: B019 - there is one hub
    def preprocessing(self, name: str, entry: str) -> Preprocessing:
        """Returns how pixels become its input."""
        preset = torchvision.find(name, entry).transforms()
        return Preprocessing(
            resize=preset.resize_size[0],
            crop=preset.crop_size[0],
            mean=tuple(preset.mean),
            std=tuple(preset.std),
            interpolation=preset.interpolation.value,
        )

    def construct(self, name: str, shape: Shape, *, initialise: bool = False) -> nn.Module:
        """Builds it without weights."""
        try:
            return models.get_model(name, weights=None, **_options(name, shape.image_size, initialise))
        except (ValueError, AssertionError) as error:
            step = _step(name, self.preprocessing(name, "").crop)
            below = shape.image_size // step * step
            raise InputError(
                "{name} cuts the image into pieces of a fixed size and cannot take {size} px. Choose a multiple of "
                "{step} px, such as {sizes} px, or another backbone.",
                name=name,
                size=shape.image_size,
                step=step,
                sizes=", ".join(str(size) for size in (below, below + step) if size),
            ) from error

    def pretrained(self, name: str, entry: str, shape: Shape, report: Report | None) -> nn.Module:
        """Builds it with these weights; pretrained position embeddings are interpolated to the image size."""
        model = torchvision.pretrained(name, entry, report)
        if name in _AUXILIARY:
            setattr(model, "aux_logits", False)  # noqa: B010 - torch's stubs know submodules only
            for part in [child for child, _ in model.named_children() if child.lower().startswith("aux")]:
                setattr(model, part, None)
        own = self.preprocessing(name, entry).crop
        if shape.image_size == own or not isinstance(model, VisionTransformer | MaxVit):
            return model
        return self._resized(model, name, shape)

    def fetch(self, name: str, entry: str, report: Report | None) -> None:
        """Downloads these weights."""
        torchvision.fetch(name, entry, report)

    def _resized(self, model: nn.Module, name: str, shape: Shape) -> nn.Module:
        """Rebuilds a network that is made for one image size for another, with the same weights."""
        with Uninitialised():
            twin = self.construct(name, shape)
        state = model.state_dict()
        if isinstance(model, VisionTransformer):
            state = interpolate_embeddings(shape.image_size, model.patch_size, state)
        twin.load_state_dict(state)
        return twin


@lru_cache(maxsize=32)
def _step(name: str, own: int) -> int:
    """Returns the smallest step between image sizes that a network can be built for, starting at its own size."""
    for step in range(1, own):
        if own % step == 0:
            try:
                with OnMeta():
                    models.get_model(name, weights=None, **_options(name, own + step, False))
            except (ValueError, AssertionError):
                continue
            return step
    return own


def _options(name: str, image_size: int, init_weights: bool) -> dict[str, Any]:
    """Returns what a builder needs besides a name, so that the network is the same with and without weights."""
    if name in _AUXILIARY:
        return {"aux_logits": False, "transform_input": True, "init_weights": init_weights}
    if name.startswith("vit_"):
        return {"image_size": image_size}
    if name.startswith("maxvit_"):
        return {"input_size": (image_size, image_size)}
    return {}
