"""Feature maps: every channel of the chosen layer, with shape, sparsity and scale; one pass a layer."""

from __future__ import annotations

import pytest

from core.interpret import activations
from core.models.anatomy import anatomy_of
from pages import feature_maps
from pages.ui import layers

BACKBONE = {"backbone": "shufflenet_v2_x0_5", "weights": "none"}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list:
    """Stands in for the sheet, which lives in the browser: collects what it was asked to draw."""
    sheets: list = []

    def sheet(picture, **options):
        sheets.append((picture, options))

    monkeypatch.setattr(feature_maps, "sheet", sheet)
    return sheets


def test_all_channels_of_a_layer_with_its_figures(open_page, words, drawn) -> None:
    app = open_page("feature_maps", layer="stage2", **BACKBONE)
    assert not app.exception
    picture, options = drawn[-1]
    assert picture.count == 48
    assert picture.png.startswith(b"\x89PNG")
    assert "48 channels of stage2, each 28 × 28 pixels" in options["alt"]
    said = words(app)
    for word in (
        "48",
        "28 × 28",
        "of all values at or below zero",
        "of 48 channels",
        "Channel 0",
        "weights are random",
    ):
        assert word in said


def test_a_stage_leads_to_its_last_layer(open_page, drawn) -> None:
    app = open_page("feature_maps", **BACKBONE)
    stages = app.get("button_group")
    assert not app.exception
    assert len(stages) > 0
    app.session_state["bl-maps-layer"] = "stage3"
    del app.query_params["layer"]
    app.run()
    assert app.query_params["layer"] == "stage3"
    assert drawn[-1][0].count == 96


def test_an_unknown_layer_in_the_address_falls_back(open_page, drawn) -> None:
    app = open_page("feature_maps", layer="nowhere", **BACKBONE)
    assert not app.exception
    assert app.query_params["layer"] != "nowhere"
    assert drawn[-1][0].count > 0


def test_a_look_at_the_same_layer_costs_no_pass(open_page, drawn, monkeypatch) -> None:
    passes: list[tuple[str, ...]] = []
    real = activations.activations

    def counted(network, x, layers=None):
        passes.append(tuple(layers))
        return real(network, x, layers)

    monkeypatch.setattr(activations, "activations", counted)
    app = open_page("feature_maps", layer="stage4", **BACKBONE)
    app.session_state["bl-maps-scale"] = "layer"
    app.run()
    assert not app.exception
    assert drawn[-1][0].png != drawn[0][0].png
    assert len(passes) <= 1


def test_a_clicked_channel_is_shown_large(open_page, words, monkeypatch) -> None:
    monkeypatch.setattr(feature_maps, "sheet", lambda *_args, **_options: 5)
    app = open_page("feature_maps", layer="stage2", **BACKBONE)
    assert not app.exception
    assert "Channel 5" in words(app)
    assert app.session_state["bl-maps-channel"] == ("stage2", 5)


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "swin_t", "vit_b_16", "densenet121", "efficientnet_lite0"])
def test_the_main_layers_are_few_and_reach_every_stage(name: str) -> None:
    anatomy = anatomy_of(name)
    names = activations.spatial_layers(anatomy)
    told = layers.main_layers(anatomy, names)
    stage = {layer.name: layer.stage for layer in anatomy.layers}
    assert 8 <= len(told) <= max(40, len(names) // 2)
    assert {stage[n] for n in told} == {stage[n] for n in names}
    assert [n for n in names if n in told] == list(told)
