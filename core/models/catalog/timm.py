"""timm's classifiers, for whoever has timm installed (it is optional, and imported on first use only).

Everything is read from timm's own registry and pretrained configurations (R. Wightman, PyTorch Image Models,
https://github.com/huggingface/pytorch-image-models).
"""

from __future__ import annotations

import importlib.util
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from torch import nn

from core.errors import InputError, WeightsUnavailable
from core.models.architectures.build_modes import OnMeta, Uninitialised
from core.models.architectures.records import AVAILABLE, DOWNLOAD, TIMM, Backbone, WeightsEntry
from core.models.catalog.source import Shape
from core.models.weights import huggingface
from core.models.weights.download import Report
from core.specs import Preprocessing

if TYPE_CHECKING:
    from timm.models import PretrainedCfg

HOME = "https://github.com/huggingface/pytorch-image-models"


def available() -> bool:
    """Returns whether timm is installed."""
    return importlib.util.find_spec("timm") is not None


class Timm:
    """See :class:`core.models.catalog.source.Source`. Names carry the prefix ``timm/``; a tag may follow a point."""

    def names(self) -> tuple[str, ...]:
        """Returns all networks that timm lists as classifiers; none without timm."""
        return _names() if available() else ()

    def record(self, name: str) -> Backbone:
        """Returns the network's record. Its parameters are counted on shapes, which takes up to a second."""
        return _record(name)

    def entries(self, name: str) -> tuple[WeightsEntry, ...]:
        """Returns its weights: timm's tags, in capitals."""
        chosen = _config(name).tag
        tags = sorted(_tags(name), key=lambda tag: tag != chosen)
        return tuple(_entry(name, tag, tag == chosen) for tag in tags)

    def categories(self, name: str, entry: str) -> tuple[str, ...]:
        """Returns ImageNet's classes, where it was trained on those."""
        return _categories(_config(name, entry).num_classes)

    def preprocessing(self, name: str, entry: str) -> Preprocessing:
        """Returns how pixels become its input; images are always cropped in the centre."""
        config = _config(name, entry)
        side = config.input_size[-1]
        return Preprocessing(
            resize=max(side, int(side / (config.crop_pct or 1.0))),
            crop=side,
            mean=tuple(config.mean),
            std=tuple(config.std),
            interpolation="bilinear" if config.interpolation == "bilinear" else "bicubic",
        )

    def construct(self, name: str, shape: Shape, *, initialise: bool = False) -> nn.Module:  # noqa: ARG002
        """Builds it without weights."""
        return _create(name, shape.image_size)

    def pretrained(self, name: str, entry: str, shape: Shape, report: Report | None) -> nn.Module:
        """Builds it with these weights; timm itself fits them to the image size where they depend on it."""
        config = _config(name, entry)
        file = huggingface.fetch(_sources(config), title=name, report=report)
        try:
            with Uninitialised():
                return _create(f"{TIMM}{config.architecture}.{config.tag}", shape.image_size, file=str(file))
        except (OSError, RuntimeError, EOFError, KeyError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise WeightsUnavailable(
                "The weight file {file} of {name} is damaged, or not what this version of timm expects. Delete it "
                "and try again, or choose random weights.",
                name=name,
                file=str(file),
            ) from error

    def fetch(self, name: str, entry: str, report: Report | None) -> None:
        """Downloads these weights."""
        huggingface.fetch(_sources(_config(name, entry)), title=name, report=report)


def family(name: str) -> str:
    """Returns the title of the family of a network of timm: the module that defines it."""
    from timm.models import _registry

    return "timm · " + _registry._model_to_module.get(_bare(name), "timm")


def check(name: str) -> None:
    """Refuses what is not to be had.

    Raises:
        InputError: timm is not installed, knows no such network, or the network is no classifier with one head.
    """
    if not available():
        raise InputError(
            "{name} needs timm, which is not installed. Install it with “pip install timm”, or choose another "
            "backbone.",
            name=name,
        )
    import timm

    if not timm.is_model(_bare(name)):
        raise InputError("timm has no network {name}. Search for one: python -m core backbones --timm", name=name)
    _config(name)
    reason = _unfit(name)
    if reason is not None:
        raise reason


def _unfit(name: str) -> InputError | None:
    config = _config(name)
    if not config.num_classes:
        return InputError(
            "{name} comes without a classifier: its published weights are features alone. Choose another backbone.",
            name=name,
        )
    if not isinstance(config.classifier, str):
        return InputError(
            "{name} has several heads (as networks made by distillation do), which cannot be replaced by one. Choose "
            "its sister without them.",
            name=name,
        )
    if config.input_size[-1] != config.input_size[-2]:
        return InputError("{name} takes images that are not square. Choose another backbone.", name=name)
    return None


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    import timm

    listed = (TIMM + name for name in timm.list_models() if not name.startswith("test_"))
    return tuple(name for name in listed if _default(name) is not None and _unfit(name) is None)


def _bare(name: str) -> str:
    return name.removeprefix(TIMM).partition(".")[0]


def _default(name: str) -> PretrainedCfg | None:
    import timm

    try:
        return timm.get_pretrained_cfg(name.removeprefix(TIMM), allow_unregistered=False)
    except RuntimeError:  # an unknown tag
        return None


@lru_cache(maxsize=512)
def _tags(name: str) -> dict[str, PretrainedCfg]:
    """Returns the configurations of the network's weights by tag; only those with a classifier."""
    from timm.models import get_arch_pretrained_cfgs

    found = get_arch_pretrained_cfgs(_bare(name))
    return {config.tag: config for config in found.values() if config.has_weights and config.num_classes and config.tag}


def _config(name: str, entry: str = "") -> PretrainedCfg:
    """Returns timm's configuration of a network's weights, the default ones for an empty entry."""
    config = _default(name)
    if config is None:
        raise InputError(
            "timm has no weights {name}. The network itself is called {bare}.", name=name, bare=TIMM + _bare(name)
        )
    if not entry:
        return config
    return next(config for tag, config in _tags(name).items() if tag.upper() == entry)


def _entry(name: str, tag: str, is_default: bool) -> WeightsEntry:
    config = _tags(name)[tag]
    return WeightsEntry(
        name=tag.upper(),
        title=tag,
        top1=None,
        top5=None,
        size_mb=None,
        classes=config.num_classes,
        input_size=config.input_size[-1],
        gflops=None,
        note="",
        recipe=config.origin_url or HOME,
        state=AVAILABLE if huggingface.local(_sources(config)) else DOWNLOAD,
        default=is_default,
    )


def _sources(config: PretrainedCfg) -> huggingface.Sources:
    return huggingface.Sources(config.hf_hub_id or "", config.hf_hub_filename or "", config.url or "")


@lru_cache(maxsize=8)
def _categories(count: int) -> tuple[str, ...]:
    from timm.data import ImageNetInfo
    from timm.data.imagenet_info import infer_imagenet_subset

    if count == 1000:  # torchvision's words for the same classes, so that pages speak one language
        from torchvision.models import ResNet18_Weights

        return tuple(ResNet18_Weights.DEFAULT.meta["categories"])
    subset = infer_imagenet_subset({"num_classes": count})
    return tuple(ImageNetInfo(subset).label_descriptions()) if subset else ()


@lru_cache(maxsize=256)
def _record(name: str) -> Backbone:
    config = _config(name)
    with OnMeta():
        model = _create(name, config.input_size[-1])
    return Backbone(
        name=name,
        title=name.removeprefix(TIMM),
        family=family(name),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        input_size=config.input_size[-1],
        num_classes=config.num_classes,
        gflops=None,
        top1=None,
        weights_mb=None,
        year=0,
        paper=HOME,
        source="timm",
    )


def _create(name: str, image_size: int, file: str = "") -> nn.Module:
    """Builds a network for an image size. Those that are made for one size get it."""
    import timm

    logging.getLogger("timm").setLevel(logging.ERROR)
    config = _config(name)
    options: dict[str, Any] = {"num_classes": config.num_classes}
    if file:
        options |= {"pretrained": True, "pretrained_cfg_overlay": {"file": file}}
    plain = name.removeprefix(TIMM).removesuffix(".")
    if image_size == config.input_size[-1]:
        return timm.create_model(plain, **options)
    try:
        return timm.create_model(plain, img_size=image_size, **options)
    except TypeError:  # its builder knows no image size: it takes any, or the traced pass will fail
        return timm.create_model(plain, **options)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise InputError(
            "{name} cannot take images of {size} px. Choose {own} px, its own size, or another backbone.",
            name=name,
            size=image_size,
            own=config.input_size[-1],
        ) from error
