"""The page Studies: starting one of the notes or of one's own, and what one says, whole, half done, or failed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.runs import launch
from core.runs.jobs import Job, JobStore
from core.runs.recorder import Recorder
from core.runs.store import RunStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.specs.study import Factor, Study
from core.training.recipes import make_recipe
from core.workflows.studies import members, search
from core.workflows.studies.ready import READY
from core.workflows.studies.series import series_study

RECIPE = make_recipe("scratch", epochs=1)
BASE = Experiment(
    DataSpec("digits"), ModelSpec("mnist_cnn", "none"), TrainingSpec("scratch", RECIPE.phases), RECIPE.freeze
)
OWN = {"studies-way": "own", "data": "digits"}
RATES = Factor.of("training.phases.lr", 0.001, 0.01, 0.1)
OPTIMIZERS = Factor.of("training.phases.optimizer", "sgd", "adam")


@pytest.fixture(autouse=True)
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    words: list[tuple[str, ...]] = []
    monkeypatch.setattr(launch, "spawn", lambda _folder, spoken, _roots, **_more: words.append(tuple(spoken)))
    return words


def refused(app: AppTest) -> str:
    """What the address was refused for, which the frame says."""
    name = "bl.address.refused"
    return " ".join(map(str, app.session_state[name].values())) if name in app.session_state else ""


def trained(
    study: Study, accuracy: Callable[[members.Member], float | None], state: str = "finished", **more: Any
) -> Job:
    """Makes a study whose runs have ended with these accuracies; ``None`` for one that failed."""
    job, runs = JobStore("studies").create(members.StudyRequest(study.as_record()).as_record()), {}
    job.write_result(more)
    for member in members.members_of(job):
        value = accuracy(member)
        run = RunStore().create(member.experiment)
        runs[str(member.number)] = run.id
        status: dict[str, Any] = {"state": "failed", "message": "The folder {it} is gone.", "message_template": ""}
        if value is not None:
            counts = {"images": 1000, "train_images": 700, "val_images": 100, "best_epoch": 1, "seconds": 3.0}
            status = {"state": "finished", "test_accuracy": value, "val_accuracy": value - 0.01, **counts}
            (run.path / "metrics.jsonl").write_text(json.dumps({"epoch": 1, "val_loss": 1 - value}) + "\n")
        (run.path / "status.json").write_text(json.dumps(status))
    job.write_result({"runs": runs, **more})
    Recorder(job).update(state=state)
    return job


def test_a_series_is_a_study_without_fields(open_page, words) -> None:
    job = trained(series_study(replace(BASE, name="mine"), (0, 1), 2), lambda member: 0.9 + member.number / 100)
    app = open_page("studies", study=job.id)
    assert not app.exception
    said = words(app)
    for part in ("One recipe, 2 seeds × 2 folds", "The mean over 4 runs is 91.5 %", "Nadeau and Bengio", "91.5"):
        assert part in said, part
    assert not app.dataframe
    member = members.standings(job)[0]
    assert member.run is not None
    runs = open_page("runs", run=member.run.id)
    assert "Mean ± standard deviation over 4 finished runs" in words(runs)
    assert "The series as a study" in words(runs)
    assert runs.dataframe[0].value["name"].tolist() == ["mine · series of 4"]


SEARCHED = Study(
    BASE, (Factor("training.phases.lr", low=1e-4, high=1.0, log=True),), "optuna", 4, (0, 1, 2), pruner="median"
)


def test_a_search_says_what_was_picked_and_pruned(open_page, words) -> None:
    more = {"picked": [["0.1"], ["0.5"], ["0.01"]], "pruned": [1]}
    job = trained(SEARCHED, lambda one: None if one.setting == 1 else 0.9 + one.number / 1000, "interrupted", **more)
    app = open_page("studies", study=job.id)
    assert not app.exception
    said = words(app)
    for part in ("Optuna over Learning rate, 3 seeds", "picked by TPE", "were ended early", "of 12 finished"):
        assert part in said, part
    assert "ended without finishing" not in said
    assert app.dataframe[0].value["Seeds"].tolist() == ["3 of 3", "pruned", "3 of 3"]
    assert [button.label for button in app.button if button.key.startswith("bl-study-resume")] == ["Go on"]


def test_a_search_is_started_where_optuna_is_installed(open_page, words, spawned, monkeypatch) -> None:
    asked = {**OWN, "studies-design": "optuna", "study-fields": json.dumps({RATES.name: {"from": 0.001, "to": 0.1}})}
    monkeypatch.setattr(search, "PACKAGE", "no_such_package")
    assert "pip install -r requirements-optuna.txt" in words(open_page("studies", **asked))
    monkeypatch.setattr(search, "PACKAGE", "torch")
    app = open_page("studies", **asked)
    assert "16 settings × 3 seeds = 48 runs" in words(app)
    app.button(key="bl-studies-start").click().run()
    assert not app.exception
    (job,) = JobStore("studies").list()
    study = members.study_of(job)
    assert (study.design, study.pruner, study.samples) == ("optuna", "median", 16)
    assert len(spawned) == 1


def test_a_study_of_the_notes_is_started(open_page, words, params, spawned) -> None:
    app = open_page("studies")
    assert not app.exception
    assert "15 settings × 3 seeds = 45 runs" in words(app)
    app.selectbox(key="bl-studies-ready").set_value("brain-shares").run()
    assert not app.exception
    said = words(app)
    for part in ("82.1", "77.7", "3 settings × 3 seeds = 9 runs", "58.3"):
        assert part in said, part
    assert params(app)["studies-ready"] == "brain-shares"
    app.button(key="bl-ready-start").click().run()
    assert not app.exception
    (job,) = JobStore("studies").list()
    assert spawned == [("job", str(job.path), *spawned[0][2:])]
    study = members.study_of(job)
    assert (study.ready, len(members.members_of(job))) == ("brain-shares", 9)


@pytest.mark.parametrize("name", READY)
def test_every_study_of_the_notes_is_drawn(open_page, words, name: str) -> None:
    app = open_page("studies", **{"studies-ready": name})
    assert not app.exception
    ready = READY[name]
    if {"vgg16", "resnet50"} & set(ready.backbones):
        assert "are not on this machine" in words(app)
        assert "EfficientNet-Lite0" in words(app)
        assert not [button for button in app.button if button.key == "bl-ready-start"]
    else:
        assert app.button(key="bl-ready-start")
        assert not JobStore("studies").list()


def test_a_design_of_ones_own(open_page, words, params) -> None:
    app = open_page("studies", data="digits", **{"studies-way": "own"})
    assert not app.exception
    app.multiselect(key="bl-studies-fields").set_value(["training.phases.lr", "model.head.dropout"]).run()
    assert not app.exception
    app.multiselect(key="bl-study-training.phases.lr").set_value(["0.001", "0.1"]).run()
    app.multiselect(key="bl-study-model.head.dropout").set_value(["0.0", "0.5"]).run()
    app.number_input(key="bl-studies-seeds").set_value(4).run()
    assert not app.exception
    assert "4 settings × 4 seeds = 16 runs" in words(app)
    kept = params(app)
    assert json.loads(kept["study-fields"]) == {"training.phases.lr": [0.001, 0.1], "model.head.dropout": [0.0, 0.5]}
    again = open_page("studies", **kept)
    assert "4 settings × 4 seeds = 16 runs" in words(again)
    assert again.multiselect(key="bl-study-training.phases.lr").value == ["0.001", "0.1"]
    app.button(key="bl-studies-start").click().run()
    assert not app.exception
    (job,) = JobStore("studies").list()
    study = members.study_of(job)
    assert [factor.name for factor in study.factors] == ["training.phases.lr", "model.head.dropout"]
    assert study.seeds == (0, 1, 2, 3)
    assert study.experiment.data.source == "digits"


def test_ranges_are_drawn_from(open_page, words) -> None:
    app = open_page("studies", data="digits", **{"studies-way": "own", "studies-design": "sobol"})
    app.multiselect(key="bl-studies-fields").set_value(["training.phases.lr"]).run()
    app.text_input(key="bl-study-low-training.phases.lr").set_value("0.0001").run()
    app.number_input(key="bl-studies-samples").set_value(8).run()
    assert not app.exception
    assert "8 settings × 3 seeds = 24 runs" in words(app)
    app.text_input(key="bl-study-high-training.phases.lr").set_value("wide").run()
    assert not app.exception
    assert "wide is no number for Learning rate" in words(app)
    app.text_input(key="bl-study-high-training.phases.lr").set_value("0.00001").run()
    assert "The lower end comes first" in words(app)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"study": "gone"}, "no study gone"),
        ({"study": "../x"}, "no study ../x"),
        ({**OWN, "study-fields": "[3]"}, "names no fields"),
        ({**OWN, "study-fields": '{"wow": [1]}'}, "Nothing is varied yet"),
        ({**OWN, "studies-design": "random"}, "Pick what is varied"),
        ({**OWN, "study-fields": '{"training.phases.lr": [-1, 2]}'}, "lr is -1"),
        ({**OWN, "study-fields": '{"training.phases.lr": ["x", 2]}'}, "x is no number"),
        ({"studies-way": "own"}, "No images chosen yet"),
    ],
)
def test_addresses_that_name_nothing_are_told(open_page, words, given: dict[str, str], sentence: str) -> None:
    app = open_page("studies", **given)
    assert not app.exception
    assert sentence in words(app) + refused(app)


@pytest.mark.parametrize("view", ["means", "heatmap", "parallel", "importance"])
def test_a_finished_study_says_what_differs(open_page, words, view: str) -> None:
    def accuracy(member: members.Member) -> float:
        return (0.5, 0.9, 0.8, 0.91, 0.4, 0.6)[member.setting] + 0.01 * member.seed

    job = trained(Study(BASE, (RATES, OPTIMIZERS), seeds=(0, 1, 2)), accuracy)
    app = open_page("studies", study=job.id, **{"study-view": view})
    assert not app.exception
    said = words(app)
    for part in ("larger than chance", "Best: Learning rate 0.01, Optimizer Adam", "92", "Finished"):
        assert part in said, part
    assert len(app.dataframe[0].value) == 6
    app.selectbox(key="bl-study-measure").set_value("val_loss").run()
    assert not app.exception
    assert "Best: Learning rate 0.01, Optimizer Adam" in words(app)


def test_members_that_failed_are_shown_and_tried_again(open_page, words, spawned) -> None:
    job = trained(Study(BASE, (RATES,), seeds=(0, 1)), lambda m: None if m.setting == 1 else 0.5 + 0.1 * m.seed)
    app = open_page("studies", study=job.id)
    assert not app.exception
    said = words(app)
    for part in ("2 runs ended without finishing", "The folder {it} is gone.", "fewer than 3 finished seeds"):
        assert part in said, part
    (again,) = [button for button in app.button if str(button.key).startswith("bl-study-resume")]
    assert again.label == "Try again"
    again.click().run()
    assert not app.exception
    assert job.recorded.state == "queued"
    assert [spoken[:2] for spoken in spawned] == [("job", str(job.path))]


def test_an_interrupted_study_goes_on_and_a_whole_one_gets_more_seeds(open_page, words) -> None:
    job = trained(Study(BASE, (RATES,), seeds=(0, 1)), lambda m: 0.5 + 0.1 * m.seed, state="interrupted")
    app = open_page("studies", study=job.id)
    assert "The study was interrupted" in words(app)
    Recorder(job).update(state="finished")
    app = open_page("studies", study=job.id)
    assert not app.exception
    app.button(key="bl-study-seeds").click().run()
    assert not app.exception
    newest = JobStore("studies").list()[0]
    assert newest != job
    assert members.study_of(newest).seeds == (0, 1, 2, 3)
    assert newest.request["adopts"] == job.id


def test_seeds_that_a_difference_would_take_are_trained_by_a_click(open_page, words) -> None:
    job = trained(Study(BASE, (RATES,), seeds=(0, 1, 2)), lambda m: 0.8 + 0.015 * m.setting + 0.02 * (m.seed - 1))
    app = open_page("studies", study=job.id)
    assert not app.exception
    assert "The number of seeds limits that" in words(app)
    button = app.button(key="bl-study-seeds")
    wanted = int(re.sub(r"\D", "", button.label))
    assert f"{wanted} seeds a setting would find it" in words(app)
    button.click().run()
    assert len(members.study_of(JobStore("studies").list()[0]).seeds) == wanted > 5


def test_one_recipe_over_seeds_is_a_study(open_page, words) -> None:
    app = open_page("studies", **OWN)
    assert not app.exception
    assert "1 setting × 3 seeds = 3 runs" in words(app)
    app.button(key="bl-studies-start").click().run()
    assert not app.exception
    study = members.study_of(JobStore("studies").list()[0])
    assert (study.factors, study.seeds) == ((), (0, 1, 2))
    app = open_page("studies", **OWN)
    app.number_input(key="bl-studies-seeds").set_value(1).run()
    assert "Pick what is varied" in words(app)


def test_the_notes_figures_stand_beside_ones_own(open_page, words) -> None:
    study = replace(READY["brain-shares"].study(), seeds=(0,))
    job = trained(study, lambda _: 0.7)
    app = open_page("studies", study=job.id)
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["The notes"]) == ["82.1\u00a0%", "78.2\u00a0%", "77.7\u00a0%"]
    app = open_page("studies")
    assert "3 of 3 runs finished" in words(app)


def test_a_damaged_study_spoils_nothing(open_page, words) -> None:
    job = trained(Study(BASE, (RATES,)), lambda _: 0.5)
    (job.path / "request.json").write_text('{"study": 3}')
    app = open_page("studies")
    assert not app.exception
    assert "cannot be read" in words(app)
    app = open_page("studies", study=job.id)
    assert not app.exception
    assert "must be a JSON object" in refused(app)


def test_a_members_run_leads_to_its_study(open_page, words) -> None:
    job = trained(Study(BASE, (RATES,), name="rates"), lambda _: 0.5)
    run = members.standings(job)[0].run
    assert run is not None
    app = open_page("runs", run=run.id)
    assert not app.exception
    assert "study of 3" in str(app.dataframe[0].value)
    assert "runs of one recipe" not in words(app)
