"""Colours are faithful, tiles are where they should be, and pictures survive the PNG."""

from __future__ import annotations

import io
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import InputError
from core.interpret.drawing.colormaps import COLORMAPS, DIVERGING, lookup
from core.interpret.drawing.overlay import colorbar, draw_heatmap, heat_image, overlay, stretch, unit
from core.interpret.drawing.tile_sheets import GUTTER, comparison_sheet, feature_sheet, limits_of, tile


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize(("name", "most"), [("viridis", 1), ("magma", 1), ("cividis", 4)])
def test_colours_are_those_of_matplotlib(name: str, most: int) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    reference = np.rint(matplotlib.colormaps[name](np.arange(256))[:, :3] * 255)
    assert np.abs(lookup(name) - reference).max() <= most


@pytest.mark.parametrize("name", COLORMAPS)
def test_lightness_rises_evenly(name: str) -> None:
    color = pytest.importorskip("skimage.color")
    lightness = color.rgb2lab(lookup(name)[None] / 255.0)[0, :, 0]
    steps = np.diff(lightness[::15])
    assert (steps > 0).all()
    assert steps.max() < 2.2 * steps.mean()


def test_the_diverging_map_is_even_on_both_sides() -> None:
    color = pytest.importorskip("skimage.color")
    lab = color.rgb2lab(lookup(DIVERGING[0])[None] / 255.0)[0]
    assert np.abs(lab[:, 0] - lab[::-1, 0]).max() < 1.0, "as dark below zero as above"
    assert np.abs(lab[127:129, 1:]).max() < 3, "zero has no colour"
    steps = np.concatenate([np.linalg.norm(np.diff(half[::15], axis=0), axis=1) for half in (lab[:128], lab[128:])])
    assert steps.min() > 0.8 * steps.max()
    assert lookup("blue-red")[0][2] > lookup("blue-red")[0][0]
    assert lookup("blue-red")[-1][0] > lookup("blue-red")[-1][2]


def test_tables_cannot_be_spoilt() -> None:
    with pytest.raises(ValueError, match="read-only"):
        lookup("viridis")[0] = 0
    with pytest.raises(InputError, match=r"no colour map jet.*viridis"):
        lookup("jet")


