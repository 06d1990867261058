"""What the networks of the shortcut lab learned: accuracy with the mark, without it and with it elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from core.data.dataset import Dataset
from core.data.images import fit, to_tensor
from core.data.marks import Mark, planted
from core.data.sources import open_dataset
from core.errors import InputError
from core.interpret.attribution.explain import explain
from core.interpret.explanation_metrics.localisation import energy, positive, seen_mask
from core.interpret.forward import batch_of
from core.interpret.probe import Probe, device_of
from core.messages import Progress, Sentence
from core.specs import Preprocessing
from core.workflows.findings import Finding, figure, percent
from core.workflows.network_loading import network_of_run
from core.workflows.shortcut.experiment import ARMS, PRETRAINED, WITH, WITHOUT, Prepared

if TYPE_CHECKING:
    from pathlib import Path

    from core.models.network import Network
    from core.runs.store import Run

CASES = ("marked", "plain", "moved")
"""Test pictures: the mark on its class, as learned; no mark at all; the mark on all other classes instead."""
LOOKED = 24
"""Pictures whose heat is measured, at most."""
SHOWN = 4
METHOD = "grad-cam"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one network answers.

    Attributes:
        accuracy: Share of all test pictures that are right, in each of :data:`CASES`.
        recall: Share of the marked class's test pictures that are right, where they are plain or marked.
        named: Share of the other classes' test pictures that are called the marked class, in each case.
        heat: Mean share of the heat on the mark, over marked pictures of the marked class.
    """

    accuracy: Mapping[str, float]
    recall: Mapping[str, float]
    named: Mapping[str, float]
    heat: float


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One test picture of the marked class, with the mark and without it, seen by the network trained with marks.

    Attributes:
        key: The picture.
        pictures: As the network sees it, by case (``marked`` and ``plain``).
        heats: Heatmap of the marked class then, HxW.
        probabilities: Probability of the marked class.
        answers: The most probable class.
    """

    key: str
    pictures: Mapping[str, Image.Image]
    heats: Mapping[str, NDArray[np.float32]]
    probabilities: Mapping[str, float]
    answers: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class ShortcutResult:
    """What the experiment found.

    Attributes:
        marked: The marked class.
        outcomes: By arm.
        images: Test pictures.
        guess: Share of the test pictures that are of the most frequent class: what guessing can reach.
        area: Share of the picture that the mark, and a margin as wide as half a cell of the map, covers.
        examples: A few pictures.
    """

    marked: str
    outcomes: Mapping[str, Outcome]
    images: int
    guess: float
    area: float
    examples: tuple[Example, ...]


def judge(
    prepared: Prepared,
    runs: Mapping[str, Run],
    *,
    roots: Sequence[Path] | None = None,
    progress: Progress | None = None,
) -> ShortcutResult:
    """Judges all networks on the test pictures, in all cases, and measures where the marked ones' evidence lies.

    Args:
        prepared: The pictures.
        runs: The runs of all arms, with weights.
        roots: Folders that pictures may be read under; ``None`` for no limit.
        progress: Called with passes done and in all; what it raises ends the work.

    Raises:
        InputError: A run has no weights, or there are no test pictures of the marked class.
    """
    plan = prepared.plan
    dataset = open_dataset(prepared.source(WITHOUT), roots=roots)
    test = dataset.subset(dataset.positions("test"))
    marked = dataset.classes.index(plan.marked)
    of_class = [place for place, item in enumerate(test.items) if item.label == marked]
    if not of_class or len(of_class) == len(test):
        raise InputError("The test pictures are all of one class. Take more pictures.")
    looked = of_class[:LOOKED]
    ticker = _Ticker(len(ARMS) * (len(CASES) * len(test) + len(looked)) + 2 * min(SHOWN, len(looked)), progress)
    outcomes: dict[str, Outcome] = {}
    examples: tuple[Example, ...] = ()
    area = 0.0
    for arm in ARMS:
        network = network_of_run(runs[arm])
        near = _near(plan.mark, test.load(0).size, network)
        area = float(near.mean()) if arm == WITH else area
        answers = {case: _answers(network, test, marked, plan.mark, case, ticker) for case in CASES}
        heat = _heat(network, test, looked, marked, plan.mark, near, ticker)
        outcomes[arm] = _outcome(answers, np.array([item.label for item in test.items]), marked, heat)
        if arm == WITH:
            examples = tuple(_example(network, test, place, marked, plan.mark, ticker) for place in looked[:SHOWN])
    guess = float(np.bincount([item.label for item in test.items]).max()) / len(test)
    return ShortcutResult(plan.marked, outcomes, len(test), guess, area, examples)


class _Ticker:
    def __init__(self, total: int, progress: Progress | None) -> None:
        self.done, self.total, self.progress = 0, total, progress

    def __call__(self, passes: int) -> None:
        self.done += passes
        if self.progress is not None:
            self.progress(min(self.done, self.total), self.total)


def in_case(image: Image.Image, label: int, marked: int, mark: Mark, case: str) -> Image.Image:
    """Returns a test picture as one of :data:`CASES` has it."""
    wears = {"marked": label == marked, "plain": False, "moved": label != marked}[case]
    return planted(image, mark) if wears else image


def _answers(network: Network, test: Dataset, marked: int, mark: Mark, case: str, tick: _Ticker) -> NDArray[np.int64]:
    """Returns the most probable class of every test picture."""
    batch = batch_of(network, device_of(network.model))
    found: list[int] = []
    for start in range(0, len(test), batch):
        places = range(start, min(start + batch, len(test)))
        images = [in_case(test.load(i), test.items[i].label, marked, mark, case) for i in places]
        x = torch.cat([to_tensor(image, network.preprocessing) for image in images])
        with Probe(network) as probe:
            found += probe(x).argmax(1).tolist()
        tick(len(images))
    return np.array(found)


def _near(mark: Mark, size: tuple[int, int], network: Network) -> NDArray[np.bool_]:
    """Returns the mark as the network sees it, and what a cell of the map that touches it spreads to."""
    from scipy.ndimage import binary_dilation

    prep: Preprocessing = network.preprocessing
    seen = seen_mask(mark.mask(*size), prep)
    cell = prep.crop / max(network.anatomy.grid)
    return np.asarray(binary_dilation(seen, np.ones((3, 3), bool), iterations=max(1, round(cell / 2))))


def _heat(
    network: Network,
    test: Dataset,
    places: Sequence[int],
    marked: int,
    mark: Mark,
    near: NDArray[np.bool_],
    tick: _Ticker,
) -> float:
    shares = []
    for place in places:
        x = to_tensor(planted(test.load(place), mark), network.preprocessing)
        heat = explain(network, x, METHOD, target=marked).heatmap
        if not heat.empty:
            shares.append(energy(positive(heat.values), near))
        tick(1)
    return float(np.mean(shares)) if shares else 0.0


def _outcome(answers: Mapping[str, NDArray[np.int64]], labels: NDArray[np.int64], marked: int, heat: float) -> Outcome:
    own = labels == marked
    return Outcome(
        accuracy={case: float(np.mean(found == labels)) for case, found in answers.items()},
        recall={case: float(np.mean(answers[case][own] == marked)) for case in ("marked", "plain")},
        named={case: float(np.mean(found[~own] == marked)) for case, found in answers.items()},
        heat=heat,
    )


def _example(network: Network, test: Dataset, place: int, marked: int, mark: Mark, tick: _Ticker) -> Example:
    image = test.load(place)
    pictures, heats, probabilities, answers = {}, {}, {}, {}
    for case in ("marked", "plain"):
        given = in_case(image, marked, marked, mark, case)
        found = explain(network, to_tensor(given, network.preprocessing), METHOD, target=marked)
        pictures[case] = fit(given.convert("RGB"), network.preprocessing)
        heats[case] = found.heatmap.values
        probabilities[case] = float(found.probabilities[marked])
        answers[case] = network.classes[found.predicted]
        tick(1)
    return Example(test.items[place].key, pictures, heats, probabilities, answers)


# --- in words --------------------------------------------------------------------------------------------------------

LEARNED = 0.1
"""Accuracy above guessing from which a network has learned something, if it is also more than luck: two deviations."""
TAKEN = 0.15
"""Fall of the marked class's recall, or rise of false alarms, from which the network took the shortcut."""


