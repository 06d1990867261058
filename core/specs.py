"""The frozen records that everything else speaks in: what an experiment is.

An :class:`Experiment` says completely what a run will do. It is validated when it is made, and it goes to JSON and
back without loss, so that a page, the command line and a run folder mean the same thing by it. This module loads
neither torch nor numpy.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from core.errors import InputError

SCHEMA = 1
"""Version of ``experiment.json``; raised when an older file could be misread."""

SPLITS = ("train", "val", "test")
WEIGHTS = ("default", "none")
PRESETS = ("linear-probe", "fine-tune", "two-phase", "full", "scratch")
OPTIMIZERS = ("adamw", "adam", "sgd", "rmsprop")
SCHEDULES = ("constant", "cosine")
PRECISIONS = ("auto", "fp32", "bf16")
NORM_MODES = ("eval", "train")
TRAINS = ("head", "plan")
AUGMENTATIONS = ("none", "basic", "strong")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How pixels become a network's input: resize the short side, crop the centre, scale to 0..1, normalise.

    Attributes:
        resize: Length of the short side after resizing, in pixels.
        crop: Side of the square centre crop, in pixels; the network's input size.
        mean: Mean of red, green and blue, on the 0..1 scale.
        std: Standard deviation of red, green and blue, on the 0..1 scale.
        interpolation: ``bilinear`` or ``bicubic``, always antialiased.
    """

    resize: int
    crop: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

    def __post_init__(self) -> None:
        _whole("crop", self.crop, low=1, high=4096)
        _whole("resize", self.resize, low=self.crop, high=8192)
        _one_of("interpolation", self.interpolation, ("bilinear", "bicubic"))

    def at(self, image_size: int | None) -> Preprocessing:
        """Returns the same preprocessing for another input size, the margin around the crop kept in proportion."""
        if image_size is None or image_size == self.crop:
            return self
        return dataclasses.replace(self, crop=image_size, resize=round(image_size * self.resize / self.crop))


@dataclass(frozen=True, slots=True)
class DataSpec:
    """Which images, and how they are divided.

    Attributes:
        source: Name of an embedded data set, or a folder's path.
        val_share: Share of the images held out for validation, where the data bring no split of their own.
        test_share: Share held out for the final test, likewise; 0 for none.
        seed: Seed of the division (and of generated images).
        images_per_class: At most so many images of each class, for a quick look; ``None`` for all.
    """

    source: str
    val_share: float = 0.2
    test_share: float = 0.0
    seed: int = 0
    images_per_class: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.source, str) or not self.source.strip():
            raise InputError("No data are named. Give the name of an embedded data set or a folder.")
        _number("val_share", self.val_share, low=0.0, high=0.9)
        _number("test_share", self.test_share, low=0.0, high=0.9)
        if self.val_share <= 0:
            raise InputError("val_share is 0, but a run needs validation images. Set a share above 0, such as 0.2.")
        if self.val_share + self.test_share > 0.9:
            raise InputError(
                "val_share and test_share add up to {sum}. Leave at least 0.1 of the images for training.",
                sum=round(self.val_share + self.test_share, 3),
            )
        _whole("seed", self.seed, low=0, high=2**32 - 1)
        if self.images_per_class is not None:
            _whole("images_per_class", self.images_per_class, low=1, high=10**7)


