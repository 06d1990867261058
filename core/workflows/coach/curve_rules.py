"""What the curves of a run show: each rule looks for one thing and says it with its figures.

The limits are conventions, chosen so that a healthy run gives no cause for alarm; they stand here, each with its name.
"""

from __future__ import annotations

import math

import numpy as np

from core.messages import Sentence
from core.workflows.findings import RECENT, Finding, RunEvidence, figure, percent

GAP, WIDE_GAP = 0.15, 0.3
"""Training accuracy over validation accuracy from which images count as learned by heart, and clearly so."""
RISE = 1.1
"""Validation loss over its lowest from which it counts as rising."""
HALF_WAY = 0.5
"""Share of the way from guessing to perfect below which a network counts as not having learned enough."""
GUESS = 0.05
"""Share of that way that counts as no better than guessing."""
JUMP, JUMPS = 1.5, 2
"""A training loss over its lowest so far, and by how many nats, that counts as a jump; so many in ten epochs are."""
JUMP_NATS = 0.2
SLOW_FALL, STEADY = 0.1, 0.8
"""Share of its loss that a phase takes off, and share of epochs in which it falls, for a rate that is too low."""
FLAT = 0.01
"""Relative change of both losses below which a stretch counts as flat."""
LONG_AGO = 0.3
"""Share of the epochs so far, and at least ten, after which the best epoch was long ago."""
APART, APART_NATS = 2.0, 0.5
"""Validation loss over training loss, and by how many nats, from which they count as far apart."""
EASIER = 0.05
"""Validation accuracy over training accuracy that is worth a word."""


def diverged(run: RunEvidence) -> Finding | None:
    """The loss is not a number any more."""
    losses = [run.column("train_loss"), run.column("val_loss")]
    broken = any(len(loss) and not np.isfinite(loss[-1]) for loss in losses)
    reported = "not a number" in (run.status.message_template or run.status.message)
    if not broken and not reported:
        return None
    return Finding(
        "diverged",
        "bad",
        Sentence("The loss is not a number any more: the weights were thrown out of all bounds.", {}),
        Sentence("After {n} whole epochs, at a learning rate of {rate}.", {"n": run.epoch, "rate": _rate(run)}),
        Sentence(
            "Train again at a rate of {rate}, or limit the norm of the gradients (clipping at 1).",
            {"rate": figure(run.phase.lr / 10)},
        ),
    )


def rate_too_high(run: RunEvidence) -> Finding | None:
    """The training loss jumps."""
    loss = run.column("train_loss")[-run.in_phase :] if run.in_phase else run.column("train_loss")
    if len(loss) < 4 or not np.isfinite(loss).all():
        return None
    lowest = np.minimum.accumulate(loss)
    jumps = (loss[1:] > JUMP * lowest[:-1]) & (loss[1:] > lowest[:-1] + JUMP_NATS) & (loss[1:] > loss[:-1])
    recent = int(jumps[-10:].sum())
    climbed = run.now("train_loss") > JUMP * loss[0] + JUMP_NATS
    if recent < JUMPS and not climbed:
        return None
    return Finding(
        "rate-too-high",
        "bad" if climbed else "warn",
        Sentence("The training loss jumps instead of falling: the learning rate is probably too high.", {}),
        Sentence(
            "In the last {window} epochs it rose by half or more {n} times; now {now}, lowest {low}.",
            {
                "window": min(10, len(jumps)),
                "n": recent,
                "now": figure(float(loss[-1])),
                "low": figure(float(lowest[-1])),
            },
        ),
        Sentence("Divide the rate by 3 to 10 (you can do so while it runs), or warm it up.", {}),
    )


def rate_too_low(run: RunEvidence) -> Finding | None:
    """The training loss falls steadily, but hardly."""
    loss = run.column("train_loss")[-run.in_phase :] if run.in_phase else run.column("train_loss")
    if len(loss) < 5 or not np.isfinite(loss).all() or run.rate_fell or run.classes < 2:
        return None
    fall = 1 - float(loss[-1] / loss[0]) if loss[0] > 0 else 1.0
    steps = np.diff(loss)
    steady = float((steps < 0).mean())
    # what is left to gain grows small by itself: only a loss that is still near guessing counts
    if not 0 < fall < SLOW_FALL or steady < STEADY or loss[-1] < 0.5 * math.log(run.classes):
        return None
    return Finding(
        "rate-too-low",
        "warn",
        Sentence("The loss falls steadily but very slowly: the learning rate is probably too low.", {}),
        Sentence(
            "In {n} epochs at a rate of {rate} the training loss fell by {fall}, from {first} to {now}.",
            {
                "n": len(loss),
                "rate": _rate(run),
                "fall": percent(fall),
                "first": figure(float(loss[0])),
                "now": figure(float(loss[-1])),
            },
        ),
        Sentence(
            "Multiply the rate by 3 to 10 (you can do so now, while it runs), or let the rate finder suggest.", {}
        ),
    )


