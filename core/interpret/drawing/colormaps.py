"""Colour maps as tables of 256 colours, without a drawing library.

viridis, magma (van der Walt and Smith, 2015) and cividis (Nuñez, Anderton and Renslow, 2018) are in the public domain
(CC0); every fifth of their colours is kept and the rest are interpolated, at most 1, 1 and 4 of 255 steps away.
blue-red was made for this project: straight lines in CIELAB from a blue (L* 34) over a near white (L* 97) to a red
(L* 34), so that equal differences from zero look equally large on both sides.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError

_ANCHORS = {
    "viridis": (
        "44015446085c471063481769481d6f482475472a7a46307e453781433d844142873f48893d4e8a3a538b38598c355e8d33638d31688e"
        "2e6d8e2c718e2a768e297b8e27808e25848e23898e218e8d20928c1f978b1e9c891fa18821a58524aa8328ae802eb37c35b7793dbc74"
        "46c06f50c46a5ac86465cb5e70cf577cd25089d54895d840a2da37b0dd2fbddf26cae11fd8e219e5e419f1e51dfde725"
    ),
    "magma": (
        "00000402020b0504160907200e0b2b140e361a104221114e29115a311165390f6e420f754a107952137c5a167e6219806a1c81721f81"
        "792282812581892881912b81992d80a1307eaa337db2357bba3878c23b75ca3e72d2426fd9466be04c67e75263ec5860f1605df4695c"
        "f7725cf97b5dfb8560fc8e64fd9869fea16efeaa74feb47bfebd82fec68afecf92fed89afde2a3fdebacfcf4b6fcfdbf"
    ),
    "cividis": (
        "00224e002656002a5f002d68003070083370163770203a6f273e6e2e416d34456c3a486c3f4c6c444f6c49536c4e566c535a6d575d6d"
        "5c616e60646f656870696b716d6f727272747676767a7a787e7d788381798885788d8878928c789690779b9476a09875a59c74aaa073"
        "afa471b5a86fbaac6dbfb06bc4b468c9b965cfbd62d4c15fdac65bdfca57e5cf52ead34cf0d846f6dd3ffce236fee838"
    ),
    "blue-red": (
        "0051961f5a9c3664a2476da85777ae6681b4738bba8195c08e9fc69baacca8b4d2b5bfd8c2cadecfd5e4dce0eae9ebf0f6f6f6f2e9e8"
        "eddcdae8cfcde3c3bfdeb6b2d8a9a4d29d97cc908bc6847ebf7772b86b65b15e59aa524ea345429b3837932a2c"
    ),
}

COLORMAPS = ("viridis", "magma", "cividis")
"""Colour maps for values from low to high."""

DIVERGING = ("blue-red",)
"""Colour maps for values around zero: blue below, near white at zero, red above."""


@cache
def lookup(name: str) -> NDArray[np.uint8]:
    """Returns a colour map's table, 256x3 uint8 RGB, read-only.

    Raises:
        InputError: There is no such colour map.
    """
    if name not in _ANCHORS:
        raise InputError("There is no colour map {name}. Choose one of: {known}.", name=name, known=", ".join(_ANCHORS))
    anchors = np.frombuffer(bytes.fromhex(_ANCHORS[name]), np.uint8).reshape(-1, 3).astype(np.float64)
    at = np.linspace(0, len(anchors) - 1, 256)
    channels = [np.interp(at, np.arange(len(anchors)), anchors[:, c]) for c in range(3)]
    table = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    table.setflags(write=False)
    return table
