"""What a study says of its members: the table, what matters, and which differences are larger than chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from tiny import HEAD, experiment

from core.runs.store import Run, RunStore
from core.specs.study import Factor, Level, Study
from core.workflows.studies.analysis import REST, SEEDS, Analysis, analyse, compared, importance, measures
from core.workflows.studies.design import Member, expand
from core.workflows.studies.members import Standing

Value = Callable[[Member], float | None]


def standing(member: Member, figures: Mapping[str, float] | None, judged: int = 100) -> Standing:
    run = Run(RunStore().root / f"run-{member.number}")
    if figures is None:
        return Standing(member, run, "failed", {})
    return Standing(member, run, "finished", figures, judged)


def study_of(*factors: Factor, seeds: int = 3) -> Study:
    return Study(experiment(HEAD), factors, seeds=tuple(range(seeds)))


def said(study: Study, value: Value, judged: int = 100_000, measure: str | None = None) -> Analysis:
    found = []
    for member in expand(study):
        figure = value(member)
        figures = None if figure is None else {"test_accuracy": figure, "val_accuracy": figure, "val_loss": 1 - figure}
        found.append(standing(member, figures, judged))
    return analyse(study, found, measure)


RATES = Factor.of("training.phases.lr", 0.001, 0.01, 0.1)
SIZES = Factor.of("training.batch_size", 2, 4)


def test_a_row_has_its_seeds_their_mean_and_interval() -> None:
    found = said(study_of(RATES, SIZES), lambda m: 0.5 + 0.1 * m.setting + 0.01 * m.seed)
    assert [row.values for row in found.rows[:3]] == [("0.001", "2"), ("0.001", "4"), ("0.01", "2")]
    row = found.rows[2]
    assert row.measured == pytest.approx((0.7, 0.71, 0.72))
    assert row.mean == pytest.approx(0.71)
    assert row.interval is not None
    assert row.interval[0] < 0.7 < 0.72 < row.interval[1]
    assert found.best is found.rows[-1]


def test_what_differs_is_told_and_what_does_not_is_not() -> None:
    found = said(study_of(RATES), lambda m: (0.6, 0.9, 0.905)[m.setting] + 0.01 * (m.seed - 1))
    assert [pair.larger_than_chance for pair in found.differences] == [True, True, False]
    main, rivals = found.sentences
    assert "2 of the 3 differences" in str(main)
    assert "lr 0.1 is better than lr 0.001 by 30.5 pp" in str(main)
    assert str(rivals) == "The best, lr 0.1, cannot be told from lr 0.01."


def test_a_single_difference_is_told_as_one() -> None:
    two = Factor.of("training.phases.lr", 0.001, 0.01)
    found = said(study_of(two), lambda m: 0.99 + 0.005 * m.seed)
    assert str(found.sentences[0]).startswith("The difference between the two settings is not larger")
    assert found.rows[0].interval is not None
    assert found.rows[0].interval[1] == 1.0
    one = said(study_of(RATES), lambda m: (0.6, 0.65, 0.69)[m.setting] + 0.02 * (m.seed - 1))
    assert str(one.sentences[0]).startswith("One of the 3 differences")


def test_low_losses_are_good() -> None:
    found = said(study_of(RATES), lambda m: (0.6, 0.9, 0.8)[m.setting] + 0.001 * m.seed, measure="val_loss")
    assert found.best is found.rows[1]
    assert found.differences[0].better is found.rows[1]
    assert all(pair.difference > 0 for pair in found.differences)


def test_equal_settings_are_not_told_apart_and_one_seed_says_nothing() -> None:
    same = said(study_of(RATES), lambda m: 0.8 + 0.01 * m.seed)
    assert "None of the 3 differences" in str(same.sentences[0])
    single = said(study_of(RATES, seeds=1), lambda m: 0.6 + 0.1 * m.setting)
    assert single.differences == ()
    assert "fewer than 3 finished seeds" in str(single.sentences[0])
    assert all(row.interval is None for row in single.rows)


def test_where_seeds_are_what_is_missing_it_says_how_many() -> None:
    found = said(study_of(RATES), lambda m: (0.80, 0.81, 0.83)[m.setting] + 0.02 * (m.seed - 1))
    assert "None of the 3 differences" in str(found.sentences[0])
    assert "The number of seeds limits that: with 3 a setting (pairs: 3)" in str(found.sentences[1])
    assert f"The largest here is 3.0 pp; if it is real, {found.wanted} seeds" in str(found.sentences[1])
    assert found.wanted is not None
    assert 8 < found.wanted < 20
    tiny = said(study_of(RATES), lambda m: 0.8 + 1e-5 * m.setting + 0.02 * m.seed)
    assert "even 100 seeds a setting would not find that" in str(tiny.sentences[1])
    assert tiny.wanted is None
    assert said(study_of(RATES), lambda m: 0.6 + 0.1 * m.setting + 0.001 * m.seed).wanted is None


def test_members_that_failed_are_counted_and_the_rest_is_compared() -> None:
    found = said(
        study_of(RATES), lambda m: None if m.setting == 1 and m.seed else 0.6 + 0.1 * m.setting + 0.01 * m.seed
    )
    assert [row.failed for row in found.rows] == [0, 2, 0]
    assert len(found.differences) == 1
    assert "not compared: 1 of 3." in str(found.sentences[-1])
    assert str(found.sentences[0]).startswith("The difference is larger than chance")
    nothing = said(study_of(RATES), lambda _: None)
    assert nothing.best is None
    assert nothing.importance == {}
    assert "once two settings have finished" in str(nothing.sentences[0])


def test_a_measure_counts_only_where_every_finished_member_has_it() -> None:
    first, second, *_ = expand(study_of(RATES))
    found = [standing(first, {"test_accuracy": 0.8, "val_loss": 1.0}), standing(second, {"val_loss": 0.9})]
    assert measures(found) == ("val_loss",)
    assert measures([]) == ()


def test_few_images_allow_whole_steps_only() -> None:
    def value(member: Member) -> float:
        return (0.98, 0.99, 0.98)[member.setting]

    coarse, fine = said(study_of(RATES), value, judged=100), said(study_of(RATES), value, judged=100_000)
    assert not any(pair.larger_than_chance for pair in coarse.differences)
    assert sum(pair.larger_than_chance for pair in fine.differences) == 2


def test_the_variance_is_divided_exactly_in_a_whole_grid() -> None:
    study = study_of(RATES, SIZES, seeds=2)
    lot = np.random.default_rng(1)
    values = lot.normal(size=(3, 2, 2))
    found = said(study, lambda m: float(values[m.setting // 2, m.setting % 2, m.seed]))
    total, grand = values.var(), values.mean()
    cells = values.mean(axis=2)
    first, second = cells.mean(axis=1) - grand, cells.mean(axis=0) - grand
    both = cells - grand - first[:, None] - second[None]
    wanted = {
        RATES.name: (first**2).mean(),
        SIZES.name: (second**2).mean(),
        REST: (both**2).mean(),
        SEEDS: ((values - cells[..., None]) ** 2).mean(),
    }
    assert found.importance == pytest.approx({name: value / total for name, value in wanted.items()})
    assert sum(found.importance.values()) == pytest.approx(1)


def test_a_forest_finds_what_matters_among_draws() -> None:
    rate = Factor("training.phases.lr", low=1e-5, high=1e-1, log=True)
    idle = Factor("model.head.dropout", low=0.0, high=0.5)
    study = Study(experiment(HEAD), (rate, idle), "sobol", 32, seeds=(0, 1))
    found = said(study, lambda m: 0.9 - 0.05 * (np.log10(m.experiment.training.phases[0].lr) + 3) ** 2 + 0.001 * m.seed)
    assert found.importance[rate.name] > 0.75
    assert found.importance[idle.name] < 0.1
    assert sum(found.importance.values()) == pytest.approx(1)


def test_variants_are_told_by_their_names() -> None:
    variants = Factor(
        "net", (Level("deep", (("training.batch_size", 2),)), Level("flat", (("training.batch_size", 4),)))
    )
    found = said(study_of(variants), lambda m: 0.6 + 0.2 * m.setting + 0.01 * m.seed)
    assert "flat is better than deep by 20.0 pp" in str(found.sentences[0])
    assert importance((variants,), found.rows)["net"] > 0.9


@pytest.mark.parametrize(("settings", "seeds", "images"), [(8, 5, 100), (4, 3, 1000)])
def test_equal_settings_seldom_seem_to_differ(settings: int, seeds: int, images: int) -> None:
    """Of studies whose settings are all equal, at most 5 % (and what 200 of them scatter) find a difference."""
    from benchmarks.studies import false_alarms

    assert false_alarms(200, settings, seeds, images) <= 0.05 + 2 * (0.05 * 0.95 / 200) ** 0.5
    assert compared(()) == ()
