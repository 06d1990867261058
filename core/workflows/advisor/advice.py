"""The advisor: four situations (few or many images, like or unlike those of the pretraining) and a recipe for each.

The four situations and what to do in them follow the course's notes and Yosinski et al. 2014 (arXiv:1411.1792): the
fewer the images, the fewer values may learn; the less they resemble the pretraining's, the more has to change. What is
measured stands with every advice, so that a user can judge it. Loads no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.messages import Sentence
from core.specs import AugmentSpec, FreezePlan
from core.training.recipes import DEFAULT_EPOCHS
from core.workflows.advisor.dataset_facts import MANY_IMAGES, DatasetFacts


@dataclass(frozen=True, slots=True)
class Advice:
    """A recipe and why.

    Attributes:
        size: ``small`` or ``large``.
        kind: As :attr:`DatasetFacts.kind`.
        preset: One of :data:`core.specs.PRESETS`.
        freeze: What learns (in a gradual unfreezing, in the end).
        gradual: For ``gradual``: each stage and the first epoch in which it learns.
        epochs: Epochs altogether.
        strength: One of :data:`core.specs.AUGMENTATIONS`.
        augment: The augmentation: ``strength``, but gray images are not mirrored.
        reason: Why, in two sentences.
        evidence: What it rests on, each with its figure.
    """

    size: str
    kind: str
    preset: str
    freeze: FreezePlan
    gradual: tuple[tuple[str, int], ...]
    epochs: int
    strength: str
    augment: AugmentSpec
    reason: tuple[Sentence, Sentence]
    evidence: tuple[Sentence, ...]


def advise(facts: DatasetFacts, stages: Sequence[str]) -> Advice:
    """Returns a recipe for what is known.

    Args:
        facts: What is known; without scores the advice goes by the number of images alone, as its reason states.
        stages: Names of the backbone's stages in order, neck and head left out.
    """
    preset, count, strength = _recipe(facts, len(stages))
    augment = AugmentSpec.preset(strength)
    epochs = DEFAULT_EPOCHS[preset] * (2 if preset == "scratch" and facts.size == "small" else 1)
    last = tuple(reversed(stages[len(stages) - count :])) if preset == "gradual" else ()
    gradual = tuple((name, 1 + epochs * (place + 1) // (count + 1)) for place, name in enumerate(last))
    whole = preset in ("full", "scratch") or count == len(stages)
    return Advice(
        size=facts.size,
        kind=facts.kind,
        preset=preset,
        freeze=FreezePlan("all" if whole else count),
        gradual=gradual,
        epochs=epochs,
        strength=strength,
        augment=replace(augment, flip=False) if facts.gray else augment,
        reason=(_first(facts), _second(facts, count)),
        evidence=_evidence(facts),
    )


def _recipe(facts: DatasetFacts, stages: int) -> tuple[str, int, str]:
    """Returns the preset, how many of the last stages learn, and the augmentation."""
    few = facts.size == "small"
    if facts.kind == "random":
        return "scratch", stages, "strong" if few else "basic"
    if few:
        if facts.kind == "different" and stages > 1:
            return "gradual", min(2, stages - 1), "strong"
        return "linear-probe", 0, "none"
    if facts.kind == "different":
        return "full", stages, "basic"
    return "two-phase", max(1, stages // 2), "basic"


def _first(facts: DatasetFacts) -> Sentence:
    """Returns what is known of the images."""
    many: dict[str, object] = {"n": facts.per_class, "line": MANY_IMAGES}
    likeness: dict[str, object] = {"likeness": _percent(facts.likeness), "limit": _percent(facts.line)}
    if facts.kind == "random":
        return Sentence(
            "This network starts from random weights, so nothing in it is worth freezing, and there are {n} training "
            "images a class to learn everything from.",
            {"n": facts.per_class},
        )
    if facts.kind == "":
        return Sentence(
            "You have {n} training images a class, which counts as few below {line}; how much they resemble what the "
            "network was pretrained on has not been measured yet.",
            many,
        )
    if facts.kind == "similar":
        return Sentence(
            "You have {n} training images a class (few are below {line}), and they resemble what the network was "
            "pretrained on: {likeness}, where {limit} and more count as similar.",
            many | likeness,
        )
    return Sentence(
        "You have {n} training images a class (few are below {line}), and they are unlike what the network was "
        "pretrained on: {likeness}, where less than {limit} counts as different.",
        many | likeness,
    )


def _second(facts: DatasetFacts, count: int) -> Sentence:
    """Returns what follows."""
    few = facts.size == "small"
    if facts.kind == "random":
        if few and facts.has_weights:
            return Sentence(
                "Pretrained weights would very likely do better; without them, train all of it, with "
                "strongly changed copies of your images against learning by heart.",
                {},
            )
        if few:
            return Sentence(
                "So all of it has to learn, for longer than usual and with strongly changed copies of your "
                "images, so that it does not learn them by heart.",
                {},
            )
        return Sentence("That is enough for all of it to learn, at one rate for every stage.", {})
    if facts.kind == "":
        if few:
            return Sentence("So begin with a new head on frozen features, which is quick and can hardly overfit.", {})
        return Sentence(
            "So let the head learn first and then the last {count} stages too, at a lower rate.", {"count": count}
        )
    if few and count == 0 and facts.kind == "similar":
        return Sentence(
            "The frozen features already tell your classes apart, and so few images would only teach a "
            "whole network to know them by heart: train the head alone.",
            {},
        )
    if few and count == 0:
        return Sentence(
            "So few images cannot retrain a network without stages to choose from: train the head alone, "
            "and compare it with training from scratch.",
            {},
        )
    if few:
        return Sentence(
            "The last stages have to change, but so few images would wreck them all at once: let the head "
            "learn first, then the last {count} stages, one after the other.",
            {"count": count},
        )
    if facts.kind == "similar":
        return Sentence(
            "The features fit and the images suffice to refine them: let the head learn first, then the "
            "last {count} stages too, at a lower rate.",
            {"count": count},
        )
    return Sentence(
        "The images suffice to retrain every stage, and pretrained weights are still a better start than "
        "random ones: let everything learn, the backbone at a lower rate.",
        {},
    )


def _evidence(facts: DatasetFacts) -> tuple[Sentence, ...]:
    """Lists the measured facts, each with its figure and what it is compared with."""
    found = [
        Sentence(
            "{images} training images of {classes} classes; the smallest class has {smallest}.",
            {"images": facts.images, "classes": facts.classes, "smallest": facts.smallest},
        )
    ]
    if facts.side is not None and facts.side < facts.input_size:
        found.append(
            Sentence(
                "Your images are about {side} px and are enlarged to the network's {input} px.",
                {"side": facts.side, "input": facts.input_size},
            )
        )
    if facts.gray:
        found.append(
            Sentence("Your images have no colour. They are not mirrored: a mirrored letter is another sign.", {})
        )
    scores, neighbours, share = facts.scores, facts.neighbours, facts.source_class_share
    if not facts.pretrained or scores is None:
        return tuple(found)
    found.append(
        Sentence(
            "Nearest neighbours by frozen features: {accuracy} of {images} images right, where naming the largest "
            "class gives {chance}. That is {skill} of the way to no mistake.",
            {
                "accuracy": _percent(scores.knn_accuracy),
                "images": scores.images,
                "chance": _percent(scores.baseline),
                "skill": _percent(neighbours),
            },
        )
    )
    if share is not None:
        found.append(
            Sentence(
                "The classes that the network already knows tell {share} of what your labels say (LEEP {leep}).",
                {"share": _percent(share), "leep": f"{scores.leep:.2f}".replace("-", "−")},
            )
        )
        found.append(
            Sentence(
                "The likeness is the mean of the two: {likeness}; from {limit} on images count as similar.",
                {"likeness": _percent(facts.likeness), "limit": _percent(facts.line)},
            )
        )
    found.append(
        Sentence(
            "LogME {value}: the evidence of a linear head, to compare networks with.",
            {"value": f"{scores.log_me:.2f}".replace("-", "−")},
        )
    )
    return tuple(found)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}\u00a0%"
