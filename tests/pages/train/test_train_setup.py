"""Setting a training up: presets, the runs of the course, and the address."""

from __future__ import annotations

from dataclasses import replace

import pytest
from train_page import OWN, PHASES, SHAPES, launch

from core.errors import InputError
from core.specs import AugmentSpec, EarlyStopping, FreezePlan, Loss, Mix, ModelSpec, TrainingSpec
from core.training.course_recipes import COURSE
from core.training.recipes import make_recipe
from pages.ui.session import train_form
from pages.ui.session.train_form import TrainChoice

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
def test_a_set_up_that_is_none_changes_nothing(open_page, setup) -> None:
    app = open_page("train", session=SHAPES, setup=setup)
    assert not app.exception
    assert app.radio(key="bl-preset").value == "linear-probe"


@pytest.mark.parametrize(
    "record",
    [
        '{"train": {"seeds": "many"}}',
        '{"train": {"preset": "custom"}}',
        "[]",
        '{"train": {"gradual": [1]}}',
        '{"train": {"seed": 1%s}}' % ("0" * 400),
        '{"train": {"stage_factors": [["stage1", 1%s]]}}' % ("0" * 400),
        '{"train": {"lr": NaN}}',
        '{"train": {"lr": 1e999}}',
        '{"freeze": {"thaw": {"a": 1}}}',
        '{"freeze": {"trainable_stages": []}}',
        '{"train": []}',
        "[" * 9000,
    ],
)
def test_an_address_that_was_tampered_with_is_refused_in_words(record) -> None:
    import base64
    import zlib

    text = base64.urlsafe_b64encode(zlib.compress(record.encode())).decode()
    for written in (text, "1" + text):
        with pytest.raises(InputError) as caught:
            train_form.from_address(written)
        assert len(str(caught.value)) < 400


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
