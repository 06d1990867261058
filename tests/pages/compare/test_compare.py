"""Compare: runs in one chart, what differs, two of them picture by picture, chance, and what transfer gained."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from core.evaluation.differences import welch
from core.runs.files import write_atomic
from core.runs.store import Run, RunStore
from core.specs import Experiment
from core.workflows.comparing.transfer import GAINS, Gain
from pages.compare import chance_view, curves, settings_view, transfer_view


def changed(run: Run, **fields: object) -> Run:
    write_atomic(run.path / "experiment.json", replace(run.experiment, **fields).to_json())
    return run


def seeded(run: Run, seed: int, name: str) -> Run:
    return changed(run, training=replace(run.experiment.training, seed=seed), name=name)


def copy_of(run: Run) -> Run:
    other = RunStore().create(run.experiment)
    for file in run.path.iterdir():
        (other.path / file.name).write_bytes(file.read_bytes())
    return other


def ids(*runs: Run) -> str:
    return ",".join(run.id for run in runs)


def test_with_one_run_the_page_says_what_it_needs(open_page, words, make_run) -> None:
    assert "Nothing to compare yet" in words(open_page("compare"))
    run = make_run("finished")
    said = open_page("compare")
    assert not said.exception
    assert "A second run, of another recipe, network or seed" in words(said)
    assert said.button(key="bl-compare-scratch").label == "Train it from scratch"
    changed(run, model=replace(run.experiment.model, weights="none"))
    assert "None of these runs starts from pretrained weights" in words(open_page("compare"))


def test_runs_are_drawn_in_one_chart_from_before_training_on(open_page, words, make_run, params) -> None:
    runs = [seeded(make_run("finished"), seed, f"Seed {seed}") for seed in range(3)]
    (runs[0].path / "before.json").write_text(json.dumps({"val_accuracy": 0.1}))
    app = open_page("compare", runs=ids(*runs))
    assert not app.exception
    assert "Validation accuracy of 3 runs. Epoch 0 is the network before training." in words(app)
    assert curves.of(runs[0], "val_accuracy", "epoch").y.tolist() == pytest.approx([0.1, 0.5, 0.6, 0.7])
    app.toggle(key="bl-band").set_value(True).run()
    assert "Lines are means over seeds" in words(app)
    app.slider(key="bl-smooth").set_value(0.5).run()
    app.segmented_control(key="bl-over").set_value("seconds").run()
    assert not app.exception
    assert {"band": "True", "smooth": "0.5", "over": "seconds", "runs": ids(*runs)}.items() <= params(app).items()


def test_a_run_is_taken_out_and_the_address_says_so(open_page, words, make_run, params) -> None:
    runs = [make_run("finished") for _ in range(3)]
    app = open_page("compare", runs=f"{ids(*runs)},no-such-run")
    assert params(app)["runs"] == ids(*runs)
    app.multiselect(key="bl-compare-runs").set_value([runs[0].id]).run()
    assert "Choose at least two runs above." in words(app)
    assert params(app)["runs"] == runs[0].id


def test_only_settings_that_differ_are_in_the_table(open_page, words, make_run) -> None:
    one, two = make_run("finished"), make_run("finished", test_accuracy=0.9)
    changed(two, training=replace(two.experiment.training, batch_size=8), name="<i>Small</i>")
    assert settings_view.differing([one, two]) == {"Batch": ["32", "8"]}
    app = open_page("compare", runs=ids(one, two), view="settings")
    assert not app.exception
    said = words(app)
    assert "1 setting differs" in said
    assert "&lt;i&gt;Small&lt;/i&gt;" in said
    assert "The best reached 90 %, the worst 65 %." in said


def test_what_one_gets_right_and_the_other_wrong_is_shown(open_page, words, learned, params) -> None:
    import numpy as np

    from core.evaluation.predictions import read_predictions, write_predictions
    from core.workflows.images import reopen

    first = learned()
    second = copy_of(first)
    known = read_predictions(first.path / "predictions.parquet", first.classes())
    assert known is not None
    items = {item.key: item for item in reopen(first).items}
    right = np.where(np.arange(2)[None] == known.labels[:, None], 0.9, 0.1).astype(np.float32)
    write_predictions(second.path / "predictions.parquet", [items[k] for k in known.keys], right, first.classes())
    app = open_page("compare", runs=ids(first, second), view="pictures", first=first.id, second=second.id)
    assert not app.exception
    said = words(app)
    assert "Judged on their test images." in said
    assert "Newly right" in said
    assert "1 picture more is right" in said
    cell = open_page("compare", runs=ids(first, second), view="pictures", first=first.id, second=second.id, cell="0-0")
    assert not cell.exception
    assert "came in" in words(cell)
    cell.button(key="bl-changes-all").click().run()
    assert "cell" not in params(cell)
    evaluated = open_page("evaluate", run=second.id, view="changes")
    assert not evaluated.exception
    assert "Newly right" in words(evaluated)


def test_two_networks_of_one_recipe_are_not_taken_for_recipes(open_page, words, learned) -> None:
    first = learned()
    second = seeded(copy_of(first), 7, "Other seed")
    app = open_page("compare", runs=ids(first, second), view="chance")
    assert not app.exception
    said = words(app)
    assert "no larger than chance alone gives" in said
    assert "Both follow one recipe" in said


def test_missing_seeds_are_offered_and_launched_once(open_page, words, make_run, monkeypatch) -> None:
    started: list[Experiment] = []

    def start(experiment: Experiment, *_: object, **__: object) -> Run:
        started.append(experiment)
        return RunStore().create(experiment)

    monkeypatch.setattr("core.runs.launch.start", start)
    one = seeded(make_run("finished"), 0, "First · seed 0")
    two = make_run("finished")
    changed(two, training=replace(two.experiment.training, batch_size=8, seed=1), name="Second")
    app = open_page("compare", runs=ids(one, two), view="chance", question="recipes")
    assert not app.exception
    assert "At least 3 seeds of two recipes are needed" in words(app)
    app.button(key=f"bl-compare-seeds-{two.id}").click().run()
    assert [(e.training.seed, e.training.batch_size, e.name) for e in started] == [
        (0, 8, "Second · seed 0"),
        (2, 8, "Second · seed 2"),
    ]


def test_the_counterpart_from_scratch_is_launched_by_a_click(open_page, words, make_run, monkeypatch) -> None:
    started: list[Experiment] = []

    def start(experiment: Experiment, *_: object, **__: object) -> Run:
        started.append(experiment)
        return RunStore().create(experiment)

    monkeypatch.setattr("pages.compare.transfer_view.start", start)
    one, two = make_run("finished"), make_run("finished")
    app = open_page("compare", runs=ids(one, two), view="transfer")
    assert not app.exception
    app.button(key="bl-compare-scratch").click().run()
    assert not app.exception
    assert [e.model.weights for e in started] == ["none"]
    assert "The comparison is drawn here once both have an epoch." in words(app)


def test_transfer_says_what_was_gained(open_page, words, make_run) -> None:
    from core.workflows.comparing.transfer import from_scratch

    one, two = make_run("finished"), make_run("finished", seconds=100.0)
    write_atomic(two.path / "experiment.json", from_scratch(two.experiment).to_json())
    rows = [json.loads(line) for line in (two.path / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        row["val_accuracy"] -= 0.2
    (two.path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    app = open_page("compare", runs=ids(one, two), view="transfer")
    assert not app.exception
    said = words(app)
    assert "Higher asymptote" in said
    assert "+20.0 points" in said
    assert "one run on a side: no interval" in said
    app.slider(key="bl-transfer-level").set_value(60).run()
    table = next(frame.value for frame in app.dataframe if "reached" in frame.value)
    assert list(table["reached"]) == ["1 of 1", "0 of 1"]
    assert table["epochs"].iloc[0] == 2
    assert len(transfer_view.GAINS) == 3


@pytest.mark.parametrize(
    ("scratch", "pretrained", "part"),
    [
        ((0.5, 0.1, 0.8), (0.7, 0.2, 0.9), "The weights helped, by more than chance: higher start, higher slope"),
        ((0.7, 0.2, 0.9), (0.5, 0.1, 0.8), "Negative transfer, by more than chance: lower start, lower slope"),
        ((0.5, 0.2, 0.8), (0.7, 0.1, 0.8), "The slope is lower because less was left to gain, which is no harm"),
        ((0.5, 0.2, 0.9), (0.7, 0.2, 0.8), "higher start, but lower asymptote. What is lower is negative transfer"),
        ((0.5, 0.2, 0.8), (0.5, 0.1, 0.8), "learns more slowly than from scratch"),
        ((0.5, 0.2, 0.8), (0.5, 0.2, 0.8), "None of the three differs by more than chance"),
    ],
)
def test_what_the_weights_did_is_said_honestly(scratch, pretrained, part) -> None:
    def three(values: tuple[float, ...]) -> list[tuple[float, ...]]:
        return [tuple(value + seed / 1000 for seed in range(3)) for value in values]

    found = [Gain(name, a, b, welch(a, b)) for name, a, b in zip(GAINS, three(scratch), three(pretrained), strict=True)]
    assert part in transfer_view.verdict(found)
    single = [Gain(one.name, one.scratch[:1], one.pretrained[:1], None) for one in found]
    said = transfer_view.verdict(single)
    change = pretrained[2] - scratch[2]
    wanted = "ends higher" if change > 0 else "it is negative transfer" if change < 0 else "the same accuracy"
    assert wanted in said


@pytest.mark.parametrize(("value", "said"), [(0.0001, "< 0.001"), (0.04, "0.040"), (float("nan"), "–")])
def test_p_values_are_written_with_three_decimals(value: float, said: str) -> None:
    assert chance_view.p_words(value) == said
