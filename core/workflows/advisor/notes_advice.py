"""What the course's notes advise in each of the four situations, why the advisor says something else, and both as runs.

The notes: few and similar, only the output layers; few and unlike, freeze the first layers and retrain the rest; many
and unlike, from scratch; many and similar, retrain everything from the weights. Loads no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.messages import N_, Sentence
from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.advisor.advice import Advice

if TYPE_CHECKING:
    from core.models.anatomy.records import Anatomy

_SAID: Mapping[tuple[str, str], tuple[str, str]] = {
    ("small", "similar"): (
        N_("The notes say the same: train the output layers only."),
        N_("Few images cannot teach more, and the features fit as they are."),
    ),
    ("small", "different"): (
        N_("The notes say: freeze the first layers and retrain the rest, all at once."),
        N_(
            "Here one stage after the other joins in, since an untrained head's first errors and few images can wreck "
            "features that are still of use."
        ),
    ),
    ("large", "different"): (
        N_("The notes say: train from scratch, as the weights come from other kinds of pictures."),
        N_(
            "Here everything learns from the weights: edges and textures are of use in all pictures, and a start from "
            "them was never found worse than a random one, only sooner caught up with."
        ),
    ),
    ("large", "similar"): (
        N_("The notes say: retrain everything from the weights."),
        N_(
            "Here the head learns first and then the last stages, at a lower rate: the first stages fit already, and "
            "each epoch costs less without them."
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class NotesAdvice:
    """What the notes advise.

    Attributes:
        says: What they say.
        differs: Why the advisor says something else, or that it does not.
        preset: The recipe that this is.
        freeze: What learns.
        same: Whether it is the advisor's own recipe.
    """

    says: Sentence
    differs: Sentence
    preset: str
    freeze: FreezePlan
    same: bool


def notes_advice(advice: Advice, stages: Sequence[str]) -> NotesAdvice | None:
    """Returns what the notes advise where the advisor gave its advice; ``None`` where the situation is not known.

    Args:
        advice: The advisor's own.
        stages: Names of the backbone's stages in order, neck and head left out.
    """
    situation = (advice.size, advice.kind)
    if situation not in _SAID:
        return None
    says, differs = _SAID[situation]
    preset = {"small": {"similar": "linear-probe", "different": "fine-tune"}}.get(
        advice.size, {"similar": "full", "different": "scratch"}
    )[advice.kind]
    if preset == "fine-tune" and len(stages) < 2:  # no first layers to freeze apart from the rest
        return None
    last = {"linear-probe": FreezePlan(), "fine-tune": FreezePlan(max(1, len(stages) // 2))}
    return NotesAdvice(
        Sentence(says, {}), Sentence(differs, {}), preset, last.get(preset, FreezePlan("all")), preset == advice.preset
    )


def both(
    data: DataSpec, model: ModelSpec, advice: Advice, notes: NotesAdvice, anatomy: Anatomy
) -> tuple[Experiment, Experiment]:
    """Returns the advisor's recipe and the notes' as experiments: the same images, changes, seed and epochs.

    Args:
        data: The images.
        model: Network and weights.
        advice: The advisor's.
        notes: The notes'.
        anatomy: Of the network.

    Raises:
        InputError: A recipe does not fit the network.
    """
    from core.models.freeze import unfreezing

    epochs = max(advice.epochs, 2)
    gradual = unfreezing(anatomy, advice.gradual) if advice.gradual else ()
    ours = make_recipe(advice.preset, epochs=epochs, weights=model.weights, freeze=advice.freeze, gradual=gradual)
    start = "none" if notes.preset == "scratch" else model.weights
    theirs = make_recipe(notes.preset, epochs=epochs, weights=start, freeze=notes.freeze)
    made = []
    for recipe, name in ((ours, "advisor"), (theirs, "notes")):
        spec = replace(model, weights=recipe.weights)
        training = TrainingSpec(recipe.preset, recipe.phases)
        title = f"{model.backbone} · {name}: {recipe.preset}"
        made.append(Experiment(data, spec, training, recipe.freeze, advice.augment, title[:120]))
    return made[0], made[1]
