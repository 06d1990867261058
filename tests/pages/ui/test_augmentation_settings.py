"""What the cards set: every card can be turned on, set and off again, and says what the augmentation then has."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.specs import AUGMENT_PRESETS, FILLS, OPERATIONS, AugmentSpec, Mix, from_record, titles
from pages.ui.augmentation.settings import (
    CARDS,
    Plan,
    Setting,
    alone,
    changed,
    fixed,
    has_probability,
    range_of,
    setting,
    usual,
)
from pages.ui.text import augmentation_words as words

NOTHING = Plan(AugmentSpec(), Mix())


@st.composite
def wanted(draw: st.DrawFn) -> tuple[str, Setting]:
    name = draw(st.sampled_from(CARDS))
    known = range_of(name)
    low, high = sorted(draw(st.floats(known.least, known.most)) for _ in range(2))
    low, high = {"high": (low, known.high), "low": (known.low, high)}.get(fixed(name), (low, high))
    share = draw(st.sampled_from([0.0, 0.25, 0.5, 1.0])) if has_probability(name) else 1.0
    return name, Setting(draw(st.booleans()), share, *((low, high) if known.unit else (0.0, 0.0)))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(AUGMENT_PRESETS), st.lists(wanted(), max_size=6), st.sampled_from(FILLS))
def test_what_a_card_sets_it_shows(preset: str, steps: list[tuple[str, Setting]], fill: str) -> None:
    plan = Plan(replace(AugmentSpec.preset(preset), fill=fill), Mix())
    for name, asked in steps:
        before = {card: setting(plan, card) for card in CARDS if card != name}
        plan = changed(plan, name, asked)
        found = setting(plan, name)
        strong = name in OPERATIONS or (asked.low < 1 if name == "crop" else asked.high > 0)
        assert found.on == (asked.on and strong) or (name == "rotation" and asked.high == 0)
        if found.on:
            assert (found.probability, found.low, found.high) == pytest.approx(
                (asked.probability, asked.low, asked.high)
            )
        assert {card: setting(plan, card) for card in CARDS if card != name} == before, "no other card is changed"


@pytest.mark.parametrize("name", CARDS)
def test_a_card_turned_on_and_off_leaves_nothing(name: str) -> None:
    on = changed(NOTHING, name, usual(name))
    assert setting(on, name).on
    assert [card for card in CARDS if setting(on, card).on] == [name]
    assert changed(on, name, replace(usual(name), on=False)) == NOTHING
    assert alone(on, name).active is (name not in ("mixup", "cutmix"))


def test_basic_and_strong_are_the_cards_that_they_are_made_of() -> None:
    for preset, cards in (("basic", ["crop", "flip"]), ("strong", ["crop", "flip", "rotation", "colour"])):
        plan = Plan(AugmentSpec.preset(preset), Mix())
        assert [card for card in CARDS if setting(plan, card).on] == cards
        again = NOTHING
        for card in cards:
            again = changed(again, card, setting(plan, card))
        assert again == plan, "set by hand they are the preset, at the same cost"


def test_every_card_has_words() -> None:
    assert set(CARDS) == set(titles.OPERATIONS) == set(words.ABOUT)
    assert set(OPERATIONS) <= set(CARDS)
    assert set(FILLS) == set(words.FILLS)
    record = {"operations": [{"name": "zoom", "low": 0.5, "high": 0.9}]}
    assert setting(Plan(from_record(AugmentSpec, "augment", record), Mix()), "zoom").low == 0.5
