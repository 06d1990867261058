"""What transfer gained: a higher start, a higher slope, a higher asymptote, against the same network from scratch.

The three gains of Torrey and Shavlik (2010, Handbook of Research on Machine Learning Applications, chapter 11),
measured on the validation accuracy after each epoch, over seeds. Loads no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.errors import InputError
from core.evaluation.differences import Contrast, holm, welch
from core.runs.store import Run
from core.specs import Experiment
from core.training.recipes import make_recipe
from core.workflows.comparing.curves import Curve, Floats

SLOPE_EPOCHS = 3
"""Epochs over which the slope is taken, at most."""
LAST_SHARE = 0.2
"""Share of the epochs, the last ones, whose mean is the asymptote."""
GAINS = ("start", "slope", "asymptote")
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Course:
    """What one run's curve says.

    Attributes:
        start: Accuracy after the first epoch: with a new head every network is at chance before it.
        slope: Accuracy gained an epoch over the first :data:`SLOPE_EPOCHS`, from before training where that was judged.
        asymptote: Mean accuracy of the last fifth of its epochs.
    """

    start: float
    slope: float
    asymptote: float


@dataclass(frozen=True, slots=True)
class Gain:
    """One of :data:`GAINS` of the pretrained runs against those from scratch.

    Attributes:
        name: Which.
        scratch: The figure of each run from scratch.
        pretrained: Of each pretrained run.
        contrast: Difference of the means with its 95 % interval over seeds; ``None`` with one run on a side.
    """

    name: str
    scratch: tuple[float, ...]
    pretrained: tuple[float, ...]
    contrast: Contrast | None

    @property
    def difference(self) -> float:
        """Mean of the pretrained runs less that of the others."""
        return float(np.mean(self.pretrained) - np.mean(self.scratch))


@dataclass(frozen=True, slots=True)
class Reached:
    """When a run first reached an accuracy; all ``None`` where it never did.

    Attributes:
        epoch: After which epoch.
        images: Training images seen by then.
        seconds: Seconds of training by then.
    """

    epoch: int | None
    images: float | None = None
    seconds: float | None = None


def course(curve: Curve) -> Course | None:
    """Returns what a run's validation accuracy over epochs says; ``None`` before its first epoch.

    Args:
        curve: From epoch 0 where the run was judged before training.
    """
    known = ~np.isnan(curve.y)
    epochs, values = curve.epochs[known], curve.y[known]
    trained = values[epochs >= 1]
    if not len(trained):
        return None
    first = min(int(epochs[0]), 1)
    reach = (epochs >= first) & (epochs <= first + SLOPE_EPOCHS)
    span = float(epochs[reach][-1] - epochs[reach][0])
    slope = float(values[reach][-1] - values[reach][0]) / span if span else 0.0
    last = max(1, round(LAST_SHARE * len(trained)))
    return Course(float(trained[0]), slope, float(trained[-last:].mean()))


def gains(scratch: Sequence[Curve], pretrained: Sequence[Curve]) -> tuple[Gain, ...]:
    """Returns the three gains.

    Args:
        scratch: Validation accuracy over epochs of the runs from scratch, one a seed.
        pretrained: Of the pretrained runs.

    Raises:
        InputError: A side has no run with an epoch.
    """
    sides = [[known for one in side if (known := course(one))] for side in (scratch, pretrained)]
    if not all(sides):
        raise InputError("Both sides need a run with at least one epoch.")
    found = list[Gain]()
    for name in GAINS:
        a, b = (tuple(float(getattr(one, name)) for one in side) for side in sides)
        found.append(Gain(name, a, b, welch(a, b) if min(len(a), len(b)) > 1 else None))
    return tuple(found)


def beyond_chance(found: Sequence[Gain]) -> dict[str, int] | None:
    """Returns for each gain whether the pretrained runs are better (1), worse (-1) or cannot be told apart (0).

    Welch's tests over seeds, corrected by Holm over the gains; ``None`` with one run on a side, which says nothing of
    chance. Worse is *negative transfer* (Rosenstein et al. 2005, NIPS workshop on inductive transfer), but for a slope
    that is lower because the start was higher.
    """
    tested = [(gain, gain.contrast) for gain in found if gain.contrast is not None]
    if len(tested) < len(found):
        return None
    corrected = holm([contrast.p_value for _, contrast in tested])
    return {
        gain.name: (1 if gain.difference > 0 else -1) if p_value < SIGNIFICANT else 0
        for (gain, _), p_value in zip(tested, corrected, strict=True)
    }


def reached(epochs: Curve, images: Floats, seconds: Floats, accuracy: float) -> Reached:
    """Returns when a run's accuracy was first at least as high as asked.

    Args:
        epochs: Its validation accuracy over epochs, ``N``.
        images: Training images seen by each, ``N``.
        seconds: Seconds of training by each, ``N``.
        accuracy: Between 0 and 1.
    """
    rows = np.flatnonzero(epochs.y >= accuracy - 1e-9)
    if not len(rows):
        return Reached(None)
    row = int(rows[0])
    return Reached(int(epochs.epochs[row]), float(images[row]), float(seconds[row]))


def from_scratch(experiment: Experiment) -> Experiment:
    """Returns the counterpart of a training from pretrained weights: the same images, network and epochs, at random.

    Everything learns, at the rates of the preset ``scratch``: what stays frozen at random could learn nothing. Batch,
    augmentation, loss and seed stay.
    """
    epochs = sum(phase.epochs for phase in experiment.training.phases)
    recipe = make_recipe("scratch", epochs=epochs)
    training = replace(
        experiment.training, preset=recipe.preset, phases=recipe.phases, precisions=(), acts=(), early=None
    )
    base = experiment.name.partition(" · seed ")[0] or experiment.model.backbone
    return replace(
        experiment,
        model=replace(experiment.model, weights="none"),
        training=training,
        freeze=recipe.freeze,
        name=f"{base[:90]} · from scratch",
        series="",
    )


def is_pretrained(experiment: Experiment) -> bool:
    """Whether a training starts from weights that something else was learned with."""
    return experiment.model.weights != "none"


def counterparts(run: Run, runs: Iterable[Run]) -> list[Run]:
    """Returns the runs from scratch that a pretrained one can be held against.

    They have its images, divided alike, its backbone and its input size.

    Args:
        run: A pretrained run.
        runs: All runs, in the order in which they are returned.
    """
    mine, found = run.experiment, []
    for other in runs:
        try:
            theirs = other.experiment
        except InputError:
            continue
        if (
            not is_pretrained(theirs)
            and theirs.data == mine.data
            and theirs.model.backbone == mine.model.backbone
            and theirs.model.image_size == mine.model.image_size
            and theirs.model.channels == mine.model.channels
        ):
            found.append(other)
    return found
