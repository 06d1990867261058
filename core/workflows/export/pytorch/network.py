"""What the program says of the network: backbone, weights, pooling, head, first values."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from core.models.architectures import efficientnet_lite, small_networks
from core.models.architectures.records import TIMM
from core.models.architectures.sigmoid_output import SigmoidOutput
from core.models.catalog import catalog
from core.models.catalog.torchvision import _AUXILIARY, _options
from core.models.heads import Unroll
from core.models.network import HANDED_ON, Network
from core.specs import ModelSpec
from core.workflows.export.pytorch.source import literal

START = "start.safetensors"
"""What the file with handed-on weights is called beside the program."""
_ASIDE = {"googlenet": ("aux1", "aux2"), "inception_v3": ("AuxLogits",)}


def context(spec: ModelSpec, shape: Network, *, copy_head: bool) -> dict[str, Any]:
    """Returns what ``network.py.j2`` is filled with.

    Args:
        spec: The network.
        shape: Its outline.
        copy_head: Whether handed-on weights come from a network with the same classes, as far as is known.
    """
    handed_on = spec.weights.startswith(HANDED_ON)
    drawn, (kind, _, source) = handed_on or spec.weights == "none", spec.weights.partition(":")
    conv = shape.anatomy.head_kind == "conv"
    narrowed = small_networks.find(spec.backbone) is None and spec.channels not in (
        None,
        catalog.backbone(spec.backbone).channels,
    )
    return {
        "model": spec,
        "prep": shape.preprocessing,
        "drawn": drawn,
        "redrawn": drawn and spec.init != "own",
        "handed_on": ("start.pt" if spec.weights.endswith((".pt", ".pth", ".bin")) else START) if handed_on else "",
        "handed_from": f"best.safetensors of the run {source}" if kind == "run" else source,
        "copy_head": copy_head,
        "START": START,
        "channels": spec.channels if narrowed else None,
        "transforms": spec.backbone in _AUXILIARY and spec.channels == 1,
        "head": {
            "place": shape.anatomy.head,
            "kind": "Conv2d" if conv else "Linear",
            "kernel": ", 1" if conv else "",
            "features": shape.anatomy.head_features,
            "hidden": spec.head.hidden,
            "dropout": spec.head.dropout,
            "single": isinstance(shape.model.get_submodule(shape.anatomy.head), SigmoidOutput),
        },
        **_pooling(spec, shape),
        **{"layers": (), "rows": (), "aside": (), "twin": "", "lite_weights": "", "lite_package": ""},
        **_backbone(spec, shape.preprocessing.crop, drawn=drawn),
    }


def _backbone(spec: ModelSpec, size: int, *, drawn: bool) -> dict[str, Any]:
    """Returns how the backbone is made, and with what it gets its pretrained weights."""
    name, known = spec.backbone, small_networks.resolve(spec)
    if known is not None:
        skeleton = catalog.skeleton(name, known[2], channels=spec.channels, design=spec.design)
        return {"source": "sequence()", "layers": [(place, _layer(part)) for place, part in skeleton.named_children()]}
    if name in efficientnet_lite.VARIANTS:  # written out: torchvision has its blocks, but not the network
        variant = efficientnet_lite.VARIANTS[name]
        rows = [
            (row.expand_ratio, row.kernel, row.stride, row.input_channels, row.out_channels, row.num_layers)
            for row in efficientnet_lite._settings(variant)
        ]
        return {
            "rows": rows,
            "source": f"efficientnet_lite({variant.dropout})",
            "lite_weights": "" if drawn else f"EfficientnetLite{name[-1]}ModelFile",
            "lite_package": efficientnet_lite.package(name).replace("-", "_"),
        }
    own, entry = catalog.preprocessing(name, weights=spec.weights).crop, catalog.entry(name, spec.weights)
    if name.startswith(TIMM):
        name = name.removeprefix(TIMM)
        if not drawn and entry is not None and not entry.default:
            name = f"{name.partition('.')[0]}.{entry.title}"
        options = {"pretrained": not drawn} | ({} if size == own else {"img_size": size})
        return {"source": _call("timm.create_model", name, options)}
    options = {key: value for key, value in _options(name, size, True).items() if value != own}
    bare = _call("models.get_model", name, {"weights": None, **options})
    if drawn:
        return {"source": bare}
    resized = size != own and name.startswith(("vit_", "maxvit_"))
    return {
        "source": _call("models.get_model", name, {"weights": entry.name if entry else "DEFAULT"}),
        "aside": _ASIDE.get(name, ()),
        "twin": bare if resized else "",
    }


def _call(function: str, name: str, options: dict[str, Any]) -> str:
    return f"{function}({', '.join([literal(name), *(f'{key}={literal(value)}' for key, value in options.items())])})"


def _layer(module: nn.Module) -> str:
    """Writes a plain layer with the settings that its class takes."""
    if isinstance(module, SigmoidOutput):  # exchanged for the head
        module = nn.Linear(module.in_features, 1, device="meta")
    given = []
    for name, parameter in list(inspect.signature(type(module).__init__).parameters.items())[1:]:
        value = getattr(module, name, None)
        if name in ("device", "dtype", "bias") or parameter.kind is parameter.VAR_KEYWORD or value is None:
            continue
        if isinstance(value, tuple) and len(set(value)) == 1 and not isinstance(module, nn.Unflatten):
            value = value[0]
        if parameter.default is parameter.empty:
            given.append(literal(value))
        elif value != parameter.default:
            given.append(f"{name}={literal(value)}")
    return f"nn.{type(module).__name__}({', '.join(given)})"


def _pooling(spec: ModelSpec, shape: Network) -> dict[str, list[tuple[str, str]]]:
    """Returns what was exchanged or appended between the last feature map and the head, by place."""
    found: dict[str, list[tuple[str, str]]] = {"exchanged": [], "appended": []}
    if spec.head.pool == "own":
        return found
    size, head = shape.preprocessing.crop, shape.anatomy.head
    skeleton = catalog.skeleton(spec.backbone, size, channels=spec.channels, design=spec.design)
    before = {name: type(module) for name, module in skeleton.named_modules()}
    for name, module in shape.model.named_modules():
        if name == head or name.startswith(f"{head}.") or before.get(name) is type(module):
            continue
        if isinstance(module, Unroll):
            kind = "nn.Flatten(1)" if module.plain else "nn.Sequential(nn.Flatten(1), nn.Unflatten(1, (-1, 1, 1)))"
        else:
            kind = "nn.Identity()" if isinstance(module, nn.Identity) else "nn.AdaptiveAvgPool2d(1)"
        if name in before:
            found["exchanged"].append((name, kind))
        else:
            found["appended"].append((name.rpartition(".")[0], kind))
    return found
