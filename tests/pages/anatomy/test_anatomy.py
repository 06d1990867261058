"""Anatomy: the drawing's parts, what a lock does, presets and schedules, the head, sizes refused, the table."""

from __future__ import annotations

import re

import pytest

from core.specs import DataSpec, FreezePlan, HeadSpec, ModelSpec
from pages.ui.session.choices import TrainChoice

RESNET = {"backbone": "resnet18", "weights": "none"}


@pytest.fixture
def shapes() -> dict[str, object]:
    """A session with four classes to tell apart."""
    return {"bl.data": DataSpec("shapes", test_share=0.2)}


def drawn(app) -> list[dict]:
    """Returns the rows of the drawing, as the browser gets them."""
    import json

    for element in app.main.get("bidi_component"):
        if "anatomy" in element.proto.component_name:
            return json.loads(element.proto.json)["rows"]
    raise AssertionError("the network is not drawn")


def titles(row: dict) -> list[str]:
    return [part["title"] for part in row["parts"]]


def test_the_default_network_is_drawn_and_counted(open_page, words) -> None:
    app = open_page("anatomy")
    assert not app.exception
    stages = drawn(app)[0]
    assert titles(stages)[0] == "Stage 1"
    assert titles(stages)[-1] == "Head"
    assert "4,652,008" in words(app)
    assert app.query_params["backbone"] == "efficientnet_lite0"


def test_a_linked_layer_shows_its_block_and_its_arithmetic(open_page, words) -> None:
    app = open_page("anatomy", **RESNET, layer="layer2.0.conv1")
    assert not app.exception
    stages, blocks, layers = drawn(app)
    assert stages["chosen"] == "stage3"
    assert blocks["chosen"] == "layer2.0"
    assert layers["chosen"] == "layer2.0.conv1"
    assert [part["skip"] for part in blocks["parts"]] == ["add", "add"]
    text = words(app)
    assert "3*3*64*128 = 73,728" in text
    assert r"\frac{56+2\cdot1-3}{2}" in text
    assert "=28" in text


def test_an_unknown_layer_in_the_address_is_no_harm(open_page) -> None:
    app = open_page("anatomy", **RESNET, layer="<script>nothing</script>")
    assert not app.exception
    assert drawn(app)[0]["chosen"] == "stage1"


def test_a_lock_freezes_one_layer_and_the_counts_follow(open_page, words) -> None:
    session = {"bl.freeze": FreezePlan(1), "bl.train": TrainChoice("two-phase")}
    app = open_page("anatomy", session=session, **RESNET, layer="layer4.1.conv1")
    assert {part["name"]: part["state"] for part in drawn(app)[0]["parts"]}["stage5"] == "learns"
    app.button(key="bl-card-lock").click().run()
    assert not app.exception
    stages, blocks, layers = drawn(app)
    assert {part["name"]: part["state"] for part in stages["parts"]}["stage5"] == "partly"
    assert {part["name"]: part["state"] for part in blocks["parts"]}["layer4.1"] == "partly"
    assert {part["name"]: part["state"] for part in layers["parts"]}["layer4.1.conv1"] == "frozen"
    assert app.session_state["bl.freeze"].hold == ("layer4.1.conv1",)
    free = 8_393_728 + 513_000 - 512 * 512 * 9  # layer4 and fc, without one 3 x 3 convolution
    assert f"{free:,} parameters" in words(app)


def test_the_heads_lock_cannot_be_turned(open_page) -> None:
    head = drawn(open_page("anatomy", **RESNET))[0]["parts"][-1]
    assert head["state"] == "learns"
    assert head["free"] is False


def test_an_events_name_reaches_the_plan() -> None:
    def page() -> None:
        import importlib

        anatomy = importlib.import_module("pages.anatomy.page")
        anatomy._event("toggle", "stage4")
        anatomy._event("select", "layer3.1")

    from streamlit.testing.v1 import AppTest

    app = AppTest.from_function(page, default_timeout=60)
    app.session_state["bl.model"] = ModelSpec("resnet18", "none")
    app.run()
    assert not app.exception
    assert app.session_state["bl.freeze"].thaw == ("stage4",)
    assert app.query_params["layer"] == "layer3.1"


