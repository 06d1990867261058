"""What an anatomy consists of: records of a network's layers, blocks and stages. Plain values, no modules, no torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from core.errors import InputError
from core.messages import N_
from core.models.anatomy.receptive_field import FLAT, OTHER, RESIZED, WHOLE, WINDOWS, Shape

NECK, HEAD = "neck", "head"
"""Names of the stages that are not the backbone's."""

Pair = tuple[int, int]
"""Height and width."""

_Record = TypeVar("_Record")


NO_FIELD: dict[str, str] = {
    "": N_("It is not computed from the image."),
    WHOLE: N_("Every value depends on the whole image: attention or a global pool has mixed all places."),
    WINDOWS: N_("Values are mixed within windows or pieces of the map, so what one sees depends on where it lies."),
    FLAT: N_("The map has been flattened to one row of values; the layers behind it mix all places."),
    RESIZED: N_("The map has been resized, so its cells see windows of different sizes."),
    OTHER: N_("Its values are picked or mixed in a way that does not keep to windows of one size."),
}
"""Why a layer has no receptive field, by :attr:`Layer.receptive_reason`."""


@dataclass(frozen=True, slots=True)
class Receptive:
    """Which pixels the cells of a feature map can see (Araujo et al. 2019, https://doi.org/10.23915/distill.00021).

    Pixel ``i`` covers the interval from ``i`` to ``i + 1``. All figures are of the input's pixels, height before width.

    Attributes:
        size: Height and width of the window of one cell. It may be larger than the image.
        jump: Pixels from the window of one cell to that of the next.
        start: Centre of the window of the first cell.
    """

    size: Pair
    jump: tuple[float, float]
    start: tuple[float, float]

    def window(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Returns the borders of the window of a cell: top, left, bottom, right; not clipped to the image."""
        middle = [first + step * cell for first, step, cell in zip(self.start, self.jump, (row, column), strict=True)]
        (y, x), (height, width) = middle, self.size
        return (y - height / 2, x - width / 2, y + height / 2, x + width / 2)


@dataclass(frozen=True, slots=True)
class Layer:
    """A module that ran, block or leaf; or a part that holds parameters and did not run by itself.

    Attributes:
        name: Qualified name in the network. A parameter that the network itself owns, such as a class token, is
            listed by its own name.
        kind: Name of its class; ``Parameter`` for such a parameter.
        input_shape: Shape of its first input, without the batch; empty where it is not known.
        output_shape: Shape of its (first) output, without the batch. A module that runs several times in one pass
            reports its last call.
        parameters: Number of parameters in it, those of inner modules included.
        stage: Name of its stage; a block that spans several belongs to its last.
        layout: How its output lies: ``NCHW``, ``NHWC`` (square feature maps), ``tokens`` (grid of patches), or
            ``None`` for anything else.
        leaf: Whether no other module ran inside it.
        kernel: Height and width of its window, for convolutions and pools.
        stride: Steps of the window.
        padding: Pixels added on each side.
        dilation: Distance between the taps of the window.
        groups: Groups of a convolution; equal to the input channels where each channel has its own kernel.
        own_parameters: Number of parameters that it holds itself. Over all layers these add up to the network's.
        formula: Where these come from, with the figures filled in: ``(3*3*3+1)*64 = 1,792``; empty if it has none.
        macs: Multiply-adds for one image, inner modules included.
        own_macs: Multiply-adds that no inner module makes. Over all layers these add up to the network's.
        activation_bytes: Memory of its output for one image in float32.
        own_activation_bytes: Memory that it newly makes for its outputs, all calls together: none where it works in
            place or hands on what a layer inside it made. Over all layers this adds up to the network's.
        receptive: What the cells of its output see; ``None`` where that is not a window of one size.
        receptive_reason: Why not, a key of :data:`NO_FIELD`.
        calls: How many times it ran in one pass; 0 for parts whose parameters another module uses.
    """

    name: str
    kind: str
    input_shape: Shape
    output_shape: Shape
    parameters: int
    stage: str
    layout: str | None
    leaf: bool
    kernel: Pair | None = None
    stride: Pair | None = None
    padding: Pair | None = None
    dilation: Pair | None = None
    groups: int | None = None
    own_parameters: int = 0
    formula: str = ""
    macs: int = 0
    own_macs: int = 0
    activation_bytes: int = 0
    own_activation_bytes: int = 0
    receptive: Receptive | None = None
    receptive_reason: str = ""
    calls: int = 1

    @property
    def map_shape(self) -> tuple[int, int, int] | None:
        """Channels, height and width of its output; ``None`` where that is no map."""
        if len(self.output_shape) != 3:
            return None
        first, second, third = self.output_shape
        return (third, first, second) if self.layout == "NHWC" else (first, second, third)

    @property
    def channels(self) -> int:
        """Channels of its output: of a map, or features of each token or image."""
        return self.map_shape[0] if self.map_shape else self.output_shape[-1]


@dataclass(frozen=True, slots=True)
class Block:
    """A unit that stages are made of: a residual or dense block, a transformer block, a convolution with what follows.

    Attributes:
        name: Qualified name of its module; where none holds it together, that of its first layer with weights (or at
            least parameters); for parameters outside of all units, the parameter's.
        kind: Name of that module's class; ``Parameter`` for such a parameter.
        parameters: Number of its parameters. Over the blocks of a stage these add up to the stage's.
        layers: Names of the modules that hold these parameters directly, in the network's order.
        members: Names of all leaf layers in it, in the order in which they ran.
        skip: How features go around (part of) it: ``add``, ``concat``, or empty.
        branches: Number of paths that run side by side in it and are concatenated; 1 where there is but one.
        spatial: Height and width of the features that leave it; ``None`` where they are no map.
        channels: Channels of these features, likewise.
    """

    name: str
    kind: str
    parameters: int
    layers: tuple[str, ...]
    members: tuple[str, ...]
    skip: str
    branches: int
    spatial: Pair | None
    channels: int | None


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the network that is frozen or trained as a whole.

    Attributes:
        name: ``stage1`` ... ``stageN``, then ``neck`` (layers between the pooled features and the head, where there
            are any), then ``head``.
        parameters: Number of parameters.
        layers: Names of the modules that own these parameters directly, in the network's order.
        spatial: Height and width of the features that leave it; ``None`` for neck and head.
        channels: Channels of these features, likewise.
        parameter_names: Names of the parameters. Over all stages each name occurs exactly once.
        parameter_sizes: Number of values of each, in the same order.
        blocks: The units with parameters that it is made of; they partition its parameters.
    """

    name: str
    parameters: int
    layers: tuple[str, ...]
    spatial: Pair | None
    channels: int | None
    parameter_names: tuple[str, ...]
    parameter_sizes: tuple[int, ...]
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True)  # no slots, for what is worked out once
class Anatomy:
    """What the app needs to know of a network.

    Attributes:
        head: Name of the layer that makes the logits.
        head_kind: ``linear``, or ``conv`` for a 1 x 1 convolution.
        head_features: Number of features (channels) that enter the head.
        num_classes: Number of classes it tells apart.
        cam_layer: Name of the layer whose output the heatmaps weigh; empty if the network has no feature maps.
        layout: How the output of that layer lies: ``NCHW``, ``NHWC`` or ``tokens``.
        grid: Height and width of that layer's feature map. Tokens fold to it once leading class tokens are dropped.
        stages: In order; they partition the parameters.
        layers: Every module that ran, in the order in which they returned last, and every other part with parameters
            just before the module around it.
        input_size: Side of the images it was examined with, in pixels.
        total: Number of all parameters.
        channels: Channels of these images.
        macs: Multiply-adds for one image.
        activation_bytes: Memory of the outputs of all layers together, for one image in float32. What is changed in
            place or handed on counts once.
    """

    head: str
    head_kind: str
    head_features: int
    num_classes: int
    cam_layer: str
    layout: str
    grid: Pair
    stages: tuple[Stage, ...]
    layers: tuple[Layer, ...]
    input_size: int
    total: int
    channels: int = 3
    macs: int = 0
    activation_bytes: int = 0

    @property
    def backbone_stages(self) -> tuple[Stage, ...]:
        """``stage1`` ... ``stageN``, without neck and head."""
        return tuple(stage for stage in self.stages if stage.name not in (NECK, HEAD))

    @cached_property
    def layers_by_name(self) -> dict[str, Layer]:
        """The layers by their name, in the same order."""
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def stages_by_name(self) -> dict[str, Stage]:
        """The stages by their name, in the same order."""
        return {stage.name: stage for stage in self.stages}

    def layer(self, name: str) -> Layer:
        """Returns the layer of that name.

        Raises:
            InputError: The network has no such layer, or it did not run.
        """
        if name not in self.layers_by_name:
            raise InputError("The network has no layer {layer}.", layer=name)
        return self.layers_by_name[name]

    def stage(self, name: str) -> Stage:
        """Returns the stage of that name.

        Raises:
            InputError: The network has no such stage.
        """
        if name not in self.stages_by_name:
            raise InputError(
                "The network has no stage {stage}. Choose one of: {known}.",
                stage=name,
                known=", ".join(self.stages_by_name),
            )
        return self.stages_by_name[name]

    def to_dict(self) -> dict[str, Any]:
        """Returns the anatomy as plain lists, dictionaries, numbers and strings."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Anatomy:
        """Reads what :meth:`to_dict` returned, also after a way through JSON.

        Raises:
            TypeError, AttributeError: It is something else.
        """
        return _rebuilt(cls, record)


_RECORDS: dict[type, dict[str, type]] = {
    Anatomy: {"stages": Stage, "layers": Layer},
    Stage: {"blocks": Block},
    Layer: {"receptive": Receptive},
}
"""Which fields hold records themselves, one or several. All other lists are tuples of plain values."""


def _rebuilt(kind: type[_Record], record: dict[str, Any]) -> _Record:
    """Returns the record that a dictionary was made of."""
    inner = _RECORDS.get(kind, {})
    values: dict[str, Any] = {}
    for name, value in record.items():
        several = isinstance(value, list | tuple)
        if name in inner and value is not None:
            record_type = inner[name]
            values[name] = (
                tuple(_rebuilt(record_type, entry) for entry in value) if several else _rebuilt(record_type, value)
            )
        else:
            values[name] = tuple(value) if several else value
    return kind(**values)
