"""What each layer of a network is: its stage, its block, its sort and its kernel, so that it can be called by that."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.models.anatomy.records import Anatomy, Block, Layer, Pair

SORTS = (
    *("convolution", "depthwise", "grouped", "transposed", "pool", "norm", "activation", "attention", "linear"),
    *("parameter", "block", "blocks", "part", "other"),
)
"""What a layer can be. A ``part`` is a module within a block that has no convolution of its own, or several; ``blocks``
are a module round several of them; ``other`` is any other layer."""

_KEPT = "layer_titles"
_ACTIVATIONS = frozenset(
    (
        *("ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "Hardswish"),
        *("Hardsigmoid", "Hardtanh", "Sigmoid", "Tanh", "Softplus", "Softmax", "GLU"),
    )
)


@dataclass(frozen=True, slots=True)
class LayerTitle:
    """What a layer is called by; two layers of a network never have equal titles.

    Attributes:
        stages: Names of its stages, mostly one, in order.
        blocks: Numbers in their stage, from 1, of the blocks that it is (part of): first and last. Empty where its
            stage has but one block, or it stands in none.
        sort: One of :data:`SORTS`.
        kind: Name of its class.
        kernel: Height and width of its window, or of that of the one convolution in it.
        unit: Whether it is a convolution together with what follows it, a norm or an activation.
        number: Which it is of those that are called alike otherwise, from 1; 0 where there is but one.
    """

    stages: tuple[str, ...]
    blocks: tuple[int, ...]
    sort: str
    kind: str
    kernel: Pair | None = None
    unit: bool = False
    number: int = 0


def layer_titles(anatomy: Anatomy) -> dict[str, LayerTitle]:
    """Returns the title of every layer of a network, by its name; worked out once."""
    found: dict[str, LayerTitle] | None = anatomy.__dict__.get(_KEPT)
    if found is None:
        found = anatomy.__dict__[_KEPT] = _titles(anatomy)  # as functools.cached_property does
    return found


def _titles(anatomy: Anatomy) -> dict[str, LayerTitle]:
    places = _Places(anatomy)
    titles = {layer.name: _title(layer, places) for layer in anatomy.layers}
    alike = Counter(titles.values())
    seen: Counter[LayerTitle] = Counter()
    for name, title in titles.items():
        if alike[title] > 1:
            seen[title] += 1
            titles[name] = replace(title, number=seen[title])
    return titles


class _Places:
    """In which blocks the layers of a network stand."""

    def __init__(self, anatomy: Anatomy) -> None:
        self.layers = anatomy.layers
        self.blocks: list[tuple[str, int, Block]] = []
        self.single: set[str] = set()
        self.of_member: dict[str, int] = {}
        for stage in anatomy.stages:
            if len(stage.blocks) == 1:
                self.single.add(stage.name)
            for number, block in enumerate(stage.blocks, 1):
                for member in (block.name, *block.members):
                    self.of_member[member] = len(self.blocks)
                self.blocks.append((stage.name, number, block))

    def of(self, layer: Layer) -> list[int]:
        """Returns which blocks a layer is, is part of, or holds."""
        if layer.name in self.of_member:
            place = self.of_member[layer.name]
            return [place] if self.blocks[place][0] == layer.stage else []
        around = [i for i, (_s, _n, block) in enumerate(self.blocks) if layer.name.startswith(f"{block.name}.")]
        if around:
            return around[-1:]
        inside = [i for i, (_s, _n, block) in enumerate(self.blocks) if block.name.startswith(f"{layer.name}.")]
        held = {self.of_member.get(leaf.name) for leaf in self.leaves(layer)}
        return inside or sorted(place for place in held if place is not None)

    def leaves(self, layer: Layer) -> list[Layer]:
        """Returns the leaf layers within a layer."""
        return [leaf for leaf in self.layers if leaf.leaf and leaf.name.startswith(f"{layer.name}.")]


def _title(layer: Layer, places: _Places) -> LayerTitle:
    found = places.of(layer)
    stages = tuple(dict.fromkeys(places.blocks[place][0] for place in found)) or (layer.stage,)
    numbers: tuple[int, ...] = ()
    if found and len(stages) == 1 and stages[0] not in places.single:
        numbers = tuple(dict.fromkeys(places.blocks[place][1] for place in (found[0], found[-1])))
    if layer.leaf or not layer.output_shape:
        return LayerTitle(stages, numbers, _sort(layer), layer.kind, layer.kernel)
    if len(found) > 1:
        return LayerTitle(stages, numbers, "blocks", "")
    if found and places.blocks[found[0]][2].name == layer.name:
        return LayerTitle(stages, numbers, "block", "")
    convolutions = [leaf for leaf in places.leaves(layer) if leaf.kernel and "Conv" in leaf.kind]
    if len(convolutions) == 1 and all(
        _sort(leaf) in ("norm", "activation") for leaf in places.leaves(layer) if leaf is not convolutions[0]
    ):
        inner = convolutions[0]
        return LayerTitle(stages, numbers, _sort(inner), "", inner.kernel, unit=True)
    return LayerTitle(stages, numbers, "attention" if _attends(layer.kind) else "part", layer.kind)


def _sort(layer: Layer) -> str:
    """Returns what a single layer is."""
    kind = layer.kind
    if kind == "Parameter":
        return "parameter"
    if layer.kernel and "Conv" in kind:
        inputs = layer.input_shape[0] if layer.input_shape else 0
        if "Transpose" in kind:
            return "transposed"
        return "depthwise" if 1 < inputs == layer.groups else "grouped" if (layer.groups or 1) > 1 else "convolution"
    if kind in _ACTIVATIONS:
        return "activation"
    words = {"Pool": "pool", "Norm": "norm", "Linear": "linear"}
    if _attends(kind):
        return "attention"
    return next((sort for word, sort in words.items() if word in kind), "other")


def _attends(kind: str) -> bool:
    return "Attention" in kind or "Attn" in kind
