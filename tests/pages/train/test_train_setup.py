"""Setting a training up: presets, the runs of the course, and the address."""

from __future__ import annotations

from dataclasses import replace

import pytest
from train_page import OWN, PHASES, SHAPES, launch

from core.errors import InputError
from core.specs import (
    AugmentSpec,
    DataSpec,
    EarlyStopping,
    FreezePlan,
    HeadSpec,
    Loss,
    Mix,
    ModelSpec,
    Phase,
    TrainingSpec,
)
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


def test_a_class_that_nothing_validates_is_said_before_the_start(open_page, image_folder) -> None:
    folder = image_folder("rare", presplit=True)
    (folder / "train" / "<b>").mkdir()
    (folder / "train" / "<b>" / "1.png").write_bytes(next((folder / "train" / "red").iterdir()).read_bytes())
    app = open_page("train", session={"bl.data": DataSpec(str(folder))})
    said = "".join(element.proto.body for element in app.main.get("html"))
    assert "There are too few images of &lt;b&gt; to validate on any" in said
    assert "Not all classes are judged" not in "".join(
        element.proto.body for element in open_page("train", session=SHAPES).main.get("html")
    )


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


def test_a_run_of_the_course_changes_no_choice_and_the_way_back_finds_them_all(open_page, launched, words) -> None:
    app = open_page("train", session=OWN)
    app.segmented_control(key="bl-source").set_value("preset").run()
    app.radio(key="bl-preset").set_value("two-phase").run()
    app.number_input(key="bl-epochs").set_value(7).run()
    app.segmented_control(key="bl-source").set_value("course").run()
    app.selectbox(key="bl-course").set_value("five-classes-cnn").run()
    said = words(app)
    assert "Early stopping watched the training loss" in said
    assert "The notes had 5 classes; yours have 4" in said
    app.segmented_control(key="bl-source").set_value("preset").run()
    assert app.radio(key="bl-preset").value == "two-phase"
    assert app.number_input(key="bl-epochs").value == 7
    app.segmented_control(key="bl-source").set_value("custom").run()
    launch(app)
    assert launched[0].training.phases == PHASES
    assert launched[0].model == ModelSpec("efficientnet_lite0")


@pytest.mark.parametrize("name", [run.id for run in COURSE.values() if not run.stands_for])
def test_each_run_of_the_course_is_filled_in_as_it_is(open_page, launched, name) -> None:
    run = COURSE[name]
    app = open_page("train", session=SHAPES)
    app.segmented_control(key="bl-source").set_value("course").run()
    app.selectbox(key="bl-course").set_value(name).run()
    launch(app)
    (found,) = launched
    assert found.training == run.training
    assert (found.model, found.freeze, found.augment) == (run.model, run.freeze, run.augment)
    assert run.title in found.name


def test_a_run_whose_weights_are_elsewhere_is_offered_on_the_packaged_ones(open_page, launched, monkeypatch) -> None:
    from core.models.catalog import catalog

    monkeypatch.setattr(catalog, "weights_state", lambda *_which: "needs download")
    app = open_page("train", session=SHAPES)
    app.segmented_control(key="bl-source").set_value("course").run()
    app.selectbox(key="bl-course").set_value("vgg16-cats-dogs").run()
    app.toggle(key="bl-course-lite0").set_value(True).run()
    assert app.selectbox(key="bl-course").value == "vgg16-cats-dogs"
    launch(app)
    (found,) = launched
    assert found.model == ModelSpec("efficientnet_lite0", head=HeadSpec((4096,)))
    assert (found.training, found.freeze) == (COURSE["vgg16-cats-dogs"].training, FreezePlan(1))


def test_images_are_divided_as_in_the_notes_on_a_click(open_page, launched) -> None:
    app = open_page("train", session=SHAPES)
    app.segmented_control(key="bl-source").set_value("course").run()
    app.selectbox(key="bl-course").set_value("alzheimer-cnn-30").run()
    app.button(key="bl-course-divide").click().run()
    assert not [button for button in app.button if button.key == "bl-course-divide"]
    launch(app)
    assert (launched[0].data.test_share, launched[0].data.val_share, launched[0].data.val_of) == (0.3, 0.1, "rest")


def test_weights_that_are_elsewhere_are_told_of_before_the_recipe_is_taken(open_page, words, monkeypatch) -> None:
    from core.models.catalog import catalog

    for state, told in (("needs download", True), ("available", False)):
        monkeypatch.setattr(catalog, "weights_state", lambda *_which, state=state: state)
        app = open_page("train", session=SHAPES)
        app.segmented_control(key="bl-source").set_value("course").run()
        app.selectbox(key="bl-course").set_value("vgg16-fruit").run()
        assert ("Weights to be downloaded" in words(app)) is told


