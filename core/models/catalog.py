"""The catalogue: every classifier that torchvision registers, and EfficientNet-Lite.

The table is generated from torchvision's registry, so a classifier that a later torchvision brings is listed,
built, frozen and explained without a line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import nn
from torchvision import models
from torchvision.models import MaxVit, VisionTransformer
from torchvision.models.vision_transformer import interpolate_embeddings

from core.errors import InputError
from core.models import families, lite, weights
from core.models.construct import OnMeta, Seeded, Uninitialised
from core.specs import Preprocessing

_IMAGENET = "ImageNet-1K"
_AUXILIARY = {"googlenet": 0, "inception_v3": 3_326_696}
"""Networks with auxiliary classifiers, which are never built here, and how many of their published parameters
belong to those."""


@dataclass(frozen=True, slots=True)
class Backbone:
    """One network of the catalogue.

    Attributes:
        name: Stable name, as torchvision registers it.
        title: What a person calls it.
        family: Title of its family.
        parameters: Number of parameters with its own 1000-class head, without auxiliary classifiers.
        input_size: Side of the square images its weights were evaluated on, in pixels.
        num_classes: Classes of its weights.
        gflops: Multiply-adds of one image at that size, in billions.
        top1: ImageNet accuracy of the default weights, in percent.
        weights_mb: Size of the weight file, in MB.
        year: When the family appeared.
        paper: Where to read about it.
        source: Where the weights come from: ``torchvision`` or the name of a package.
    """

    name: str
    title: str
    family: str
    parameters: int
    input_size: int
    num_classes: int
    gflops: float
    top1: float
    weights_mb: float
    year: int
    paper: str
    source: str


def _from_torchvision(name: str) -> Backbone:
    meta = weights.default(name).meta
    title, family = families.find(name)
    return Backbone(
        name=name,
        title=title,
        family=family.title,
        parameters=meta["num_params"] - _AUXILIARY.get(name, 0),
        input_size=_torchvision_preprocessing(name).crop,
        num_classes=len(meta["categories"]),
        gflops=meta["_ops"],
        top1=meta["_metrics"][_IMAGENET]["acc@1"],
        weights_mb=round(meta["_file_size"] * 1.048576, 1),  # the registry counts in MiB
        year=family.year,
        paper=family.paper,
        source="torchvision",
    )


def _from_package(name: str) -> Backbone:
    variant = lite.VARIANTS[name]
    title, family = families.find(name)
    return Backbone(
        name=name,
        title=title,
        family=family.title,
        parameters=variant.parameters,
        input_size=variant.size,
        num_classes=1000,
        gflops=variant.gflops,
        top1=variant.top1,
        weights_mb=variant.weights_mb,
        year=family.year,
        paper=family.paper,
        source=lite.package(name),
    )


def _torchvision_preprocessing(name: str) -> Preprocessing:
    preset = weights.default(name).transforms()
    return Preprocessing(
        resize=preset.resize_size[0],
        crop=preset.crop_size[0],
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        interpolation=preset.interpolation.value,
    )


def _table() -> dict[str, Backbone]:
    listed = [_from_package(name) for name in lite.VARIANTS]
    listed += [_from_torchvision(name) for name in models.list_models(module=models)]
    order = {family.title: index for index, family in reversed(list(enumerate(families.FAMILIES)))}
    listed.sort(key=lambda backbone: (order.get(backbone.family, len(order)), backbone.year, backbone.parameters))
    return {backbone.name: backbone for backbone in listed}


BACKBONES: Mapping[str, Backbone] = MappingProxyType(_table())
"""All networks by name, family by family and from small to large."""

FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(backbone.family for backbone in BACKBONES.values()))
"""Titles of the families, in the order in which they are shown."""


def backbone(name: str) -> Backbone:
    """Returns the record of network ``name``.

    Raises:
        InputError: There is none of that name.
    """
    try:
        return BACKBONES[name]
    except KeyError:
        raise InputError(
            "There is no backbone {name}. See them all with: python -m core backbones", name=name
        ) from None


def weights_state(name: str) -> str:
    """Returns whether pretrained weights of ``name`` are at hand: ``available``, ``needs download`` or ``none``."""
    if backbone(name).source != "torchvision":
        return "available" if lite.weights_file(name) else "needs download"
    return "available" if weights.checkpoint(name).is_file() else "needs download"


def categories(name: str) -> tuple[str, ...]:
    """Returns the classes of the weights of ``name``, in the order of the logits."""
    known = backbone(name)
    # The Lite weights use ImageNet's usual order, the one that every ImageNet entry of torchvision carries.
    registered = name if known.source == "torchvision" else "resnet18"
    return tuple(weights.default(registered).meta["categories"])


def preprocessing(name: str, image_size: int | None = None) -> Preprocessing:
    """Returns how pixels become the input of ``name``, as its weights want it.

    Args:
        name: Name of a backbone.
        image_size: Side of the input, in pixels; ``None`` for the backbone's own.
    """
    own = _torchvision_preprocessing(name) if backbone(name).source == "torchvision" else lite.preprocessing(name)
    return own.at(image_size)


def build(name: str, weights: str = "default", seed: int | None = None, *, image_size: int | None = None) -> nn.Module:
    """Builds a network with its ImageNet head, in eval mode and without auxiliary classifiers.

    Args:
        name: Name of a backbone.
        weights: ``default`` for the pretrained weights, ``none`` for random ones.
        seed: Seed of random weights, drawn without touching torch's global generator; ``None`` for fresh ones.
        image_size: Side of the images it will see, in pixels. Only Vision Transformers and MaxViT are built
            differently for it (pretrained position embeddings are interpolated); ``None`` for the backbone's own.

    Raises:
        InputError: The backbone is unknown, or cannot be built for images of that size.
        WeightsUnavailable: The pretrained weights are not here and cannot be downloaded, or are damaged.
    """
    if weights == "default":
        return _pretrained(name, image_size).eval()
    if weights != "none":
        raise InputError("weights is {weights}. Choose one of: default, none.", weights=weights)
    with Seeded(seed):
        return _construct(name, image_size, init_weights=True).eval()


def blank(name: str, image_size: int | None = None) -> nn.Module:
    """Builds a network whose values are undefined, to be loaded from a file at once; otherwise as :func:`build`."""
    with Uninitialised():
        return _construct(name, image_size).eval()


def skeleton(name: str, image_size: int | None = None) -> nn.Module:
    """Builds a network on the ``meta`` device: shapes without memory or values; otherwise as :func:`build`."""
    with OnMeta():
        model = _construct(name, image_size)
    return model.to("meta").eval()


def _construct(name: str, image_size: int | None, init_weights: bool = False) -> nn.Module:
    known = backbone(name)
    if known.source != "torchvision":
        return lite.EfficientNetLite(lite.VARIANTS[name])
    try:
        return models.get_model(name, weights=None, **_options(name, image_size or known.input_size, init_weights))
    except (ValueError, AssertionError) as error:
        raise _wrong_size(name, image_size) from error


def _options(name: str, image_size: int, init_weights: bool) -> dict[str, Any]:
    """Returns what a builder needs besides a name, so that the network is the same with and without weights."""
    if name in _AUXILIARY:
        return {"aux_logits": False, "transform_input": True, "init_weights": init_weights}
    if name.startswith("vit_"):
        return {"image_size": image_size}
    if name.startswith("maxvit_"):
        return {"input_size": (image_size, image_size)}
    return {}


def _pretrained(name: str, image_size: int | None) -> nn.Module:
    known = backbone(name)
    if known.source != "torchvision":
        model = blank(name)
        lite.load_weights(model, name)
        return model
    model = weights.pretrained(name)
    if name in _AUXILIARY:
        setattr(model, "aux_logits", False)  # noqa: B010 - torch's stubs know submodules only
        for part in [child for child, _ in model.named_children() if child.lower().startswith("aux")]:
            setattr(model, part, None)
    if image_size is None or image_size == known.input_size or not isinstance(model, VisionTransformer | MaxVit):
        return model
    return _resized(model, name, image_size)


def _resized(model: nn.Module, name: str, image_size: int) -> nn.Module:
    """Rebuilds a network that is made for one image size for another, with the same weights."""
    twin = blank(name, image_size)
    state = model.state_dict()
    if isinstance(model, VisionTransformer):
        state = interpolate_embeddings(image_size, model.patch_size, state)
    twin.load_state_dict(state)
    return twin


def _wrong_size(name: str, image_size: int | None) -> InputError:
    return InputError(
        "{name} cannot take images of {size} px. Choose a multiple of {own} px, its own size, or another backbone.",
        name=name,
        size=image_size,
        own=backbone(name).input_size,
    )
