"""The advisor: the four situations, what is not known, random weights, and sentences that hold together."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from core.data.sources import open_dataset
from core.data.splits import split
from core.evaluation.transferability import Transferability
from core.specs import DataSpec, FreezePlan, ModelSpec
from core.training.recipes import make_recipe
from core.workflows.advisor.advice import Advice, advise
from core.workflows.advisor.dataset_facts import (
    MANY_IMAGES,
    SAMPLE,
    SIMILARITY_LIMIT,
    DatasetFacts,
    dataset_facts,
    sample_size,
)

STAGES = ("stage1", "stage2", "stage3", "stage4", "stage5")


def scores(knn: float, leep: float | None, classes: int = 2) -> Transferability:
    return Transferability(0.1, 0.9, None, leep, knn, knn, 1 / classes, math.log(classes), 200, 1280, classes)


ALIKE_SCORES, UNLIKE_SCORES = scores(0.98, -0.1), scores(0.7, -0.6)


def facts(per_class: int, found: Transferability | None = None, **more: object) -> DatasetFacts:
    values = {
        "images": 2 * per_class,
        "classes": 2,
        "smallest": per_class,
        "pretrained": True,
        "has_weights": True,
        "input_size": 224,
        "side": 300,
        "scores": found,
    }
    return DatasetFacts(**{**values, **more})  # type: ignore[arg-type]


CASES = [
    (facts(100, ALIKE_SCORES), "small", "similar", "linear-probe"),
    (facts(2000, ALIKE_SCORES), "large", "similar", "two-phase"),
    (facts(100, UNLIKE_SCORES), "small", "different", "gradual"),
    (facts(2000, UNLIKE_SCORES), "large", "different", "full"),
    (facts(100), "small", "", "linear-probe"),
    (facts(2000), "large", "", "two-phase"),
    (facts(100, pretrained=False), "small", "random", "scratch"),
    (facts(100, pretrained=False, has_weights=False), "small", "random", "scratch"),
    (facts(2000, UNLIKE_SCORES, pretrained=False), "large", "random", "scratch"),
]


def words(advice: Advice) -> str:
    return " ".join(str(sentence) for sentence in (*advice.reason, *advice.evidence)).replace("\u00a0", " ")


@pytest.mark.parametrize(("known", "size", "kind", "preset"), CASES)
def test_each_situation_has_its_recipe(known: DatasetFacts, size: str, kind: str, preset: str) -> None:
    advice = advise(known, STAGES)
    assert (advice.size, advice.kind, advice.preset) == (size, kind, preset)
    assert len(advice.reason) == 2
    for sentence in advice.reason:  # each is one sentence, every value filled in
        text = str(sentence)
        assert text.endswith(".")
        assert ". " not in text
        assert "{" not in text
    assert f"{known.per_class} training images a class" in words(advice)
    recipe = make_recipe(advice.preset, epochs=advice.epochs)
    assert sum(phase.epochs for phase in recipe.phases) == advice.epochs


@pytest.mark.parametrize(
    ("known", "plan"),
    [
        (facts(100, ALIKE_SCORES), FreezePlan(0)),
        (facts(2000, ALIKE_SCORES), FreezePlan(2)),
        (facts(100, UNLIKE_SCORES), FreezePlan(2)),
        (facts(2000, UNLIKE_SCORES), FreezePlan("all")),
        (facts(100, pretrained=False), FreezePlan("all")),
    ],
)
def test_the_fewer_and_the_more_alike_the_less_learns(known: DatasetFacts, plan: FreezePlan) -> None:
    assert advise(known, STAGES).freeze == plan


def test_a_gradual_unfreezing_goes_from_the_last_stage_down() -> None:
    advice = advise(facts(100, UNLIKE_SCORES), STAGES)
    assert [name for name, _ in advice.gradual] == ["stage5", "stage4"]
    starts = [start for _, start in advice.gradual]
    assert starts == sorted(set(starts))
    assert 1 < starts[0] <= starts[-1] <= advice.epochs
    assert advise(facts(100, ALIKE_SCORES), STAGES).gradual == ()


def test_a_network_of_one_stage_has_none_to_unfreeze_one_after_the_other() -> None:
    advice = advise(facts(100, UNLIKE_SCORES), ("stage1",))
    assert advice.preset == "linear-probe"
    assert advise(facts(2000, ALIKE_SCORES), ("stage1",)).freeze == FreezePlan("all")


def test_the_likeness_is_the_mean_of_both_shares() -> None:
    known = facts(100, scores(0.9, -0.5 * math.log(2)))
    assert known.neighbours == pytest.approx(0.8)
    assert known.source_class_share == pytest.approx(0.5)
    assert known.likeness == pytest.approx(0.65)
    assert known.line == SIMILARITY_LIMIT
    alone = facts(100, scores(0.9, None))
    assert alone.likeness == pytest.approx(0.8)
    assert alone.line > SIMILARITY_LIMIT  # without source classes the neighbours alone must say more
    assert alone.kind == "different"


@pytest.mark.parametrize("found", [scores(0.2, -5.0), scores(1.0, 0.0), replace(ALIKE_SCORES, baseline=1.0)])
def test_shares_stay_between_none_and_all(found: Transferability) -> None:
    known = facts(100, found)
    assert 0.0 <= (known.likeness or 0.0) <= 1.0


def test_what_was_measured_is_said_with_its_figure() -> None:
    text = words(advise(facts(100, ALIKE_SCORES), STAGES))
    for figure in ("98 %", "50 %", "96 %", "LEEP −0.10", "LogME 0.10", "65 %", "200 images"):
        assert figure in text, figure
    text = words(advise(facts(100), STAGES))
    assert "not been measured" in text
    assert "LEEP" not in text


def test_many_begins_at_its_line() -> None:
    assert facts(MANY_IMAGES).size == "large"
    assert facts(MANY_IMAGES - 1).size == "small"


def test_small_gray_images_are_noted_and_not_mirrored() -> None:
    advice = advise(facts(100, UNLIKE_SCORES, side=28, gray=True), STAGES)
    assert "28 px" in words(advice)
    assert "no colour" in words(advice)
    assert not advice.augment.flip
    assert advice.augment.rotation > 0
    assert advise(facts(100, UNLIKE_SCORES), STAGES).augment.flip


def test_facts_are_gathered_from_the_training_images(image_folder: Callable[..., Path]) -> None:
    spec = DataSpec(str(image_folder(images=20)), test_share=0.2)
    dataset = split(open_dataset(spec.source), spec)
    known = dataset_facts(dataset, ModelSpec("resnet18"))
    assert (known.images, known.classes, known.smallest, known.per_class) == (24, 2, 12, 12)
    assert (known.side, known.gray, known.input_size) == (48, False, 224)
    assert known.pretrained
    assert known.has_weights
    assert not dataset_facts(dataset, ModelSpec("resnet18", "none")).pretrained
    assert dataset_facts(dataset, ModelSpec("resnet18", "run:x")).pretrained
    own = dataset_facts(dataset, ModelSpec("mnist_cnn"))
    assert not own.pretrained
    assert not own.has_weights
    assert own.kind == "random"


def test_gray_images_are_seen_and_damaged_ones_passed_over(image_folder: Callable[..., Path]) -> None:
    root = image_folder(images=8)
    files = sorted(root.rglob("*.png"))
    for file in files:
        Image.open(file).convert("L").save(file)
    spec = DataSpec(str(root))
    assert dataset_facts(split(open_dataset(spec.source), spec), ModelSpec("resnet18")).gray
    for number, file in enumerate(files):
        file.write_bytes(f"no image {number}".encode())
    known = dataset_facts(split(open_dataset(spec.source), spec), ModelSpec("resnet18"))
    assert known.side is None
    assert not known.gray


def test_a_sample_for_the_likeness_grows_with_the_classes() -> None:
    assert sample_size(2) == SAMPLE
    assert sample_size(100) == 800
