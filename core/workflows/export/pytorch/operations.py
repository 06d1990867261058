"""What the program says of further augmentation: its operations, and what carries each out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.specs import AugmentSpec

CHANGES = {
    "perspective": "perspective",
    "elastic": "elastic",
    "brightness": "lambda image, value, *_: V.adjust_brightness(image, value)",
    "contrast": "lambda image, value, *_: V.adjust_contrast(image, value)",
    "saturation": "lambda image, value, *_: V.adjust_saturation(image, value)",
    "hue": "hue",
    "gray": "lambda image, *_: V.rgb_to_grayscale(image, num_output_channels=3)",
    "blur": "blur",
    "sharpness": "sharpness",
    "equalise": "lambda image, *_: V.equalize(image)",
    "posterise": "lambda image, value, *_: V.posterize(image, int(value))",
    "solarise": "lambda image, value, *_: V.solarize(image, value)",
    "noise": "noise",
    "erasing": "erasing",
    "autoaugment": 'policy("AutoAugment")',
    "randaugment": 'policy("RandAugment")',
    "trivialaugment": 'policy("TrivialAugmentWide")',
    "augmix": "augmix",
}
"""What changes pixels -> the function of ``operations.py.j2`` or of torchvision; what moves them is in ``moving``."""
_AUGMENT = ("flip", "crop_scale", "rotation", "color")


def context(augments: Sequence[AugmentSpec]) -> dict[str, Any]:
    """Returns what ``operations.py.j2`` is filled with.

    Args:
        augments: How images are changed in the phases that change them.
    """
    used = {operation.name for spec in augments for operation in spec.operations}
    return {"operates": bool(used), "changes": [(name, CHANGES[name]) for name in CHANGES if name in used]}


def settings(spec: AugmentSpec) -> dict[str, Any]:
    """Returns the arguments of the program's ``augment``."""
    found: dict[str, Any] = {key: getattr(spec, key) for key in _AUGMENT}
    if spec.operations:
        rows = [(one.name, one.probability, *map(float, one.strength)) for one in spec.operations]
        found |= {"operations": rows, "pick": spec.pick, "fill": spec.fill}
    return found