@dataclass(frozen=True, slots=True)
class AugmentSpec:
    """Random changes made to training images, and to training images only, each time they are seen.

    Attributes:
        flip: Mirror left and right with probability one half.
        crop_scale: Smallest share of the image's area that a random crop keeps; 1 for no random crop.
        rotation: Largest rotation either way, in degrees.
        color: Strength of brightness, contrast and saturation changes, 0 to 1 (0.2 varies each by up to 20 %).
    """

    flip: bool = False
    crop_scale: float = 1.0
    rotation: float = 0.0
    color: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.flip, bool):
            raise InputError("flip is {value}. It must be true or false.", value=self.flip)
        _number("crop_scale", self.crop_scale, low=0.05, high=1.0)
        _number("rotation", self.rotation, low=0.0, high=180.0)
        _number("color", self.color, low=0.0, high=1.0)

    @property
    def active(self) -> bool:
        """Whether anything is changed at all."""
        return self != AugmentSpec()

    @classmethod
    def preset(cls, name: str) -> AugmentSpec:
        """Returns the settings behind ``none``, ``basic`` (flip and mild crop) or ``strong``."""
        _one_of("augment", name, AUGMENTATIONS)
        return {
            "none": cls(),
            "basic": cls(flip=True, crop_scale=0.7),
            "strong": cls(flip=True, crop_scale=0.4, rotation=15.0, color=0.3),
        }[name]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which network, from which weights.

    Attributes:
        backbone: Name in :data:`core.models.catalog.BACKBONES`.
        weights: ``default`` for the pretrained weights, ``none`` for random ones.
        image_size: Side of the network's square input, in pixels; ``None`` for the backbone's own.
        dropout: Probability of dropping a feature before the new head's linear layer.
    """

    backbone: str
    weights: str = "default"
    image_size: int | None = None
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.backbone, str) or not self.backbone:
            raise InputError("No backbone is named. See them all with: python -m core backbones")
        _one_of("weights", self.weights, WEIGHTS)
        if self.image_size is not None:
            _whole("image_size", self.image_size, low=16, high=1024)
        _number("dropout", self.dropout, low=0.0, high=0.95)


@dataclass(frozen=True, slots=True)
class FreezePlan:
    """What of the backbone may learn. The head always learns.

    Attributes:
        trainable_stages: How many of the backbone's last stages learn (a neck counts with the last stage);
            0 for none, ``"all"`` for the whole backbone.
        norm: Mode of BatchNorm layers in frozen stages: ``eval`` keeps the pretrained statistics (the default,
            and what makes frozen features reusable), ``train`` lets them drift with each batch.
    """

    trainable_stages: int | Literal["all"] = 0
    norm: str = "eval"

    def __post_init__(self) -> None:
        if self.trainable_stages != "all":
            if isinstance(self.trainable_stages, str):
                raise InputError(
                    'trainable_stages is {value}. It must be a whole number from 0 or "all".',
                    value=repr(self.trainable_stages),
                )
            _whole("trainable_stages", self.trainable_stages, low=0, high=100)
        _one_of("norm", self.norm, NORM_MODES)


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of training with one set of trainable parts, one optimizer and one schedule.

    Attributes:
        name: Stable name, such as ``head`` or ``fine-tune``.
        trains: ``head`` for the head alone, ``plan`` for the head and what the experiment's freeze plan leaves free.
        epochs: Number of passes over the training images.
        optimizer: One of :data:`OPTIMIZERS`.
        lr: Learning rate of the head.
        backbone_factor: The backbone's learning rate as a multiple of ``lr``.
        weight_decay: Decoupled for AdamW, L2 for the others.
        momentum: For SGD and RMSprop.
        schedule: ``constant``, or ``cosine`` from ``lr`` to 0 over the phase.
    """

    name: str
    trains: str
    epochs: int
    optimizer: str = "adamw"
    lr: float = 1e-3
    backbone_factor: float = 1.0
    weight_decay: float = 0.0
    momentum: float = 0.9
    schedule: str = "constant"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InputError("A phase has no name.")
        _one_of("trains", self.trains, TRAINS)
        _whole("epochs", self.epochs, low=1, high=100_000)
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _number("lr", self.lr, low=0.0, high=100.0, above=True)
        _number("backbone_factor", self.backbone_factor, low=0.0, high=1000.0, above=True)
        _number("weight_decay", self.weight_decay, low=0.0, high=10.0)
        _number("momentum", self.momentum, low=0.0, high=0.9999)
        _one_of("schedule", self.schedule, SCHEDULES)


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """How the network is trained.

    Attributes:
        preset: The recipe the phases were made from, one of :data:`PRESETS`.
        phases: What happens, in order.
        batch_size: Images a step.
        seed: Seed of the head's weights, of shuffling and of augmentation.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ...
        precision: ``fp32``, ``bf16`` (autocast), or ``auto`` to time a few steps of each and keep the faster.
    """

    preset: str
    phases: tuple[Phase, ...]
    batch_size: int = 32
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        _one_of("preset", self.preset, PRESETS)
        if not isinstance(self.phases, tuple) or not all(isinstance(phase, Phase) for phase in self.phases):
            raise InputError("phases must be a list of phases.")
        if not self.phases:
            raise InputError("The training has no phase. Give at least one.")
        _whole("batch_size", self.batch_size, low=1, high=65_536)
        _whole("seed", self.seed, low=0, high=2**32 - 1)
        _one_of("precision", self.precision, PRECISIONS)
        if not isinstance(self.device, str) or self.device.split(":")[0] not in ("auto", "cpu", "cuda", "mps"):
            raise InputError("The device {device} is not known. Choose auto, cpu or cuda.", device=self.device)

    @property
    def epochs(self) -> int:
        """Epochs of all phases together."""
        return sum(phase.epochs for phase in self.phases)


