"""Every option behind More reaches the experiment, and what does not go together is said."""

from __future__ import annotations

import pytest
from train_page import SHAPES, can_launch, launch

from core.runs.jobs import JobStore
from core.specs import EarlyStopping, Experiment, Loss, Mix, TrainingSpec
from core.specs.study import Study
from core.training.recipes import make_recipe
from core.workflows.studies import members
from core.workflows.studies.design import expand
from pages.train import advanced_options
from pages.ui.session.train_form import TrainChoice


def test_every_option_behind_more_reaches_the_experiment(open_page, launched, words) -> None:
    app = open_page("train", session=SHAPES)
    app.selectbox(key="bl-loss").set_value("focal").run()
    app.number_input(key="bl-gamma").set_value(1.5).run()
    app.number_input(key="bl-smoothing").set_value(0.1)
    app.selectbox(key="bl-balance").set_value("balanced")
    app.number_input(key="bl-mixup").set_value(0.2)
    app.number_input(key="bl-cutmix").set_value(1.0)
    app.number_input(key="bl-views").set_value(4)
    app.number_input(key="bl-accumulate").set_value(2)
    app.number_input(key="bl-clip").set_value(1.0)
    app.number_input(key="bl-ema").set_value(0.99)
    app.selectbox(key="bl-best").set_value("val_f1")
    app.selectbox(key="bl-precision").set_value("fp32")
    app.toggle(key="bl-recover").set_value(False)
    app.toggle(key="bl-deterministic").set_value(True)
    app.toggle(key="bl-early").set_value(True).run()
    app.number_input(key="bl-early-patience").set_value(2)
    app.number_input(key="bl-early-minimum").set_value(0.01)
    app.selectbox(key="bl-batch").set_value("auto").run()
    said = words(app)
    assert "focal loss with gamma 1.5" in said
    assert "Steps an epoch" in said
    launch(app)
    assert launched[0].training == TrainingSpec(
        "linear-probe",
        make_recipe("linear-probe").phases,
        batch_size="auto",
        precision="fp32",
        loss=Loss("focal", 0.1, 1.5, "balanced"),
        mix=Mix(0.2, 1.0),
        clip=1.0,
        accumulate=2,
        ema=0.99,
        early=EarlyStopping("val_loss", 2, 0.01),
        best="val_f1",
        views=4,
        deterministic=True,
        recover=False,
    )


def test_several_gpus_can_train_together_where_there_are_some(open_page, launched, monkeypatch) -> None:
    gpus = ("auto", "cpu", "cuda:0", "cuda:1", "cuda:2")
    monkeypatch.setattr(advanced_options, "_devices", lambda: gpus)
    app = open_page("train", session=SHAPES)
    app.number_input(key="bl-processes").set_value(3).run()
    launch(app)
    assert launched[0].training.processes == 3
    monkeypatch.setattr(advanced_options, "_devices", lambda: gpus[:3])
    app = open_page("train", session=SHAPES)
    assert not [box for box in app.number_input if box.key == "bl-processes"]


@pytest.fixture
def studied(monkeypatch: pytest.MonkeyPatch) -> list[Experiment]:
    """Replaces the launch of a study by one that makes its folder alone; returns the members' experiments."""
    found: list[Experiment] = []

    def start_job(request, runs_dir=None, *, roots=None, **_more):
        assert roots, "the study must be held to the folders that the page may read"
        found.extend(one.experiment for one in expand(Study.from_record(request.study)))
        return JobStore(request.kind, runs_dir).create(request.as_record())

    monkeypatch.setattr(members, "start_job", start_job)
    return found


def test_several_seeds_and_folds_are_started_in_one_go(open_page, studied, words) -> None:
    app = open_page("train", session=SHAPES)
    app.number_input(key="bl-seeds").set_value(2).run()
    app.selectbox(key="bl-folds").set_value(3).run()
    assert "6 runs, one after the other. Seeds 0 to 1. Each of 3 folds validates once" in words(app)
    assert app.button(key="bl-launch").label == "Start 6 trainings"
    launch(app)
    assert [(run.training.seed, run.data.fold) for run in studied] == [(s, f) for s in (0, 1) for f in (0, 1, 2)]


def test_folds_that_the_images_cannot_give_are_refused_before_the_launch(open_page, image_folder, words) -> None:
    folder = image_folder("few", images=3)
    app = open_page("train", data=str(folder))
    app.selectbox(key="bl-folds").set_value(10).run()
    assert "Choose fewer folds" in words(app)
    assert not can_launch(app)


def test_a_sampler_and_the_comparison_of_remedies_reach_the_runs(open_page, studied, words) -> None:
    app = open_page("train", session=SHAPES)
    app.selectbox(key="bl-sampler").set_value("oversample").run()
    assert "repeats the images of rare classes" in words(app)
    app.selectbox(key="bl-balance").set_value("balanced").run()
    assert "the class weights are all 1" in words(app)
    app.selectbox(key="bl-sampler").set_value("shuffle").run()
    app.toggle(key="bl-remedies").set_value(True).run()
    assert app.button(key="bl-launch").label == "Start 3 trainings"
    launch(app)
    assert [(run.training.sampler, run.training.loss.balance) for run in studied] == [
        ("shuffle", "none"),
        ("shuffle", "balanced"),
        ("weighted", "none"),
    ]


def test_mixed_labels_do_not_go_with_the_course_s_losses(open_page, words) -> None:
    app = open_page("train", session=SHAPES)
    app.number_input(key="bl-mixup").set_value(0.2).run()
    app.selectbox(key="bl-loss").set_value("l1").run()
    assert not app.exception
    assert words(app).count("MixUp and CutMix mix labels") >= 2  # beside the control, and before the launch
    assert not can_launch(app)
    app.number_input(key="bl-mixup").set_value(0.0).run()
    assert can_launch(app)


def test_watching_the_training_images_is_warned_of(open_page, words) -> None:
    app = open_page("train", session={**SHAPES, "bl.train": TrainChoice(early=EarlyStopping("train_loss"))})
    assert "Watch a validation figure" in words(app)
    app.selectbox(key="bl-early-metric").set_value("val_loss").run()
    assert "Watch a validation figure" not in words(app)


def test_compiling_is_not_offered_without_a_gpu(open_page, monkeypatch, words) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    app = open_page("train", session={**SHAPES, "bl.train": TrainChoice(compile=True)})
    assert app.toggle(key="bl-compile").disabled
    assert "on a GPU only" in words(app)
    assert not app.session_state["bl.train"].compile