def overfitting(run: RunEvidence) -> Finding | None:
    """Training images are known by heart, validation images are not."""
    if run.epoch < 3 or not run.images("val"):
        return None
    train, val = run.now("train_accuracy"), run.now("val_accuracy")
    chance = 2 * math.sqrt(max(val * (1 - val), 0.01) / run.images("val"))  # twice the standard error
    gap = train - val
    if not gap >= max(GAP, chance):
        return None
    loss = run.column("val_loss")
    lowest = int(np.nanargmin(loss)) if np.isfinite(loss).any() else 0
    rising = len(loss) - 1 - lowest >= 3 and run.now("val_loss") > RISE * loss[lowest]
    return Finding(
        "overfitting",
        "bad" if gap >= WIDE_GAP and rising else "warn",
        Sentence("The network learns its training images by heart: on new ones it is clearly worse.", {})
        if not rising
        else Sentence(
            "The network learns its training images by heart: on new ones it is clearly worse, and its loss there has "
            "been rising since epoch {epoch}.",
            {"epoch": int(run.rows[lowest]["epoch"])},
        ),
        Sentence(
            "Over the last {epochs} epochs: accuracy {train} in training, {val} on {n} validation images, {gap} points "
            "apart; validation loss {now}, lowest {low}.",
            {
                "epochs": RECENT,
                "train": percent(train),
                "val": percent(val),
                "n": run.images("val"),
                "gap": round(100 * gap),
                "now": figure(run.now("val_loss")),
                "low": figure(float(loss[lowest])),
            },
        ),
        Sentence("Augment the images, freeze more stages, add dropout or weight decay, or stop earlier.", {}),
    )


def losses_apart(run: RunEvidence) -> Finding | None:
    """The validation loss climbs away from the training loss."""
    train, val = run.now("train_loss"), run.column("val_loss")
    if run.epoch < 3 or not np.isfinite(val).all() or not val[-1] > APART * train + APART_NATS:
        return None
    lowest = float(val.min())
    if not val[-1] > RISE * lowest or val[-1] < val[-2]:
        return None
    return Finding(
        "losses-apart",
        "warn",
        Sentence("The validation loss climbs away from the training loss.", {}),
        Sentence(
            "Training loss {train}, validation loss {val}, lowest {low}.",
            {"train": figure(train), "val": figure(float(val[-1])), "low": figure(lowest)},
        ),
        Sentence(
            "The network is sure of wrong answers. Lower the rate; with BatchNorm and few steps its running statistics "
            "may lag behind, so a larger batch or more epochs help, too.",
            {},
        ),
    )


def underfitting(run: RunEvidence) -> Finding | None:
    """Not even the training images are learned."""
    if run.epoch < (5 if run.live else 3) or run.classes < 2:
        return None
    guess = 1 / run.classes
    reached = max(run.now("train_accuracy"), run.now("val_accuracy"))
    way = (reached - guess) / (1 - guess)
    done = not run.live or run.epoch >= 0.8 * run.epochs
    if not way < HALF_WAY or not (done or _flat(run, "train_loss", 5)):
        return None
    evidence = Sentence(
        "After {n} epochs {accuracy} of the training images are right; guessing among {classes} classes gives {guess}.",
        {
            "n": run.epoch,
            "accuracy": percent(run.last("train_accuracy")),
            "classes": run.classes,
            "guess": percent(guess),
        },
    )
    if way < GUESS:
        return Finding(
            "nothing-learned",
            "bad",
            Sentence("The network has learned nothing: it is no better than guessing.", {}),
            evidence,
            Sentence(
                "Check that the weights do not all start equal, that a learning rate of {rate} suits the optimizer, "
                "and that the images of a class have something in common.",
                {"rate": _rate(run)},
            ),
        )
    if run.epoch < 5:
        return None
    return Finding(
        "underfitting",
        "warn",
        Sentence("The network does not even learn its training images well.", {}),
        evidence,
        _learn_more(run),
    )