@pytest.mark.slow
def test_drawing_imports_no_drawing_library() -> None:
    code = (
        "import sys, core.interpret.drawing.overlay, core.interpret.filters.kernels; print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_overlay_blends_the_colours() -> None:
    picture = Image.new("RGB", (6, 4), (100, 50, 200))
    heat = np.zeros((4, 6), np.float32)
    heat[1, 2] = 1
    drawn = np.asarray(overlay(picture, heat, opacity=0.25, colormap="magma")).astype(int)
    for place, index in [((0, 0), 0), ((1, 2), 255)]:
        expected = 0.75 * np.array([100, 50, 200]) + 0.25 * lookup("magma")[index]
        assert np.abs(drawn[place] - expected).max() <= 1
    assert (np.asarray(overlay(picture, heat, opacity=0)) == np.asarray(picture)).all()
    alone = np.asarray(overlay(picture, heat, opacity=1))
    assert (alone == np.asarray(heat_image(heat))).all()
    assert tuple(alone[1, 2]) == tuple(lookup("viridis")[255])


def test_overlay_brings_the_map_to_the_picture() -> None:
    heat = np.array([[0, 1], [0, 1]], np.float32)
    drawn = overlay(Image.new("L", (40, 20), 128), heat, opacity=1)
    assert (drawn.mode, drawn.size) == ("RGB", (40, 20))
    pixels = np.asarray(drawn)
    assert tuple(pixels[10, 0]) == tuple(lookup("viridis")[0])
    assert tuple(pixels[10, 39]) == tuple(lookup("viridis")[255])


def test_signed_maps_have_their_zero_in_the_middle() -> None:
    heat = np.array([[-1, 0, 1]], np.float32)
    pixels = np.asarray(heat_image(heat, colormap="blue-red", signed=True))[0].astype(int)
    assert tuple(pixels[0]) == tuple(lookup("blue-red")[0])
    assert tuple(pixels[2]) == tuple(lookup("blue-red")[255])
    assert pixels[1].min() > 240


def test_a_fading_map_leaves_the_picture_clear() -> None:
    picture = Image.new("RGB", (3, 1), (10, 200, 30))
    pixels = np.asarray(overlay(picture, np.array([[-1, 0, 1]], np.float32), opacity=1, signed=True, fade=True))[0]
    assert tuple(pixels[1]) == (10, 200, 30)
    assert np.abs(pixels[2].astype(int) - lookup("viridis")[255]).max() <= 2
    pixels = np.asarray(overlay(picture, np.array([[0, 0.5, 1]], np.float32), opacity=0.8, fade=True))[0].astype(int)
    assert tuple(pixels[0]) == (10, 200, 30)
    expected = 0.6 * np.array([10, 200, 30]) + 0.4 * lookup("viridis")[128]
    assert np.abs(pixels[1] - expected).max() <= 2


def test_stretching_lets_a_few_pixels_saturate() -> None:
    heat = np.linspace(0, 0.1, 10_000, dtype=np.float32).reshape(100, 100)
    heat[0, 0] = -1
    found = stretch(heat, 0.01)
    assert found[0, 0] == -1
    assert found[50, 0] == pytest.approx(heat[50, 0] / 0.099, rel=1e-2)
    assert (found == 1).mean() == pytest.approx(0.01, abs=2e-3)
    assert (stretch(np.zeros((2, 2))) == 0).all()


def test_a_heatmap_is_drawn_as_suits_it() -> None:
    picture = Image.new("RGB", (2, 1), (10, 200, 30))
    values = np.array([[0, -1]], np.float32)
    signed = draw_heatmap(picture, SimpleNamespace(values=values, signed=True, per_pixel=False), opacity=1)
    assert signed.getpixel((0, 0)) == (10, 200, 30)
    assert np.abs(np.array(signed.getpixel((1, 0))) - lookup("blue-red")[0]).max() <= 2
    plain = draw_heatmap(picture, SimpleNamespace(values=-values, signed=False, per_pixel=True), colormap="magma")
    assert (np.asarray(plain) == np.asarray(overlay(picture, -values, colormap="magma"))).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [({"opacity": 1.5}, "opacity is 1.5"), ({"colormap": "jet"}, "jet"), ({"heat": np.zeros(3)}, "HxW")],
)
def test_overlays_that_cannot_be(given: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        overlay(Image.new("RGB", (3, 3)), **{"heat": np.zeros((3, 3)), **given})


def test_tiles_are_in_their_places() -> None:
    maps = torch.rand(7, 3, 5)
    image = tile(maps, columns=4, gutter=2)
    index = np.asarray(image)
    assert image.mode == "P"
    assert index.shape == (2 * 3 + 2, 4 * 5 + 3 * 2)
    for k in range(7):
        row, column = divmod(k, 4)
        m = maps[k].numpy()
        expected = np.clip((m - m.mean()) / m.std() * 64 + 128, 0, 254)
        assert np.abs(index[row * 5 : row * 5 + 3, column * 7 : column * 7 + 5] - expected).max() <= 1
    assert (index[3:5] == GUTTER).all()
    assert (index[:, 5:7] == GUTTER).all()
    assert (index[5:, 21:] == GUTTER).all(), "the eighth place is empty"


def test_gaps_are_transparent_and_colours_come_from_the_table() -> None:
    sheet = feature_sheet(torch.tensor([[[0.0, 1.0]], [[2.0, 4.0]]]), columns=1, gutter=1, scale="layer")
    image = opened(sheet.png)
    assert (image.mode, image.size) == ("P", (sheet.width, sheet.height)) == ("P", (2, 3))
    pixels = np.asarray(image.convert("RGBA"))
    assert (pixels[1, :, 3] == 0).all()
    assert (pixels[[0, 2], :, 3] == 255).all()
    assert tuple(pixels[0, 0, :3]) == tuple(lookup("viridis")[0])
    assert tuple(pixels[2, 1, :3]) == tuple(lookup("viridis")[255])
    assert (sheet.low, sheet.high) == (0.0, 4.0)
    assert (sheet.rows, sheet.columns, sheet.channels, sheet.tile) == (2, 1, 2, (1, 2))


def test_silent_and_constant_channels() -> None:
    maps = torch.stack([torch.zeros(2, 2), torch.full((2, 2), 3.0), torch.full((2, 2), -3.0)])
    index = np.asarray(tile(maps, columns=3, gutter=0))
    assert (index[:, :2] == 0).all()
    assert (index[:, 2:4] == 128).all()
    assert (index[:, 4:] == 0).all()
    assert (np.asarray(tile(maps, scale="layer", gutter=0))[:, :2] == 127).all()
    assert (np.asarray(tile(torch.zeros(2, 2, 2), scale="layer", gutter=0)) == 0).all()


def test_one_scale_around_zero() -> None:
    maps = torch.tensor([[[-1.0, 0.0]], [[0.5, 2.0]]])
    sheet = feature_sheet(maps, columns=2, gutter=0, scale="layer", colormap="blue-red")
    assert (sheet.low, sheet.high) == (-2.0, 2.0)
    assert np.asarray(opened(sheet.png)).tolist() == [[64, 127, 159, 254]]


def test_small_maps_grow_by_whole_pixels_and_large_ones_shrink() -> None:
    maps = torch.arange(4.0).reshape(1, 2, 2)
    grown = np.asarray(tile(maps, tile_px=7, scale="layer"))
    assert grown.shape == (6, 6)
    assert (grown[:3, 3:] == round(254 / 3)).all()
    shrunk = feature_sheet(torch.rand(3, 30, 20), tile_px=15, columns=3)
    assert shrunk.tile == (15, 10)
    assert opened(shrunk.png).size == (32, 15)
    averaged = np.asarray(tile(torch.tensor([[[0.0, 2], [2, 4]], [[0, 0], [0, 0]]]), tile_px=1, scale="layer"))
    assert averaged[0, 0] == 254


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"columns": 0}, "0 tiles a row"),
        ({"tile_px": 0}, "0 pixels"),
        ({"gutter": -1}, "-1 pixels"),
        ({"scale": "log"}, "no scale log"),
        ({"colormap": "jet"}, "jet"),
        ({"maps": torch.zeros(3, 3)}, "CxHxW"),
    ],
)
def test_sheets_that_cannot_be(given: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        feature_sheet(**{"maps": torch.rand(2, 3, 3), **given})


def test_a_colour_bar() -> None:
    pixels = np.asarray(colorbar("cividis", width=256, height=3))
    assert pixels.shape == (3, 256, 3)
    assert (pixels[1] == lookup("cividis")).all()


def test_one_scale_for_several_layers_and_nothing_around_zero() -> None:
    maps = torch.tensor([[[0.0, 1.0]]])
    table = np.asarray(tile(maps, gutter=0, scale="network", limits=(0.0, 2.0)))
    assert table.tolist() == [[0, 127]]
    assert limits_of([maps, torch.tensor([[[-3.0, float("nan")]]])]) == (-3.0, 1.0)
    nothing = np.asarray(tile(torch.zeros(1, 1, 2), gutter=0, scale="layer", colormap="blue-red"))
    assert nothing.tolist() == [[127, 127]], "no difference is drawn as zero, in the middle"
    with pytest.raises(InputError, match="lowest and the highest value"):
        tile(maps, scale="network")


def test_values_that_are_no_numbers_are_drawn_as_zeros() -> None:
    maps = torch.tensor([[[float("nan"), 2.0], [float("inf"), 1.0]]])
    assert np.asarray(tile(maps, gutter=0, scale="layer")).tolist() == [[0, 254], [0, 127]]


def test_sides_stand_next_to_one_another_on_one_scale() -> None:
    picture = comparison_sheet([torch.zeros(4, 2, 2), torch.ones(4, 2, 2)], torch.ones(4, 2, 2), tile_px=8, columns=2)
    assert picture.size == (3 * 18 + 2 * 16, 18)
    assert picture.getpixel((0, 0)) != picture.getpixel((34, 0))
    assert picture.getpixel((20, 0)) == (255, 255, 255)


def test_values_are_brought_to_the_range_that_is_drawn() -> None:
    values = np.array([[-2.0, 0.0], [np.nan, 6.0]], np.float32)
    assert unit(values).tolist() == [[0.0, 0.25], [0.25, 1.0]]
    assert unit(values, low=0.0, high=12.0).max() == 0.5
    assert unit(values, signed=True).tolist() == [[pytest.approx(-1 / 3), 0.0], [0.0, 1.0]]
    for signed in (False, True):
        assert unit(np.zeros((2, 2)), signed=signed).tolist() == [[0, 0], [0, 0]]
    assert unit(np.full((1, 2), 7.0)).tolist() == [[0, 0]]
