"""The leak lab: what is divided, what is judged, and figures that can be counted by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.cli import main
from core.errors import InputError
from core.runs.jobs import JobStore
from core.workflows.data_check import features
from core.workflows.jobs import leak as job
from core.workflows.jobs.leak import LeakRequest
from core.workflows.leak import experiment
from core.workflows.leak.experiment import measure, relatives_shown, run
from core.workflows.leak.intervals import interval
from core.workflows.leak.record import LeakPlan, LeakResult
from core.workflows.leak.verdict import findings


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features of the pixels themselves, so that no network is needed."""

    def features_of(images, digests, eye, progress=None):  # noqa: ARG001
        rows = []
        for done, image in enumerate(images, 1):
            pixels = np.asarray(image.convert("L").resize((24, 24)), np.float32).ravel()
            pixels -= pixels.mean()
            rows.append(pixels / (np.linalg.norm(pixels) + 1e-6))
            if progress is not None:
                progress(done, len(digests))
        return np.stack(rows)

    monkeypatch.setattr(features, "features_of", features_of)
    monkeypatch.setattr(features, "Eye", lambda device: device)


BRAINS = LeakPlan("brains?size=48", images=200)


@pytest.mark.usefixtures("seen")
def test_labels_by_lot_on_slices_are_recognised_where_patients_are_torn_apart_and_only_there() -> None:
    found = run(BRAINS)
    careless, honest = found.measured["before"]["nearest"], found.measured["grouped"]["nearest"]
    assert careless.accuracy > 0.85
    assert honest.interval[0] < 0.5 < honest.interval[1]
    assert found.torn["grouped"] == found.found["grouped"] == 0
    assert found.torn["before"] > 0.95
    assert found.gap() == pytest.approx(careless.accuracy - honest.accuracy)
    assert [row.id for row in findings(found)] == ["gap", "why", "lot"]
    assert findings(found)[0].tone == "bad"
    record = json.loads(json.dumps(found.as_record()))
    assert LeakResult.from_record(record) == found
    del record["plan"]["divisions"]  # as it was written when all was divided once
    assert LeakResult.from_record(record).plan.divisions == 1


@pytest.mark.usefixtures("seen")
def test_copies_made_after_the_division_are_judged_on_the_originals_only() -> None:
    plan = LeakPlan("shapes?per_class=12&size=48", group_by="", copies=3, by_lot=False, images=40)
    found = run(plan)
    assert list(found.measured) == ["before", "grouped", "after"]
    assert found.honest == "after"
    assert found.measured["before"]["linear"].judged == found.measured["grouped"]["nearest"].judged == 4 * 40
    assert found.measured["after"]["nearest"].judged == found.pictures == found.groups == 40
    assert found.found["before"] > 0.5 > found.found["after"] == 0.0
    assert {arm for row in found.shown for arm in row.neighbours} == {"before", "after"}
    assert all(row.neighbours["before"][2] and not row.neighbours["after"][2] for row in found.shown)


def test_the_figures_are_scikit_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "_shown", lambda *_args: ())
    chance = np.random.default_rng(4)
    groups = np.repeat(np.arange(30), 4)
    labels = chance.permutation(np.arange(30) % 3)[groups]
    vectors = chance.normal(size=(30, 16))[groups] + chance.normal(scale=0.6, size=(120, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    pictures = experiment._Pictures(None, LeakPlan(), np.arange(120), np.zeros(120, np.int64), groups)  # type: ignore[arg-type]
    found = measure(pictures, vectors, [labels] * 3, ("a", "b", "c"))
    for arm, divider in (("before", StratifiedKFold), ("grouped", StratifiedGroupKFold)):
        folds = [divider(4, shuffle=True, random_state=seed) for seed in range(3)]
        for probe, model in (
            ("nearest", KNeighborsClassifier(1)),
            ("linear", make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))),
        ):
            said = [cross_val_predict(model, vectors, labels, groups=groups, cv=divided) for divided in folds]
            assert found.measured[arm][probe].accuracy == pytest.approx(float(np.mean(said == labels)))


@pytest.mark.parametrize(("by_lot", "noise"), [(True, 0.6), (False, 0.6)])
def test_the_interval_covers_guessing_where_labels_are_drawn_by_lot(
    by_lot: bool, noise: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lots drawn anew for each division, and one lot for all of them: 95 % of 60 intervals should, 87 % must."""
    monkeypatch.setattr(experiment, "_shown", lambda *_args: ())
    monkeypatch.setattr(experiment, "_linear", lambda _features, labels, judged: np.resize(labels, len(judged)))
    groups = np.repeat(np.arange(40), 3)
    covered, single = [], []
    for seed in range(60):
        chance = np.random.default_rng(seed)
        vectors = chance.normal(size=(40, 8))[groups] + chance.normal(scale=noise, size=(120, 8))
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        lots = [chance.permutation(np.arange(40) % 2)[groups] for _ in range(5)]
        plan = LeakPlan(by_lot=by_lot, seed=seed)
        pictures = experiment._Pictures(None, plan, np.arange(120), np.zeros(120, np.int64), groups)  # type: ignore[arg-type]
        found = measure(pictures, vectors, lots if by_lot else lots[:1] * 5, ("a", "b")).measured["grouped"]["nearest"]
        covered.append(found.interval[0] <= 0.5 <= found.interval[1])
        single.append(found.accuracy)
    assert np.mean(covered) >= 0.87
    assert abs(np.mean(single) - 0.5) < 0.03


def test_an_interval_is_open_where_all_is_right() -> None:
    low, high = interval([[1.0] * 4] * 5, [np.ones(40, bool)] * 5, np.repeat(np.arange(10), 4), anew=True)
    assert 0.5 < low < 0.99
    assert high == 1.0


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (LeakPlan("shapes", group_by="", copies=0), "No two pictures"),
        (LeakPlan("shapes?per_class=1", group_by="", copies=2, images=16), "at least"),
        (LeakPlan("shapes", group_by="folder"), "cannot be grouped by folder"),
        (LeakPlan("nowhere", copies=1, group_by=""), "nowhere"),
    ],
)
def test_what_cannot_leak_is_refused_in_a_sentence(plan: LeakPlan, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        run(plan)


def test_relatives_are_shown_group_by_group() -> None:
    first, second = relatives_shown(BRAINS, 3)
    assert len(first) == len(second) == 3


@pytest.mark.usefixtures("seen")
def test_the_job_writes_what_the_plan_finds_and_the_command_line_says_the_same(capsys) -> None:
    made = JobStore("leaks").create(LeakRequest.of(BRAINS, "cpu").as_record())

    class Context:
        job, roots = made, None
        raise_if_cancelled = staticmethod(lambda: None)
        progress = staticmethod(lambda *_args: None)

    job.work(made.read_request(), Context())  # type: ignore[arg-type]
    found = job.result(made)
    assert found == run(BRAINS)
    assert main(["leak-lab", BRAINS.source, "--images", "200", "--device", "cpu", "--json", "--quiet"]) == 0
    said = json.loads(capsys.readouterr().out.strip().split("\n")[-1])
    assert said["measured"]["before"]["nearest"]["accuracy"] == found.measured["before"]["nearest"].accuracy
    assert said["gap"]["nearest"] == found.gap()
    assert "shown" not in said
    assert [row["id"] for row in said["findings"]] == ["gap", "why", "lot"]
