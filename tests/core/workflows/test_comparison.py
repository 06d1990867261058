"""Two networks over the same pictures, two recipes over seeds; and which question that answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from tiny import HEAD, experiment

from core.cli import main
from core.data.sources import Item
from core.errors import InputError
from core.evaluation.predictions import write_predictions
from core.runs.files import write_atomic
from core.runs.store import Run, RunStore
from core.workflows.comparison import NETWORKS, RECIPES, compare_runs, mcnemar_p, paired_interval

LABELS = np.arange(40) % 2


def made(wrong: int, seed: int = 0, start: int = 0, lr: float = 0.05, first_key: int = 0) -> Run:
    """A finished run that is wrong on ``wrong`` of 40 test pictures, from the picture ``start`` on."""
    run = RunStore().create(experiment(replace(HEAD, lr=lr), seed=seed), state="finished")
    write_atomic(run.path / "classes.json", b'{"classes": ["blue", "red"]}')
    said = LABELS.copy()
    said[start : start + wrong] = 1 - said[start : start + wrong]
    rows = np.where(np.eye(2)[said] == 1, 0.8, 0.2).astype(np.float32)
    items = [Item(f"{first_key + n}.png", int(label), "test") for n, label in enumerate(LABELS)]
    write_predictions(run.path / "predictions.parquet", items, rows, ("blue", "red"))
    return run


def test_two_networks_by_mcnemar() -> None:
    found = compare_runs(made(12).id, made(2, start=20).id)
    assert (found.kind, found.question, found.disagree, found.counts) == ("networks", NETWORKS, 14, (40,))
    assert found.difference == pytest.approx(10 / 40)
    assert found.p_value == pytest.approx(stats.binomtest(2, 14).pvalue)
    assert found.interval[0] < 0.25 < found.interval[1]


def test_equal_networks_do_not_differ() -> None:
    found = compare_runs(made(4).id, made(4, seed=1).id)
    assert (found.difference, found.p_value, found.disagree) == (0, 1, 0)
    assert mcnemar_p(40, 10) == pytest.approx(stats.chi2.sf((30 - 1) ** 2 / 50, 1))
    assert paired_interval(5, 5, 100)[0] == pytest.approx(-paired_interval(5, 5, 100)[1])


def test_two_recipes_by_welch_over_seeds() -> None:
    a = [made(wrong, seed) for seed, wrong in enumerate((8, 9, 12))]
    b = [made(wrong, seed, lr=0.01) for seed, wrong in enumerate((2, 4, 3))]
    found = compare_runs(",".join(run.id for run in a), ",".join(run.id for run in b))
    assert (found.kind, found.question, found.disagree, found.counts) == ("recipes", RECIPES, None, (3, 3))
    other = stats.ttest_ind([38 / 40, 36 / 40, 37 / 40], [32 / 40, 31 / 40, 28 / 40], equal_var=False)
    assert found.p_value == pytest.approx(other.pvalue)
    assert found.interval == pytest.approx(tuple(other.confidence_interval(0.95)))


def test_what_cannot_be_compared_is_refused() -> None:
    one, two, three = (made(5, seed) for seed in range(3))
    pair, triple = f"{one.id},{two.id}", f"{one.id},{two.id},{three.id}"
    with pytest.raises(InputError, match=r"2 finished runs with 2 seeds.*at least 3"):
        compare_runs(pair, triple)
    with pytest.raises(InputError, match="two of one kind"):
        compare_runs(one.id, triple)
    with pytest.raises(InputError, match="more than their seed"):
        compare_runs(triple, f"{one.id},{two.id},{made(5, 7, lr=0.5).id}")
    with pytest.raises(InputError, match="no picture in common"):
        compare_runs(one.id, made(5, first_key=100).id)


def test_the_verb_says_which_question_it_answers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["compare-runs", made(12).id, made(2, start=20).id]) == 0
    printed = capsys.readouterr().out
    assert "Do these two networks differ" in printed
    assert "+25.0 points" in printed
    assert main(["compare-runs", "none", str(tmp_path)]) == 2
