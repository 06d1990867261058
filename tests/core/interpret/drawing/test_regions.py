"""A region over its picture: inside as it was, outside paler, edges and boxes in their colours."""

from __future__ import annotations

import numpy as np
from PIL import Image

from core.interpret.drawing.regions import DRAWN, HEAT, OBJECT, draw_region, rim


def test_the_inner_edge_of_a_mask() -> None:
    mask = np.zeros((9, 9), bool)
    mask[2:9, 2:9] = True
    edge = rim(mask, 1)
    assert edge[2, 2:9].all()
    assert edge[2:9, 2].all()
    assert edge.sum() == 13, "the picture's own border is no edge"
    assert not rim(np.ones((4, 4), bool)).any()


def test_inside_stays_outside_pales_and_edges_are_coloured() -> None:
    picture = Image.new("RGB", (64, 64), (100, 100, 100))
    region, thing = np.zeros((64, 64), bool), np.zeros((64, 64), bool)
    region[8:40, 8:40] = True
    thing[50:60, 50:60] = True
    drawn = draw_region(picture, region, (8, 8, 40, 40), object_mask=thing, drawn=(0.0, 0.9, 0.1, 1.0))
    assert drawn.size == (320, 320)
    assert drawn.getpixel((120, 120)) == (100, 100, 100)
    assert drawn.getpixel((20, 20)) == (45, 45, 45)
    assert drawn.getpixel((40, 100)) == HEAT
    assert drawn.getpixel((250, 260)) == OBJECT
    assert drawn.getpixel((0, 300)) == DRAWN
    assert picture.getpixel((0, 0)) == (100, 100, 100)
