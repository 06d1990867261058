"""The corruptions: one row each, in five strengths.

Noise, blur, weather and digital loss have the constants of ImageNet-C (Hendrycks and Dietterich 2019,
arXiv:1903.12261), as its authors' programs have them for pictures of 224 pixels; on others lengths grow with the side.
Left out are those of its corruptions that need the authors' photographs (frost), those of which a higher strength does
not always change more (snow, spatter, saturation, elastic), and glass blur, which swaps pixels one by one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from core.data.corruptions import blur, files, noise, places, weather
from core.errors import InputError

STRENGTHS = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Corruption:
    """One corruption.

    Attributes:
        group: ``noise``, ``blur``, ``weather``, ``digital`` or ``place``.
        steps: What the five strengths mean.
        change: Spoils a uint8 picture ``3 x S x S``, given a step and chance.
        origin: ``exact``: formula and constants as published; ``like``: the constants, and a formula close to the
            published one, which needs a library that is not here; ``own``: both are this project's.
    """

    group: str
    steps: tuple[Any, Any, Any, Any, Any]
    change: Callable[[Tensor, Any, np.random.Generator], Tensor]
    origin: str = "exact"


CORRUPTIONS = {
    "gaussian-noise": Corruption("noise", (0.08, 0.12, 0.18, 0.26, 0.38), noise.gaussian),
    "shot-noise": Corruption("noise", (60, 25, 12, 5, 3), noise.shot),
    "impulse-noise": Corruption("noise", (0.03, 0.06, 0.09, 0.17, 0.27), noise.impulse),
    "gaussian-blur": Corruption("blur", (1, 2, 3, 4, 6), blur.gaussian),
    "defocus-blur": Corruption("blur", ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)), blur.defocus),
    "motion-blur": Corruption("blur", ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)), blur.motion, "like"),
    "zoom-blur": Corruption("blur", ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)), blur.zoom),
    "fog": Corruption("weather", ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)), weather.fog),
    "brightness": Corruption("weather", (0.1, 0.2, 0.3, 0.4, 0.5), weather.brightness),
    "contrast": Corruption("digital", (0.4, 0.3, 0.2, 0.1, 0.05), weather.contrast),
    "pixelate": Corruption("digital", (0.6, 0.5, 0.4, 0.3, 0.25), files.pixelate),
    "jpeg": Corruption("digital", (25, 18, 15, 10, 7), files.jpeg),
    "rotation": Corruption("place", (5.0, 10.0, 20.0, 30.0, 45.0), places.rotation, "own"),
    "shift": Corruption("place", (0.03, 0.06, 0.1, 0.15, 0.2), places.shift, "own"),
    "occlusion": Corruption("place", (0.03, 0.08, 0.15, 0.25, 0.4), places.occlusion, "own"),
}
"""All corruptions that know nothing of a network, by name."""


def corrupted(image: Tensor, name: str, strength: int, key: str = "") -> Tensor:
    """Returns a spoilt copy of a picture.

    Args:
        image: uint8 ``3 x S x S`` on the CPU, as it enters a network before it is normalised.
        name: One of :data:`CORRUPTIONS`.
        strength: 1 to 5. Chance falls alike at all of them, so that they differ by the strength alone.
        key: The picture's name: it draws numbers of its own, the same each time.

    Returns:
        uint8 ``3 x S x S``.

    Raises:
        InputError: There is no such corruption or strength.
    """
    if name not in CORRUPTIONS:
        raise InputError(
            "There is no corruption {name}. Choose from: {known}.", name=name[:60], known=", ".join(CORRUPTIONS)
        )
    if strength not in STRENGTHS:
        raise InputError("There is no strength {value}. Choose 1, 2, 3, 4 or 5.", value=strength)
    row = CORRUPTIONS[name]
    seed = int.from_bytes(hashlib.blake2b(f"{name}\n{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest())
    return row.change(image, row.steps[strength - 1], np.random.default_rng(seed))
