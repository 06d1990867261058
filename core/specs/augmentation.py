"""Random changes made to training images: the record, the operations and the presets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from core.errors import InputError
from core.specs.checks import number, one_of, whole

AUGMENTATIONS = ("none", "basic", "strong")
"""Presets of the four changes that every page draws."""
AUGMENT_PRESETS = (*AUGMENTATIONS, "brain-paper", "cats-dogs-paper", "five-classes", "trivialaugment")
"""All presets: ``basic`` mirrors and crops to 70 % of the area or more; ``strong`` mirrors, crops to 40 % or more,
rotates by up to 15 degrees and changes colours by up to 30 %; the others are named after where they come from."""
FILLS = ("reflect", "edge", "black", "white")


@dataclass(frozen=True, slots=True)
class Range:
    """What the strength of an operation means.

    Attributes:
        low: Least strength by default.
        high: Greatest strength by default.
        least: What may be asked for at least.
        most: What may be asked for at most.
        unit: ``degrees``, ``share``, ``factor``, ``pixels``, ``bits``, ``level``; empty where it has no strength.
    """

    low: float = 0.0
    high: float = 0.0
    least: float = 0.0
    most: float = 0.0
    unit: str = ""


OPERATIONS: dict[str, Range] = {
    "flip": Range(),
    "vertical-flip": Range(),
    "rotation": Range(0.0, 15.0, 0.0, 180.0, "degrees"),
    "shift": Range(0.0, 0.1, 0.0, 0.5, "share"),
    "shear": Range(0.0, 10.0, 0.0, 60.0, "degrees"),
    "zoom": Range(0.8, 1.25, 0.25, 4.0, "factor"),
    "perspective": Range(0.0, 0.3, 0.0, 0.9, "share"),
    "elastic": Range(0.0, 50.0, 0.0, 500.0, "pixels"),
    "brightness": Range(0.8, 1.2, 0.0, 3.0, "factor"),
    "contrast": Range(0.8, 1.2, 0.0, 3.0, "factor"),
    "saturation": Range(0.8, 1.2, 0.0, 3.0, "factor"),
    "hue": Range(0.0, 0.1, 0.0, 0.5, "share"),
    "gray": Range(),
    "blur": Range(0.1, 2.0, 0.05, 10.0, "pixels"),
    "sharpness": Range(0.5, 2.0, 0.0, 10.0, "factor"),
    "equalise": Range(),
    "posterise": Range(4.0, 7.0, 1.0, 8.0, "bits"),
    "solarise": Range(128.0, 255.0, 0.0, 255.0, "level"),
    "noise": Range(0.0, 0.1, 0.0, 1.0, "share"),
    "erasing": Range(0.02, 0.2, 0.001, 0.8, "share"),
    "autoaugment": Range(),
    "randaugment": Range(),
    "trivialaugment": Range(),
    "augmix": Range(),
}
"""What may be done to an image beside the four changes of :class:`AugmentSpec`, by name. Rotation, shear and hue go
either way; a zoom above 1 enlarges; shear is in degrees, of which Keras' ``shear_range=0.2`` is a fifth of one."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        name: One of :data:`OPERATIONS`.
        probability: Share of the images that it is done to.
        low: Least strength; ``None`` for the usual one.
        high: Greatest strength; ``None`` for the usual one.
    """

    name: str
    probability: float = 1.0
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        one_of("operation", self.name, tuple(OPERATIONS))
        number("probability", self.probability, low=0.0, high=1.0)
        known = OPERATIONS[self.name]
        for name, value in (("low", self.low), ("high", self.high)):
            if value is not None and not known.unit:
                raise InputError(
                    "{operation} has no strength, so {name} says nothing to it.", operation=self.name, name=name
                )
            if value is not None:
                number(f"{name} of {self.name}", value, low=known.least, high=known.most)
        low, high = self.strength
        if low > high:
            raise InputError(
                "{operation} goes from {low} to {high}. The lower strength comes first.",
                operation=self.name,
                low=low,
                high=high,
            )

    @property
    def strength(self) -> tuple[float, float]:
        """The least and the greatest strength."""
        known = OPERATIONS[self.name]
        high = known.high if self.high is None else self.high
        low = min(known.low, high) if self.low is None else self.low
        return low, max(high, low) if self.high is None else high


@dataclass(frozen=True, slots=True)
class AugmentSpec:
    """Random changes made to training images, and to training images only, each time they are seen.

    Attributes:
        flip: Mirror left and right with probability one half.
        crop_scale: Smallest share of the image's area that a random crop keeps; 1 for no random crop.
        rotation: Largest rotation either way, in degrees.
        color: Strength of brightness, contrast and saturation changes, 0 to 1 (0.2 varies each by up to 20 %).
        operations: Further operations, one after the other.
        pick: How many of the operations are done to an image, chosen by lot; 0 for all of them.
        fill: What stands beyond the edge where an operation moves it into sight: :data:`FILLS`.
    """

    flip: bool = False
    crop_scale: float = 1.0
    rotation: float = 0.0
    color: float = 0.0
    operations: tuple[Operation, ...] = ()
    pick: int = 0
    fill: str = "reflect"

    def __post_init__(self) -> None:
        if not isinstance(self.flip, bool):
            raise InputError("flip is {value}. It must be true or false.", value=self.flip)
        number("crop_scale", self.crop_scale, low=0.05, high=1.0)
        number("rotation", self.rotation, low=0.0, high=180.0)
        number("color", self.color, low=0.0, high=1.0)
        if not isinstance(self.operations, tuple) or not all(isinstance(one, Operation) for one in self.operations):
            raise InputError("operations must be a list of operations, each with a name.")
        if len(self.operations) > 30:
            raise InputError("There are {count} operations. At most 30 are done.", count=len(self.operations))
        whole("pick", self.pick, low=0, high=len(self.operations))
        one_of("fill", self.fill, FILLS)

    @property
    def active(self) -> bool:
        """Whether anything is changed at all."""
        return self.flip or self.crop_scale < 1.0 or self.rotation > 0 or self.color > 0 or bool(self.operations)

    @classmethod
    def preset(cls, name: str) -> AugmentSpec:
        """Returns the settings behind one of :data:`AUGMENT_PRESETS`."""
        one_of("augment", name, AUGMENT_PRESETS)
        return cls._presets()[name]

    @classmethod
    @cache
    def _presets(cls) -> dict[str, AugmentSpec]:
        shifts = Operation("shift", high=0.1)
        return {
            "none": cls(),
            "basic": cls(flip=True, crop_scale=0.7),
            "strong": cls(flip=True, crop_scale=0.4, rotation=15.0, color=0.3),
            "brain-paper": cls(
                operations=(
                    Operation("rotation", high=15.0),
                    shifts,
                    Operation("shear", high=11.5),  # 0.2 radians, as the paper has it; Keras makes 0.2 degrees of it
                    Operation("zoom", low=0.8, high=1.2),
                    Operation("flip", 0.5),
                ),
                fill="edge",
            ),
            "cats-dogs-paper": cls(
                operations=(
                    Operation("flip"),
                    Operation("rotation", high=30.0),
                    Operation("zoom", low=0.75, high=1.25),
                ),
                pick=1,
                fill="edge",
            ),
            "five-classes": cls(
                operations=(
                    Operation("rotation", high=20.0),
                    shifts,
                    Operation("shear", high=0.2),  # degrees, as Keras read what the homework wrote
                    Operation("zoom", low=0.8, high=1.2),
                    Operation("flip", 0.5),
                ),
                fill="edge",
            ),
            "trivialaugment": cls(operations=(Operation("trivialaugment"),)),
        }

    @property
    def preset_name(self) -> str | None:
        """The name in :data:`AUGMENT_PRESETS` of these settings; ``None`` for settings of one's own."""
        return next((name for name, spec in self._presets().items() if self == spec), None)
