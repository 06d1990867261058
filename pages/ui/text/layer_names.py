"""What layers are called on the screen: by what they are; the module path is said beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from core.models.anatomy.layer_titles import LayerTitle
    from core.models.anatomy.records import Anatomy

SORTS = {
    "convolution": N_("convolution {size}"),
    "depthwise": N_("depthwise {size}"),
    "grouped": N_("grouped convolution {size}"),
    "transposed": N_("transposed convolution {size}"),
    "linear": N_("linear"),
    "attention": N_("attention"),
    "blocks": "",
    "block": "",
}
UNITS = {
    "convolution": N_("convolution {size} with norm"),
    "depthwise": N_("depthwise {size} with norm"),
    "grouped": N_("grouped convolution {size} with norm"),
    "transposed": N_("transposed convolution {size} with norm"),
}
KINDS = {
    "MaxPool2d": N_("max pool"),
    "AvgPool2d": N_("average pool"),
    "AdaptiveAvgPool2d": N_("global average pool"),
    "AdaptiveMaxPool2d": N_("global max pool"),
    "BatchNorm2d": N_("batch norm"),
    "LayerNorm": N_("layer norm"),
    "LayerNorm2d": N_("layer norm"),
    "GroupNorm": N_("group norm"),
    "Flatten": N_("flatten"),
    "Dropout": N_("dropout"),
    "StochasticDepth": N_("stochastic depth"),
    "Identity": N_("identity"),
    "SqueezeExcitation": N_("squeeze and excitation"),
    "Conv2dNormActivation": N_("convolution with norm"),
    "ConvNormAct": N_("convolution with norm"),
    "SameConv2d": N_("convolution"),
    "Sequential": N_("part"),
    "Parameter": N_("parameter"),
}
"""Classes that people know by another name; others go by their own."""
_ENDS = {"neck": N_("Neck"), "head": N_("Head")}


def stage(name: str) -> str:
    """Returns what a stage is called."""
    number = name.removeprefix("stage")
    return _("Stage {n}").format(n=number) if number.isdigit() else _(_ENDS.get(name, N_("Head")))


def layer(anatomy: Anatomy, name: str) -> str:
    """Returns what a layer is called, such as *Stage 4, block 2, depthwise 3 × 3*; unique within its network."""
    from core.models.anatomy.layer_titles import layer_titles

    title = layer_titles(anatomy).get(name)
    return name if title is None else _words(title)


def sort(anatomy: Anatomy, name: str, kind: str) -> str:
    """Returns what a layer or block is, without where it stands, such as *depthwise 3 × 3*; else its class.

    Args:
        anatomy: The network's anatomy.
        name: Its module path.
        kind: Its class.
    """
    from core.models.anatomy.layer_titles import layer_titles

    title = layer_titles(anatomy).get(name)
    return (_what(title) if title else "") or (_(KINDS[kind]) if kind in KINDS else kind)


def in_block(anatomy: Anatomy, name: str, kind: str) -> str:
    """Returns what a layer is called among those of its block, such as *Depthwise 3 × 3*; unique there.

    Args:
        anatomy: The network's anatomy.
        name: Its module path.
        kind: Its class.
    """
    from core.models.anatomy.layer_titles import layer_titles

    title, text = layer_titles(anatomy).get(name), sort(anatomy, name, kind)
    text = text[:1].upper() + text[1:]
    return _("{layer} ({n})").format(layer=text, n=title.number) if title and title.number else text


def _words(title: LayerTitle) -> str:
    where = stage(title.stages[0])
    if len(title.stages) > 1:
        where = _("{first} to {last}").format(first=where, last=stage(title.stages[-1]).lower())
    parts = [where]
    if len(title.blocks) == 1:
        parts.append(_("block {n}").format(n=title.blocks[0]))
    elif title.blocks:
        parts.append(_("blocks {a} to {b}").format(a=title.blocks[0], b=title.blocks[1]))
    what = _what(title)
    if what:
        parts.append(what)
    text = ", ".join(parts)
    return _("{layer} ({n})").format(layer=text, n=title.number) if title.number else text


def _what(title: LayerTitle) -> str:
    size = "{} × {}".format(*title.kernel) if title.kernel else ""
    template = (UNITS if title.unit else SORTS).get(title.sort)
    if template is not None:
        return _(template).format(size=size) if template else ""
    known = _(KINDS[title.kind]) if title.kind in KINDS else title.kind
    return f"{known} {size}" if title.kernel else known
