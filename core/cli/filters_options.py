"""The words of ``filters`` and ``dream``. Loads nothing heavy."""

from __future__ import annotations

import argparse

from core import specs


def add_filters(verb: argparse.ArgumentParser) -> None:
    """Adds the words of ``filters``."""
    verb.add_argument("reference", metavar="RUN|BACKBONE")
    verb.add_argument("--weights", choices=specs.WEIGHTS, default="default", help="for a backbone")
    verb.add_argument("--layer", metavar="NAME", help="a convolution; by default the first")
    verb.add_argument(
        "--limit", type=float, default=0.95, metavar="X", help="cosine from which two filters are the same"
    )
    verb.add_argument(
        "--images", type=int, default=0, metavar="N", help="show N of the run's images to find dead filters"
    )
    verb.add_argument("--within", action="append", metavar="DIR", help="refuse images outside this folder")
    verb.add_argument("--out", required=True, metavar="DIR")


def add_dream(verb: argparse.ArgumentParser) -> None:
    """Adds the words of ``dream``."""
    verb.add_argument("reference", metavar="RUN|BACKBONE", nargs="?")
    verb.add_argument("--weights", choices=specs.WEIGHTS, default="default", help="for a backbone")
    verb.add_argument("--layer", metavar="NAME", help="see: python -m core anatomy NAME")
    what = verb.add_mutually_exclusive_group()
    what.add_argument("--channels", metavar="A-B,C", help="channels of the layer, such as 0-15,40")
    what.add_argument(
        "--class", dest="classes", action="append", metavar="CLASS", help="name or index of a class (repeatable)"
    )
    verb.add_argument("--image", metavar="IMAGE", help="dream into this picture, of all channels or of --channels")
    verb.add_argument("--neuron", metavar="ROW,COLUMN|centre", help="one place of the channels instead of their mean")
    verb.add_argument(
        "--size", type=int, metavar="N", help="pixels a side (128), or the longest side with --image (320)"
    )
    verb.add_argument("--steps", type=int, metavar="N", help="steps of ascent (128), or at each size with --image (10)")
    verb.add_argument("--octaves", type=int, default=4, metavar="N", help="sizes, with --image")
    verb.add_argument("--strength", type=float, default=1.0, metavar="X", help="with --image")
    verb.add_argument("--seed", type=int, default=0, metavar="S")
    verb.add_argument("--out", metavar="DIR")
    verb.add_argument("--job", metavar="DIR", help=argparse.SUPPRESS)
    verb.add_argument("--within", action="append", metavar="DIR", help=argparse.SUPPRESS)
