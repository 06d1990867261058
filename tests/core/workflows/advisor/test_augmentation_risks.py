"""What an augmentation may break is measured on the images, and said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.data.sources import open_dataset
from core.specs import AugmentSpec, Operation
from core.workflows.advisor.augmentation_risks import Facts, measure, risks

PLAIN = Facts("", 0.0, None, 224)


def spec(*operations: Operation, **values: object) -> AugmentSpec:
    return AugmentSpec(operations=operations, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "chosen", "sentence"),
    [
        (Facts("digits", 0, None, 28), spec(Operation("vertical-flip", 0.5)), "mirrored or flipped"),
        (Facts("letters", 0, None, 28), spec(flip=True), "mirrored or flipped"),
        (Facts("digits", 0, None, 28), spec(rotation=90.0), "Turned by 90 degrees a 6 is a 9"),
        (Facts("", 0.9, None, 224), spec(Operation("hue")), "kappa 0.90"),
        (Facts("", 0.9, None, 224), spec(Operation("gray", 0.3)), "Grayscale takes it away"),
        (Facts("", 0.0, 0.03, 224), spec(crop_scale=0.2), "take 3.0 %"),
        (Facts("", 0.0, 0.03, 224), spec(Operation("zoom", high=2.0)), "cut to 25 %"),
        (Facts("", 0.0, None, 8), spec(crop_scale=0.3), "8 px small"),
    ],
)
def test_contradictions_are_said(facts: Facts, chosen: AugmentSpec, sentence: str) -> None:
    (found,) = risks(chosen, facts)
    assert sentence in str(found)
    assert risks(AugmentSpec(), facts) == []


@pytest.mark.parametrize("preset", ["basic", "strong", "trivialaugment", "brain-paper"])
def test_photographs_may_be_changed(preset: str) -> None:
    assert risks(AugmentSpec.preset(preset), PLAIN) == []


def test_colours_that_are_the_class_are_measured(image_folder: Callable[..., Path]) -> None:
    found = measure(open_dataset(str(image_folder(images=8))))
    assert found.hue_agreement > 0.9
    assert found.signs == ""


@pytest.mark.parametrize(
    ("source", "signs", "coloured"), [("digits", "digits", False), ("letters", "letters", False), ("shapes", "", False)]
)
def test_built_in_sets(source: str, signs: str, coloured: bool) -> None:
    found = measure(open_dataset(source))
    assert found.signs == signs
    assert (found.hue_agreement >= 0.6) is coloured
