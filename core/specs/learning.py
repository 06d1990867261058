"""The parts of a training recipe: schedule, loss, mixed images, early stopping, and what was changed while it ran."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import InputError
from core.specs.checks import number, one_of, whole

SCHEDULES = ("constant", "cosine", "step", "multi-step", "exponential", "polynomial", "one-cycle", "plateau")
LOSSES = ("cross-entropy", "focal", "l1", "mse-mean", "correlation")
BALANCES = ("none", "balanced")
SAMPLERS = ("shuffle", "weighted", "oversample", "undersample")
"""Which training images an epoch shows: ``shuffle`` each once; ``weighted`` as many as there are, drawn with
replacement so that each class comes equally often; ``oversample`` images of each class repeated until it is as large as
the largest; ``undersample`` of each class as many as the rarest has, others in each epoch."""
METRICS = ("val_loss", "val_accuracy", "val_balanced_accuracy", "val_f1", "train_loss", "train_accuracy")
"""What an epoch can be judged by; losses are better low, all others high."""
LIVE_CHANGES = ("rate", "unfreeze", "extend")


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a phase's learning rate changes: a warm-up, and then one of the known curves.

    Attributes:
        name: ``constant``; ``cosine`` (Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts); ``step`` and
            ``multi-step`` (times ``gamma`` every so many epochs, or after the epochs named); ``exponential`` (times
            ``gamma`` an epoch, evenly at each step); ``polynomial`` (``(1 - t) ** power``); ``one-cycle`` (up from a
            25th in the first 30 % and down again, Smith and Topin 2019, arXiv:1708.07120); ``plateau`` (times ``gamma``
            when ``metric`` has not improved for more than ``patience`` epochs).
        warmup: Epochs in which the rate first rises evenly from nearly 0; a part of an epoch is allowed.
        every: Epochs between two drops of ``step``.
        milestones: Epochs of the phase after which ``multi-step`` drops, in rising order.
        gamma: What the rate is multiplied by.
        power: Of ``polynomial``; 1 is a straight line.
        floor: Share of the rate at which ``cosine`` and ``polynomial`` end.
        patience: Epochs without improvement that ``plateau`` bears.
        metric: What ``plateau`` monitors, one of :data:`METRICS`.
    """

    name: str = "constant"
    warmup: float = 0.0
    every: int = 10
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    power: float = 1.0
    floor: float = 0.0
    patience: int = 3
    metric: str = "val_loss"

    def __post_init__(self) -> None:
        one_of("schedule", self.name, SCHEDULES)
        number("warmup", self.warmup, low=0.0, high=1000.0)
        whole("every", self.every, low=1, high=100_000)
        if not isinstance(self.milestones, tuple):
            raise InputError("milestones must be a list of epochs, such as 10, 20.")
        for milestone in self.milestones:
            whole("milestones", milestone, low=1, high=100_000)
        if list(self.milestones) != sorted(set(self.milestones)):
            raise InputError(
                "milestones are {epochs}. Each must be larger than the one before.",
                epochs=", ".join(map(str, self.milestones)),
            )
        if self.name == "multi-step" and not self.milestones:
            raise InputError("A multi-step schedule needs milestones: the epochs after which the rate drops.")
        number("gamma", self.gamma, low=0.0, high=1.0, above=True)
        number("power", self.power, low=0.0, high=10.0, above=True)
        number("floor", self.floor, low=0.0, high=1.0)
        whole("patience", self.patience, low=0, high=100_000)
        one_of("metric", self.metric, METRICS)


@dataclass(frozen=True, slots=True)
class Loss:
    """What is made small.

    Attributes:
        name: ``cross-entropy``; ``focal`` (Lin et al. 2017, arXiv:1708.02002); and, as the course has them for
            practice, ``l1`` (mean absolute difference between probabilities and the one-hot label), ``mse-mean`` (mean
            squared difference plus the absolute mean difference) and ``correlation`` (minus the correlation between
            both).
        smoothing: Label smoothing (Szegedy et al. 2016, arXiv:1512.00567), share of the label spread over all classes.
        gamma: Of the focal loss; 0 makes it cross-entropy.
        balance: ``none``, or ``balanced`` to weigh each class by the inverse of its share of what an epoch shows.
    """

    name: str = "cross-entropy"
    smoothing: float = 0.0
    gamma: float = 2.0
    balance: str = "none"

    def __post_init__(self) -> None:
        one_of("loss", self.name, LOSSES)
        number("smoothing", self.smoothing, low=0.0, high=0.9)
        number("gamma", self.gamma, low=0.0, high=10.0)
        one_of("balance", self.balance, BALANCES)


@dataclass(frozen=True, slots=True)
class Mix:
    """Training on mixtures of two images and of their labels.

    Attributes:
        mixup: Parameter of the beta distribution of MixUp's shares (Zhang et al. 2018, arXiv:1710.09412); 0 for none.
        cutmix: The same for CutMix (Yun et al. 2019, arXiv:1905.04899). With both, each batch draws one of them.
    """

    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        number("mixup", self.mixup, low=0.0, high=100.0)
        number("cutmix", self.cutmix, low=0.0, high=100.0)

    @property
    def active(self) -> bool:
        """Whether anything is mixed."""
        return self.mixup > 0 or self.cutmix > 0


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Ending a phase once it no longer improves.

    Attributes:
        metric: What is monitored, one of :data:`METRICS`.
        patience: Epochs without improvement after which the phase ends.
        minimum: Least change that counts as an improvement.
    """

    metric: str = "val_loss"
    patience: int = 5
    minimum: float = 0.0

    def __post_init__(self) -> None:
        one_of("metric", self.metric, METRICS)
        whole("patience", self.patience, low=1, high=100_000)
        number("minimum", self.minimum, low=0.0, high=1000.0)


@dataclass(frozen=True, slots=True)
class LiveChange:
    """Something a person changed while the run was at work; a repetition of the run changes it at the same step.

    Attributes:
        step: Optimizer steps of the whole run that were done before.
        kind: ``rate`` (every rate times ``value`` from here on, until the phase ends), ``unfreeze`` (the next
            ``value`` stages learn along) or ``extend`` (the phase is ``value`` epochs longer).
        value: See ``kind``.
        phase: The phase it was done in, from 0.
    """

    step: int
    kind: str
    value: float
    phase: int = 0

    def __post_init__(self) -> None:
        whole("step", self.step, low=0, high=10**12)
        whole("phase", self.phase, low=0, high=100_000)
        one_of("act", self.kind, LIVE_CHANGES)
        if self.kind == "rate":
            number("rate", self.value, low=0.0, high=1e6, above=True)
        else:
            exact = isinstance(self.value, float) and self.value.is_integer()
            whole(self.kind, int(self.value) if exact else self.value, low=1, high=100_000)