def test_a_course_s_phases_are_edited_as_one_s_own(open_page, launched) -> None:
    app = open_page("train", session=SHAPES)
    app.segmented_control(key="bl-source").set_value("course").run()
    app.selectbox(key="bl-course").set_value("resnet18-stl10").run()
    app.button(key="bl-edit-phases").click().run()
    app.number_input(key="bl-phase-0-epochs").set_value(3).run()
    launch(app)
    (phase,) = COURSE["resnet18-stl10"].training.phases
    assert launched[0].training == TrainingSpec("custom", (replace(phase, epochs=3),))


def test_what_the_page_shows_chosen_is_what_a_reload_shows(open_page) -> None:
    app = open_page("train", session=OWN)
    for source in ("preset", "course", "custom", "preset"):
        app.segmented_control(key="bl-source").set_value(source).run()
        again = open_page("train", session=SHAPES, setup=app.query_params["setup"])
        assert again.segmented_control(key="bl-source").value == source
        assert again.session_state["bl.train"] == app.session_state["bl.train"]


def test_a_run_of_the_course_that_is_none_is_passed_over() -> None:
    gone = train_form.to_address(TrainChoice("course", course="nothing"), FreezePlan())
    with pytest.raises(InputError, match="no run nothing"):
        train_form.from_address(gone or "")


# --- what learns ------------------------------------------------------------------------------------------------------


def test_presets_leave_the_choice_of_parts_alone_and_say_that_they_use_it(open_page, launched) -> None:
    parts = FreezePlan(1, thaw=("stage2",))
    app = open_page("train", session={**SHAPES, "bl.freeze": parts, "bl.train": TrainChoice("two-phase")})
    assert "Uses your choice of parts." in str(app.radio(key="bl-preset").proto.captions)
    for preset in ("full", "linear-probe", "two-phase"):
        app.radio(key="bl-preset").set_value(preset).run()
    launch(app)
    assert launched[0].freeze == parts


@pytest.mark.parametrize(
    ("choice", "parts", "said"),
    [
        (TrainChoice(), FreezePlan(3), "Head only"),
        (TrainChoice("full"), FreezePlan(), "Everything"),
        (TrainChoice("two-phase"), FreezePlan(), "Last stage"),
        (TrainChoice("two-phase"), FreezePlan(3), "Last 3 stages"),
        (TrainChoice("two-phase"), FreezePlan("all", learns="norm-bias"), "Norms and biases"),
        (TrainChoice("two-phase"), FreezePlan(thaw=("stage2",)), "Chosen parts"),
        (TrainChoice("gradual"), FreezePlan(), "Stage after stage"),
        (TrainChoice("custom", phases=PHASES), FreezePlan(4), "Last stage"),
        (TrainChoice("custom", phases=PHASES[:1]), FreezePlan(4), "Head only"),
        (TrainChoice("course", course="mnist-cnn"), FreezePlan(), "Everything"),
    ],
)
def test_the_sidebar_says_what_learns_under_any_recipe(choice, parts, said) -> None:
    from streamlit.testing.v1 import AppTest

    def page() -> None:
        import streamlit as st

        from pages.ui.plan import freeze_plan

        st.text(freeze_plan.words())

    app = AppTest.from_function(page)
    app.session_state["bl.train"], app.session_state["bl.freeze"] = choice, parts
    app.run()
    assert [element.value for element in app.text] == [said]


def test_anatomy_shows_what_the_recipe_of_the_train_page_lets_learn(open_page) -> None:
    app = open_page("anatomy", session={**SHAPES, "bl.train": TrainChoice("full")})
    assert app.segmented_control(key="bl-freeze-preset").value == "all"
    app = open_page("anatomy", session={**SHAPES, "bl.train": TrainChoice("custom", phases=PHASES)})
    assert app.segmented_control(key="bl-freeze-preset").value == "last-stages"
    app.segmented_control(key="bl-freeze-preset").set_value("all").run()
    assert app.session_state["bl.train"].phases == (PHASES[0], replace(PHASES[1], freeze=FreezePlan("all")))


def test_a_phase_in_which_nothing_new_learns_is_said_before_the_start(open_page, words) -> None:
    phases = (PHASES[0], Phase("fine-tune", "plan", 7, lr=3e-4, backbone_factor=0.3))
    app = open_page("train", session={**SHAPES, "bl.train": TrainChoice("custom", phases=phases)})
    said = words(app)
    assert "In phase 2 (Fine-tune) nothing new learns" in said
    assert "backbone 9e-05" not in said
    app = open_page("train", session={**SHAPES, "bl.train": TrainChoice("custom", phases=PHASES)})
    assert "nothing new learns" not in words(app)


def test_phases_made_from_a_preset_train_what_the_preset_does_whatever_ran_before(open_page, launched, words) -> None:
    app = open_page("train", session={**SHAPES, "bl.freeze": FreezePlan(), "bl.train": TrainChoice("two-phase")})
    app.segmented_control(key="bl-source").set_value("custom").run()
    assert "nothing new learns" not in words(app)
    launch(app)
    assert launched[0].plan(launched[0].training.phases[1]) == FreezePlan(1)


# --- phases one by one ------------------------------------------------------------------------------------------------
