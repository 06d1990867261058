"""Pictures of a snapshot."""

from __future__ import annotations

import numpy as np

from core.interpret.drawing.colormaps import lookup
from core.interpret.drawing.snapshot_images import GAP, heat_over, kernel_sheet, map_sheet


def test_heat_lies_where_it_is() -> None:
    heat = np.zeros((4, 4), np.uint8)
    heat[0, 0] = 255
    drawn = np.asarray(heat_over(np.zeros((64, 64, 3), np.uint8), heat, opacity=1.0)).astype(int)
    assert np.abs(drawn[0, 0] - lookup("viridis")[255]).max() <= 2
    assert np.abs(drawn[-1, -1] - lookup("viridis")[0]).max() <= 2
    image = np.full((64, 64, 3), 90, np.uint8)
    assert np.array_equal(np.asarray(heat_over(image, heat, opacity=0.0)), image)


def test_maps_stand_in_rows_with_gaps() -> None:
    maps = np.stack([np.full((3, 3), 80 * index, np.uint8) for index in range(3)])
    drawn = np.asarray(map_sheet(maps, columns=2, tile_px=6))
    assert drawn.shape == (6 * 2 + GAP, 6 * 2 + GAP, 4)
    assert np.array_equal(drawn[0, 0, :3], lookup("viridis")[0])
    assert np.array_equal(drawn[0, 6 + GAP, :3], lookup("viridis")[80])
    assert np.array_equal(drawn[6 + GAP, 0, :3], lookup("viridis")[160])
    assert drawn[0, 6, 3] == 0  # a gap
    assert drawn[-1, -1, 3] == 0  # a place that is not used


def test_kernels_share_one_scale() -> None:
    colours = np.zeros((2, 3, 1, 1), np.float16)
    colours[1, 0] = 0.5
    drawn = np.asarray(kernel_sheet(colours, limit=1.0, tile_px=1))
    assert drawn[0, 0, :3].tolist() == [128, 128, 128]
    assert drawn[0, 1 + GAP, :3].tolist() == [192, 128, 128]
    gray = np.array([[[[-2.0]]], [[[2.0]]]])
    drawn = np.asarray(kernel_sheet(gray, limit=1.0, tile_px=1))
    assert np.array_equal(drawn[0, 0, :3], lookup("blue-red")[0])
    assert np.array_equal(drawn[0, 1 + GAP, :3], lookup("blue-red")[255])
