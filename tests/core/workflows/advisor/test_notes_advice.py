"""The notes' advice beside the advisor's: one for each situation, and both as runs that differ in what learns alone."""

from __future__ import annotations

import math

import pytest

from core.evaluation.transferability import Transferability
from core.models.anatomy_cache import blueprint
from core.specs import DataSpec, ModelSpec
from core.workflows.advisor.advice import advise
from core.workflows.advisor.dataset_facts import DatasetFacts
from core.workflows.advisor.notes_advice import both, notes_advice

LITE0 = ModelSpec("efficientnet_lite0")
STAGES = ("stage1", "stage2", "stage3", "stage4", "stage5")
ALIKE_SCORES = Transferability(0.1, 0.9, None, -0.1, 0.98, 0.98, 0.5, math.log(2), 200, 1280, 2)
UNLIKE_SCORES = Transferability(0.1, 0.9, None, -0.6, 0.7, 0.7, 0.5, math.log(2), 200, 1280, 2)


def facts(per_class: int, found: Transferability | None = None, *, pretrained: bool = True) -> DatasetFacts:
    return DatasetFacts(2 * per_class, 2, per_class, pretrained, True, 224, 300, scores=found)


@pytest.mark.parametrize(
    ("known", "ours", "theirs", "learns"),
    [
        (facts(100, ALIKE_SCORES), "linear-probe", "linear-probe", 0),
        (facts(100, UNLIKE_SCORES), "gradual", "fine-tune", 2),
        (facts(2000, UNLIKE_SCORES), "full", "scratch", "all"),
        (facts(2000, ALIKE_SCORES), "two-phase", "full", "all"),
    ],
)
def test_each_situation_has_the_notes_advice(known: DatasetFacts, ours: str, theirs: str, learns: object) -> None:
    advice = advise(known, STAGES)
    notes = notes_advice(advice, STAGES)
    assert notes is not None
    assert (advice.preset, notes.preset, notes.freeze.trainable_stages) == (ours, theirs, learns)
    assert notes.same is (ours == theirs)
    assert str(notes.says).startswith("The notes say")
    assert str(notes.differs)


def test_where_the_situation_is_not_known_the_notes_say_nothing() -> None:
    for known in (facts(100), facts(100, pretrained=False)):
        assert notes_advice(advise(known, STAGES), STAGES) is None


@pytest.mark.parametrize("known", [facts(100, UNLIKE_SCORES), facts(2000, UNLIKE_SCORES), facts(2000, ALIKE_SCORES)])
def test_both_runs_differ_in_what_learns_and_from_what_alone(known: DatasetFacts) -> None:
    anatomy = blueprint(LITE0)
    stages = [stage.name for stage in anatomy.backbone_stages]
    advice = advise(known, stages)
    notes = notes_advice(advice, stages)
    assert notes is not None
    ours, theirs = both(DataSpec("shapes"), LITE0, advice, notes, anatomy)
    assert (ours.training.preset, theirs.training.preset) == (advice.preset, notes.preset)
    assert ours.training.epochs == theirs.training.epochs
    assert (ours.data, ours.augment, ours.training.seed) == (theirs.data, theirs.augment, theirs.training.seed)
    assert theirs.model.weights == ("none" if notes.preset == "scratch" else "default")
    assert ours.name != theirs.name
