"""What is looked into where no run is: the chosen backbone, or the nearest to it, and nothing chosen is lost."""

from __future__ import annotations

import pytest

from core.specs import ModelSpec, Piece


def own() -> ModelSpec:
    return ModelSpec("own", "none", image_size=16, design=(Piece("conv", size=4, kernel=3), Piece("flatten")))


@pytest.mark.parametrize(
    ("spec", "backbone", "weights"),
    [
        (ModelSpec("efficientnet_lite0"), "efficientnet_lite0", "default"),
        (ModelSpec("mnist_cnn", "none"), "mnist_cnn", "none"),
        (ModelSpec("mnist_cnn"), "mnist_cnn", "none"),
        (ModelSpec("efficientnet_lite0", "run:gone"), "efficientnet_lite0", "default"),
        (ModelSpec("efficientnet_lite0", "file:/somewhere/weights.pth"), "efficientnet_lite0", "default"),
        (own(), "efficientnet_lite0", "default"),
    ],
)
def test_any_choice_of_backbone_leads_to_one_that_can_be_looked_into(
    open_page, spec: ModelSpec, backbone: str, weights: str
) -> None:
    app = open_page("filters", session={"bl.model": spec})
    assert not app.exception
    assert app.selectbox(key="bl-network-backbone").value == backbone
    assert app.session_state["bl-network-weights"] == weights
    assert app.session_state["bl.model"] == spec, "what was chosen is still chosen"


def test_another_backbone_takes_nothing_of_the_former_one_along(open_page) -> None:
    app = open_page("filters", session={"bl.model": own()})
    app.selectbox(key="bl-network-backbone").set_value("mnist_cnn").run()
    assert not app.exception
    assert app.session_state["bl.model"] == ModelSpec("mnist_cnn", "none")
