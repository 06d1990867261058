"""Draws where a pretrained network looks when it names what is in a picture, by two methods.

Run it from the project's folder: ``python -m examples.heatmap [IMAGE [FOLDER]]``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import core

SAMPLE = Path(__file__).parent.parent / "assets" / "samples" / "cat.jpg"


def main(image: str | Path = SAMPLE, folder: str | Path = ".") -> None:
    """Writes one picture a method."""
    network = core.load("efficientnet_lite0")
    for method in ("grad-cam", "integrated-gradients"):
        found = core.explain(network, image, method)
        path = Path(folder) / f"{method}.png"
        core.overlay(network, image, found).save(path)
        named = network.classes[found.heatmap.target]
        print(f"{path}: {core.METHODS[method].title} for {named} ({found.probabilities.max():.0%})")


if __name__ == "__main__":
    main(*sys.argv[1:])
