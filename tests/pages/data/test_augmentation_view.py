"""The cards of augmentation: one plan with Train, and draws that are what a training sees."""

from __future__ import annotations

import base64
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.data.augment import Augmenter
from core.data.encoding import compact
from core.data.operations.draws import drawn
from core.data.pixel_store import PixelStore
from core.models.catalog.catalog import prepared
from core.specs import AugmentSpec, DataSpec, Mix, ModelSpec, Operation
from pages.ui.augmentation import cards
from pages.ui.session import caches
from pages.ui.session.train_form import TrainChoice

SHAPES = {"bl.data": DataSpec("shapes", test_share=0.2)}
VIEW = {"view": "augmentation"}


def tiles(app: Any) -> list[list[bytes]]:
    """Returns the pictures of each grid."""
    grids = [str(html.proto.body) for html in app.get("html") if "bl-tiles" in str(html.proto.body)]
    return [[base64.b64decode(code) for code in re.findall(r'src="data:[^,]*,([^"]*)"', one)] for one in grids]


def chosen(app: Any) -> TrainChoice:
    found: TrainChoice = app.session_state["bl.train"]
    return found


def test_a_card_is_turned_on_set_and_carried(open_page: Any, params: Any) -> None:
    app = open_page("data", session=SHAPES, **VIEW)
    assert app.segmented_control(key="bl-aug-preset-none").value == "none"
    app.pills(key="bl-aug-on-geometry").set_value(["shear"]).run()
    assert chosen(app).augment == AugmentSpec(operations=(Operation("shear", 1.0, 0.0, 10.0),))
    assert app.selectbox(key="bl-aug-operation").value == "shear"
    app.slider(key="bl-aug-shear-range").set_value((5.0, 20.0)).run()
    app.slider(key="bl-aug-shear-p").set_value(0.5).run()
    app.selectbox(key="bl-aug-fill").set_value("white").run()
    wanted = AugmentSpec(operations=(Operation("shear", 0.5, 5.0, 20.0),), fill="white")
    assert chosen(app).augment == wanted
    assert app.segmented_control(key="bl-aug-preset-own").value == "own"
    app.pills(key="bl-aug-on-batch").set_value(["cutmix"]).run()
    assert chosen(app).mix == Mix(cutmix=1.0)
    again = open_page("train", session=SHAPES, setup=params(app)["setup"])
    assert (chosen(again).augment, chosen(again).mix) == (wanted, Mix(cutmix=1.0))
    assert again.segmented_control(key="bl-augment").value == "own"
    app.pills(key="bl-aug-on-batch").set_value([]).run()
    app.segmented_control(key="bl-aug-preset-own").set_value("brain-paper").run()
    assert chosen(app).augment == AugmentSpec.preset("brain-paper")
    assert app.pills(key="bl-aug-on-geometry").value == ["flip", "rotation", "shift", "shear", "zoom"]
    assert not app.exception


@pytest.mark.parametrize("name", ["strong", "trivialaugment", "cats-dogs-paper"])
def test_the_draws_are_what_a_training_sees(open_page: Any, params: Any, name: str) -> None:
    spec = AugmentSpec.preset(name)
    app = open_page("data", session={**SHAPES, "bl.train": TrainChoice(augment=spec, seed=5)}, **VIEW)
    card, shown = tiles(app)
    assert (len(card), len(shown)) == (1 + cards.STRIP, cards.DRAWS)
    dataset, prep = caches.divided(SHAPES["bl.data"]), prepared(ModelSpec("efficientnet_lite0"))
    position = next(place for place, item in enumerate(dataset.items) if item.key == params(app)["image"])
    store = PixelStore(dataset, prep, canvas=True, max_bytes=0)
    augmenter = Augmenter(spec, prep.crop)
    for epoch in (0, 23):
        numbers = drawn(5, epoch, np.array([position]), augmenter.numbers)
        pixels = augmenter(store.batch([position]), numbers)[0].permute(1, 2, 0).contiguous().numpy()
        assert shown[epoch] == compact(Image.fromarray(pixels), 2 * 92, quick=True)
    other = tiles(app.button(key="bl-aug-again").click().run())
    assert other[0] == card, "the card's strip has the training's own seed"
    assert other[1] != shown
    assert chosen(app).seed == 5


def test_the_batch_and_what_is_mixed_in_it(open_page: Any, words: Any) -> None:
    choice = TrainChoice(augment=AugmentSpec.preset("basic"), mix=Mix(mixup=1.0), batch_size=8)
    app = open_page("data", session={**SHAPES, "bl.train": choice}, **VIEW)
    assert len(tiles(app)) == 2
    app.toggle(key="bl-aug-batch").set_value(True).run()
    assert len(tiles(app)[2]) == 8
    said = words(app)
    assert "8 of the 8 images of step 1 with seed 0: 8 × 3 × 224 × 224" in said


@pytest.mark.parametrize(
    ("data", "spec", "sentence"),
    [
        ("digits", AugmentSpec(operations=(Operation("vertical-flip"),)), "A mirrored or flipped digit"),
        ("letters", AugmentSpec(flip=True), "A mirrored or flipped digit"),
        ("shapes", AugmentSpec(flip=True), ""),
    ],
)
def test_what_contradicts_the_images_is_said(
    open_page: Any, words: Any, data: str, spec: AugmentSpec, sentence: str
) -> None:
    app = open_page("data", session={"bl.data": DataSpec(data), "bl.train": TrainChoice(augment=spec)}, **VIEW)
    assert ("contradicts the images" in words(app)) is bool(sentence)
    assert sentence in words(app)


def test_a_name_that_misleads_is_explained(open_page: Any, words: Any) -> None:
    app = open_page("data", session=SHAPES, operation="shear", **VIEW)
    assert "shear_range=0.2 there is a fifth of a degree" in words(app)
    assert "about" in words(app)
    assert "ms an image" in words(app)


def test_several_contradictions_stand_in_one_place(open_page: Any, words: Any) -> None:
    app = open_page("data", session={"bl.data": DataSpec("digits", images_per_class=8)}, **VIEW)
    app.segmented_control(key="bl-aug-preset-none").set_value("strong").run()
    assert not app.exception
    assert "This contradicts the images" in words(app)
