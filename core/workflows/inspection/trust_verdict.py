"""What the figures of :mod:`core.workflows.inspection.trust` mean, in words.

Each sentence comes with the figures it rests on.

That a map is better than random ones is a test at a known level: it wins one of the four tests only if it beats all of
19 random maps, which a random map does once in 20 times. It is called better if it wins two. How often maps that know
nothing are called so is measured by ``python -m benchmarks.faithfulness --chance``, see ``benchmarks/RESULTS.md``. The
other limits are conventions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from core.messages import Sentence
from core.workflows.findings import Finding, figure, percent

if TYPE_CHECKING:
    from core.workflows.inspection.trust import Comparison, Trust

VOTES = ("deletion", "insertion", "road", "infidelity")
"""Figures that decide whether a map is faithful. Average drop depends more on how much of the picture a map leaves than
on where."""
MIN_WINS = 2
"""Clear wins from which a map is better than random ones: a random map has so many at most once in ten times, however
the tests hang together, and two or three times in a hundred as measured."""
LIKE = 0.5
"""Rank correlation with the map of random weights from which a map owes little to what was learned, if it is also
higher than with any random map: coarse maps are alike by chance."""
JUMPY = 0.5
"""Sensitivity over the distance of unrelated maps from which a map is not to be relied on."""
UNSURE = 0.1
"""Probability, and fall of it from picture to nothing, below which there is little to test."""

Word = Literal["trust", "partly", "not"]
OF_THE_OBJECT = ("on-object", "off-object")
"""Findings about what the network looks at. A map that shows that it looks beside the object can be a true one."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a heatmap can be trusted.

    Attributes:
        word: ``trust`` where the tests bear it out and nothing speaks against it; ``not`` where a test refutes it, or
            where there is nothing to test; ``partly`` for the rest.
        reason: The finding that decides it.
        findings: All of them, the most important first.
    """

    word: Word
    reason: Finding
    findings: tuple[Finding, ...]


def verdict(found: Trust) -> Verdict:
    """Returns the one word that the figures come to, and what it rests on."""
    findings = trust_verdict(found)
    tested = [finding for finding in findings if finding.id not in OF_THE_OBJECT]
    refuted = [finding for finding in tested if finding.tone == "bad" or finding.id == "little-to-test"]
    doubted = [finding for finding in tested if finding.tone == "warn"]
    if refuted:
        return Verdict("not", refuted[0], tuple(findings))
    if doubted or not tested:
        return Verdict("partly", doubted[0] if doubted else _untested(), tuple(findings))
    return Verdict("trust", tested[0], tuple(findings))


def _untested() -> Finding:
    return Finding(
        "untested",
        "warn",
        Sentence("It was held against no other maps, so nothing is known of it.", {}),
        Sentence("Neither random maps nor a network with random weights were asked.", {}),
        Sentence("Test it against 19 random maps or more.", {}),
    )


def trust_verdict(found: Trust) -> list[Finding]:
    """Returns what the figures mean, the most important first; what is not known is left out."""
    rules = (_range, _faithful, _sanity, _stable, _object)
    return [finding for rule in rules if (finding := rule(found)) is not None]


def _range(found: Trust) -> Finding | None:
    """A class that is hardly there, or that stays where nothing is left, leaves little to be tested."""
    spread = found.probability - found.blank
    if found.probability >= UNSURE and spread >= UNSURE:
        return None
    if found.probability < UNSURE:
        sentence = Sentence("The network hardly sees this class here, so there is little that a map could explain.", {})
    else:
        sentence = Sentence("The network says this class of an empty picture, too: no place decides it.", {})
    return Finding(
        "little-to-test",
        "warn",
        sentence,
        Sentence(
            "Probability of the class: {whole} for the whole picture, {blank} when all of it is taken away.",
            {"whole": percent(found.probability), "blank": percent(max(found.blank, 0.0))},
        ),
        Sentence("Choose the predicted class, or another picture.", {}),
    )


def _faithful(found: Trust) -> Finding | None:
    votes = [row for row in found.compared() if row.metric.id in VOTES]
    if not found.random:
        return None
    good = [row for row in votes if row.clear]
    evidence = Sentence(
        "Deletion {deletion} against {deletion_random} of random maps, insertion {insertion} against "
        "{insertion_random}, ROAD {road} against {road_random}, infidelity {infidelity} against {infidelity_random}; "
        "better than all {maps} of them in {count} of {all} tests.",
        {
            **{row.metric.id: figure(_rounded(row, row.value)) for row in votes},
            **{f"{row.metric.id}_random": figure(_rounded(row, row.random)) for row in votes},
            "count": len(good),
            "all": len(votes),
            "maps": len(found.random),
        },
    )
    if len(good) >= len(votes) - 1:
        return Finding(
            "faithful",
            "good",
            Sentence("The network does depend on the places that this map shows.", {}),
            evidence,
            Sentence("Read it as a map of places that matter, not of outlines.", {}),
        )
    if len(good) < MIN_WINS:
        return Finding(
            "no-better-than-random",
            "bad",
            Sentence("This map is no better than a random map here.", {}),
            evidence,
            Sentence("Do not read anything into it. Try another method or a deeper layer.", {}),
        )
    return Finding(
        "partly-faithful",
        "warn",
        Sentence("The tests disagree: this map is better than random ones in part.", {}),
        evidence,
        Sentence("Compare several methods, and believe the places that they agree on.", {}),
    )


def _rounded(row: Comparison, value: float) -> float:
    """Leaves out digits that mean nothing; infidelity, a squared probability, is small by nature."""
    return value if row.metric.id == "infidelity" else round(value, 3)


def _sanity(found: Trust) -> Finding | None:
    if found.likeness is None:
        return _nothing_to_compare() if found.unlearned else None
    alike = abs(found.likeness.spearman)
    evidence = Sentence(
        "Rank correlation {spearman}, structural similarity {ssim}; with random maps the correlation is {chance} at "
        "most.",
        {
            "spearman": figure(found.likeness.spearman),
            "ssim": figure(found.likeness.ssim),
            "chance": figure(found.chance_likeness),
        },
    )
    if alike < LIKE:
        return Finding(
            "learned",
            "good",
            Sentence("With random weights the map is another one: it shows what was learned.", {}),
            evidence,
            Sentence("One check of several; it does not make the map right.", {}),
        )
    if alike <= found.chance_likeness:
        return None  # as alike as random maps are: not conclusive
    return Finding(
        "not-learned",
        "bad",
        Sentence("With random weights the map is nearly the same: it shows the picture, not what was learned.", {}),
        evidence,
        Sentence("Choose a method that depends more on the weights, such as Grad-CAM on the last layer.", {}),
    )


def _nothing_to_compare() -> Finding:
    return Finding(
        "no-sanity-check",
        "warn",
        Sentence("With random weights this method shows nothing at all, so there is no map to compare with.", {}),
        Sentence("The map of the same network with random weights is empty.", {}),
        Sentence("Compare a method whose maps are never empty, such as Grad-CAM++.", {}),
    )


def _stable(found: Trust) -> Finding | None:
    if found.sensitivity is None or not np.isfinite(found.sensitivity) or not np.isfinite(found.unrelated):
        return None
    if found.sensitivity <= JUMPY * found.unrelated:
        return None
    return Finding(
        "jumpy",
        "warn",
        Sentence("The map jumps when the picture changes by less than an eye can see.", {}),
        Sentence(
            "It moves by {moved} of its length; two unrelated maps lie {unrelated} apart.",
            {"moved": figure(found.sensitivity), "unrelated": figure(found.unrelated)},
        ),
        Sentence("Average over noisy copies (SmoothGrad), or choose a method on a layer.", {}),
    )


def _object(found: Trust) -> Finding | None:
    place = found.placement
    if place is None:
        return None
    evidence = Sentence(
        "{energy} of the heat lies on the object, which covers {area} of the picture; overlap (IoU) {iou}.",
        {"energy": percent(place.energy), "area": percent(place.area), "iou": figure(place.iou)},
    )
    if place.energy >= 2 * place.area or place.energy >= 0.5:
        return Finding(
            "on-object",
            "good",
            Sentence("The evidence lies on the object.", {}),
            evidence,
            Sentence("Look at the pictures where it does not.", {}),
        )
    tone_bad = place.energy <= place.area
    return Finding(
        "off-object",
        "bad" if tone_bad else "warn",
        Sentence("The evidence lies outside the object.", {})
        if tone_bad
        else Sentence("Most of the evidence lies beside the object.", {}),
        evidence,
        Sentence("The network may have learned the surroundings. Test it on pictures with other ones.", {}),
    )
