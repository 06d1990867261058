"""Phantom slices of heads of many patients, in the uneven numbers of the homework: 965 of AD, 689 of MCI.

Nothing in them is of a person. The slices of a patient are alike: skull, folds and tilt are the patient's own, and five
slices pass through the head. What tells the classes is the size of the ventricles and how thin the rim of the brain
is, and both overlap. So a division that tears patients apart is judged on heads that it has learned.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.data.generated.drawn import gray
from core.errors import InputError

CLASSES = ("AD", "MCI")
SLICES = {"AD": 965, "MCI": 689}
EACH = 5
"""Slices of a patient; the last one of a class may have fewer."""
_VENTRICLE = {"AD": (0.155, 0.025), "MCI": (0.115, 0.025)}  # radius as a share of the side: mean and deviation


def keys(share: int = 100) -> list[tuple[str, str]]:
    """Returns key and class of every slice, or of a share of the patients in percent: ``AD/p012-s3``."""
    found = []
    first = 0
    for name, every in SLICES.items():
        count = max(EACH, round(every * share / 100))
        found += [(f"{name}/p{first + place // EACH:03d}-s{place % EACH}", name) for place in range(count)]
        first += -(-count // EACH)
    return found


def patient(key: str) -> str:
    """Returns the patient of a slice."""
    return key.partition("/")[2].partition("-")[0]


def draw(key: str, size: int, seed: int) -> tuple[Image.Image, NDArray[np.bool_]]:
    """Draws one slice and where its ventricles are."""
    name, _, rest = key.partition("/")
    person, _, number = rest.partition("-s")
    if name not in CLASSES or not person[1:].isdigit() or not number.isdigit():
        raise InputError("There is no generated picture {name}.", name=key)
    own = np.random.default_rng([seed, 4, int(person[1:])])
    level = (int(number) - (EACH - 1) / 2) / EACH  # where the slice is cut, about -0.4 to 0.4
    noise = np.random.default_rng([seed, 5, int(person[1:]), int(number)])
    mean, deviation = _VENTRICLE[name]
    ventricle = max(0.05, own.normal(mean, deviation)) * (1 - 0.9 * level**2)
    width, height = own.uniform(0.34, 0.4), own.uniform(0.41, 0.47)
    tilt, right, down = own.normal(0, 0.06), *own.normal(0, 0.012, 2)
    shrink = np.sqrt(max(0.2, 1 - (0.7 * level) ** 2))
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size - 0.5
    x, y = x - right, y - down
    x, y = np.cos(tilt) * x + np.sin(tilt) * y, np.cos(tilt) * y - np.sin(tilt) * x
    angle = np.arctan2(y, x)
    radius = np.hypot(x / (width * shrink), y / (height * shrink))
    waves = own.integers(5, 16, 6)
    fold = sum(
        strength * np.sin(wave * angle + phase + 3 * level)
        for wave, strength, phase in zip(waves, own.uniform(0.006, 0.02, 6), own.uniform(0, 6.3, 6), strict=True)
    )
    rim = own.normal(0.84 if name == "AD" else 0.87, 0.02)
    soft = 0.7 / (size * width)

    def inside(values: NDArray[np.float64], edge: float | NDArray[np.float64]) -> NDArray[np.float64]:
        return np.clip((edge - values) / soft + 0.5, 0, 1)

    head, skull, brain = inside(radius, 1.0), inside(radius, 0.93), inside(radius, rim + fold)
    texture = sum(
        strength * np.sin(2 * np.pi * (a * x + b * y) + phase)
        for strength, a, b, phase in zip(
            own.uniform(0.02, 0.05, 8), own.normal(0, 7, 8), own.normal(0, 7, 8), own.uniform(0, 6.3, 8), strict=True
        )
    )
    sides = np.minimum(*(np.hypot((x - sign * 0.075) / 0.55, y / 1.15) for sign in (-1, 1)))
    hollow = inside(sides / 1.0, ventricle) * brain
    white = inside(radius, 0.58 + 2 * fold)
    value = 0.75 * (head - skull) + 0.06 * skull + brain * (0.42 + texture + 0.2 * white)
    value = value * (1 - hollow) + 0.1 * hollow
    return gray(value * own.uniform(0.85, 1.1) + noise.normal(0, 0.02, value.shape)), hollow > 0.5
