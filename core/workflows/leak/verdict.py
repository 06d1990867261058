"""What the leak lab showed, in words with figures: is there a gap, why, and what is believed instead."""

from __future__ import annotations

from core.messages import Sentence
from core.workflows.findings import Finding, figure, percent
from core.workflows.leak.record import LeakResult

CLEAR = 0.05
"""Gap from which the careless division promises too much, if the intervals lie apart too."""


def findings(found: LeakResult) -> list[Finding]:
    """Returns what came out, the gap first."""
    careless, honest = (found.measured[arm]["nearest"] for arm in ("before", found.honest))
    apart = careless.interval[0] > honest.interval[1] and found.gap() >= CLEAR
    rows = [
        Finding(
            "gap" if apart else "no-gap",
            "bad" if apart else "good",
            Sentence("The careless division promises what new pictures will not keep.", {})
            if apart
            else Sentence("Here the careless division hardly deceives: both accuracies agree within chance.", {}),
            Sentence(
                "By the nearest picture: {careless} with relatives torn apart, {honest} with relatives kept together, "
                "a gap of {gap} points. A linear head: {linear} against {linear_honest}.",
                {
                    "careless": percent(careless.accuracy),
                    "honest": percent(honest.accuracy),
                    "gap": figure(round(100 * found.gap())),
                    "linear": percent(found.measured["before"]["linear"].accuracy),
                    "linear_honest": percent(found.measured[found.honest]["linear"].accuracy),
                },
            ),
            Sentence("Group related pictures before you divide, and copy only after it.", {})
            if apart
            else Sentence("Keep relatives together all the same: it costs nothing.", {}),
        ),
        Finding(
            "why",
            "warn" if apart else "good",
            Sentence("Held-out pictures are recognised, not understood: a relative was learned.", {})
            if apart
            else Sentence("What is told apart is not the relative.", {}),
            Sentence(
                "Torn apart, {torn} of the held-out pictures have a relative among the training pictures, and for "
                "{found} the nearest training picture is one. Kept together, for {none}. {groups} groups of relatives "
                "in {pictures} pictures.",
                {
                    "torn": percent(found.torn["before"]),
                    "found": percent(found.found["before"]),
                    "none": percent(found.found[found.honest]),
                    "groups": figure(found.groups),
                    "pictures": figure(found.pictures),
                },
            ),
            Sentence("Ask of every data set what a relative is: a patient, a film, an original.", {}),
        ),
    ]
    if found.plan.by_lot:
        held = honest.interval[0] <= found.chance <= honest.interval[1]
        rows.append(
            Finding(
                "lot",
                "good" if held else "warn",
                Sentence("The labels were drawn by lot, so there is nothing to learn: only guessing is honest.", {}),
                Sentence(
                    "Guessing is right in {chance}; the careful division finds {honest} ({low} to {high}).",
                    {
                        "chance": percent(found.chance),
                        "honest": percent(honest.accuracy),
                        "low": percent(honest.interval[0]),
                        "high": percent(honest.interval[1]),
                    },
                ),
                Sentence("An accuracy that survives labels drawn by lot measures the division, not the network.", {}),
            )
        )
    return rows
