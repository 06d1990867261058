"""Shapes: generated pictures whose class is a shape and whose object mask is known.

Colour, texture, place, size, turn and background are random and carry nothing about the class, so a network can only
be right by the outline. The mask shows afterwards whether a heatmap looked at the object.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from core.errors import InputError

CLASSES = ("circle", "square", "star", "triangle")
"""The shapes, in the order of their labels."""

_SUPERSAMPLING = 4


@dataclass(frozen=True, slots=True)
class ShapesReader:
    """Draws the picture of a key such as ``circle/0007`` whenever it is requested.

    Attributes:
        size: Side of the square pictures, in pixels.
        seed: The same seed draws the same pictures.
    """

    size: int = 96
    seed: int = 0

    def load(self, key: str) -> Image.Image:
        """Draws the picture, RGB, ``size`` x ``size``."""
        return draw(key, self.size, self.seed)[0]

    def mask(self, key: str) -> np.ndarray:
        """Returns where the shape is: bool, ``size`` x ``size``."""
        return draw(key, self.size, self.seed)[1]

    def path(self, key: str) -> None:
        """Returns None: there are no files."""


def draw(key: str, size: int, seed: int) -> tuple[Image.Image, np.ndarray]:
    """Draws one picture.

    Args:
        key: Class and number, such as ``star/0012``.
        size: Side in pixels.
        seed: Seed of the whole set; each key has its own stream of random numbers.

    Returns:
        The picture (RGB) and where the shape is (bool, size x size).
    """
    name, _, number = key.partition("/")
    if name not in CLASSES or not number.isdigit():
        raise InputError("There is no generated picture {name}.", name=key)
    rng = np.random.default_rng([seed, CLASSES.index(name), int(number)])
    ground = _texture(rng, size)
    ground = _cluttered(rng, ground)
    share = _coverage(rng, name, size)
    figure = _texture(rng, size, away_from=ground[share > 0.5].mean(axis=0))
    pixels = ground + share[..., None] * (figure - ground)
    pixels += rng.normal(0, 4, size=(size, size, 1)).astype(np.float32)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), share > 0.5


def _coverage(rng: np.random.Generator, name: str, size: int) -> np.ndarray:
    """Returns how much of each pixel the shape covers: float32, size x size, 0 to 1."""
    wide = size * _SUPERSAMPLING
    radius = wide * rng.uniform(0.2, 0.36)
    x, y = rng.uniform(radius, wide - radius, size=2)
    turn = rng.uniform(0, 2 * math.pi)
    image = Image.new("L", (wide, wide))
    pen = ImageDraw.Draw(image)
    if name == "circle":
        pen.ellipse((x - 0.9 * radius, y - 0.9 * radius, x + 0.9 * radius, y + 0.9 * radius), fill=255)
    else:
        corners = {"square": 4, "triangle": 3, "star": 10}[name]
        reach = [radius * (0.42 if name == "star" and k % 2 else 1.0) for k in range(corners)]
        angles = [turn + 2 * math.pi * k / corners for k in range(corners)]
        points = [(x + r * math.cos(a), y + r * math.sin(a)) for r, a in zip(reach, angles, strict=True)]
        pen.polygon(points, fill=255)
    return np.asarray(image.reduce(_SUPERSAMPLING), dtype=np.float32) / 255


def _texture(rng: np.random.Generator, size: int, away_from: np.ndarray | None = None) -> np.ndarray:
    """Returns a coloured surface: float32, size x size x 3, 0 to 255.

    With ``away_from`` (a colour) the surface's two colours keep a distance to it, so that the outline can be seen.
    """
    first, second = _colour(rng, away_from), _colour(rng, away_from)
    second = first + (second - first) * rng.uniform(0.25, 0.7)
    kind = rng.integers(4)
    if kind == 0:
        pattern = _noise(rng, size, cells=int(rng.integers(3, 7)))
    elif kind == 1:
        pattern = _noise(rng, size, cells=int(rng.integers(10, 24)))
    else:
        y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
        turn, waves, phase = rng.uniform(0, math.pi), rng.uniform(3, 10), rng.uniform(0, 2 * math.pi)
        pattern = np.sin(2 * math.pi * waves * (x * math.cos(turn) + y * math.sin(turn)) + phase)
        if kind == 3:
            pattern = pattern * np.sin(2 * math.pi * waves * (y * math.cos(turn) - x * math.sin(turn)))
        pattern = 0.5 + 0.5 * np.tanh(3 * pattern)
    return (first + pattern[..., None] * (second - first)).astype(np.float32)


def _colour(rng: np.random.Generator, away_from: np.ndarray | None) -> np.ndarray:
    """Draws a colour, a good step away from another where one is given."""
    best = rng.uniform(20, 235, size=3)
    if away_from is None:
        return best
    for _ in range(8):
        if np.linalg.norm(best - away_from) > 110:
            break
        other = rng.uniform(20, 235, size=3)
        if np.linalg.norm(other - away_from) > np.linalg.norm(best - away_from):
            best = other
    return best


def _noise(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Returns smooth noise of so many cells a side: float32, size x size, 0 to 1."""
    coarse = Image.fromarray(rng.integers(0, 256, size=(cells, cells), dtype=np.uint8))
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32) / 255


def _cluttered(rng: np.random.Generator, ground: np.ndarray) -> np.ndarray:
    """Lays strokes, arcs and dabs over a surface: edges everywhere, but no closed outline of any class."""
    size = ground.shape[0]
    image = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(rng.integers(6, 12)):
        x, y, across = rng.uniform(0, size), rng.uniform(0, size), rng.uniform(0.1, 0.4) * size
        colour = tuple(int(part) for part in rng.uniform(20, 235, size=3))
        width = max(1, round(size * rng.uniform(0.01, 0.04)))
        start = rng.uniform(0, 360)
        kind = rng.integers(3)
        if kind == 0:
            end = (x + across * math.cos(start), y + across * math.sin(start))
            pen.line((x, y, *end), fill=colour, width=width)
        elif kind == 1:
            box = (x - across / 2, y - across / 2, x + across / 2, y + across / 2)
            pen.arc(box, start, start + rng.uniform(40, 140), fill=colour, width=width)
        else:
            dab = 0.04 * size
            pen.polygon([(x + rng.uniform(-dab, dab), y + rng.uniform(-dab, dab)) for _ in range(6)], fill=colour)
    return np.asarray(image, dtype=np.float32)
