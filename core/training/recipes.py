"""Recipes: the few ways people fine-tune, turned into a freeze plan and phases. Loads no torch.

The two-phase recipe follows fastai's ``fine_tune``, the six-step one the course: the new head learns first on a frozen
backbone, because an untrained head's error would wreck pretrained features; then part of the backbone learns along at
a lower rate. Gradual unfreezing lets one stage after the other join in; the discriminative recipe lets all learn at
once, the earlier the stage the more slowly. Sources: Yosinski et al. 2014 (arXiv:1411.1792); Howard and Ruder 2018
(arXiv:1801.06146); Kornblith et al. 2019 (arXiv:1805.08974). The runs of the course are in
:mod:`core.training.course_recipes`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from core.errors import InputError
from core.messages import N_, Sentence
from core.specs import PRESETS, Experiment, FreezePlan, Phase, Schedule

if TYPE_CHECKING:
    from core.models.anatomy.records import Anatomy


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a preset stands for.

    Attributes:
        preset: One of :data:`core.specs.PRESETS`.
        weights: Pretrained (``default``) or random (``none``) weights to start from.
        freeze: What of the backbone learns; in a gradual unfreezing, in the end.
        phases: What happens, in order.
    """

    preset: str
    weights: str
    freeze: FreezePlan
    phases: tuple[Phase, ...]


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast the backbone learns compared with the head.

    Attributes:
        backbone_factor: Rate of its last stage as a multiple of the head's; ``None`` for the recipe's own.
        stage_decay: Rate of each earlier stage as a multiple of the next one's; in the discriminative recipe 1 stands
            for its own, :data:`STAGE_DECAY`.
        stage_factors: Stages whose rate is set by hand: (name, multiple of the head's rate).
    """

    backbone_factor: float | None = None
    stage_decay: float = 1.0
    stage_factors: tuple[tuple[str, float], ...] = ()


DEFAULT_EPOCHS = {
    "linear-probe": 10,
    "fine-tune": 8,
    "two-phase": 10,
    "six-step": 50,
    "gradual": 12,
    "discriminative": 8,
    "full": 8,
    "scratch": 20,
}
"""Epochs of each preset that :func:`make_recipe` makes, where nothing else is given."""
WHOLE = ("full", "scratch", "discriminative")
"""Presets in which everything learns."""
HEAD_SHARE = 20 / 50
"""Share of the six-step protocol's epochs in which the head learns alone."""
STAGE_DECAY = 1 / 2.6
"""What Howard and Ruder multiply the rate of each earlier layer by."""
IDLE = N_(
    "In phase {number} ({name}) nothing new learns: it is meant to train more than the head, and the whole backbone is "
    "frozen. Free a part of it, or leave the phase out."
)
GRADUAL_STAGES = 3
"""Stages that a gradual unfreezing lets join in where nothing else is given."""


def make_recipe(
    preset: str,
    *,
    epochs: int | None = None,
    lr: float | None = None,
    optimizer: str | None = None,
    unfreeze_stages: int | Literal["all"] | None = None,
    weights: str | None = None,
    freeze: FreezePlan | None = None,
    rates: Rates | None = None,
    gradual: Sequence[tuple[FreezePlan, int]] = (),
) -> Recipe:
    """Makes the freeze plan and the phases of a preset.

    Args:
        preset: ``linear-probe``, ``fine-tune`` (the last stages with the head), ``two-phase`` (head first, then the
            last stages at a lower rate), ``six-step`` (the course's protocol: a new head on a frozen backbone learns
            for 20 epochs; then the last stage is unfrozen and both learn for 30 at a tenth of the rate), ``gradual``
            (head first, then one stage after the other), ``discriminative`` (everything, each earlier stage 2.6 times
            more slowly, the rate rising first), ``full`` (everything) or ``scratch`` (everything, from random
            weights).
        epochs: Epochs altogether; each preset has its own default.
        lr: Rate of the head in the first phase.
        optimizer: One of :data:`core.specs.OPTIMIZERS`, or any other class of ``torch.optim``; its default rate
            follows it where ``lr`` is not given.
        unfreeze_stages: How many of the last stages learn, where the preset leaves a choice (1 by default, 3 for
            ``gradual``).
        weights: Overrules the preset's start.
        freeze: What learns, instead of a number of last stages.
        rates: How fast the backbone learns compared with the head.
        gradual: For ``gradual``, what is free from which epoch (counted from 1) on, see
            :func:`core.models.freeze.unfreezing`.

    Raises:
        InputError: The preset is unknown, or a value does not fit it.
    """
    _check(preset, unfreeze_stages)
    total = DEFAULT_EPOCHS[preset] if epochs is None else epochs
    make = _Maker(optimizer or "adamw", lr, rates or Rates())
    start = weights or ("none" if preset == "scratch" else "default")
    if preset == "linear-probe":
        norm = freeze.norm if freeze is not None else "eval"
        return Recipe(preset, start, FreezePlan(norm=norm), (make.head(total),))
    if preset in WHOLE:
        phase = make.discriminative(total) if preset == "discriminative" else make.whole(total, preset == "scratch")
        return Recipe(preset, start, FreezePlan("all"), (phase,))
    if preset == "gradual":
        steps = tuple(gradual) or _evenly(GRADUAL_STAGES if unfreeze_stages is None else unfreeze_stages, total)
        return Recipe(preset, start, steps[-1][0], make.gradual(steps, total))
    plan = freeze or FreezePlan(1 if unfreeze_stages is None else unfreeze_stages)
    if preset == "fine-tune":
        return Recipe(preset, start, plan, (make.tuned(total, rate=1e-3, factor=0.1),))
    if total < 2:
        raise InputError("The {preset} recipe needs at least 2 epochs, one for each phase.", preset=preset)
    if preset == "six-step":
        first = min(total - 1, max(1, round(total * HEAD_SHARE)))
        return Recipe(preset, start, plan, (make.head(first), make.joined(total - first)))
    first = max(1, total // 3)
    return Recipe(preset, start, plan, (make.head(first), make.tuned(total - first, second=True)))


def _check(preset: str, unfreeze_stages: int | Literal["all"] | None) -> None:
    """Refuses a preset that is none, and a number of stages that does not fit it.

    Raises:
        InputError: So it is.
    """
    if preset not in PRESETS:
        raise InputError("preset is {preset}. Choose one of: {known}.", preset=preset, known=", ".join(PRESETS))
    if preset not in DEFAULT_EPOCHS:
        raise InputError(
            "The preset {preset} says where phases came from and makes none. Choose one of: {known}.",
            preset=preset,
            known=", ".join(DEFAULT_EPOCHS),
        )
    if preset == "linear-probe":
        if unfreeze_stages not in (None, 0):
            raise InputError("A linear probe trains the head alone. To train stages, choose fine-tune or two-phase.")
    elif preset in WHOLE:
        if unfreeze_stages not in (None, "all"):
            raise InputError("The preset {preset} trains every stage. To train some, choose fine-tune.", preset=preset)
    elif unfreeze_stages == 0:
        raise InputError("With 0 stages to unfreeze, only the head would train. Choose linear-probe for that.")


def idle_phases(experiment: Experiment, anatomy: Anatomy) -> tuple[Sentence, ...]:
    """Returns a sentence for each phase that is meant to train more than the head, and frees nothing more.

    Args:
        experiment: What is to be trained.
        anatomy: Of its network.

    Raises:
        InputError: A plan names a part that the network has not.
    """
    from core.models.freeze import learning

    head = set(anatomy.stages[-1].parameter_names)
    return tuple(
        Sentence(IDLE, {"number": number, "name": phase.name})
        for number, phase in enumerate(experiment.training.phases, start=1)
        if phase.trains == "plan" and learning(anatomy, experiment.plan(phase)) <= head
    )


def fewest_epochs(preset: str, starts: Iterable[int] = ()) -> int:
    """Returns the fewest epochs that a preset can be trained for.

    Args:
        preset: One of :data:`DEFAULT_EPOCHS`.
        starts: For ``gradual``, the epochs (counted from 1) at which stages join in; none for the usual schedule.
    """
    if preset == "gradual":
        return max(starts, default=GRADUAL_STAGES + 1)
    return 2 if preset in ("two-phase", "six-step") else 1


def _evenly(stages: int | Literal["all"], total: int) -> tuple[tuple[FreezePlan, int], ...]:
    """Returns a schedule in which one more of the last stages joins in at even distances."""
    if stages == "all":
        raise InputError("Gradual unfreezing needs a number of stages, such as 3, or a schedule of its own.")
    if total < stages + 1:
        raise InputError(
            "Gradual unfreezing of {stages} stages needs at least {epochs} epochs, one for the head and one for each "
            "stage.",
            stages=stages,
            epochs=stages + 1,
        )
    return tuple((FreezePlan(count), 1 + total * count // (stages + 1)) for count in range(1, stages + 1))


_SCALE = {
    "rmsprop": 0.3,
    "sgd": 10.0,
    "adagrad": 10.0,
    "adadelta": 1000.0,
    "adafactor": 10.0,
    "adamax": 2.0,
    "asgd": 10.0,
}
"""Default rates relative to AdamW's, by the optimizer's name in small letters: SGD wants larger steps, RMSprop smaller
ones."""
_NO_DECAY = ("rprop",)
"""Optimizers that know no weight decay."""


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes phases with the settings that they share."""

    optimizer: str
    lr: float | None
    rates: Rates

    def head(self, epochs: int) -> Phase:
        return self._phase("head", "head", epochs, self._rate(1e-3))

    def whole(self, epochs: int, scratch: bool) -> Phase:
        name, rate, factor = ("train", 1e-3, 1.0) if scratch else ("fine-tune", 3e-4, 0.3)
        return self._tuned(name, epochs, self._rate(rate), factor)

    def joined(self, epochs: int) -> Phase:
        """The six-step protocol's second half: head and last stage alike, at a tenth of the head's first rate."""
        phase = self._tuned("fine-tune", epochs, self._rate(1e-3) / 10, 1.0)
        return dataclasses.replace(phase, schedule=Schedule())

    def discriminative(self, epochs: int) -> Phase:
        decay = self.rates.stage_decay if self.rates.stage_decay < 1 else STAGE_DECAY
        phase = self._tuned("fine-tune", epochs, self._rate(1e-3), STAGE_DECAY)
        return dataclasses.replace(phase, stage_decay=decay, schedule=Schedule("one-cycle"))

    def tuned(self, epochs: int, *, rate: float = 3e-4, factor: float = 0.3, second: bool = False) -> Phase:
        return self._tuned("fine-tune", epochs, self._rate(rate, second=second), factor)

    def gradual(self, steps: Sequence[tuple[FreezePlan, int]], total: int) -> tuple[Phase, ...]:
        starts = [start for _, start in steps]
        if any(before >= after for before, after in pairwise([1, *starts, total + 1])):
            raise InputError(
                "The epochs at which stages join in are {starts} of {epochs}. They must begin at 2 or later, grow, and "
                "lie within the run.",
                starts=", ".join(map(str, starts)),
                epochs=total,
            )
        phases = [self.head(starts[0] - 1)]
        for number, ((plan, start), end) in enumerate(zip(steps, [*starts[1:], total + 1], strict=True), start=1):
            phase = self._tuned(f"unfreeze-{number}", end - start, self._rate(3e-4, second=True), 0.3)
            last = number == len(steps)
            phases.append(dataclasses.replace(phase, freeze=plan, schedule=Schedule("cosine" if last else "constant")))
        return tuple(phases)

    def _rate(self, base: float, *, second: bool = False) -> float:
        """Returns the head's rate: as asked for (a third of it once the head has learned), else the default."""
        if self.lr is not None:
            return self.lr / 3 if second else self.lr
        return base * _SCALE.get(self.optimizer.lower(), 1.0)

    def _tuned(self, name: str, epochs: int, rate: float, factor: float) -> Phase:
        phase = self._phase(name, "plan", epochs, rate, decay=1e-2, schedule="cosine")
        own = self.rates.backbone_factor
        return dataclasses.replace(
            phase,
            backbone_factor=factor if own is None else own,
            stage_decay=self.rates.stage_decay,
            stage_factors=self.rates.stage_factors,
        )

    def _phase(
        self, name: str, trains: str, epochs: int, rate: float, decay: float = 0.0, schedule: str = "constant"
    ) -> Phase:
        return Phase(
            name=name,
            trains=trains,
            epochs=epochs,
            optimizer=self.optimizer,
            lr=rate,
            weight_decay=self._decay(decay),
            schedule=Schedule(schedule),
        )

    def _decay(self, decoupled: float) -> float:
        kind = self.optimizer.lower()
        if kind in _NO_DECAY:
            return 0.0
        return decoupled if kind == "adamw" else min(decoupled, 1e-4)
