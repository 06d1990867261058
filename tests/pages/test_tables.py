"""Each row of a table of the core has its words on the pages, and the pages know of no row that is not there."""

from __future__ import annotations

from core import specs
from core.data.embedded import EMBEDDED
from core.interpret.attribution.explain import FAMILIES, METHODS
from core.specs import titles
from core.training.recipes import DEFAULT_EPOCHS
from pages.data import network_input
from pages.data.source import SOURCE_TEXTS
from pages.heatmaps import method_texts
from pages.train import recipe_picker


def test_data_sets_have_a_name_and_a_sentence() -> None:
    assert set(titles.DATA) == set(SOURCE_TEXTS) == set(EMBEDDED)


def test_families_of_methods_have_a_way_to_read_their_maps() -> None:
    assert all(method_texts.reading(row).endswith(".") for row in METHODS.values())
    assert {row.family for row in METHODS.values()} == set(FAMILIES)


def test_ways_to_prepare_a_picture_have_a_name() -> None:
    assert set(titles.FITS) == set(specs.FITS)
    assert set(titles.NORMALISATIONS) == set(specs.NORMALISATIONS) == set(network_input.ABOUT)


def test_recipes_have_a_name_and_a_sentence() -> None:
    assert set(titles.PRESETS) == set(specs.PRESETS)
    assert set(recipe_picker.ABOUT) == set(DEFAULT_EPOCHS)


def test_what_a_training_can_be_given_has_a_name() -> None:
    assert set(titles.OPTIMIZERS) == set(specs.OPTIMIZERS)
    assert set(titles.SCHEDULES) == set(specs.SCHEDULES)
    assert set(titles.LOSSES) == set(specs.LOSSES)
    assert set(titles.METRICS) == set(specs.METRICS)
