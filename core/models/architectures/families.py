"""The families of networks: what they are called, what they brought, when they appeared and in which paper."""

from __future__ import annotations

import csv
import re
import string
from dataclasses import dataclass
from pathlib import Path

from core.messages import N_


@dataclass(frozen=True, slots=True)
class Family:
    """A line of networks from one paper.

    Attributes:
        title: What it is called; several lines may share a title.
        year: When it appeared.
        paper: Where to read about it.
        paper_title: What the paper is called.
        pattern: Regular expression of its members' registered names, an underscore between digits written as a point.
        member: Template of a member's title; ``{0}`` is the pattern's first group, ``!u`` and ``!t`` capitalise.
    """

    title: str
    year: int
    paper: str
    paper_title: str
    pattern: str
    member: str

    def title_of(self, name: str) -> str | None:
        """Returns the title of network ``name``, or ``None`` if it is not of this family."""
        match = re.fullmatch(self.pattern, re.sub(r"(?<=\d)_(?=\d)", ".", name))
        return _Case().format(self.member, *match.groups()) if match else None


class _Case(string.Formatter):
    """``str.format`` with two more conversions: ``!u`` upper case, ``!t`` title case."""

    def convert_field(self, value: object, conversion: str | None) -> object:
        if conversion == "u":
            return str(value).upper()
        if conversion == "t":
            return str(value).title()
        return super().convert_field(value, conversion)


def _listed() -> tuple[Family, ...]:
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        _header, *rows = csv.reader(file)
    return tuple(Family(title, int(year), *rest) for title, year, *rest in rows)


FAMILIES = _listed()
"""In the order in which the families are shown."""


def find(name: str) -> tuple[str, Family]:
    """Returns the title and the family of network ``name``; one that no family knows stands for itself."""
    for family in FAMILIES:
        title = family.title_of(name)
        if title is not None:
            return title, family
    return name, Family("Other", 0, "", "", re.escape(name), name)


_OF_TIMM = N_(
    "One of the networks that the library timm collects, which are named after the file that defines them. Choose one "
    "when the families above lack what you look for; its accuracy stands in timm's own tables."
)

DESCRIPTIONS = {
    "EfficientNet-Lite": N_(
        "EfficientNet made for phones: no squeeze-and-excitation and ReLU6 throughout, so that it runs in whole "
        "numbers on small chips. Choose it for quick experiments on a laptop; its weights come as a package, "
        "without a download at run time."
    ),
    "AlexNet": N_(
        "The network that began the deep learning wave in 2012: five convolutions and three large dense layers, "
        "trained on two graphics cards. Choose it to see history and large first-layer filters; it is far less "
        "accurate for its size than anything later."
    ),
    "VGG": N_(
        "Nothing but 3 × 3 convolutions, stacked deep, with three dense layers that hold most of the parameters. "
        "Choose it for teaching and for clear feature maps and heatmaps; for its accuracy it is very large and "
        "slow."
    ),
    "GoogLeNet": N_(
        "Brought the Inception module, which looks at the image through windows of several sizes side by side, "
        "and replaced the dense layers by average pooling. Choose it when you want a small classic from before "
        "residual connections."
    ),
    "Inception": N_(
        "Splits large convolutions into cheap small ones (such as 1 × 7 after 7 × 1) and smooths the labels "
        "during training. Choose it for images around 299 px; newer families reach its accuracy with less work."
    ),
    "ResNet": N_(
        "Brought the skip connection: each block adds a correction to its input, so that networks of a hundred "
        "layers can be trained. Choose it as the first baseline for nearly everything; it is well understood, "
        "quick, and freezes well stage by stage."
    ),
    "Wide ResNet": N_(
        "Residual networks with twice the channels in each block instead of more layers. Choose it when accuracy "
        "matters more than size and you have a graphics card: wide layers use it well."
    ),
    "ResNeXt": N_(
        "Splits each residual block into many parallel groups (its cardinality), which gains accuracy at equal "
        "cost. Choose it as a stronger ResNet when a little more time per step is acceptable."
    ),
    "DenseNet": N_(
        "Each layer sees the outputs of all layers before it, so features are reused and parameters are few. "
        "Choose it when the weight file must be small or data are few, as in medical images; it needs more memory"
        " than its size suggests."
    ),
    "SqueezeNet": N_(
        "AlexNet's accuracy with fifty times fewer parameters: 1 × 1 convolutions squeeze the channels before 3 ×"
        " 3 ones expand them. Choose it when the file must be tiny; its accuracy is modest."
    ),
    "MobileNet": N_(
        "Made for phones: depthwise separable convolutions and inverted residual blocks do the work of full "
        "convolutions at a fraction of the cost. Choose it for training on a laptop and for anything that must "
        "answer quickly."
    ),
    "ShuffleNet": N_(
        "Splits the channels into halves, works on one and shuffles them afterwards, designed by measured speed "
        "instead of counted operations. Choose it when speed on small devices counts most."
    ),
    "MNASNet": N_(
        "Found by a search that measured the answer time on a real phone beside the accuracy. Choose it as an "
        "alternative to MobileNet of the same size."
    ),
    "EfficientNet": N_(
        "Scales depth, width and image size together by one factor, from B0 to B7; version 2 also trains faster "
        "by simpler early blocks. Choose it when you want the most accuracy for a given number of parameters and "
        "can wait for the steps."
    ),
    "RegNet": N_(
        "A whole space of simple networks narrowed down to one rule: widths that grow along a straight line. "
        "Choose the size that fits your budget, from 400 million to 128 billion multiply-adds; variant Y adds "
        "squeeze-and-excitation."
    ),
    "Vision Transformer": N_(
        "Cuts the image into patches and lets each of them attend to all others, with hardly any built-in "
        "knowledge of pictures. Choose it with pretrained weights and frozen stages, where it is strong; from "
        "random weights it needs very many images."
    ),
    "Swin Transformer": N_(
        "A transformer that attends within small windows and shifts them from layer to layer, with stages that "
        "shrink like those of a convolutional network. Choose it when you want a transformer that also has maps "
        "at several scales."
    ),
    "ConvNeXt": N_(
        "A ResNet modernised step by step with what transformers had taught: large depthwise kernels, LayerNorm, "
        "fewer activations. Choose it as the strong convolutional network of today; it fine-tunes very well."
    ),
    "MaxViT": N_(
        "Joins convolutions with attention over blocks and over a sparse grid, so that every part can see the "
        "whole image at linear cost. Choose it for accuracy on a graphics card; on a processor it is slow."
    ),
    "Course networks": N_(
        "The small networks of the notes, with every layer small enough to be counted by hand. Choose one to "
        "train from random weights in seconds or minutes, and to see what a network is before it is deep."
    ),
    "Your own": N_(
        "A network of your own pieces: convolutions, norms, activations, pools and dense layers. Choose it to try"
        " an idea; each layer's output size is worked out as it grows."
    ),
}
"""What each family brought, and when to choose it: two sentences each."""


def describe(title: str) -> str:
    """Returns what the family of that title brought and when to choose it, two sentences in English; maybe empty."""
    if title.startswith("timm"):
        return _OF_TIMM
    return DESCRIPTIONS.get(title, "")


def papers(title: str) -> tuple[Family, ...]:
    """Returns the lines of networks that share a title, each with its year and paper."""
    return tuple({family.paper: family for family in FAMILIES if family.title == title}.values())