@pytest.mark.parametrize(
    ("name", "learns", "recipe"),
    [
        ("last-block", 4_720_640 + 513_000, "two-phase"),
        ("last-stages", 2_099_712 + 8_393_728 + 513_000, "two-phase"),
        ("norm-bias", 9_600 + 513_000, "two-phase"),
        ("all", 11_689_512, "scratch"),
    ],
)
def test_a_preset_says_what_learns_and_which_recipe_does_it(name, learns, recipe, open_page, words) -> None:
    app = open_page("anatomy", **RESNET)
    app.segmented_control(key="bl-freeze-preset").set_value(name).run()
    assert not app.exception
    assert app.segmented_control(key="bl-freeze-preset").value == name
    assert f"{learns:,} parameters" in words(app)
    assert app.session_state["bl.train"].preset == recipe


def test_the_last_stages_are_counted_by_a_slider(open_page) -> None:
    session = {"bl.freeze": FreezePlan(2), "bl.train": TrainChoice("two-phase")}
    app = open_page("anatomy", session=session, **RESNET)
    app.slider(key="bl-freeze-last").set_value(3).run()
    assert app.session_state["bl.freeze"].trainable_stages == 3
    app.slider(key="bl-freeze-last").set_value(5).run()
    assert app.session_state["bl.freeze"].trainable_stages == "all"
    assert app.segmented_control(key="bl-freeze-preset").value == "all"


def test_a_plan_of_another_network_is_forgotten(open_page) -> None:
    app = open_page("anatomy", session={"bl.freeze": FreezePlan(0, thaw=("features.28",))}, **RESNET)
    assert not app.exception
    assert app.session_state["bl.freeze"] == FreezePlan()


def test_random_weights_that_stay_frozen_are_warned_of(open_page, words) -> None:
    assert "Random weights that stay frozen never learn" in words(open_page("anatomy", **RESNET))
    app = open_page("anatomy", session={"bl.train": TrainChoice("scratch")}, **RESNET)
    assert "Random weights that stay frozen never learn" not in words(app)


def test_gradual_unfreezing_is_a_schedule(open_page) -> None:
    app = open_page("anatomy", session={"bl.anatomy": 1}, **RESNET)
    app.segmented_control(key="bl-freeze-preset").set_value("gradual").run()
    app.segmented_control(key="bl-anatomy-sheet").set_value("rates").run()
    assert not app.exception
    choice = app.session_state["bl.train"]
    assert choice.preset == "gradual"
    assert choice.gradual == (("stage5", 3), ("stage4", 5), ("stage3", 7), ("stage2", 9), ("stage1", 11))
    assert app.session_state["bl.freeze"].trainable_stages == "all"


def test_rates_decay_from_stage_to_stage_or_are_set_by_hand(open_page, words) -> None:
    session = {"bl.freeze": FreezePlan("all"), "bl.train": TrainChoice("full", backbone_factor=0.4)}
    app = open_page("anatomy", session=session, **RESNET)
    app.segmented_control(key="bl-anatomy-sheet").set_value("rates").run()
    app.number_input(key="bl-rates-decay").set_value(0.5).run()
    assert not app.exception
    assert "Stage 5 × 0.4, Stage 4 × 0.2, Stage 3 × 0.1" in words(app)
    assert app.session_state["bl.train"].stage_decay == 0.5
    app.segmented_control(key="bl-rates-kind").set_value("hand").run()
    app.number_input(key="bl-rates-stage5").set_value(0.7).run()
    assert dict(app.session_state["bl.train"].stage_factors)["stage5"] == 0.7
    assert dict(app.session_state["bl.train"].stage_factors)["stage4"] == 0.2


def test_frozen_norms_may_follow_the_images_and_the_reason_stands_beside(open_page, words) -> None:
    app = open_page("anatomy", **RESNET)
    app.segmented_control(key="bl-anatomy-sheet").set_value("rates").run()
    assert "are the same in every epoch" in words(app)
    app.segmented_control(key="bl-freeze-norm").set_value("train").run()
    assert app.session_state["bl.freeze"].norm == "train"
    assert "drift with each batch" in words(app)