def learned(found: ShortcutResult, accuracy: float) -> bool:
    """Whether an accuracy is clearly above guessing on so many test pictures."""
    luck = 2 * math.sqrt(found.guess * (1 - found.guess) / found.images)
    return accuracy - found.guess >= max(LEARNED, luck)


def findings(found: ShortcutResult) -> list[Finding]:
    """Returns what the experiment showed, with its figures: was the shortcut taken, and did the heat show it?"""
    with_mark, without = found.outcomes[WITH], found.outcomes[WITHOUT]
    fall = with_mark.recall["marked"] - with_mark.recall["plain"]
    alarms = with_mark.named["moved"] - with_mark.named["plain"]
    taken = max(fall, alarms) >= TAKEN
    rows = [_taken(found, with_mark, taken)]
    ratio = with_mark.heat / max(found.area, 1e-9)
    rows.append(
        Finding(
            "heat-on-mark",
            ("good" if taken else "warn") if ratio >= 1.5 and with_mark.heat > without.heat else "warn",
            Sentence("The heatmap gives it away: the evidence lies on the mark.", {})
            if ratio >= 1.5 and with_mark.heat > without.heat
            else Sentence("The heatmap alone does not give it away.", {}),
            Sentence(
                "{heat} of the heat for class {marked} lies at the mark, which with its margin is {area} of the "
                "picture; the network trained without marks has {other} there.",
                {
                    "heat": percent(with_mark.heat),
                    "marked": found.marked,
                    "area": percent(found.area),
                    "other": percent(without.heat),
                },
            ),
            Sentence("Look at heatmaps before you believe an accuracy.", {}),
        )
    )
    rows.append(_without(found, with_mark, without))
    rows.append(_pretrained(found, with_mark, found.outcomes[PRETRAINED]))
    return rows


