"""What is set of each operation, and an augmentation in which one of them is set otherwise.

An :class:`AugmentSpec` has four changes of its own beside its list of operations: a mirror and a rotation stand in
either. A card is the same for both; what a card sets stays where it was found, and moves to the list where its own
field cannot hold it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.specs import OPERATIONS, AugmentSpec, Mix, Operation, Range

GROUPS: dict[str, tuple[str, ...]] = {
    "geometry": ("crop", "flip", "vertical-flip", "rotation", "shift", "shear", "zoom", "perspective", "elastic"),
    "colour": ("colour", "brightness", "contrast", "saturation", "hue", "gray", "equalise", "posterise", "solarise"),
    "sharpness": ("blur", "sharpness", "noise"),
    "erasing": ("erasing",),
    "policies": ("autoaugment", "randaugment", "trivialaugment", "augmix"),
    "batch": ("mixup", "cutmix"),
}
"""The cards, by what they change."""
CARDS = tuple(name for names in GROUPS.values() for name in names)
MOVING = ("rotation", "shift", "shear", "zoom")
"""Operations that move what lies beyond the edge into sight."""
_SPECIAL = {
    "crop": Range(0.7, 1.0, 0.05, 1.0, "share"),
    "colour": Range(0.0, 0.3, 0.0, 1.0, "share"),
    "mixup": Range(0.0, 0.2, 0.0, 2.0, "strength"),
    "cutmix": Range(0.0, 1.0, 0.0, 2.0, "strength"),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done to training images, one by one and as batches."""

    augment: AugmentSpec
    mix: Mix


@dataclass(frozen=True, slots=True)
class Setting:
    """What is set of one operation.

    Attributes:
        on: Whether it is done at all.
        probability: Share of the images that it is done to.
        low: Least strength.
        high: Greatest strength.
    """

    on: bool
    probability: float = 1.0
    low: float = 0.0
    high: float = 0.0


def range_of(name: str) -> Range:
    """Returns the usual and the allowed strengths of a card."""
    return _SPECIAL.get(name) or OPERATIONS[name]


def fixed(name: str) -> str:
    """Returns which end of the strengths a card cannot set: ``low``, ``high`` or none."""
    return {"crop": "high", "colour": "low", "mixup": "low", "cutmix": "low"}.get(name, "")


def has_probability(name: str) -> bool:
    """Whether the share of images can be set: what an augmentation holds in fields of its own is done to all."""
    return name not in _SPECIAL


def usual(name: str) -> Setting:
    """Returns what a card is set to when it is turned on."""
    known = range_of(name)
    return Setting(True, 0.5 if name in ("flip", "vertical-flip") else 1.0, known.low, known.high)


def setting(plan: Plan, name: str) -> Setting:
    """Returns what is set of a card; where it is off, what it would be turned on to."""
    spec = plan.augment
    held = {
        "crop": (spec.crop_scale < 1, spec.crop_scale, 1.0),
        "colour": (spec.color > 0, 0.0, spec.color),
        "mixup": (plan.mix.mixup > 0, 0.0, plan.mix.mixup),
        "cutmix": (plan.mix.cutmix > 0, 0.0, plan.mix.cutmix),
    }
    if name in held:
        on, low, high = held[name]
        return Setting(True, 1.0, low, high) if on else replace(usual(name), on=False)
    found = _found(spec, name)
    if found is not None:
        return Setting(True, found.probability, *found.strength)
    if name == "flip" and spec.flip:
        return Setting(True, 0.5)
    if name == "rotation" and spec.rotation:
        return Setting(True, 1.0, 0.0, spec.rotation)
    return replace(usual(name), on=False)


def changed(plan: Plan, name: str, wanted: Setting) -> Plan:
    """Returns the plan with a card set otherwise."""
    spec, mix, on = plan.augment, plan.mix, wanted.on
    if name == "crop":
        return replace(plan, augment=replace(spec, crop_scale=wanted.low if on else 1.0))
    if name == "colour":
        return replace(plan, augment=replace(spec, color=wanted.high if on else 0.0))
    if name == "mixup":
        return replace(plan, mix=replace(mix, mixup=wanted.high if on else 0.0))
    if name == "cutmix":
        return replace(plan, mix=replace(mix, cutmix=wanted.high if on else 0.0))
    return replace(plan, augment=settled(_with(spec, name, wanted)))


def settled(spec: AugmentSpec) -> AugmentSpec:
    """Returns the same changes where the fields of their own can hold them; else the rotation joins the list."""
    if spec.rotation and spec.fill != "reflect":
        turning = Operation("rotation", 1.0, 0.0, spec.rotation)
        spec = replace(spec, rotation=0.0, operations=(turning, *spec.operations))
    return spec


def alone(plan: Plan, name: str) -> AugmentSpec:
    """Returns an augmentation of this card alone, done to every image; mixtures of batches are none."""
    wanted = replace(setting(plan, name), on=True, probability=1.0)
    if name in ("mixup", "cutmix"):
        return AugmentSpec()
    if name == "flip":
        return AugmentSpec(operations=(Operation("flip"),))
    return changed(Plan(AugmentSpec(fill=plan.augment.fill), Mix()), name, wanted).augment


def _found(spec: AugmentSpec, name: str) -> Operation | None:
    return next((one for one in spec.operations if one.name == name), None)


def _with(spec: AugmentSpec, name: str, wanted: Setting) -> AugmentSpec:
    """Returns an augmentation with an operation set otherwise, turned on or off."""
    listed = _found(spec, name) is not None
    if not wanted.on:
        rest = tuple(one for one in spec.operations if one.name != name)
        own = {"flip": {"flip": False}, "rotation": {"rotation": 0.0}}.get(name, {})
        return replace(spec, operations=rest, pick=min(spec.pick, len(rest)), **own)  # type: ignore[arg-type]
    if not listed and not spec.pick:
        if name == "flip" and wanted.probability == 0.5:
            return replace(spec, flip=True)
        if name == "rotation" and wanted.probability == 1 and wanted.low == 0:
            return replace(spec, rotation=wanted.high)
    known = OPERATIONS[name]
    strength = {"low": wanted.low, "high": wanted.high} if known.unit else {}
    operation = Operation(name, wanted.probability, **strength)
    if listed:
        operations = tuple(operation if one.name == name else one for one in spec.operations)
        return replace(spec, operations=operations)
    own = {"flip": {"flip": False}, "rotation": {"rotation": 0.0}}.get(name, {})
    order = list(OPERATIONS)
    before = [one for one in spec.operations if order.index(one.name) <= order.index(name)]
    after = [one for one in spec.operations if order.index(one.name) > order.index(name)]
    return replace(spec, operations=(*before, operation, *after), **own)  # type: ignore[arg-type]