def test_a_head_is_built_for_the_classes_of_the_data(open_page, words, shapes) -> None:
    app = open_page("anatomy", session=shapes, **RESNET)
    assert f"{512 * 4 + 4:,} parameters" in words(app)
    app.segmented_control(key="bl-anatomy-sheet").set_value("head").run()
    app.segmented_control(key="bl-head-kind").set_value("hidden").run()
    assert not app.exception
    assert app.session_state["bl.model"].head == HeadSpec(hidden=(256,), dropout=0.5)
    text = words(app)
    assert "(512+1)*256 = 131,328" in text
    assert "(256+1)*4 = 1,028" in text
    app.segmented_control(key="bl-head-kind").set_value("own").run()
    app.text_input(key="bl-head-hidden").set_value("64, x").run()
    assert app.session_state["bl.model"].head.hidden == (256,)
    assert "Give whole numbers with commas between" in words(app)
    app.text_input(key="bl-head-hidden").set_value("64, 32").run()
    assert app.session_state["bl.model"].head.hidden == (64, 32)


def test_flattening_counts_every_place_of_the_last_map(open_page, words, shapes) -> None:
    app = open_page("anatomy", session=shapes, **RESNET)
    app.segmented_control(key="bl-anatomy-sheet").set_value("head").run()
    app.segmented_control(key="bl-head-pool").set_value("flatten").run()
    assert not app.exception
    assert app.session_state["bl.model"].head.pool == "flatten"
    assert f"({512 * 7 * 7}+1)*4 = {512 * 7 * 7 * 4 + 4:,}" in words(app)


def test_what_cannot_be_flattened_says_why(open_page, words, shapes) -> None:
    app = open_page("anatomy", session=shapes, backbone="vit_b_16", weights="none")
    app.segmented_control(key="bl-anatomy-sheet").set_value("head").run()
    assert not app.exception
    assert "flatten" not in app.segmented_control(key="bl-head-pool").options
    assert "Flatten: " in words(app)


def test_gray_images_and_another_size_change_the_figures(open_page, words) -> None:
    app = open_page("anatomy", **RESNET, layer="conv1")
    app.segmented_control(key="bl-anatomy-channels").set_value(1).run()
    app.number_input(key="bl-anatomy-size").set_value(64).run()
    assert not app.exception
    assert app.session_state["bl.model"].channels == 1
    assert app.session_state["bl.model"].image_size == 64
    assert "7*7*1*64 = 3,136" in words(app)
    assert "11,683,240" in words(app)


def test_a_size_that_does_not_fit_is_refused_and_nothing_lost(open_page, words) -> None:
    app = open_page("anatomy", backbone="vit_b_16", weights="none")
    app.number_input(key="bl-anatomy-size").set_value(100).run()
    assert not app.exception
    assert "The network cannot take such images" in words(app)
    assert app.session_state["bl.model"].image_size is None
    assert app.number_input(key="bl-anatomy-size").value == 224
    assert len(drawn(app)[0]["parts"]) > 3


def test_the_table_is_filtered_and_its_totals_follow(open_page, words) -> None:
    app = open_page("anatomy", **RESNET)
    app.segmented_control(key="bl-anatomy-sheet").set_value("table").run()
    assert not app.exception
    frame = app.dataframe[0].value
    assert int(frame["parameters"].sum()) == 11_689_512
    assert frame.loc[frame["name"] == "conv1", "field"].item() == 7
    app.text_input(key="bl-table-text").set_value("downsample").run()
    app.toggle(key="bl-table-only").set_value(True).run()
    frame = app.dataframe[0].value
    assert len(frame) == 6
    assert set(frame["kind"]) == {"Conv2d", "BatchNorm2d"}
    assert f"{int(frame['parameters'].sum()):,} parameters" in words(app)


@pytest.mark.parametrize("name", ["vgg16", "densenet121", "inception_v3", "vit_b_16", "swin_t", "mnist_cnn"])
def test_every_kind_of_network_is_drawn_whole(name, open_page) -> None:
    app = open_page("anatomy", backbone=name, weights="none")
    assert not app.exception
    for part in drawn(app)[0]["parts"]:
        assert part["state"] in ("learns", "frozen", "partly")
        assert part["height"] >= 30