@dataclass(frozen=True, slots=True)
class Experiment:
    """Everything that decides what a run does."""

    data: DataSpec
    model: ModelSpec
    training: TrainingSpec
    freeze: FreezePlan = field(default_factory=FreezePlan)
    augment: AugmentSpec = field(default_factory=AugmentSpec)
    name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or len(self.name) > 120:
            raise InputError("The run's name is longer than 120 characters. Choose a shorter one.")

    def to_json(self) -> str:
        """Returns the experiment as indented JSON, the schema's version first."""
        return json.dumps({"schema": SCHEMA, **dataclasses.asdict(self)}, indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Experiment:
        """Reads what :meth:`to_json` wrote.

        Raises:
            InputError: The text is no JSON, has an unknown key, misses one, or holds a value that is not allowed.
        """
        try:
            record = json.loads(text)
        except ValueError as error:
            raise InputError("The experiment is not valid JSON: {reason}", reason=str(error)) from error
        if not isinstance(record, dict):
            raise InputError("The experiment must be a JSON object.")
        schema = record.pop("schema", SCHEMA)
        if schema != SCHEMA:
            raise InputError(
                "The experiment has schema {schema}; this version reads schema {known}.", schema=schema, known=SCHEMA
            )
        parts: dict[str, Any] = dict(record)
        for key, kind in (
            ("data", DataSpec),
            ("model", ModelSpec),
            ("freeze", FreezePlan),
            ("augment", AugmentSpec),
            ("training", TrainingSpec),
        ):
            if key not in parts:
                continue
            values = parts[key]
            if kind is TrainingSpec and isinstance(values, dict) and isinstance(values.get("phases"), list):
                values = {**values, "phases": tuple(_record(Phase, "phase", phase) for phase in values["phases"])}
            parts[key] = _record(kind, key, values)
        return _record(cls, "experiment", parts)


def _record(kind: type[_T], where: str, values: Any) -> _T:
    """Makes a record of ``kind`` from a JSON object, naming what is unknown or missing."""
    if not isinstance(values, Mapping):
        raise InputError("{where} must be a JSON object.", where=where)
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    known = [f.name for f in fields]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise InputError(
            "{where} has the unknown key {key}. Known keys: {known}.",
            where=where,
            key=unknown[0],
            known=", ".join(known),
        )
    missing = [
        f.name
        for f in fields
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING and f.name not in values
    ]
    if missing:
        raise InputError("{where} misses the key {key}.", where=where, key=missing[0])
    return kind(**values)


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(
            "{name} is {value}. Choose one of: {allowed}.", name=name, value=value, allowed=", ".join(allowed)
        )


def _whole(name: str, value: Any, *, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(
            "{name} is {value}. It must be a whole number from {low} to {high}.",
            name=name, value=value, low=low, high=high,
        )  # fmt: skip


def _number(name: str, value: Any, *, low: float, high: float, above: bool = False) -> None:
    valid = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if valid and (low < value if above else low <= value) and value <= high:
        return
    if above:
        raise InputError(
            "{name} is {value}. It must be a number above {low} and at most {high}.",
            name=name, value=value, low=low, high=high,
        )  # fmt: skip
    raise InputError(
        "{name} is {value}. It must be a number from {low} to {high}.", name=name, value=value, low=low, high=high
    )
