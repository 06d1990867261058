"""The words of the verbs about feature maps. Loads nothing heavy."""

from __future__ import annotations

import argparse

from core import specs

_SORTS = ("mean", "maximum", "variance")
_SCALES = ("channel", "layer", "network")


def add_features(verb: argparse.ArgumentParser) -> None:
    """Adds what ``features`` takes."""
    verb.add_argument("reference", metavar="RUN|BACKBONE", help="a run at another moment: RUN@start, RUN@last, RUN@12")
    verb.add_argument("image", metavar="IMAGE")
    verb.add_argument("--weights", choices=specs.WEIGHTS, default="default", help="for a backbone")
    layers = verb.add_mutually_exclusive_group()
    layers.add_argument("--layer", metavar="NAME", help="by default the layer that heatmaps look at")
    layers.add_argument("--all", action="store_true", help="every layer that gives maps")
    layers.add_argument("--kinds", metavar="A,B,...", help="layers of these kinds: conv, activation, norm, pool, …")
    verb.add_argument("--sort", choices=_SORTS, help="channels by this figure of their maps, the largest first")
    verb.add_argument("--scale", choices=_SCALES, default="channel", help="what shares one scale of brightness")
    verb.add_argument("--columns", type=int, default=16, metavar="N", help="tiles a row")
    verb.add_argument("--tile", type=int, metavar="PX", help="side of a tile; by default the maps' own size")
    verb.add_argument("--npz", action="store_true", help="write the numbers, too: maps.npz, an array a layer")
    verb.add_argument("--out", required=True, metavar="DIR")


def add_compare(verb: argparse.ArgumentParser) -> None:
    """Adds what ``compare`` takes."""
    verb.add_argument("first", metavar="RUN_A", help="a run, RUN@start, RUN@last, RUN@12 (an epoch), or a backbone")
    verb.add_argument("second", metavar="RUN_B", help="likewise")
    verb.add_argument("image", metavar="IMAGE")
    verb.add_argument("--layer", metavar="NAME", help="by default the layer that heatmaps look at")
    verb.add_argument("--channels", type=int, default=16, metavar="N", help="how many that differ most are drawn")
    verb.add_argument("--data", metavar="PATH|NAME", help="images to compare the layers by (CKA)")
    verb.add_argument("--images", type=int, default=64, metavar="N", help="how many of them, at most")
    verb.add_argument("--out", required=True, metavar="FILE.png")