def test_a_lock_takes_a_stage_out_of_the_gradual_unfreezing_and_back(open_page) -> None:
    schedule = (("stage5", 3), ("stage4", 5))
    session = {"bl.freeze": FreezePlan(2), "bl.train": TrainChoice("gradual", gradual=schedule)}
    app = open_page("anatomy", session=session, **RESNET, layer="stage4")
    words = {part["name"]: part["word"] for part in drawn(app)[0]["parts"]}
    assert words["stage5"] == "from epoch 3"
    app.button(key="bl-card-lock").click().run()
    assert app.session_state["bl.train"].gradual == (("stage5", 3),)
    assert app.session_state["bl.freeze"].trainable_stages == 1
    app.button(key="bl-card-lock").click().run()
    assert app.session_state["bl.train"].gradual == (("stage5", 3), ("stage4", 5))
    assert app.session_state["bl.train"].preset == "gradual"


def test_the_receptive_field_is_drawn_on_a_picture(open_page, words) -> None:
    app = open_page("anatomy", **RESNET, layer="layer1.0.conv1")
    app.number_input(key="bl-anatomy-size").set_value(96).run()
    app.segmented_control(key="bl-anatomy-sheet").set_value("field").run()
    assert not app.exception
    text = words(app)
    assert "What it can see" in text
    assert "19 × 19 px" in text
    assert "With random weights" in text
    app.slider(key="bl-field-row").set_value(0).run()
    assert "0, 12" in words(app)
    app.query_params["picture"] = "sample:rocket"
    app.run()
    assert not app.exception
    assert app.session_state["bl.image.field"].kind == "sample"
    assert "bl.image" not in app.session_state, "no other page's picture changes"


def test_the_receptive_field_opens_on_a_layer_that_sees_about_a_quarter(open_page, words) -> None:
    app = open_page("anatomy", **RESNET)
    app.segmented_control(key="bl-anatomy-sheet").set_value("field").run()
    assert not app.exception
    found = re.search(r"What it can see\D*(\d+) × (\d+) px", words(app))
    assert found is not None
    assert 0.15 <= int(found[1]) / 224 <= 0.4
    assert "Shown for Stage" in words(app), "layers are called by what they are"


def test_memory_is_worked_out_beside_the_page(open_page, words, shapes, monkeypatch) -> None:
    from pages.ui.plan import cost_estimate
    from pages.ui.session import caches

    monkeypatch.setattr(cost_estimate, "QUIET", 0.0)
    monkeypatch.setattr(
        caches, "later", lambda shelf, key, make, entries: caches.remember(shelf, key, make, entries=entries)
    )
    app = open_page("anatomy", session=shapes, backbone="mnist_cnn", weights="none")
    assert not app.exception
    assert "working it out" in words(app)
    app.run()
    app.run()
    text = words(app)
    assert "working it out" not in text
    assert "activations " in text
    assert "not measured here yet" in text


@pytest.mark.parametrize(
    ("network", "block"),
    [
        ("vit_b_16", "class_token"),
        ("vit_b_16", "encoder.pos_embedding"),
        ("vit_b_16", "encoder.layers.encoder_layer_0"),
        ("convnext_tiny", "features.1.0"),
        ("resnet18", "block:conv1"),
        ("vgg16", "block:features.0"),
    ],
)
def test_a_blocks_lock_turns_just_that_block(network, block, open_page) -> None:
    from core.models.anatomy_cache import blueprint
    from core.models.freeze import learning

    app = open_page("anatomy", backbone=network, weights="none", layer=block)
    assert drawn(app)[1]["chosen"] == block

    def page() -> None:
        import importlib

        import streamlit as st

        importlib.import_module("pages.anatomy.page").toggle(st.session_state["part"])

    from streamlit.testing.v1 import AppTest

    turned = AppTest.from_function(page, default_timeout=60)
    turned.session_state["bl.model"] = ModelSpec(network, "none")
    turned.session_state["part"] = block
    anatomy = blueprint(ModelSpec(network, "none"))
    stage = anatomy.stages[0]
    found = next(found for found in stage.blocks if found.name == block.removeprefix("block:"))
    others = set(stage.parameter_names)
    turned.run()
    free = learning(anatomy, turned.session_state["bl.freeze"]) & others
    sizes = dict(zip(stage.parameter_names, stage.parameter_sizes, strict=True))
    assert sum(sizes[name] for name in free) == found.parameters
    turned.run()
    assert turned.session_state["bl.freeze"] == FreezePlan()
