"""The strip of augmented images, what is said of the augmentation, and its warning."""

from __future__ import annotations

import base64
import re

import pytest
from PIL import Image
from train_page import SHAPES, launch

from core.data.augment import Augmenter
from core.data.encoding import compact
from core.data.operations.draws import drawn
from core.data.pixel_store import PixelStore
from core.models.catalog.catalog import prepared
from core.specs import AUGMENT_PRESETS, OPERATIONS, AugmentSpec, DataSpec, ModelSpec, Operation, titles
from pages.train import augmentation_strip
from pages.ui.session import caches
from pages.ui.session.train_form import TrainChoice
from pages.ui.text import augmentation_words


def tiles(app) -> list[bytes]:
    found = [str(html.proto.body) for html in app.get("html") if "bl-tiles" in str(html.proto.body)]
    return [base64.b64decode(code) for code in re.findall(r'src="data:[^,]*,([^"]*)"', "".join(found))]


@pytest.mark.parametrize("name", ["strong", "trivialaugment"])
def test_the_strip_shows_what_a_training_with_this_seed_sees(open_page, name) -> None:
    import numpy as np

    spec = AugmentSpec.preset(name)
    app = open_page("train", session={**SHAPES, "bl.train": TrainChoice(augment=spec, seed=7)})
    shown = tiles(app)
    assert len(shown) == 1 + augmentation_strip.DRAWS
    dataset, prep = caches.divided(SHAPES["bl.data"]), prepared(ModelSpec("efficientnet_lite0"))
    position = dataset.positions("train")[0]
    store = PixelStore(dataset, prep, canvas=True, max_bytes=0)
    augmenter = Augmenter(spec, prep.crop)
    for epoch in (0, 7):
        numbers = drawn(7, epoch, np.array([position]), augmenter.numbers)
        pixels = augmenter(store.batch([position]), numbers)[0].permute(1, 2, 0).contiguous().numpy()
        assert shown[1 + epoch] == compact(Image.fromarray(pixels), 2 * 98, quick=True)
    again = tiles(app.button(key="bl-augment-again").click().run())
    assert again[0] == shown[0], "the image itself stays"
    assert again[1:] != shown[1:]


def in_summary(app, text: str) -> bool:
    return any(text in str(one.value) and "learns the" in str(one.value) for one in app.markdown)


def test_without_augmentation_there_is_a_sentence_and_no_strip(open_page) -> None:
    app = open_page("train", session=SHAPES)
    assert not tiles(app)
    assert in_summary(app, "No augmentation: a training image is the same each time")


def test_every_preset_can_be_chosen_trained_with_and_found_again(open_page, launched) -> None:
    app = open_page("train", session=SHAPES)
    for name in AUGMENT_PRESETS:
        app.segmented_control(key="bl-augment").set_value(name).run()
        assert app.session_state["bl.train"].augment == AugmentSpec.preset(name)
        assert in_summary(app, augmentation_words.sentence(AugmentSpec.preset(name)))
    again = open_page("train", session=SHAPES, setup=app.query_params["setup"])
    assert again.segmented_control(key="bl-augment").value == name
    launch(again)
    assert launched[0].augment == AugmentSpec.preset(name)
    app.segmented_control(key="bl-augment").set_value("own").run()
    assert app.session_state["bl.train"].augment.operations == (), "what has no control is not kept unseen"


def test_operations_of_ones_own_stay_and_are_said(open_page, words) -> None:
    spec = AugmentSpec(operations=(Operation("vertical-flip", 0.5), Operation("blur", low=1.0, high=2.0)))
    session = {"bl.data": DataSpec("digits"), "bl.train": TrainChoice(augment=spec), "bl.augment.own": True}
    app = open_page("train", session=session)
    assert app.session_state["bl.train"].augment == spec
    assert "flipped top to bottom in 50 % of draws, blurred with sigma 1 to 2 px" in words(app)


@pytest.mark.parametrize(
    ("data", "name", "warned"),
    [("digits", "basic", True), ("digits", "trivialaugment", False), (SHAPES["bl.data"].source, "basic", False)],
)
def test_mirrored_digits_are_warned_of(open_page, words, data, name, warned) -> None:
    choice = TrainChoice(augment=AugmentSpec.preset(name))
    said = words(open_page("train", session={"bl.data": DataSpec(data), "bl.train": choice}))
    assert ("contradicts the images" in said) is warned


def test_every_operation_and_preset_has_words() -> None:
    assert set(titles.AUGMENTATIONS) == set(augmentation_words.ORIGINS) == {*AUGMENT_PRESETS, "own"}
    for name in OPERATIONS:
        said = augmentation_words.changes(AugmentSpec(operations=(Operation(name),)))
        assert said
        assert "{" not in said
