"""Phases one by one: edited, added, moved, removed, refused, and a rate taken over."""

from __future__ import annotations

from dataclasses import replace

import pytest
from train_page import OWN, PHASES, SHAPES, can_launch, launch

from core.specs import AugmentSpec, FreezePlan, Phase, Schedule
from core.training.recipes import make_recipe
from pages.train import phase_editor
from pages.ui.session.train_form import TrainChoice


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
    assert found.training.phases[1] == replace(second, freeze=FreezePlan(1))
    assert found.training.phases[0].lr == first.lr


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
