"""What the inside of a run, its recipe and its images show: each rule looks for one thing.

The limits are conventions, like those in :mod:`core.workflows.coach.curve_rules`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from core.messages import Sentence
from core.workflows.findings import RECENT, Finding, RunEvidence, figure, percent

DEAD, MOSTLY_DEAD = 0.4, 0.7
"""Share of a learning stage's ReLU units that are never on from which it is worth a word, and alarming."""
DIED = 0.2
"""Share of them that died since the first look, likewise."""
VANISH = 1e-3
"""Gradient of the first learning stage over that of the last below which gradients count as vanishing."""
EXPLODE, HUGE = 100.0, 1e3
"""Gradient over its own beginning, and its norm, from which gradients count as exploding."""
FAST = 0.1
"""Change of a stage's weights in one step, over their length, from which steps count as too large."""
SLOW = 1e-6
"""The same, below which nothing moves."""
DRIFT = 0.01
"""Change of frozen normalisation statistics, over their length, from which they count as moving."""
UNEVEN = 3.0
"""Images of the largest class over those of the smallest from which classes count as unevenly filled."""
COST = 0.05
"""Accuracy over balanced accuracy from which that shows."""
ALL = 0.9
"""Share of the test images that are training images from which the test counts as the training folder."""


def dead_units(run: RunEvidence) -> Finding | None:
    """ReLU units that answer zero to everything."""
    looked = [row for row in run.health if any("dead" in entry for entry in row.get("stages", ()))]
    if not looked:
        return None
    found = []
    for entry in looked[-1]["stages"]:
        if not entry.get("units") or entry["units"] < 8 or not entry.get("learns"):
            continue
        before = run.stage(looked[0], entry["stage"])
        share = entry["dead"] / entry["units"]
        died = share - (before["dead"] / before["units"] if before.get("units") else share)
        if share >= DEAD or died >= DIED:
            found.append((share, entry))
    if not found:
        return None
    share, worst = max(found, key=lambda pair: pair[0])
    return Finding(
        "dead-relus",
        "bad" if share >= MOSTLY_DEAD else "warn",
        Sentence("Many ReLU units of {stage} are dead: they answer zero to every image.", {"stage": worst["stage"]}),
        Sentence(
            "{dead} of {units} ({share}) gave nothing but zeros on a few validation images in epoch {epoch}.",
            {"dead": worst["dead"], "units": worst["units"], "share": percent(share), "epoch": looked[-1]["epoch"]},
        ),
        Sentence("Lower the rate, warm it up, or use leaky ReLUs: dead units get no gradient and stay dead.", {}),
    )


def gradients(run: RunEvidence) -> Finding | None:
    """Gradients that vanish on the way to the first stages, or explode."""
    measured = [(row, norms) for row in run.health if (norms := _column(row, "gradient"))]
    if len(measured) < 2:
        return None
    totals = [sum(value**2 for value in norms.values()) ** 0.5 for _, norms in measured]
    now, start = median(totals[-RECENT:]), median(totals[:RECENT])
    if now > HUGE or (len(totals) > RECENT and now > EXPLODE * start and now > 1):
        return Finding(
            "exploding-gradients",
            "bad",
            Sentence("The gradients explode: steps grow until the weights are thrown out of all bounds.", {}),
            Sentence("Their norm was {start} at first and is {now} now.", {"start": figure(start), "now": figure(now)}),
            Sentence("Clip the gradients (a norm of 1 is usual), lower the rate, or use normalisation layers.", {}),
        )
    first, last = next(iter(measured[-1][1])), list(measured[-1][1])[-1]
    if len(measured[-1][1]) < 3:
        return None
    ratios = [norms[first] / norms[last] for _, norms in measured[-RECENT:] if norms.get(last) and first in norms]
    if not ratios or median(ratios) >= VANISH:
        return None
    return Finding(
        "vanishing-gradients",
        "warn",
        Sentence(
            "The gradients vanish on their way back: hardly anything of {last} reaches {first}.",
            {"first": first, "last": last},
        ),
        Sentence(
            "The gradient's norm is {small} in {first} and {large} in {last}.",
            {
                "first": first,
                "last": last,
                "small": figure(measured[-1][1][first]),
                "large": figure(measured[-1][1][last]),
            },
        ),
        Sentence("Use ReLUs, normalisation layers and shortcuts, initialise after He, or start from weights.", {}),
    )


def step_size(run: RunEvidence) -> Finding | None:
    """Steps that are large or tiny against the weights they change."""
    rows = [ratios for row in run.health[-RECENT:] if (ratios := _column(row, "update"))]
    if len(rows) < 2 or run.rate_fell:
        return None
    typical = {name: median(row[name] for row in rows if name in row) for name in rows[-1]}
    name, ratio = max(typical.items(), key=lambda pair: pair[1])
    if ratio > FAST:
        return Finding(
            "large-steps",
            "warn",
            Sentence("Single steps change {stage} a lot: its learning rate is probably too high.", {"stage": name}),
            Sentence(
                "One step moves its weights by {ratio} of their length; 0.1 %\u00a0is usual.", {"ratio": percent(ratio)}
            ),
            Sentence("Lower the rate, or give this stage a lower one of its own.", {}),
        )
    if ratio < SLOW:
        return Finding(
            "tiny-steps",
            "warn",
            Sentence("The weights hardly move: the learning rate is probably too low.", {}),
            Sentence(
                "Even in {stage} one step moves them by only {ratio} of their length; about 1e-3 is usual.",
                {"stage": name, "ratio": figure(ratio)},
            ),
            Sentence("Raise the rate by 10 or more, or let the rate finder suggest one.", {}),
        )
    return None


