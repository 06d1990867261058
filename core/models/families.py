"""The families of networks: what they are called, when they appeared and in which paper."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Family:
    """A line of networks from one paper.

    Attributes:
        title: What it is called; several lines may share a title.
        year: When it appeared.
        paper: Where to read about it.
        pattern: Regular expression of its members' registered names, an underscore between digits written as a point.
        member: Template of a member's title; ``{0}`` is the pattern's first group, ``!u`` and ``!t`` capitalise.
    """

    title: str
    year: int
    paper: str
    pattern: str
    member: str

    def title_of(self, name: str) -> str | None:
        """Returns the title of network ``name``, or ``None`` if it is not of this family."""
        match = re.fullmatch(self.pattern, re.sub(r"(?<=\d)_(?=\d)", ".", name))
        return _Case().format(self.member, *match.groups()) if match else None


class _Case(string.Formatter):
    """``str.format`` with two more conversions: ``!u`` upper case, ``!t`` title case."""

    def convert_field(self, value: Any, conversion: Any) -> Any:
        if conversion == "u":
            return str(value).upper()
        if conversion == "t":
            return str(value).title()
        return super().convert_field(value, conversion)


_ARXIV = "https://arxiv.org/abs/"
_LITE = "https://blog.tensorflow.org/2020/03/higher-accuracy-on-vision-models-with-efficientnet-lite.html"

FAMILIES = (
    Family("EfficientNet-Lite", 2020, _LITE, r"efficientnet_lite(\d)", "EfficientNet-Lite{0}"),
    Family("AlexNet", 2012, _ARXIV + "1404.5997", r"alexnet", "AlexNet"),
    Family("VGG", 2014, _ARXIV + "1409.1556", r"vgg(\d+)", "VGG-{0}"),
    Family("VGG", 2014, _ARXIV + "1409.1556", r"vgg(\d+)_bn", "VGG-{0} BN"),
    Family("GoogLeNet", 2014, _ARXIV + "1409.4842", r"googlenet", "GoogLeNet"),
    Family("Inception", 2015, _ARXIV + "1512.00567", r"inception_v(\d+)", "Inception v{0}"),
    Family("ResNet", 2015, _ARXIV + "1512.03385", r"resnet(\d+)", "ResNet-{0}"),
    Family("Wide ResNet", 2016, _ARXIV + "1605.07146", r"wide_resnet(\d+)\.(\d+)", "Wide ResNet-{0}-{1}"),
    Family("ResNeXt", 2016, _ARXIV + "1611.05431", r"resnext(\d+)\.(\w+)", "ResNeXt-{0} {1}"),
    Family("DenseNet", 2016, _ARXIV + "1608.06993", r"densenet(\d+)", "DenseNet-{0}"),
    Family("SqueezeNet", 2016, _ARXIV + "1602.07360", r"squeezenet([\d.]+)", "SqueezeNet {0}"),
    Family("MobileNet", 2018, _ARXIV + "1801.04381", r"mobilenet_v2", "MobileNetV2"),
    Family("MobileNet", 2019, _ARXIV + "1905.02244", r"mobilenet_v3_(\w+)", "MobileNetV3-{0!t}"),
    Family("ShuffleNet", 2018, _ARXIV + "1807.11164", r"shufflenet_v2_x([\d.]+)", "ShuffleNetV2 {0}×"),
    Family("MNASNet", 2018, _ARXIV + "1807.11626", r"mnasnet([\d.]+)", "MNASNet {0}"),
    Family("EfficientNet", 2019, _ARXIV + "1905.11946", r"efficientnet_(b\d)", "EfficientNet-{0!u}"),
    Family("EfficientNet", 2021, _ARXIV + "2104.00298", r"efficientnet_v2_(\w)", "EfficientNetV2-{0!u}"),
    Family("RegNet", 2020, _ARXIV + "2003.13678", r"regnet_([xy])_([\d.]+[gm]f)", "RegNet{0!u}-{1!u}"),
    Family("Vision Transformer", 2020, _ARXIV + "2010.11929", r"vit_(\w)_(\d+)", "ViT-{0!u}/{1}"),
    Family("Swin Transformer", 2021, _ARXIV + "2103.14030", r"swin_(\w)", "Swin-{0!u}"),
    Family("Swin Transformer", 2021, _ARXIV + "2111.09883", r"swin_v2_(\w)", "Swin V2-{0!u}"),
    Family("ConvNeXt", 2022, _ARXIV + "2201.03545", r"convnext_(\w+)", "ConvNeXt-{0!t}"),
    Family("MaxViT", 2022, _ARXIV + "2204.01697", r"maxvit_(\w)", "MaxViT-{0!u}"),
)
"""In the order in which the families are shown."""


def find(name: str) -> tuple[str, Family]:
    """Returns the title and the family of network ``name``; one that no family knows stands for itself."""
    for family in FAMILIES:
        title = family.title_of(name)
        if title is not None:
            return title, family
    return name, Family("Other", 0, "", re.escape(name), name)
