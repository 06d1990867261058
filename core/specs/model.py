"""Which network, from which weights, with which head, and what of it may learn."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from core.errors import InputError
from core.specs.checks import number, one_of, whole
from core.specs.data import FITS, NORMALISATIONS

WEIGHTS = ("default", "none")
"""Where weights come from, beside the name of one of a backbone's own entries, ``run:ID`` and ``file:PATH``."""
INITS = ("own", "xavier-uniform", "xavier-normal", "he-uniform", "he-normal", "orthogonal", "zeros", "ones")
POOLS = ("own", "average", "flatten")
LEARNS = ("all", "norm-bias")
NORM_MODES = ("eval", "train")

PIECES: Mapping[str, tuple[str, ...]] = {
    "conv": ("size", "kernel", "stride", "padding"),
    "batch-norm": (),
    "relu": (),
    "leaky-relu": ("rate",),
    "elu": (),
    "gelu": (),
    "tanh": (),
    "sigmoid": (),
    "max-pool": ("kernel", "stride", "padding"),
    "average-pool": ("kernel", "stride", "padding"),
    "dropout": ("rate",),
    "global-average-pool": (),
    "flatten": (),
    "linear": ("size",),
    "transposed-conv": ("size", "kernel", "stride", "padding"),
    "unflatten": ("size",),
}
"""What a network of one's own is built from, and which settings each piece has."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One layer of a network of one's own.

    Attributes:
        kind: One of :data:`PIECES`.
        size: Output channels of a convolution, output features of a linear layer, channels of an unflattened map.
        kernel: Side of the window of a convolution or a pool, in pixels.
        stride: Step of that window; 0 for 1 (convolution) or the window's side (pool).
        padding: Pixels added on each side.
        rate: Probability of a dropout, slope of a leaky ReLU for negative values.
    """

    kind: str
    size: int = 0
    kernel: int = 0
    stride: int = 0
    padding: int = 0
    rate: float = 0.0

    def __post_init__(self) -> None:
        one_of("kind", self.kind, tuple(PIECES))
        allowed = PIECES[self.kind]
        for name in ("size", "kernel", "stride", "padding", "rate"):
            value = getattr(self, name)
            if name not in allowed:
                if value:
                    raise InputError("A piece of kind {kind} has no {name}.", kind=self.kind, name=name)
            elif name == "rate":
                number("rate", value, low=0.0, high=0.95)
            else:
                low = 1 if name in ("size", "kernel") else 0
                whole(name, value, low=low, high={"size": 16_384, "kernel": 63, "stride": 63, "padding": 31}[name])


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """What stands between the backbone's features and the classes.

    Attributes:
        hidden: Sizes of hidden layers, each followed by ReLU and dropout: ``()`` for one linear layer, ``(256,)``
            for Linear(256)-ReLU-Dropout-Linear.
        pool: ``own`` for what the network itself makes of its last feature map; ``average`` for the mean of each
            channel; ``flatten`` for every value of the map. The latter two leave out the network's neck.
        dropout: Probability of dropping a feature before the last layer.
    """

    hidden: tuple[int, ...] = ()
    pool: str = "own"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.hidden, tuple) or len(self.hidden) > 4:
            raise InputError("hidden must be a list of at most 4 layer sizes.")
        for size in self.hidden:
            whole("hidden", size, low=1, high=16_384)
        one_of("pool", self.pool, POOLS)
        number("dropout", self.dropout, low=0.0, high=0.95)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which network, from which weights, with which head.

    Attributes:
        backbone: Name in :data:`core.models.catalog.catalog.BACKBONES`, or ``timm/NAME``.
        weights: ``default`` for the pretrained weights, ``none`` for random ones, an entry's own name such as
            ``IMAGENET1K_V1``, ``run:ID`` for an earlier run's, or ``file:PATH``.
        image_size: Side of the network's square input, in pixels; ``None`` for the backbone's own.
        channels: 3 for RGB, 1 for gray; ``None`` for the backbone's own.
        init: How random weights are drawn, one of :data:`INITS`; ``own`` for the network's own way.
        init_bias: Value of the biases where ``init`` is not ``own``.
        head: What replaces the network's own classifier.
        design: The pieces of a network of one's own; empty for a network as it is known by its name.
        fit: How an image becomes a square: ``squeeze``, ``crop`` or ``pad``.
        normalise: How its colours are normalised, one of :data:`core.specs.data.NORMALISATIONS`.
        colours: Mean and deviation of red, green and blue where ``normalise`` is ``data``, as they were measured.
    """

    backbone: str
    weights: str = "default"
    image_size: int | None = None
    channels: int | None = None
    init: str = "own"
    init_bias: float = 0.0
    head: HeadSpec = field(default_factory=HeadSpec)
    design: tuple[Piece, ...] = ()
    fit: str = "crop"
    normalise: str = "weights"
    colours: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.backbone, str) or not self.backbone:
            raise InputError("No backbone is named. See them all with: python -m core backbones")
        if not isinstance(self.weights, str) or not _WEIGHTS.fullmatch(self.weights):
            raise InputError(
                "weights is {weights}. Choose default, none, the name of one of the backbone's entries, run:ID or "
                "file:PATH.",
                weights=self.weights,
            )
        if self.image_size is not None:
            whole("image_size", self.image_size, low=8, high=1024)
        if self.channels is not None:
            one_of("channels", self.channels, (1, 3))
        one_of("init", self.init, INITS)
        number("init_bias", self.init_bias, low=-10.0, high=10.0)
        if not isinstance(self.head, HeadSpec):
            raise InputError("{name} must be a JSON object.", name="head")
        if not isinstance(self.design, tuple) or not all(isinstance(piece, Piece) for piece in self.design):
            raise InputError("design must be a list of pieces.")
        one_of("fit", self.fit, FITS)
        one_of("normalise", self.normalise, NORMALISATIONS)
        rows = self.colours if isinstance(self.colours, tuple) else (None,)
        known = len(rows) == 2 and all(isinstance(row, tuple) and len(row) == 3 for row in rows)
        if known != (self.normalise == "data") or bool(rows) != known:
            raise InputError(
                "normalise is {value}, but colours {state}. They hold mean and deviation where the data decide.",
                value=self.normalise,
                state="are there" if self.colours else "are missing",
            )
        for row in self.colours:
            for value in row:
                number("colours", value, low=0.0, high=1.0, above=row is self.colours[1])
        if len(self.design) > 200:
            raise InputError("The design has {count} pieces. At most 200 are built.", count=len(self.design))


_WEIGHTS = re.compile(r"default|none|[A-Z][A-Za-z0-9_.]*|(run|file):.+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FreezePlan:
    """What of the backbone may learn. The head always learns.

    The last stages learn; on top of that, single parts can be thawed or held by name. Of two names that both hold a
    parameter, the longer (inner) one decides.

    Attributes:
        trainable_stages: How many of the backbone's last stages learn (a neck counts with the last stage);
            0 for none, ``"all"`` for the whole backbone.
        thaw: Names of further parts that learn: stages (``stage2``, ``neck``) or modules (``layer1.0.conv1``).
        hold: Names of parts that stay frozen although their stage learns.
        learns: Which parameters of these parts learn: ``all``, or ``norm-bias`` for the scales and shifts of
            normalisation layers and all biases alone (Frankle et al. 2021, arXiv:2003.00152; Zaken et al. 2022,
            arXiv:2106.10199).
        norm: Mode of BatchNorm layers whose own parameters are frozen: ``eval`` keeps the pretrained statistics (the
            default, and what makes frozen features reusable), ``train`` lets them drift with each batch.
    """

    trainable_stages: int | Literal["all"] = 0
    thaw: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()
    learns: str = "all"
    norm: str = "eval"

    def __post_init__(self) -> None:
        if self.trainable_stages != "all":
            if isinstance(self.trainable_stages, str):
                raise InputError(
                    'trainable_stages is {value}. It must be a whole number from 0 or "all".',
                    value=repr(self.trainable_stages),
                )
            whole("trainable_stages", self.trainable_stages, low=0, high=100)
        for key, names in (("thaw", self.thaw), ("hold", self.hold)):
            if not isinstance(names, tuple) or not all(isinstance(name, str) and name for name in names):
                raise InputError("{key} must be a list of names of stages or layers.", key=key)
        both = sorted(set(self.thaw) & set(self.hold))
        if both:
            raise InputError("{part} stands in both thaw and hold. Keep it in one of them.", part=both[0])
        one_of("learns", self.learns, LEARNS)
        one_of("norm", self.norm, NORM_MODES)

    @property
    def plain(self) -> bool:
        """Whether it is nothing but a number of last stages."""
        return not self.thaw and not self.hold and self.learns == "all"

    def last_stages(self, count: int) -> int:
        """Returns how many of a backbone's ``count`` stages learn under a plain plan, at least one."""
        return count if self.trainable_stages == "all" else min(max(1, self.trainable_stages), count)
