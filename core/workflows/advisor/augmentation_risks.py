"""What an augmentation may break: labels that hold no more once an image is mirrored, recoloured or cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.data.dataset import Dataset, shuffle_key
from core.errors import InputError
from core.messages import N_, Sentence
from core.specs import AugmentSpec

MEASURED = 240
"""Images that are looked at, at most."""
HUE_AGREEMENT = 0.6
"""From this Cohen's kappa on, the mean hue alone says much of the class (Landis and Koch 1977 call it substantial)."""
SMALL_SHARE = 0.08
"""Of its image's area: an object smaller than this is easily lost by a heavy crop."""
SMALL_SIDE = 48
"""Pixels of an image's short side below which a heavy crop leaves few."""
_THUMBNAIL = 48
_SIGNS = ("digits", "letters", "mnist", "emnist")
_LOSES_HUE = {"hue": N_("Hue"), "gray": N_("Grayscale"), "solarise": N_("Solarise")}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of images before an augmentation is judged.

    Attributes:
        signs: ``digits``, ``letters`` or empty.
        hue_agreement: Cohen's kappa of telling the classes by mean hue alone; 0 where the images are gray.
        object_share: Median share of the image that the objects take; ``None`` where no masks are known.
        side: Median short side, in pixels.
    """

    signs: str
    hue_agreement: float
    object_share: float | None
    side: int


def measure(dataset: Dataset) -> Facts:
    """Looks at some images of each class, chosen by their names; those that cannot be read are passed over."""
    places = sorted(range(len(dataset)), key=lambda place: shuffle_key(0, dataset.items[place].key))
    each = max(4, MEASURED // max(1, len(dataset.classes)))
    taken: dict[int, int] = {}
    hues: list[tuple[float, float]] = []
    labels: list[int] = []
    shares: list[float] = []
    sides: list[int] = []
    for place in places:
        label = dataset.items[place].label
        if taken.get(label, 0) >= each or len(labels) >= 2 * MEASURED:
            continue
        taken[label] = taken.get(label, 0) + 1
        try:
            picture = dataset.thumbnail(place, _THUMBNAIL)
        except InputError:
            continue
        hues.append(_hue(np.asarray(picture.convert("RGB"), dtype=np.float64)))
        labels.append(label)
        if len(sides) < 24:
            sides.append(min(dataset.load(place).size))
            mask = dataset.mask(place)
            if mask is not None:
                shares.append(float((np.asarray(mask) > 0).mean()))
    return Facts(
        signs_of(dataset),
        _agreement(np.array(hues).reshape(-1, 2), np.array(labels, dtype=int)),
        float(np.median(shares)) if shares else None,
        int(np.median(sides)) if sides else 0,
    )


def signs_of(dataset: Dataset) -> str:
    """Returns whether the classes are ``digits`` or ``letters``, by the set's name or their own; else nothing."""
    name = dataset.name.partition("?")[0]
    classes = [one.strip() for one in dataset.classes]
    if len(classes) > 1 and all(len(one) == 1 and one.isdigit() for one in classes):
        return "digits"
    if len(classes) > 1 and all(len(one) == 1 and one.isalnum() for one in classes):
        return "letters"
    return ("letters" if name == "letters" else "digits") if name in _SIGNS else ""


def risks(spec: AugmentSpec, facts: Facts) -> list[Sentence]:
    """Returns a sentence for each choice that contradicts the images."""
    found: list[Sentence] = []
    strength = {one.name: one.strength for one in spec.operations if one.probability}
    mirrors, flips = spec.flip or "flip" in strength, "vertical-flip" in strength
    turn = max(spec.rotation, strength["rotation"][1] if "rotation" in strength else 0.0)
    if facts.signs and (mirrors or flips):
        found.append(
            Sentence(
                "A mirrored or flipped digit or letter is another sign or none, but its label stays. Turn {what} off.",
                {"what": N_("Mirror") if mirrors else N_("Vertical flip")},
            )
        )
    if facts.signs and turn > 45:
        found.append(
            Sentence("Turned by {n} degrees a 6 is a 9, and N is Z. Signs stand 15 degrees or so.", {"n": round(turn)})
        )
    if facts.hue_agreement >= HUE_AGREEMENT:
        found += [
            Sentence(
                "The mean hue alone tells these classes apart (kappa {kappa}), and {what} takes it away.",
                {"kappa": f"{facts.hue_agreement:.2f}", "what": title},
            )
            for name, title in _LOSES_HUE.items()
            if name in strength and not (name == "hue" and strength[name][1] < 0.05)
        ]
    left = min(spec.crop_scale, 1 / strength["zoom"][1] ** 2 if "zoom" in strength else 1.0)
    if left < 0.5 and facts.object_share is not None and facts.object_share < SMALL_SHARE:
        found.append(
            Sentence(
                "The objects take {share} % of the image, and a cut to {left} % of its area can miss them.",
                {"share": round(100 * facts.object_share, 1), "left": round(100 * left)},
            )
        )
    elif left < 0.5 and 0 < facts.side < SMALL_SIDE:
        found.append(
            Sentence(
                "The images are {n} px small: a cut to {left} % of the area enlarges a few pixels.",
                {"n": facts.side, "left": round(100 * left)},
            )
        )
    return found


def _hue(pixels: np.ndarray) -> tuple[float, float]:
    """Returns an image's mean colour direction off the gray axis, by its length coloured or pale."""
    red, green, blue = pixels.reshape(-1, 3).mean(axis=0) / 255
    return float(red - (green + blue) / 2), float((green - blue) * np.sqrt(3) / 2)


def _agreement(hues: np.ndarray, labels: np.ndarray) -> float:
    """Returns Cohen's kappa of a classifier by the nearest class mean of hue, each image judged by the others."""
    classes = np.unique(labels)
    lengths = np.hypot(*hues.T)[:, None] if len(hues) else np.zeros((0, 1))
    if len(classes) < 2 or not len(hues) or np.median(lengths) < 0.01:
        return 0.0
    directions = hues / np.maximum(lengths, 1e-9)
    found = []
    for place, direction in enumerate(directions):
        distance: list[float] = []
        for label in classes:
            own = (labels == label) & (np.arange(len(labels)) != place)
            distance.append(float(np.linalg.norm(directions[own].mean(axis=0) - direction)) if own.any() else np.inf)
        found.append(classes[int(np.argmin(distance))])
    right = float(np.mean(np.array(found) == labels))
    chance = float(sum(np.mean(labels == label) * np.mean(np.array(found) == label) for label in classes))
    return (right - chance) / (1 - chance) if chance < 1 else 0.0
