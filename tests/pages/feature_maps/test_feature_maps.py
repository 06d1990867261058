"""Feature maps: every channel of the chosen layer; all layers; depth; side by side; attention; a channel's card."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import streamlit as st

from core.interpret.features import activations
from core.interpret.features.channel_values import channel_values
from core.interpret.visualization import activation_maximization
from core.models.anatomy.examine import anatomy_of
from core.runs.jobs import JobStore
from core.runs.process import process_stamp
from core.workflows.inspection import channel_survey
from pages.feature_maps import attention_view, channel_card, compare_sheets, depth_view, layer_view
from pages.ui.kit import charts
from pages.ui.selection import layer_picker as layers
from pages.ui.selection import user_images
from pages.ui.visualization import progress

BACKBONE = {"backbone": "shufflenet_v2_x0_5", "weights": "none"}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list:
    """Stands in for the sheet, which lives in the browser: collects what it was asked to draw."""
    sheets: list = []

    def sheet(picture, **options):
        sheets.append((picture, options))

    for module in (layer_view, compare_sheets, attention_view):
        monkeypatch.setattr(module, "sheet", sheet)
    return sheets


def test_all_channels_of_a_layer_with_its_figures(open_page, words, drawn) -> None:
    app = open_page("feature_maps", layer="stage2", **BACKBONE)
    assert not app.exception
    picture, options = drawn[-1]
    assert picture.count == 48
    assert picture.png.startswith(b"\x89PNG")
    assert "48 channels of Stage 2, blocks 1 to 4, each 28 × 28 pixels" in options["alt"]
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
    assert "No attention maps" not in said


@pytest.mark.usefixtures("drawn")
def test_why_there_is_no_attention_is_said_to_those_who_ask_for_it(open_page, words) -> None:
    app = open_page("feature_maps", view="attention", **BACKBONE)
    assert not app.exception
    assert "No attention maps: this network has no attention." in words(app)


def test_it_opens_on_a_convolution_whose_kernel_is_there(open_page, words, drawn) -> None:
    app = open_page("feature_maps", **BACKBONE)
    assert not app.exception
    assert app.query_params["layer"] == "conv1.0"
    assert drawn[-1][0].count == 24
    said = words(app)
    assert "The kernel of channel 0" in said
    assert "no single one makes this channel" not in said


def test_a_stage_leads_to_its_last_layer(open_page, drawn) -> None:
    app = open_page("feature_maps", **BACKBONE)
    assert not app.exception
    assert len(app.selectbox(key="bl-maps-stage").options) > 1
    app.session_state["bl-maps-layer"] = "stage3"
    del app.query_params["layer"]
    app.run()
    assert app.query_params["layer"] == "stage3"
    assert drawn[-1][0].count == 96


def test_an_unknown_layer_or_view_in_the_address_falls_back(open_page, drawn) -> None:
    app = open_page("feature_maps", layer="nowhere", view="nothing", **BACKBONE)
    assert not app.exception
    assert app.query_params["layer"] != "nowhere"
    assert drawn[-1][0].count > 0


def test_a_look_at_the_same_layer_costs_no_pass(open_page, drawn, monkeypatch) -> None:
    passes: list[tuple[str, ...]] = []
    real = activations.activations

    def counted(network, x, layers=None):
        passes.append(tuple(layers or ()))
        return real(network, x, layers)

    monkeypatch.setattr(activations, "activations", counted)
    app = open_page("feature_maps", layer="stage4", **BACKBONE)
    app.session_state["bl-maps-scale"] = "layer"
    app.run()
    assert not app.exception
    assert drawn[-1][0].png != drawn[0][0].png
    assert len(passes) <= 1


def test_sorted_channels_keep_their_numbers(open_page, words, drawn) -> None:
    app = open_page("feature_maps", layer="stage2", session={"bl-maps-sort": "maximum"}, **BACKBONE)
    assert not app.exception
    names = [int(name) for name in drawn[-1][1]["names"]]
    assert sorted(names) == list(range(48))
    assert names != list(range(48))
    assert names[drawn[-1][1]["chosen"]] == 0, "the channel under study stays the same one"
    assert "Channel 0" in words(app)


def test_a_clicked_channel_gets_its_card(open_page, words, monkeypatch) -> None:
    monkeypatch.setattr(layer_view, "sheet", lambda *_args, **_options: 5)
    app = open_page("feature_maps", layer="conv1.2", **BACKBONE)
    assert not app.exception
    said = words(app)
    assert app.session_state["bl-maps-channel"] == ("conv1.2", 5)
    for word in (
        "Channel 5",
        "The kernel of channel 5",
        "Stage 1, convolution 3 × 3, in colour",
        "As it is. Move the slider",
        "Choose images on the",
    ):
        assert word in said


def test_zeros_count_among_what_does_not_answer(monkeypatch) -> None:
    drawn = []
    monkeypatch.setattr(charts, "show", lambda chart, **_options: drawn.append(chart))
    channel_card._histogram(channel_values(np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.2]], np.float32)))
    (bars,) = drawn[0].data
    assert bars.y[0] == 3
    assert bars.x[0] < 0
    assert bars.marker.color[0] == charts.FROZEN
    assert set(bars.marker.color[1:]) == {charts.ACCENT}
    assert sum(bars.y) == 6


def test_a_muted_channel_moves_the_probabilities(open_page, words) -> None:
    app = open_page("feature_maps", layer="conv5", **BACKBONE)
    (slider,) = [slider for slider in app.slider if "Scale of channel" in slider.label]
    slider.set_value(400).run()
    assert not app.exception
    said = words(app)
    assert "As it is." not in said
    assert any(word in said for word in ("percentage points", "The answer turns", "Nothing moves"))


def test_a_runs_own_images_that_excite_a_channel(open_page, words, learned) -> None:
    run = learned()
    app = open_page("feature_maps", run=run.id, layer="stage2")
    (button,) = [button for button in app.button if button.key == "bl-excite-go"]
    button.click().run()
    assert not app.exception
    said = words(app)
    assert "class selectivity" in said
    assert "Found among" in said
    assert "receptive field" in said


def test_a_picture_that_takes_long_is_grown_in_a_process_for_the_moment_looked_into(
    open_page, words, learned, monkeypatch
) -> None:
    started = []

    def start(wish, owner=""):
        started.append(wish)
        return JobStore("dreams").create(wish.as_record(), owner=owner, **process_stamp())

    monkeypatch.setattr(progress, "LONG", -1.0)
    monkeypatch.setattr(progress, "TRIED", -1.0)
    monkeypatch.setattr(progress, "start_job", start)
    run = learned()
    app = open_page("feature_maps", run=run.id, moment="start", layer="stage2")
    next(button for button in app.button if button.key == "bl-dream-go").click().run()
    assert not app.exception
    (wish,) = started
    assert (wish.reference, wish.layer, wish.channels) == (f"{run.id}@start", "stage2", (0,))
    app.run()
    assert "Waiting for the device" in words(app)
    assert "bl-dream-go" not in [button.key for button in app.button]


def test_channels_sorted_by_class_stand_beside_the_images_that_excite_them(open_page, words, learned, drawn) -> None:
    session = {"bl-maps-sort": "class"}
    app = open_page("feature_maps", run=learned().id, layer="stage2", session=session)
    next(button for button in app.button if button.key == "bl-maps-sort-go").click().run()
    assert not app.exception
    said = words(app)
    assert "Something went wrong" not in said
    assert "class selectivity" in said
    names = [int(name) for name in drawn[-1][1]["names"]]
    assert sorted(names) == list(range(len(names)))


def test_all_layers_in_one_scroll(open_page, words) -> None:
    app = open_page("feature_maps", view="all", **BACKBONE)
    assert not app.exception
    assert "feature maps of" in words(app)
    opens = [button for button in app.button if str(button.key).startswith("bl-all-open-")]
    assert [button.label for button in opens][:2] == ["Stage 1, convolution 3 × 3", "Stage 1, max pool 3 × 3"]
    opens[1].click().run()
    assert not app.exception
    assert app.query_params["layer"] == "maxpool"
    assert "view" not in app.query_params


def test_the_depth_story_of_a_run(open_page, words, learned) -> None:
    app = open_page("feature_maps", run=learned().id, view="depth")
    (button,) = [button for button in app.button if button.key == "bl-depth-go"]
    button.click().run()
    assert not app.exception
    said = words(app)
    for word in ("Activations grow sparse with depth", "rank correlation with depth", "Effective rank", "Measured on"):
        assert word in said


def test_work_that_can_be_given_up_is_done_outside_of_fragments(open_page, words, learned, monkeypatch) -> None:
    done_alone = []

    def measured(*given, **options):
        done_alone.append(bool(st.session_state.get(user_images.ALONE)))
        return story(*given, **options)

    story = channel_survey.measure_depth
    monkeypatch.setattr(channel_survey, "measure_depth", measured)
    app = open_page("feature_maps", run=learned().id, view="depth")
    next(button for button in app.button if button.key == "bl-depth-go").click().run()
    assert not app.exception
    assert done_alone == [True]
    assert user_images.ALONE not in app.session_state
    app.run()
    assert "Measured on" in words(app)
    assert len(done_alone) == 1


def test_a_channels_picture_is_grown_in_its_card(open_page, words, monkeypatch) -> None:
    recipe = activation_maximization.Recipe
    monkeypatch.setattr(
        activation_maximization, "Recipe", lambda *given, **options: recipe(*(given or (32, 2)), **options)
    )
    app = open_page("feature_maps", layer="conv1.0", **BACKBONE)
    next(button for button in app.button if button.key == "bl-dream-go").click().run()
    assert not app.exception
    assert "pictures of noise reach" in words(app)


def test_a_run_beside_its_start_shows_frozen_layers_unmoved(open_page, words, drawn, learned) -> None:
    app = open_page("feature_maps", run=learned().id, view="beside")
    assert not app.exception
    assert len(drawn) == 3, "one side, the other, the difference"
    assert "the same to the last bit" in words(app)


@pytest.mark.parametrize("what", ["images", "layers"])
def test_two_pictures_and_two_layers(open_page, drawn, what: str) -> None:
    app = open_page("feature_maps", view="beside", session={"bl-beside-what": what}, **BACKBONE)
    assert not app.exception
    assert len(drawn) == 3


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Stage 4", "Stage 4"),
        ("Stage 4, block 2", "Stage 4, block 2"),
        ("Stage 4, block 2, depthwise 3 × 3", "Stage 4, block 2"),
        ("Stage 1, convolution 3 × 3 with norm", "Stage 1"),
    ],
)
def test_under_an_axis_stands_what_of_a_name_fits(name: str, short: str) -> None:
    assert depth_view._short(name) == short


def test_a_moment_of_a_run_that_has_no_such_weights_falls_back(open_page, drawn, learned) -> None:
    app = open_page("feature_maps", run=learned().id, moment="last")
    assert not app.exception
    assert drawn[-1][0].count > 0


def test_a_run_whose_data_are_gone_still_shows_its_maps(open_page, words, drawn, learned, tmp_path) -> None:
    run = learned()
    shutil.rmtree(tmp_path / "data" / "colours")
    app = open_page("feature_maps", run=run.id, session={"bl-image-kind": "sample"})
    assert not app.exception
    assert drawn[-1][0].count > 0
    assert "colours" in words(app)


def test_a_run_deleted_meanwhile_says_so(open_page, words, learned) -> None:
    run = learned()
    app = open_page("feature_maps", run=run.id)
    shutil.rmtree(run.path)
    app.query_params["run"] = run.id
    app.run()
    assert not app.exception
    assert "This run is gone" in words(app)


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "swin_t", "vit_b_16", "densenet121", "efficientnet_lite0"])
def test_the_main_layers_are_few_and_reach_every_stage(name: str) -> None:
    anatomy = anatomy_of(name)
    names = activations.spatial_layers(anatomy)
    told = layers.main_layers(anatomy, names)
    stage = {layer.name: layer.stage for layer in anatomy.layers}
    assert 8 <= len(told) <= max(40, len(names) // 2)
    assert {stage[n] for n in told} == {stage[n] for n in names}
    assert [n for n in names if n in told] == list(told)
