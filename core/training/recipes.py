"""Recipes: the few ways people fine-tune, turned into a freeze plan and phases. Loads no torch.

The two-phase recipe follows the course's five steps and fastai's ``fine_tune``: the new head learns first on a frozen
backbone, because an untrained head's error would wreck pretrained features; then part of the backbone learns along at
a lower rate. Sources: Yosinski et al. 2014 (arXiv:1411.1792); Howard and Ruder 2018 (arXiv:1801.06146); Kornblith et
al. 2019 (arXiv:1805.08974).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.errors import InputError
from core.specs import PRESETS, FreezePlan, Phase


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a preset stands for.

    Attributes:
        preset: One of :data:`core.specs.PRESETS`.
        weights: Pretrained (``default``) or random (``none``) weights to start from.
        freeze: What of the backbone learns.
        phases: What happens, in order.
    """

    preset: str
    weights: str
    freeze: FreezePlan
    phases: tuple[Phase, ...]


DEFAULT_EPOCHS = {"linear-probe": 10, "fine-tune": 8, "two-phase": 10, "full": 8, "scratch": 20}


def make_recipe(
    preset: str,
    *,
    epochs: int | None = None,
    lr: float | None = None,
    optimizer: str | None = None,
    unfreeze_stages: int | Literal["all"] | None = None,
    weights: str | None = None,
) -> Recipe:
    """Makes the freeze plan and the phases of a preset.

    Args:
        preset: ``linear-probe``, ``fine-tune`` (the last stages with the head), ``two-phase`` (head first, then the
            last stages at a lower rate), ``full`` (everything) or ``scratch`` (everything, from random weights).
        epochs: Epochs altogether; each preset has its own default.
        lr: Rate of the head in the first phase.
        optimizer: One of :data:`core.specs.OPTIMIZERS`; its default rate follows it where ``lr`` is not given.
        unfreeze_stages: How many of the last stages learn, where the preset leaves a choice (1 by default).
        weights: Overrules the preset's start.

    Raises:
        InputError: The preset is unknown, or a value does not fit it.
    """
    if preset not in PRESETS:
        raise InputError("preset is {preset}. Choose one of: {known}.", preset=preset, known=", ".join(PRESETS))
    total = DEFAULT_EPOCHS[preset] if epochs is None else epochs
    chosen = optimizer or "adamw"
    if preset == "linear-probe":
        if unfreeze_stages not in (None, 0):
            raise InputError("A linear probe trains the head alone. To train stages, choose fine-tune or two-phase.")
        phases: tuple[Phase, ...] = (_phase("head", "head", total, chosen, lr, base=1e-3),)
        return Recipe(preset, weights or "default", FreezePlan(0), phases)
    if preset in ("full", "scratch"):
        if unfreeze_stages not in (None, "all"):
            raise InputError("The preset {preset} trains every stage. To train some, choose fine-tune.", preset=preset)
        base, factor = (3e-4, 0.3) if preset == "full" else (1e-3, 1.0)
        name = "fine-tune" if preset == "full" else "train"
        phases = (_phase(name, "plan", total, chosen, lr, base=base, factor=factor, decay=1e-2, schedule="cosine"),)
        return Recipe(preset, weights or ("default" if preset == "full" else "none"), FreezePlan("all"), phases)
    stages = 1 if unfreeze_stages is None else unfreeze_stages
    if stages == 0:
        raise InputError("With 0 stages to unfreeze, only the head would train. Choose linear-probe for that.")
    tuned = _phase("fine-tune", "plan", total, chosen, lr, base=1e-3, factor=0.1, decay=1e-2, schedule="cosine")
    if preset == "fine-tune":
        return Recipe(preset, weights or "default", FreezePlan(stages), (tuned,))
    if total < 2:
        raise InputError("The two-phase recipe needs at least 2 epochs, one for each phase.")
    first = max(1, total // 3)
    phases = (
        _phase("head", "head", first, chosen, lr, base=1e-3),
        _phase(
            "fine-tune", "plan", total - first, chosen, None if lr is None else lr / 3,
            base=3e-4, factor=0.3, decay=1e-2, schedule="cosine",
        ),
    )  # fmt: skip
    return Recipe(preset, weights or "default", FreezePlan(stages), phases)


_SCALE = {"adamw": 1.0, "adam": 1.0, "rmsprop": 0.3, "sgd": 10.0}
"""Default rates relative to AdamW's: SGD wants larger steps, RMSprop smaller ones."""


def _phase(
    name: str,
    trains: str,
    epochs: int,
    optimizer: str,
    lr: float | None,
    *,
    base: float,
    factor: float = 1.0,
    decay: float = 0.0,
    schedule: str = "constant",
) -> Phase:
    rate = lr if lr is not None else base * _SCALE.get(optimizer, 1.0)
    return Phase(
        name=name, trains=trains, epochs=epochs, optimizer=optimizer, lr=rate, backbone_factor=factor,
        weight_decay=decay if optimizer == "adamw" else min(decay, 1e-4), schedule=schedule,
    )  # fmt: skip
