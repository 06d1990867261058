"""Backbone: the choice, the stages, the counts."""

from __future__ import annotations

from core.specs import FreezePlan


def test_the_default_backbone_is_shown_with_its_stages(open_page, words) -> None:
    app = open_page("backbone")
    assert not app.exception
    text = words(app)
    assert "Stage 5" in text
    assert "4,652,008" in text


def test_freezing_changes_the_counts_and_the_recipe(open_page, words) -> None:
    app = open_page("backbone", session={"bl.freeze": FreezePlan()})
    app.segmented_control(key="bl-frozen").set_value(3).run()
    assert not app.exception
    assert app.session_state["bl.freeze"].trainable_stages == 2
    assert app.session_state["bl.train"].preset == "two-phase"
    assert "3 of 6 parts learn" in words(app)
    app.segmented_control(key="bl-frozen").set_value(0).run()
    assert app.session_state["bl.freeze"].trainable_stages == "all"
    assert app.session_state["bl.train"].preset == "full"


def test_a_family_and_a_network_can_be_chosen(open_page) -> None:
    app = open_page("backbone")
    app.selectbox(key="bl-family").set_value("ResNet").run()
    app.selectbox(key="bl-backbone").set_value("resnet34").run()
    app.segmented_control(key="bl-weights").set_value("none").run()
    assert not app.exception
    assert app.session_state["bl.model"].backbone == "resnet34"
    assert app.session_state["bl.model"].weights == "none"
    assert app.query_params["backbone"] == "resnet34"


def test_the_address_names_a_backbone(open_page) -> None:
    app = open_page("backbone", backbone="vgg16", weights="none")
    assert not app.exception
    assert app.selectbox(key="bl-backbone").value == "vgg16"
