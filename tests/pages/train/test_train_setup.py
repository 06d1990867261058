"""Setting a training up: recipes, phases one by one, the rate before launch, every option, and the address."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.specs import (
    AugmentSpec,
    DataSpec,
    EarlyStopping,
    Experiment,
    FreezePlan,
    Loss,
    Mix,
    ModelSpec,
    Phase,
    Schedule,
    TrainingSpec,
)
from core.training.course_recipes import COURSE
from core.training.recipes import make_recipe
from pages.train import advanced_options, phase_editor, schedule_chart
from pages.ui.session import caches, train_form
from pages.ui.session.train_form import TrainChoice


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list:
    """Returns the experiments that were launched, none of which trains."""
    from core.runs import launch
    from core.runs.store import RunStore

    found = []

    def start(experiment, runs_dir=None, **_rest):
        found.append(experiment)
        return RunStore(runs_dir).create(experiment)

    monkeypatch.setattr(launch, "start", start)
    return found


@pytest.fixture(autouse=True)
def nothing_fails(caplog: pytest.LogCaptureFixture):
    """Looks into the log: a page that breaks draws its broken face, which is no exception."""
    yield
    assert "page failed" not in caplog.text


SHAPES = {"bl.data": DataSpec("shapes?per_class=10&size=32", test_share=0.2)}
PHASES = (Phase("head", "head", 3), Phase("last", "plan", 5, lr=1e-4, freeze=FreezePlan(1)))
OWN = {**SHAPES, "bl.train": TrainChoice(preset="custom", phases=PHASES)}


def launch(app) -> None:
    app.button(key="bl-launch").click().run()
    assert not app.exception


def can_launch(app) -> bool:
    return any(button.key == "bl-launch" for button in app.button)


# --- presets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["linear-probe", "two-phase", "six-step", "discriminative", "full"])
def test_what_is_left_alone_is_the_preset_and_nothing_else(open_page, launched, preset) -> None:
    app = open_page("train", session=SHAPES)
    app.radio(key="bl-preset").set_value(preset).run()
    launch(app)
    made = make_recipe(preset)
    (found,) = launched
    assert found.training == TrainingSpec(preset, made.phases)
    assert (found.freeze, found.augment, found.model) == (made.freeze, AugmentSpec(), ModelSpec("efficientnet_lite0"))


def test_an_untouched_page_leaves_no_set_up_in_the_address(open_page) -> None:
    assert "setup" not in open_page("train", session=SHAPES).query_params


def test_what_is_chosen_is_found_again_by_its_address(open_page, launched) -> None:
    app = open_page("train", session=OWN)
    app.number_input(key="bl-ema").set_value(0.99).run()
    app.selectbox(key="bl-batch").set_value("auto").run()
    setup = app.query_params["setup"]
    again = open_page("train", session=SHAPES, setup=setup)
    launch(again)
    (found,) = launched
    assert found.training == TrainingSpec("custom", PHASES, batch_size="auto", ema=0.99)


@pytest.mark.parametrize("setup", ["", "x", "🙂", "eJyrViopSszMU7KqVkopzVNITMlMLNZLrSjIzEvXtYAA", "A" * 5000])
def test_a_set_up_that_is_none_is_passed_over(open_page, setup) -> None:
    app = open_page("train", session=SHAPES, setup=setup)
    assert not app.exception
    assert app.radio(key="bl-preset").value == "linear-probe"


@pytest.mark.parametrize(
    "record", ['{"train": {"seeds": "many"}}', '{"train": {"preset": "custom"}}', "[]", '{"train": {"gradual": [1]}}']
)
def test_an_address_that_was_tampered_with_is_passed_over(record) -> None:
    import base64
    import zlib

    assert train_form.from_address(base64.urlsafe_b64encode(zlib.compress(record.encode())).decode()) is None


def test_a_set_up_survives_its_way_through_an_address() -> None:
    made = TrainChoice(
        preset="custom",
        phases=PHASES,
        loss=Loss("focal", 0.1),
        mix=Mix(0.2),
        early=EarlyStopping("val_f1", 7, 0.001),
        augment=AugmentSpec.preset("strong"),
        stage_factors=(("stage2", 0.1),),
        gradual=(("stage5", 3),),
    )
    plan = FreezePlan(1, thaw=("stage2",), norm="train")
    assert train_form.from_address(train_form.to_address(made, plan) or "") == (made, plan)
    assert train_form.to_address(TrainChoice(), FreezePlan()) is None


def test_start_over_sets_everything_back(open_page, launched) -> None:
    app = open_page("train", session=OWN)
    app.button(key="bl-start-over").click().run()
    assert not app.exception
    launch(app)
    assert launched[0].training == TrainingSpec("linear-probe", make_recipe("linear-probe").phases)


# --- from the course --------------------------------------------------------------------------------------------------


def test_a_run_of_the_course_is_looked_at_without_being_taken(open_page, words) -> None:
    app = open_page("train", session=SHAPES)
    app.segmented_control(key="bl-source").set_value("course").run()
    app.selectbox(key="bl-course").set_value("flowers-cnn").run()
    said = words(app)
    assert "Early stopping watched the training loss" in said
    assert "The course had 5 classes; yours have 4" in said
    assert app.session_state["bl.train"] == TrainChoice()


@pytest.mark.parametrize("name", list(COURSE))
def test_each_run_of_the_course_is_filled_in_as_it_is(open_page, launched, name) -> None:
    run = COURSE[name]
    app = open_page("train", session=SHAPES)
    app.segmented_control(key="bl-source").set_value("course").run()
    app.selectbox(key="bl-course").set_value(name).run()
    app.button(key="bl-course-use").click().run()
    assert app.button(key="bl-course-use").disabled
    launch(app)
    (found,) = launched
    assert found.training == run.training
    assert (found.model, found.freeze, found.augment) == (run.model, run.freeze, run.augment)
    assert run.title in found.name


def test_weights_that_are_elsewhere_are_told_of_before_the_recipe_is_taken(open_page, words, monkeypatch) -> None:
    from core.models.catalog import catalog

    for state, told in (("needs download", True), ("available", False)):
        monkeypatch.setattr(catalog, "weights_state", lambda *_which, state=state: state)
        app = open_page("train", session=SHAPES)
        app.segmented_control(key="bl-source").set_value("course").run()
        app.selectbox(key="bl-course").set_value("vgg16-fruit").run()
        assert ("Its weights are not on this machine" in words(app)) is told


def test_a_course_s_phases_are_edited_as_one_s_own(open_page, launched) -> None:
    app = open_page("train", session=SHAPES)
    app.segmented_control(key="bl-source").set_value("course").run()
    app.selectbox(key="bl-course").set_value("resnet18-stl10").run()
    app.button(key="bl-course-use").click().run()
    app.button(key="bl-edit-phases").click().run()
    app.number_input(key="bl-phase-0-epochs").set_value(3).run()
    launch(app)
    (phase,) = COURSE["resnet18-stl10"].training.phases
    assert launched[0].training == TrainingSpec("custom", (replace(phase, epochs=3),))


def test_another_network_makes_the_course_s_run_one_s_own(open_page) -> None:
    run = COURSE["mnist-cnn"]
    made = TrainChoice(preset="course", course=run.id, phases=run.training.phases)
    app = open_page("train", session={**SHAPES, "bl.train": made, "bl.freeze": run.freeze})
    kept = app.session_state["bl.train"]
    assert (kept.preset, kept.course, kept.phases) == ("custom", "", run.training.phases)


# --- phases one by one ------------------------------------------------------------------------------------------------


def test_a_preset_s_phases_become_one_s_own(open_page, launched, words) -> None:
    app = open_page("train", session=SHAPES)
    app.radio(key="bl-preset").set_value("two-phase").run()
    app.button(key="bl-edit-phases").click().run()
    app.number_input(key="bl-phase-0-epochs").set_value(4).run()
    assert "4 epochs, the head" in words(app)
    launch(app)
    (found,) = launched
    first, second = make_recipe("two-phase").phases
    assert found.training.preset == "custom"
    assert [phase.epochs for phase in found.training.phases] == [4, second.epochs]
    assert found.training.phases[1] == second
    assert found.training.phases[0].lr == first.lr
    assert found.freeze == FreezePlan(1)


def test_phases_are_added_moved_and_removed_and_take_their_settings_along(open_page) -> None:
    app = open_page("train", session=OWN)
    app.number_input(key="bl-phase-0-epochs").set_value(9).run()
    app.button(key="bl-phase-later").click().run()
    kept = app.session_state["bl.train"].phases
    assert [(phase.name, phase.epochs) for phase in kept] == [("last", 5), ("head", 9)]
    assert app.number_input(key="bl-phase-1-epochs").value == 9
    app.button(key="bl-phase-earlier").click().run()
    app.button(key="bl-phase-add").click().run()
    app.text_input(key="bl-phase-1-name").set_value("Middle").run()
    kept = app.session_state["bl.train"].phases
    assert [(phase.name, phase.epochs) for phase in kept] == [("head", 9), ("Middle", 9), ("last", 5)]
    app.button(key="bl-phase-remove").click().run()
    assert not app.exception
    assert [phase.name for phase in app.session_state["bl.train"].phases] == ["head", "last"]


def test_the_only_phase_cannot_be_removed(open_page) -> None:
    app = open_page("train", session={**SHAPES, "bl.train": TrainChoice(preset="custom", phases=PHASES[:1])})
    assert app.button(key="bl-phase-remove").disabled
    assert phase_editor.removed(PHASES, 1) == (PHASES[:1], 0)


def test_every_field_of_a_phase_reaches_the_experiment(open_page, launched) -> None:
    app = open_page("train", session={**OWN, "bl.phase": 1})
    app.number_input(key="bl-phase-1-stages").set_value(2).run()
    app.selectbox(key="bl-phase-1-optimizer").set_value("sgd").run()
    app.number_input(key="bl-phase-1-lr").set_value(0.02).run()
    app.number_input(key="bl-phase-1-decay").set_value(0.001).run()
    app.number_input(key="bl-phase-1-momentum").set_value(0.8).run()
    app.toggle(key="bl-phase-1-nesterov").set_value(True).run()
    app.number_input(key="bl-phase-1-factor").set_value(0.1).run()
    app.number_input(key="bl-phase-1-stage-decay").set_value(0.5).run()
    app.selectbox(key="bl-phase-1-schedule").set_value("step").run()
    app.number_input(key="bl-phase-1-every").set_value(2).run()
    app.number_input(key="bl-phase-1-gamma").set_value(0.5).run()
    app.number_input(key="bl-phase-1-warmup").set_value(1.0).run()
    app.segmented_control(key="bl-phase-1-augment").set_value("basic").run()
    launch(app)
    assert launched[0].training.phases == (
        PHASES[0],
        Phase(
            "last",
            "plan",
            5,
            "sgd",
            0.02,
            0.1,
            0.5,
            weight_decay=0.001,
            momentum=0.8,
            nesterov=True,
            schedule=Schedule("step", warmup=1.0, every=2, gamma=0.5),
            freeze=FreezePlan(2),
            augment=AugmentSpec.preset("basic"),
        ),
    )


def test_another_optimizer_leaves_nesterov_behind(open_page) -> None:
    phase = Phase("head", "head", 3, "sgd", 0.01, nesterov=True)
    app = open_page("train", session={**SHAPES, "bl.train": TrainChoice(preset="custom", phases=(phase,))})
    app.selectbox(key="bl-phase-0-optimizer").set_value("adam").run()
    assert not app.exception
    assert app.session_state["bl.train"].phases[0].optimizer == "adam"
    assert can_launch(app)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("multi-step", "milestones", (2, 4)),
        ("exponential", "gamma", 0.9),
        ("cosine", "floor", 0.1),
        ("polynomial", "power", 2.0),
        ("plateau", "patience", 1),
        ("one-cycle", "name", "one-cycle"),
    ],
)
def test_each_schedule_has_its_settings(open_page, name, field, value) -> None:
    app = open_page("train", session={**OWN, "bl.phase": 1})
    app.selectbox(key="bl-phase-1-schedule").set_value(name).run()
    if field == "milestones":
        app.text_input(key="bl-phase-1-milestones").set_value("2, 4").run()
    elif field != "name":
        app.number_input(key=f"bl-phase-1-{field}").set_value(value).run()
    assert not app.exception
    schedule = app.session_state["bl.train"].phases[1].schedule
    assert (schedule.name, getattr(schedule, field)) == (name, value)
    assert can_launch(app)


def test_what_a_phase_refuses_is_said_and_kept_until_it_fits(open_page, words) -> None:
    app = open_page("train", session=OWN)
    app.number_input(key="bl-phase-0-warmup").set_value(8.0).run()
    assert "warms up for 8" in words(app)
    assert not can_launch(app)
    assert app.number_input(key="bl-phase-0-warmup").value == 8.0
    app.number_input(key="bl-phase-0-epochs").set_value(10).run()
    assert can_launch(app)
    assert app.session_state["bl.train"].phases[0].schedule.warmup == 8.0


def test_milestones_that_are_no_epochs_are_refused(open_page, words) -> None:
    app = open_page("train", session={**OWN, "bl.phase": 1})
    app.selectbox(key="bl-phase-1-schedule").set_value("multi-step").run()
    assert can_launch(app)  # at half and three quarters
    app.text_input(key="bl-phase-1-milestones").set_value("soon").run()
    assert "milestones must be a list of epochs" in words(app)
    assert not can_launch(app)


def test_own_phases_are_still_there_after_a_look_at_the_presets(open_page) -> None:
    app = open_page("train", session=OWN)
    app.segmented_control(key="bl-source").set_value("preset").run()
    assert app.session_state["bl.train"].preset == "linear-probe"
    app.segmented_control(key="bl-source").set_value("custom").run()
    assert not app.exception
    assert app.session_state["bl.train"].phases == PHASES


def test_what_learns_is_changed_on_the_anatomy_page_without_losing_the_phases(open_page) -> None:
    phases = (PHASES[0], Phase("both", "plan", 4))
    app = open_page("anatomy", session={**SHAPES, "bl.train": TrainChoice(preset="custom", phases=phases)})
    app.segmented_control(key="bl-freeze-preset").set_value("all").run()
    assert not app.exception
    assert app.session_state["bl.freeze"].trainable_stages == "all"
    kept = app.session_state["bl.train"]
    assert (kept.preset, kept.phases) == ("custom", phases)


@pytest.mark.parametrize("phase", [0, 1])
def test_a_rate_that_was_found_is_taken_over(phase) -> None:
    def page() -> None:
        import streamlit as st

        from pages.train import recipe_picker

        if not st.session_state.get("taken"):
            st.session_state["taken"] = True
            recipe_picker.take_rate(0.0123, st.session_state["phase"], 4)

    from streamlit.testing.v1 import AppTest

    for before in (TrainChoice(preset="two-phase"), TrainChoice(preset="custom", phases=PHASES)):
        app = AppTest.from_function(page, default_timeout=120)
        app.session_state["phase"], app.session_state["bl.train"] = phase, before
        app.run()
        assert not app.exception
        found = app.session_state["bl.train"]
        rates = [made.lr for made in found.phases] if found.by_phase else [found.lr]
        assert rates[phase] == 0.0123


# --- more -------------------------------------------------------------------------------------------------------------


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


def test_several_seeds_and_folds_are_started_in_one_go(open_page, launched, words) -> None:
    app = open_page("train", session=SHAPES)
    app.number_input(key="bl-seeds").set_value(2).run()
    app.selectbox(key="bl-folds").set_value(3).run()
    assert "6 runs, one after the other. Seeds 0 to 1. Each of 3 folds validates once" in words(app)
    assert app.button(key="bl-launch").label == "Start 6 trainings"
    launch(app)
    assert [(run.training.seed, run.data.fold) for run in launched] == [(s, f) for s in (0, 1) for f in (0, 1, 2)]
    assert len({run.series for run in launched}) == 1


def test_folds_that_the_images_cannot_give_are_refused_before_the_launch(open_page, image_folder, words) -> None:
    folder = image_folder("few", images=3)
    app = open_page("train", data=str(folder))
    app.selectbox(key="bl-folds").set_value(10).run()
    assert "Choose fewer folds" in words(app)
    assert not can_launch(app)


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


# --- the rate before launch -------------------------------------------------------------------------------------------


def experiment(*phases: Phase, freeze: FreezePlan | None = None) -> Experiment:
    return Experiment(
        DataSpec("shapes"),
        ModelSpec("efficientnet_lite0", "none"),
        TrainingSpec("custom", phases),
        freeze or FreezePlan(2),
    )


@pytest.fixture(scope="module")
def anatomy():
    return caches.anatomy(ModelSpec("efficientnet_lite0", "none"), 4)


def test_the_rate_is_drawn_for_head_and_backbone_one_phase_after_the_other(anatomy) -> None:
    drawn = schedule_chart.lines(
        experiment(
            Phase("head", "head", 2, lr=0.01),
            Phase("both", "plan", 4, lr=0.001, backbone_factor=0.5, schedule=Schedule("cosine", warmup=1.0)),
        ),
        anatomy,
        steps=10,
    )
    head, (second, backbone) = drawn[0], drawn[1]
    assert [line.group for line in head] == ["head"]
    assert (head[0].epochs[0], head[0].epochs[-1], set(head[0].rates)) == (0.0, 2.0, {0.01})
    assert (second.epochs[0], second.epochs[-1]) == (2.0, 6.0)
    assert max(second.rates) == pytest.approx(0.001)
    assert second.rates.index(max(second.rates)) == 10  # the warm-up's end
    assert backbone.rates == pytest.approx([0.5 * rate for rate in second.rates])


def test_stages_with_rates_of_their_own_are_drawn_as_first_and_last(anatomy) -> None:
    phase = Phase("both", "plan", 2, lr=0.1, backbone_factor=0.5, stage_decay=0.1)
    assert schedule_chart.groups(experiment(phase), phase, anatomy) == pytest.approx(
        {"head": 1.0, "last": 0.5, "first": 0.05}
    )
    assert schedule_chart.groups(experiment(phase, freeze=FreezePlan(0)), phase, anatomy) == {"head": 1.0}


def test_the_chart_is_told_in_words(anatomy) -> None:
    planned = experiment(
        Phase("head", "head", 2, lr=0.01, schedule=Schedule("plateau")),
        Phase("both", "plan", 4, lr=0.00001, schedule=Schedule("cosine", warmup=1.0)),
    )
    text = schedule_chart.words(planned, schedule_chart.lines(planned, anatomy))
    for part in ("Head: 0.01 throughout.", "up to 1e-05 and down to nearly 0", "drawn flat", "warm-up", "logarithmic"):
        assert part in text