def _learn_more(run: RunEvidence) -> Sentence:
    """Advises what may help a network that learns too little: nothing that is so already."""
    spec, status = run.experiment, run.status
    augmented = any(spec.augmentation(phase).active for phase in spec.training.phases)
    if status.trainable_parameters is None or status.trainable_parameters != status.total_parameters:
        if augmented:
            return Sentence("Let more stages learn, train for more epochs, raise the rate, or augment less.", {})
        return Sentence("Let more stages learn, train for more epochs, or raise the rate.", {})
    if augmented:
        return Sentence("Train for more epochs, raise the rate, or augment less.", {})
    if spec.model.weights == "none":
        return Sentence("Train for more epochs, raise the rate, or begin with pretrained weights.", {})
    return Sentence("Train for more epochs, or raise the rate.", {})


def easier(run: RunEvidence) -> Finding | None:
    """Validation is better than training, which surprises people."""
    if run.epoch < 4:
        return None
    train, val = run.now("train_accuracy"), run.now("val_accuracy")
    if not val - train >= EASIER:
        return None
    evidence = Sentence(
        "Over the last {epochs} epochs: accuracy {train} in training, {val} in validation.",
        {"epochs": RECENT, "train": percent(train), "val": percent(val)},
    )
    if run.regularised:
        return Finding(
            "val-better",
            "good",
            Sentence("Validation is better than training, and that is as it should be here.", {}),
            evidence,
            Sentence(
                "Nothing to do: training images are changed, mixed or seen through dropout, validation images are not.",
                {},
            ),
        )
    return Finding(
        "val-better",
        "warn",
        Sentence("Validation is better than training although nothing makes the training images harder.", {}),
        evidence,
        Sentence(
            "Training accuracy is counted while the network still learns, so a little is normal early on. If it stays, "
            "look for easy or duplicated validation images, or for too few of them.",
            {},
        ),
    )


def long_ago(run: RunEvidence) -> Finding | None:
    """The best epoch was long ago and the training still goes on."""
    best = run.status.best_epoch or 0
    since = run.epoch - best
    if not run.live or not best or since < max(10, LONG_AGO * run.epoch) or run.experiment.training.early:
        return None
    return Finding(
        "best-long-ago",
        "warn",
        Sentence("It has not become better for a while: you may stop now.", {}),
        Sentence(
            "The best epoch is {best}, {since} epochs ago; {left} are left.",
            {"best": best, "since": since, "left": max(0, run.epochs - run.epoch)},
        ),
        Sentence("Stop and keep the best, or let early stopping do that for you next time.", {}),
    )


def plateau(run: RunEvidence) -> Finding | None:
    """Both losses stand still although there is something left to gain."""
    window = max(6, run.epoch // 5)
    if run.in_phase < window or run.now("val_accuracy") > 0.97 or run.rate_fell:
        return None
    if not (_flat(run, "train_loss", window) and _flat(run, "val_loss", window)):
        return None
    return Finding(
        "plateau",
        "warn",
        Sentence("The curves have gone flat: at this rate nothing more is to be learned.", {}),
        Sentence(
            "Over {n} epochs the training loss stayed at {train} and the validation loss at {val}, within {limit}.",
            {
                "n": window,
                "train": figure(run.now("train_loss")),
                "val": figure(run.now("val_loss")),
                "limit": percent(FLAT),
            },
        ),
        Sentence("Lower the rate (a plateau or cosine schedule does that by itself), or let the next stage learn.", {}),
    )


def learns(run: RunEvidence) -> bool:
    """Whether validation says that something was learned: the loss fell, or the accuracy is far above guessing."""
    if run.epoch < 3:
        return False
    loss, guess = run.column("val_loss"), 1 / max(2, run.classes)
    fell = bool(np.isfinite(loss).all()) and run.now("val_loss") < loss[0]
    return fell or run.now("val_accuracy") >= guess + HALF_WAY * (1 - guess)


def _flat(run: RunEvidence, name: str, window: int) -> bool:
    """Whether the two halves of the last epochs hardly differ."""
    values = run.column(name)[-window:]
    if len(values) < window or not np.isfinite(values).all():
        return False
    first, second = float(np.mean(values[: window // 2])), float(np.mean(values[-(window // 2) :]))
    return abs(second - first) <= FLAT * max(abs(first), 1e-9)


def _rate(run: RunEvidence) -> str:
    rates = run.column("lr")
    return figure(float(rates[-1]) if len(rates) and np.isfinite(rates[-1]) else run.phase.lr)


RULES = (diverged, rate_too_high, rate_too_low, overfitting, losses_apart, underfitting, easier, long_ago, plateau)
