"""Backbone: the choice and its figures."""

from __future__ import annotations


def test_the_default_backbone_is_shown_with_its_figures(open_page, words) -> None:
    app = open_page("backbone")
    assert not app.exception
    assert "4,652,008" in words(app)


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
