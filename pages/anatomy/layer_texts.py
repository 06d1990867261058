"""What each kind of layer does, in a sentence."""

from __future__ import annotations

from pages.ui.text.i18n import N_, _

LAYER_TEXTS = {
    "Conv2d": N_("Slides small kernels over its input; each kernel gives one channel of the output."),
    "BatchNorm2d": N_(
        "Brings each channel to mean 0 and variance 1, then scales and shifts it by what it has learned."
    ),
    "LayerNorm": N_("Brings the features of each position to mean 0 and variance 1, then scales and shifts them."),
    "GroupNorm": N_("Brings groups of channels of each image to mean 0 and variance 1, then scales and shifts them."),
    "Linear": N_("Every output is a weighted sum of all inputs, and a bias."),
    "ReLU": N_("Keeps what is positive and sets the rest to zero."),
    "ReLU6": N_("Keeps what lies between 0 and 6; below it gives 0, above it gives 6."),
    "LeakyReLU": N_("Keeps what is positive and shrinks the rest."),
    "GELU": N_("Keeps large values and fades small ones out smoothly."),
    "SiLU": N_("Multiplies each value by its own sigmoid: a smooth ReLU."),
    "Hardswish": N_("A SiLU of straight lines, which is cheaper to compute."),
    "Sigmoid": N_("Squeezes each value between 0 and 1, here mostly to weigh channels."),
    "Hardsigmoid": N_("A sigmoid of straight lines, here mostly to weigh channels."),
    "MaxPool2d": N_("Keeps the largest value under its window, so the map becomes smaller."),
    "AvgPool2d": N_("Keeps the mean under its window, so the map becomes smaller."),
    "AdaptiveAvgPool2d": N_("Averages the map down to a given size, whatever its size was."),
    "Dropout": N_("Drops values at random while training, so that none is relied upon alone; rests otherwise."),
    "StochasticDepth": N_("Leaves out a whole branch at random while training; rests otherwise."),
    "MultiheadAttention": N_("Lets each position gather from all others what is like what it looks for."),
    "Flatten": N_("Lays all values in one row."),
    "Identity": N_("Hands on what it gets."),
}
ALIKE = {
    "LinearHead": "Linear",
    "ConvHead": "Conv2d",
    "NonDynamicallyQuantizableLinear": "Linear",
    "LayerNorm2d": "LayerNorm",
    "Conv2dSame": "Conv2d",
    "SameConv2d": "Conv2d",
}


def about(kind: str) -> str:
    """Returns a sentence about a kind of layer, by its class's name; empty for an unknown one."""
    return _(LAYER_TEXTS.get(ALIKE.get(kind, kind), ""))