def _without(found: ShortcutResult, with_mark: Outcome, without: Outcome) -> Finding:
    able = learned(found, without.accuracy["plain"])
    return Finding(
        "without-mark",
        "good" if able else "warn",
        Sentence("Trained on the same pictures without marks, the network has to look at the object.", {})
        if able
        else Sentence("Without marks the small network hardly learns: what looked like skill was the mark.", {}),
        Sentence(
            "Trained without marks it is right in {accuracy} of the plain pictures, trained with them in {other}; "
            "guessing is right in {chance}.",
            {
                "accuracy": percent(without.accuracy["plain"]),
                "other": percent(with_mark.accuracy["plain"]),
                "chance": percent(found.guess),
            },
        ),
        Sentence("Remove what comes with one class only: marks, borders, dates, backgrounds.", {}),
    )


def _pretrained(found: ShortcutResult, with_mark: Outcome, pretrained: Outcome) -> Finding:
    fall = pretrained.recall["marked"] - pretrained.recall["plain"]
    alarms = pretrained.named["moved"] - pretrained.named["plain"]
    fooled = max(fall, alarms) >= TAKEN
    able = learned(found, pretrained.accuracy["marked"])
    return Finding(
        "pretrained",
        "good" if able and not fooled else "warn",
        Sentence("A pretrained network learned the mark from these pictures, too.", {})
        if fooled
        else Sentence("A pretrained network with a new head learned neither mark nor object.", {})
        if not able
        else Sentence("A pretrained network with a new head hardly minds the mark: it knows better features.", {}),
        Sentence(
            "On the same marked pictures EfficientNet-Lite0 comes to {marked} with the mark, {plain} without it and "
            "{moved} with it on other classes; the small network to {small}, {small_plain} and {small_moved}.",
            {
                "marked": percent(pretrained.accuracy["marked"]),
                "plain": percent(pretrained.accuracy["plain"]),
                "moved": percent(pretrained.accuracy["moved"]),
                "small": percent(with_mark.accuracy["marked"]),
                "small_plain": percent(with_mark.accuracy["plain"]),
                "small_moved": percent(with_mark.accuracy["moved"]),
            },
        ),
        Sentence("Start from pretrained weights where there are few pictures, and check it all the same.", {}),
    )


def _taken(found: ShortcutResult, with_mark: Outcome, taken: bool) -> Finding:
    able = learned(found, with_mark.accuracy["marked"])
    return Finding(
        "taken" if taken else "not-taken" if able else "nothing-learned",
        "bad" if taken else "good" if able else "warn",
        Sentence("The network took the shortcut: it learned the mark, not the object.", {})
        if taken
        else Sentence("The network learned neither mark nor object: it is hardly better than guessing.", {})
        if not able
        else Sentence("The network did not take the shortcut: the object was easy enough to learn.", {}),
        Sentence(
            "Accuracy {marked_accuracy} with the mark in place, {plain_accuracy} without it. Of the class {marked} it "
            "finds {recall} with the mark and {plain} without. Of the other classes it takes {moved} for {marked} with "
            "the mark on them, and {alarms} without. {count} test pictures.",
            {
                "marked_accuracy": percent(with_mark.accuracy["marked"]),
                "plain_accuracy": percent(with_mark.accuracy["plain"]),
                "marked": found.marked,
                "recall": percent(with_mark.recall["marked"]),
                "plain": percent(with_mark.recall["plain"]),
                "moved": percent(with_mark.named["moved"]),
                "alarms": percent(with_mark.named["plain"]),
                "count": figure(found.images),
            },
        ),
        Sentence("Test on pictures from elsewhere, where the mark cannot help.", {})
        if taken
        else Sentence("Take a harder task, a larger mark, or fewer pictures, and it may.", {}),
    )
