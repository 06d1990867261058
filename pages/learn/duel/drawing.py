"""The plane with both networks' next step, and what became of them: charts that move in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pages.learn.number_grid import written
from pages.ui.kit import growing_chart
from pages.ui.kit.charts import ACCENT, HAIR, OTHERS
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from torch import Tensor

    from core.training.gan.plane import Duel, View

REAL, GENERATED = ACCENT, OTHERS[0]
LONGEST = 0.8
"""Greatest length of a line that is as long as a gradient, in units of the plane."""
COLUMNS = 120
"""Columns of the chart over the rounds at most."""


def generators_turn(view: View, key: str) -> None:
    """Draws D over the plane, and where each generated sample is pulled to."""
    lengths = view.pull.norm(dim=1, keepdim=True)
    ends = view.generated + view.pull * (LONGEST / lengths.clamp(min=1e-12)).clamp(max=1)
    arrows = {
        "data": {"name": "generated"},
        "mark": {"type": "rule", "color": GENERATED, "strokeWidth": 1.2, "clip": True, "opacity": 0.9},
        "encoding": {**_place(), "x2": {"field": "x2"}, "y2": {"field": "y2"}},
    }
    spec = {
        "datasets": {
            "surface": _cells(view.surface, (view.surface - 0.5) * 2),
            "real": _points(view.real),
            "generated": _points(view.generated, ends),
        },
        "height": 370,
        "layer": [_ground(_("D here"), ".3f"), _dots("real", REAL, 14), arrows, _dots("generated", GENERATED, 18)],
    }
    growing_chart.show(
        spec,
        key=key,
        alt=_(
            "Teal ground: D above 1/2, it says real. Pink: below. Each pink point is a generated sample, its line the "
            "way that lowers its loss, as long as the gradient, but at most {end} long; the largest gradient is {most}."
        ).format(end=written(LONGEST), most=written(float(lengths.max()), 3)),
    )


def discriminators_turn(view: View, key: str) -> None:
    """Draws how D would change over the plane with its own next step."""
    most = float(view.change.abs().max())
    spec = {
        "datasets": {
            "surface": _cells(view.change, view.change / (most or 1.0)),
            "real": _points(view.real),
            "generated": _points(view.generated),
        },
        "height": 370,
        "layer": [_ground(_("Change here"), ".3f"), _dots("real", REAL, 14), _dots("generated", GENERATED, 14)],
    }
    growing_chart.show(
        spec,
        key=key,
        alt=_(
            "Along minus the gradient of the discriminator's loss D rises where the ground is teal and falls where it "
            "is pink, at most by {most} for each unit of the rate."
        ).format(most=written(most, 3)),
    )


def opinions(duel: Duel, key: str) -> None:
    """Draws the mean of D over real and over generated samples, move by move."""
    picked = _picked(len(duel.history))
    rows = [duel.history[place] for place in picked]
    titles = {"real": _("D of real samples"), "generated": _("D of generated samples")}
    half = {"data": {"values": [{}]}, "mark": {"type": "rule", "color": HAIR, "strokeDash": [4, 4]}}
    spec = {
        "datasets": {
            "rows": growing_chart.arrow(
                epoch=picked, real=[row.real for row in rows], generated=[row.generated for row in rows]
            )
        },
        "height": 240,
        "layer": [
            growing_chart.line_layer("rows", titles, [REAL, GENERATED], width=2.5),
            half | {"encoding": {"y": {"datum": 0.5}, "x": None}},
        ],
        "encoding": {
            "x": _moves_axis(duel),
            "y": {"field": "value", "type": "quantitative", "title": None, "scale": {"domain": [0, 1]}},
        },
    }
    growing_chart.show(
        spec, key=key, alt=_("The mean of D over what is shown; where both meet at 1/2 it cannot tell them apart.")
    )


def shares(duel: Duel, key: str) -> None:
    """Draws how the generated samples are shared out over the ring's clouds, move by move."""
    import itertools

    picked = _picked(len(duel.history))
    ends = [*picked[1:], picked[-1] + max(1, picked[-1] // COLUMNS)]
    cells = [
        (start, end, cloud + 0.5, cloud + 1.5, share)
        for (start, end), scores in zip(
            zip(picked, ends, strict=True), (duel.history[place] for place in picked), strict=True
        )
        for cloud, share in enumerate(scores.shares)
    ]
    columns = dict(zip(("epoch", "end", "low", "high", "share"), itertools.zip_longest(*cells), strict=True))
    spec = {
        "datasets": {"cells": growing_chart.arrow(**columns)},
        "height": 260,
        "layer": [
            {
                "data": {"name": "cells"},
                "mark": {"type": "rect", "color": GENERATED, "clip": True},
                "encoding": {
                    "x2": {"field": "end"},
                    "y": {
                        "field": "low",
                        "type": "quantitative",
                        "title": _("Cloud"),
                        "axis": {"values": list(range(1, 9)), "format": "d", "grid": False},
                        "scale": {"domain": [0.5, 8.5], "nice": False, "zero": False},
                    },
                    "y2": {"field": "high"},
                    "fillOpacity": {
                        "field": "share",
                        "type": "quantitative",
                        "scale": {"domain": [0, 0.125], "range": [0, 1], "clamp": True},
                        "legend": None,
                    },
                    "tooltip": {"field": "share", "type": "quantitative", "format": ".0%", "title": _("Share")},
                },
            }
        ],
        "encoding": {"x": _moves_axis(duel)},
    }
    growing_chart.show(
        spec,
        key=key,
        alt=_(
            "A row for each cloud: the fuller its colour, the more of the generated samples lie at it, full from an "
            "eighth on, which is an even share. One full row alone is a collapse."
        ),
    )


def _picked(count: int) -> list[int]:
    """Returns the places of a history that are drawn: the first, the last, and evenly spread ones between."""
    step = max(1, -(-(count - 1) // COLUMNS))
    return [*range(0, count - 1, step), count - 1]


def _moves_axis(duel: Duel) -> dict[str, Any]:
    title = _("Round") if set(duel.moves) <= {"b"} else _("Move")
    scale = {"domain": [0, max(10, len(duel.moves))], "nice": False}
    return {
        "field": "epoch",
        "type": "quantitative",
        "title": title,
        "scale": scale,
        "axis": {"tickMinStep": 1, "format": ",d"},
    }


def _place() -> dict[str, Any]:
    from core.training.gan.plane import REACH

    axis = {"title": None, "tickCount": 5, "grid": False}
    scale = {"domain": [-REACH, REACH], "nice": False}
    return {name: {"field": name, "type": "quantitative", "axis": axis, "scale": scale} for name in ("x", "y")}


def _cells(values: Tensor, strengths: Tensor) -> bytes:
    """Returns a map of the plane, SIDE x SIDE, as cells with their value, and how strongly they are tinted, -1 to 1."""
    import torch

    from core.training.gan.plane import REACH, SIDE

    half = REACH / (SIDE - 1)
    y, x = torch.meshgrid(*[torch.linspace(-REACH, REACH, SIDE)] * 2, indexing="ij")
    left, low = x.flatten() - half, y.flatten() - half
    flat = strengths.flatten()
    return growing_chart.arrow(
        x=left, x2=left + 2 * half, y=low, y2=low + 2 * half, value=values.flatten(), tint=flat.abs(), sign=flat.sign()
    )


def _points(points: Tensor, ends: Tensor | None = None) -> bytes:
    far = {} if ends is None else {"x2": ends[:, 0], "y2": ends[:, 1]}
    return growing_chart.arrow(x=points[:, 0], y=points[:, 1], **far)


def _ground(title: str, form: str) -> dict[str, Any]:
    return {
        "data": {"name": "surface"},
        "mark": {"type": "rect", "clip": True, "stroke": None},
        "encoding": {
            **_place(),
            "x2": {"field": "x2"},
            "y2": {"field": "y2"},
            "color": {"condition": {"test": "datum.sign < 0", "value": GENERATED}, "value": REAL},
            "fillOpacity": {
                "field": "tint",
                "type": "quantitative",
                "scale": {"domain": [0, 1], "range": [0, 0.6], "clamp": True},
                "legend": None,
            },
            "tooltip": {"field": "value", "type": "quantitative", "format": form, "title": title},
        },
    }


def _dots(data: str, colour: str, size: int) -> dict[str, Any]:
    return {
        "data": {"name": data},
        "mark": {"type": "circle", "color": colour, "size": size, "opacity": 0.9, "clip": True, "tooltip": None},
        "encoding": _place(),
    }
