"""How a picture becomes the network's square, and which normalisation: the same wherever it is looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.images import canvas, fit, normalise, to_tensor
from core.data.pixel_store import PixelStore, centre
from core.data.sources import open_dataset
from core.data.statistics import colours
from core.errors import InputError
from core.interpret.explanation_metrics.localisation import seen_mask
from core.models.network import outline
from core.specs import FITS, NORMALISATIONS, ModelSpec, Preprocessing
from tests.core.data.conftest import encoded, photo

PREP = Preprocessing(72, 64)


@pytest.mark.parametrize("how", FITS)
@pytest.mark.parametrize("size", [(90, 50), (50, 90), (64, 64), (31, 200)])
def test_the_square(how: str, size: tuple[int, int]) -> None:
    prep = PREP.fitted(how)
    image = photo(*size)
    seen = fit(image, prep)
    assert seen.size == (64, 64)
    if how == "squeeze":
        assert (np.asarray(seen) == np.asarray(image.resize((64, 64), Image.Resampling.BILINEAR))).all()
    if how == "pad" and size == (90, 50):
        pixels = np.asarray(seen)
        grey = [round(255 * value) for value in prep.mean]
        assert (pixels[:14] == grey).all()
        assert (pixels[-14:] == grey).all()
        assert (pixels[14:50] != grey).any(axis=(1, 2)).all()
        assert to_tensor(image, prep)[0, :, 0, 0].abs().max() < 0.01
    side = prep.crop if how != "crop" else prep.resize
    assert canvas(image, prep).size == (side, side)


@pytest.mark.parametrize("how", FITS)
@pytest.mark.parametrize("colour", NORMALISATIONS)
def test_validation_prediction_and_heatmaps_see_the_same(how: str, colour: str, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / "data" / "s" / name).mkdir(parents=True)
        for number in range(3):
            path = tmp_path / "data" / "s" / name / f"{number}.png"
            path.write_bytes(encoded(photo(60 + 30 * number, 70, number)))
    dataset = open_dataset(str(tmp_path / "data" / "s"))
    own = colours(dataset, PREP.fitted(how)) if colour == "data" else ()
    spec = ModelSpec("resnet18", "none", 64, fit=how, normalise=colour, colours=own)
    prep = outline(spec, ("a", "b")).preprocessing
    assert prep.fit == how
    for augmented in (False, True):
        with PixelStore(dataset, prep, canvas=augmented, max_bytes=10**8) as store:
            pixels = centre(store.batch(range(6)), prep) if augmented else store.batch(range(6))
            validated = normalise(pixels, prep)
        for place in range(6):
            assert torch.equal(validated[place], to_tensor(dataset.load(place), prep)[0])
    if colour == "data":
        assert validated.mean((0, 2, 3)).abs().max() < (0.05 if how == "pad" else 0.02)
        assert how == "pad" or (validated.std((0, 2, 3)) - 1).abs().max() < 0.02
    elif colour in ("255", "half"):
        assert validated.min() >= (0 if colour == "255" else -1)
        assert validated.max() <= 1


def test_what_is_padded_is_no_object() -> None:
    prep = PREP.fitted("pad").normalised("half")
    assert not seen_mask(np.zeros((40, 90), bool), prep).any()
    assert seen_mask(np.ones((40, 90), bool), prep).mean() < 0.5


def test_colours_must_be_there_exactly_where_the_data_decide() -> None:
    with pytest.raises(InputError, match="colours are missing"):
        ModelSpec("resnet18", normalise="data")
    with pytest.raises(InputError, match="colours are there"):
        ModelSpec("resnet18", colours=((0.1,) * 3, (0.2,) * 3))
    with pytest.raises(InputError, match="fit is stretch"):
        ModelSpec("resnet18", fit="stretch")
    with pytest.raises(InputError, match="it must be crop"):
        replace(PREP, fit="pad")
    with pytest.raises(InputError, match="not measured"):
        PREP.normalised("data")


def test_images_of_one_colour_are_not_divided_by_nothing(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / "data" / "s" / name).mkdir(parents=True)
        Image.new("RGB", (20, 20), (10, 20, 30)).save(tmp_path / "data" / "s" / name / "x.png")
    mean, deviation = colours(open_dataset(str(tmp_path / "data" / "s")), PREP)
    assert mean == (0.0392, 0.0784, 0.1176)
    assert deviation == (0.001,) * 3
