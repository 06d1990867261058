"""The builder of small networks: layers come, go, move and change, and what cannot be is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.models.architectures import small_networks
from core.specs import ModelSpec, Piece


def _page(spec) -> None:  # type: ignore[no-untyped-def] # its source is run by itself
    import streamlit as st

    from pages.backbone import network_builder

    st.session_state["spec"] = network_builder.draw(st.session_state.get("spec", spec))


def opened(spec: ModelSpec) -> AppTest:
    app = AppTest.from_function(_page, args=(spec,), default_timeout=60).run()
    assert not app.exception
    return app


def made(app: AppTest) -> ModelSpec:
    assert not app.exception
    spec = app.session_state["spec"]
    assert isinstance(spec, ModelSpec)
    return spec


def numbers(app: AppTest) -> list[int]:
    """Returns the number of each row, from the top."""
    return [number for number, _piece in app.session_state["bl.builder"].rows]


def field(app: AppTest, row: int, name: str) -> Any:
    number, piece = app.session_state["bl.builder"].rows[row]
    return app.number_input(key=f"bl-piece-{number}-{piece.kind}-{name}")


def act(app: AppTest, row: int, action: str) -> AppTest:
    return app.menu_button(key=f"bl-piece-{numbers(app)[row]}-menu").click(action).run()


@pytest.mark.parametrize("name", small_networks.NETWORKS)
def test_a_small_network_is_shown_and_left_as_it_is(name: str, words: Callable[[AppTest], str]) -> None:
    app = opened(ModelSpec(name, "none"))
    assert made(app) == ModelSpec(name, "none")
    network = small_networks.NETWORKS[name]
    said = words(app)
    given = (network.design, network.channels, network.input_size, network.num_classes)
    for step in small_networks.trace_design(*given, single=network.single):
        assert " × ".join(map(str, step.shape)) in said
        assert step.formula in said
    assert made(app.run()) == ModelSpec(name, "none")


def test_pretrained_weights_do_not_exist_here() -> None:
    assert made(opened(ModelSpec("mnist_cnn"))).weights == "none"
    assert made(opened(ModelSpec("mnist_cnn", "run:x"))).weights == "run:x"


def test_a_changed_layer_makes_it_ones_own(words: Callable[[AppTest], str]) -> None:
    app = opened(ModelSpec("mnist_cnn", "none"))
    field(app, 0, "size").set_value(12).run()
    spec = made(app)
    assert (spec.backbone, spec.channels, spec.image_size) == ("own", 1, 28)
    assert spec.design == (Piece("conv", size=12, kernel=5, padding=1), *small_networks.mnist_cnn()[1:])
    assert "(5*5*12+1)*20 = 6,020" in words(app)


def test_a_pools_stride_follows_its_window_until_it_is_set(words: Callable[[AppTest], str]) -> None:
    app = opened(ModelSpec("mnist_cnn", "none"))
    field(app, 2, "kernel").set_value(3).run()
    assert made(app).design[2] == Piece("max-pool", kernel=3)
    assert field(app, 2, "stride").value == 3
    assert "floor((26 + 0 - 3)/3) + 1 = 8" in words(app)
    field(app, 2, "stride").set_value(2).run()
    assert made(app).design[2] == Piece("max-pool", kernel=3, stride=2)


def test_an_impossible_size_is_refused_with_the_formula(words: Callable[[AppTest], str]) -> None:
    app = opened(ModelSpec("mnist_cnn", "none"))
    field(app, 3, "kernel").set_value(25).run()
    said = words(app)
    assert "floor((h + 2p - k)/s) + 1 = floor((13 + 2 - 25)/1) + 1 = -9" in said
    assert "the network before it stays chosen" in said
    assert made(app) == ModelSpec("mnist_cnn", "none")
    assert field(app, 3, "kernel").value == 25  # what was typed stays there to be mended
    field(app, 3, "kernel").set_value(3).run()
    assert made(app).design[3].kernel == 3


def test_layers_are_added_moved_copied_and_removed() -> None:
    app = opened(ModelSpec("own", "none"))
    assert [piece.kind for piece in made(app).design] == ["conv", "relu", "max-pool"]
    app.button(key="bl-build-add-linear").click().run()
    app.menu_button(key="bl-build-rare").click("tanh").run()
    assert [piece.kind for piece in made(app).design] == ["conv", "relu", "max-pool", "linear", "tanh"]
    act(app, 1, "down")
    assert [piece.kind for piece in made(app).design][:3] == ["conv", "max-pool", "relu"]
    act(app, 2, "up")
    act(app, 0, "copy")
    act(app, 0, "above")
    assert [piece.kind for piece in made(app).design] == ["relu", "conv", "conv", "relu", "max-pool", "linear", "tanh"]
    act(app, 0, "remove")
    act(app, 4, "below")
    assert [piece.kind for piece in made(app).design] == ["conv", "conv", "relu", "max-pool", "linear", "relu", "tanh"]


def test_settings_stay_with_their_layer_when_others_move() -> None:
    app = opened(ModelSpec("own", "none"))
    field(app, 0, "size").set_value(7).run()
    app.button(key="bl-build-add-conv").click().run()
    act(app, 3, "up")
    act(app, 2, "up")
    act(app, 1, "up")
    assert [piece.size for piece in made(app).design] == [16, 7, 0, 0]
    assert (field(app, 0, "size").value, field(app, 1, "size").value) == (16, 7)


def test_another_kind_takes_its_usual_settings() -> None:
    app = opened(ModelSpec("own", "none"))
    app.selectbox(key=f"bl-piece-{numbers(app)[0]}-kind").select("dropout").run()
    assert made(app).design[0] == Piece("dropout", rate=0.25)
    field(app, 0, "rate").set_value(0.5).run()
    assert made(app).design[0] == Piece("dropout", rate=0.5)


def test_images_may_be_gray_or_of_any_size(words: Callable[[AppTest], str]) -> None:
    app = opened(ModelSpec("five_classes_cnn", "none"))
    app.number_input(key="bl-build-size").set_value(64).run()
    app.segmented_control(key="bl-build-channels").set_value(1).run()
    assert made(app) == ModelSpec("five_classes_cnn", "none", image_size=64, channels=1)
    assert "(3*3*1+1)*32 = 320" in words(app)
    app.number_input(key="bl-build-size").set_value(8).run()
    assert "floor((1 + 0 - 2)/2) + 1 = 0" in words(app)
    assert made(app).image_size == 64


def test_nothing_is_said_to_be_too_little(words: Callable[[AppTest], str]) -> None:
    app = opened(ModelSpec("mnist_cnn", "none"))
    app.button(key="bl-build-empty").click().run()
    assert "Add at least one layer" in words(app)
    assert made(app) == ModelSpec("mnist_cnn", "none")
    app.button(key="bl-build-add-conv").click().run()
    assert made(app).design == (Piece("conv", size=16, kernel=3, padding=1),)


def test_a_small_network_with_other_settings_to_start_from() -> None:
    app = opened(ModelSpec("own", "none"))
    app.selectbox(key="bl-build-from").select("alzheimer_cnn").run()
    app.text_input(key="bl-build-alzheimer_cnn-channels").set_value("8, x").run()
    assert app.button(key="bl-build-take").disabled
    app.text_input(key="bl-build-alzheimer_cnn-channels").set_value("8; 16").run()
    app.number_input(key="bl-build-alzheimer_cnn-dropout").set_value(0.5).run()
    app.button(key="bl-build-take").click().run()
    spec = made(app)
    assert spec.design == small_networks.alzheimer_cnn((8, 16), dropout=0.5)
    assert (spec.channels, spec.image_size) == (1, 64)


def test_it_follows_a_choice_made_elsewhere() -> None:
    app = opened(ModelSpec("mnist_cnn", "none"))
    field(app, 0, "size").set_value(12).run()
    app.session_state["spec"] = ModelSpec("emnist_cnn", "none")
    app.run()
    assert made(app) == ModelSpec("emnist_cnn", "none")
    assert field(app, 0, "size").value == 6


def test_the_backbone_page_builds_a_network_of_ones_own(open_page: Callable[..., AppTest]) -> None:
    app = open_page("backbone")
    app.button(key="bl-build-own").click().run()
    assert not app.exception
    spec = app.session_state["bl.model"]
    assert (spec.backbone, spec.weights, len(spec.design)) == ("own", "none", 3)
    app.button(key="bl-build-add-linear").click().run()
    assert app.session_state["bl.model"].design[-1] == Piece("linear", size=64)
    assert app.query_params["backbone"] == "own"
    assert open_page("anatomy", session={"bl.model": app.session_state["bl.model"]}).exception == []


def test_a_course_network_changed_on_the_backbone_page_becomes_ones_own(open_page: Callable[..., AppTest]) -> None:
    app = open_page("backbone", session={"bl.model": ModelSpec("mnist_cnn", "none")})
    field(app, 0, "size").set_value(12).run()
    assert not app.exception
    spec = app.session_state["bl.model"]
    assert (spec.backbone, spec.design[0].size) == ("own", 12)
    assert field(app, 0, "size").value == 12
