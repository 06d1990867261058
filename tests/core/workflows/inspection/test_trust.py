"""Trust in a heatmap: figures beside their references, and verdicts that follow from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiny import tiny

from core.interpret.attribution.explain import METHODS, explain
from core.interpret.explanation_metrics.baselines import Similarity
from core.interpret.explanation_metrics.faithfulness import Curve, Scores, Settings
from core.interpret.explanation_metrics.localisation import Placement, region
from core.workflows.inspection.trust import SLOW, Options, Trust, trust
from core.workflows.inspection.trust_verdict import VOTES, trust_verdict, verdict

QUICK = Options(Settings(steps=3, windows=6, road=(0.5,)), randoms=3, jitters=2)
SHARES = np.linspace(0, 1, 3)


def scores(deletion: float, insertion: float, road: float, infidelity: float) -> Scores:
    curve = Curve(SHARES, np.array([0.9, deletion, 0.1]))
    return Scores(curve, Curve(SHARES, np.array([0.1, insertion, 0.9])), road, 0.2, False, infidelity)


def made(own: Scores, **more: Any) -> Trust:
    chance = [scores(0.5 + d, 0.5 + d, d, 0.02 + 0.001 * d) for d in np.linspace(-0.02, 0.02, 19)]
    base = Trust(
        method="grad-cam",
        layer="x",
        target=0,
        probability=0.9,
        blank=0.1,
        scores=own,
        random=tuple(chance),
        unlearned=(),
        likeness=None,
        chance_likeness=0.1,
        sensitivity=None,
        unrelated=0.8,
        region=region(np.eye(8)),
        placement=None,
        seconds=1.0,
    )
    return replace(base, **more)


GOOD, RANDOM = scores(0.1, 0.9, 0.5, 0.001), scores(0.5, 0.5, 0.0, 0.02)


def ids(found: Trust) -> dict[str, str]:
    return {remark.id: remark.tone for remark in trust_verdict(found)}


def test_words_follow_from_the_figures() -> None:
    assert ids(made(GOOD)) == {"faithful": "good"}
    assert ids(made(RANDOM)) == {"no-better-than-random": "bad"}
    assert ids(made(scores(0.1, 0.9, 0.0, 0.02))) == {"partly-faithful": "warn"}
    assert ids(made(scores(0.1, 0.5, 0.0, 0.02))) == {"no-better-than-random": "bad"}  # one test is won by luck
    assert ids(made(scores(0.9, 0.1, -0.5, 0.05))) == {"no-better-than-random": "bad"}
    assert "little-to-test" in ids(made(GOOD, probability=0.03))
    assert "little-to-test" in ids(made(GOOD, blank=0.85))


def word(found: Trust) -> tuple[str, str]:
    told = verdict(found)
    assert told.findings == tuple(trust_verdict(found))
    return told.word, told.reason.id


def test_one_word_and_the_finding_that_decides_it() -> None:
    learned, copied = Similarity(0.1, 0.2), Similarity(0.8, 0.9)
    assert word(made(GOOD)) == ("trust", "faithful")
    assert word(made(GOOD, likeness=learned)) == ("trust", "faithful")
    assert word(made(GOOD, likeness=copied)) == ("not", "not-learned")
    assert word(made(RANDOM, likeness=learned)) == ("not", "no-better-than-random")
    assert word(made(scores(0.1, 0.9, 0.0, 0.02))) == ("partly", "partly-faithful")
    assert word(made(GOOD, sensitivity=0.6)) == ("partly", "jumpy")
    assert word(made(GOOD, unlearned=(RANDOM,))) == ("partly", "no-sanity-check")
    assert word(made(GOOD, probability=0.03)) == ("not", "little-to-test")
    assert word(made(GOOD, random=())) == ("partly", "untested")


def test_a_map_is_not_blamed_for_what_the_network_looks_at() -> None:
    beside = Placement(False, 0.1, 0.0, 0.2)
    assert "off-object" in ids(made(GOOD, placement=beside))
    assert word(made(GOOD, placement=beside)) == ("trust", "faithful")
    assert word(made(RANDOM, placement=Placement(True, 0.6, 0.4, 0.2)))[0] == "not"


def test_an_empty_map_of_random_weights_is_said() -> None:
    assert ids(made(GOOD, unlearned=(RANDOM,)))["no-sanity-check"] == "warn"
    assert "no-sanity-check" not in ids(made(GOOD))


@pytest.mark.parametrize(("spearman", "wanted"), [(0.1, "learned"), (0.8, "not-learned"), (-0.9, "not-learned")])
def test_the_sanity_check_in_words(spearman: float, wanted: str) -> None:
    assert wanted in ids(made(GOOD, likeness=Similarity(spearman, 0.2)))
    by_chance = ids(made(GOOD, likeness=Similarity(spearman, 0.2), chance_likeness=0.95))
    assert ("learned" in by_chance) == (wanted == "learned")
    assert "not-learned" not in by_chance  # coarse maps are alike by chance


def test_sensitivity_and_object_in_words() -> None:
    assert "jumpy" in ids(made(GOOD, sensitivity=0.6))
    assert "jumpy" not in ids(made(GOOD, sensitivity=0.3))
    assert ids(made(GOOD, placement=Placement(True, 0.6, 0.4, 0.2)))["on-object"] == "good"
    assert ids(made(GOOD, placement=Placement(False, 0.1, 0.0, 0.2)))["off-object"] == "bad"
    assert ids(made(GOOD, placement=Placement(False, 0.3, 0.1, 0.2)))["off-object"] == "warn"


def test_every_sentence_can_be_filled_in() -> None:
    for own in (GOOD, RANDOM):
        full = made(own, likeness=Similarity(0.1, 0.2), sensitivity=0.9, placement=Placement(True, 0.6, 0.4, 0.2))
        for remark in trust_verdict(full):
            for sentence in (remark.sentence, remark.evidence, remark.advice):
                assert "{" not in str(sentence)


def test_comparisons_hold_a_map_against_its_random_ones() -> None:
    rows = {row.metric.id: row for row in made(GOOD, unlearned=(RANDOM,)).compared()}
    deletion = rows["deletion"]
    assert deletion.value == pytest.approx((0.9 + 2 * 0.1 + 0.1) / 4)
    assert deletion.random == pytest.approx((0.9 + 2 * 0.5 + 0.1) / 4)
    assert deletion.deviation == pytest.approx(np.std(np.linspace(0.49, 0.51, 19), ddof=1))
    assert deletion.advantage == pytest.approx((deletion.random - deletion.value) / deletion.deviation)
    assert deletion.chance == pytest.approx(1 / 20)
    assert deletion.clear
    assert deletion.beaten == 1
    assert deletion.unlearned == pytest.approx(0.5)
    assert rows["drop"].beaten == 0.5  # all alike


def test_a_random_map_wins_a_test_once_in_twenty_times_and_two_of_them_hardly_ever() -> None:
    chance = np.random.default_rng(0)
    won = []
    for _ in range(400):
        luck = chance.standard_normal((20, 4))
        luck += chance.standard_normal((20, 1))  # the tests agree in part, as they do in fact
        own, *others = [scores(0.5 - 0.1 * a, 0.5 + 0.1 * b, c, 0.02 - 0.002 * d) for a, b, c, d in luck]
        found = made(own, random=tuple(others))
        won.append([row.clear for row in found.compared() if row.metric.id in VOTES])
        assert (sum(won[-1]) >= 2) == ("no-better-than-random" not in ids(found))
    assert np.mean(won) == pytest.approx(0.05, abs=0.02)
    assert np.mean(np.sum(won, 1) >= 2) < 0.06


def test_a_real_map_is_tested_and_the_network_is_left_as_it_was() -> None:
    network = tiny()
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    heat = explain(network, x, "layer-cam", layer="0").heatmap
    network.model.train()
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    told: list[tuple[int, int]] = []
    mask = np.zeros((32, 32), bool)
    mask[4:20, 4:20] = True
    found = trust(network, x, heat, mask=mask, options=QUICK, progress=lambda done, total: told.append((done, total)))
    assert network.model.training
    assert all(torch.equal(value, before[name]) for name, value in network.model.state_dict().items())
    assert len(found.random) == 3
    assert len(found.unlearned) == 1
    assert found.placement is not None
    assert found.placement.area == pytest.approx(0.25)
    assert found.sensitivity is not None
    assert found.likeness is not None
    assert -1 <= found.likeness.spearman <= 1
    assert told[-1][0] == told[-1][1]
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    again = trust(network, x, heat, mask=mask, options=QUICK)
    assert [row.value for row in again.compared()] == [row.value for row in found.compared()]
    assert again.sensitivity == found.sensitivity


def test_slow_methods_are_not_asked_again_for_their_sensitivity() -> None:
    assert Options.affordable("grad-cam").jitters > 0
    slowest = max(METHODS.values(), key=lambda row: row.passes)
    assert slowest.passes >= SLOW
    assert Options.affordable(slowest.id).jitters == 0


def test_random_maps_are_a_band_of_a_deviation_either_way() -> None:
    found = made(scores(0.5, 0.5, 0.0, 0.02))
    curves = np.array([one.deletion.probabilities for one in found.random])
    low, high = found.band("deletion") or (None, None)
    assert low is not None
    assert np.allclose((low + high) / 2, curves.mean(0))
    assert np.allclose(high - low, 2 * curves.std(0))
    assert found.band("insertion")[1].max() <= 1.0
    assert replace(found, random=()).band("deletion") is None