def drifting(run: RunEvidence) -> Finding | None:
    """Frozen normalisation layers whose statistics move."""
    if not run.health:
        return None
    moved = [
        (entry["drift"], entry["stage"])
        for entry in run.health[-1].get("stages", ())
        if not entry.get("learns") and (entry.get("drift") or 0) > DRIFT and not entry.get("distance")
    ]
    if not moved:
        return None
    drift, stage = max(moved)
    return Finding(
        "norm-drift",
        "warn",
        Sentence("BatchNorm works in training mode in stages that are frozen, so they change all the same.", {}),
        Sentence(
            "The statistics of {stage} moved by {drift} of their length, in {n} frozen stages altogether.",
            {"stage": stage, "drift": percent(drift), "n": len(moved)},
        ),
        Sentence("Choose evaluation mode for frozen normalisation, unless your images look very different.", {}),
    )


def imbalance(run: RunEvidence) -> Finding | None:
    """Frequent classes carry the accuracy."""
    counts = {name: n for name, n in run.counts.get("train", {}).items() if n}
    if len(counts) < 2 or run.epoch < 3:
        return None
    ratio = max(counts.values()) / min(counts.values())
    plain, fair = run.now("val_accuracy"), run.now("val_balanced_accuracy")
    if ratio < UNEVEN or not plain - fair >= COST:
        return None
    rare, common = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    return Finding(
        "imbalance",
        "warn",
        Sentence("The classes are filled unevenly, and the rare ones pay for it.", {}),
        Sentence(
            "{common} has {many} training images, {rare} has {few}. Accuracy {plain}, as a mean over classes {fair}.",
            {
                "common": common,
                "many": counts[common],
                "rare": rare,
                "few": counts[rare],
                "plain": percent(plain),
                "fair": percent(fair),
            },
        ),
        Sentence("Weigh the classes in the loss, judge by balanced accuracy, or add images of rare classes.", {}),
    )


def missing_class(run: RunEvidence) -> Finding | None:
    """A class without an image to learn from, or to be judged on."""
    train, val = run.counts.get("train", {}), run.counts.get("val", {})
    for split, there, other in (("train", train, val), ("val", val, train)):
        gone = sorted(name for name, n in other.items() if n and not there.get(name))
        if gone and there:
            return Finding(
                "class-missing",
                "warn" if split == "val" else "bad",
                Sentence("Not every class is there to be judged.", {})
                if split == "val"
                else Sentence("Not every class is there to be learned.", {}),
                Sentence(
                    "{n} of {all} classes have no validation image, such as {name}.",
                    {"n": len(gone), "all": run.classes, "name": gone[0]},
                )
                if split == "val"
                else Sentence(
                    "{n} of {all} classes have no training image, such as {name}.",
                    {"n": len(gone), "all": run.classes, "name": gone[0]},
                ),
                Sentence("Add images of these classes, or divide the images anew.", {}),
            )
    return None


def early_on_training(run: RunEvidence) -> Finding | None:
    """Early stopping, or the choice of the best epoch, looks at the training images."""
    early, best = run.experiment.training.early, run.experiment.training.best
    if early is not None and early.metric.startswith("train"):
        return Finding(
            "early-watches-training",
            "warn",
            Sentence("Early stopping watches the training images, where overfitting cannot be seen.", {}),
            Sentence("It watches {metric}, with a patience of {n}.", {"metric": early.metric, "n": early.patience}),
            Sentence("Let it watch the validation loss or a validation accuracy.", {}),
        )
    if best.startswith("train"):
        return Finding(
            "best-by-training",
            "warn",
            Sentence("The best epoch is chosen by the training images, so the most overfitted one wins.", {}),
            Sentence("It is chosen by {metric}.", {"metric": best}),
            Sentence("Choose it by validation accuracy or loss.", {}),
        )
    return None


def leakage(run: RunEvidence) -> Finding | None:
    """The same pictures in two splits."""
    here = ([key for key in group if key in run.splits] for group in run.copies)
    leaks = [group for group in here if len({run.splits[key] for key in group}) > 1]
    if not leaks:
        return None
    test, copied = run.images("test"), sum(_tests_on_training(run, group) for group in leaks)
    if test and copied >= ALL * test:
        return Finding(
            "test-is-training",
            "bad",
            Sentence("The test images are training images: the test accuracy says nothing about new ones.", {}),
            Sentence("{n} of {all} test images stand in the training folder, too.", {"n": copied, "all": test}),
            Sentence("Point the test at images that were never learned from.", {}),
        )
    first = leaks[0][0]
    second = next(key for key in leaks[0] if run.splits[key] != run.splits[first])
    return Finding(
        "leakage",
        "bad",
        Sentence("The same pictures stand in several splits, so validation and test look better than they are.", {}),
        Sentence(
            "{n} groups of copies, such as {first} and {second}.", {"n": len(leaks), "first": first, "second": second}
        ),
        Sentence("Repair the images under Data, Problems, and augment only after dividing them.", {}),
    )


def _tests_on_training(run: RunEvidence, group: Sequence[str]) -> int:
    """Returns how many of some copies are test images, where another of them is for training."""
    splits = [run.splits[key] for key in group]
    return splits.count("test") if "train" in splits else 0


def _column(row: Mapping[str, Any], name: str) -> dict[str, float]:
    """Returns a figure of each stage that has it, in the network's order."""
    return {entry["stage"]: float(entry[name]) for entry in row.get("stages", ()) if entry.get(name) is not None}


RULES = (leakage, missing_class, early_on_training, gradients, step_size, dead_units, drifting, imbalance)
