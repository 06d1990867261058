"""The network drawn as parts that can be clicked: stages, the blocks of one, the layers of one of those.

A component of the browser. A click on a part chooses it; a click on its lock freezes it or lets it learn. Both come
back by the part's name. It can be used with the keyboard: every part and lock is a button, the arrow keys go along a
row, and the focus stays where it was when the drawing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import streamlit as st

from pages.ui import figures
from pages.ui.i18n import N_, _, _n
from pages.ui.style import ASSETS

STATES = {"learns": N_("learns"), "frozen": N_("frozen"), "partly": N_("partly learns")}
"""What a part's parameters do; a part without any is in the state ``none``."""
LOW, HIGH = 30, 150
"""Heights of the smallest and largest stage, in CSS pixels."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the drawing.

    Attributes:
        name: The part's name in the network; what a click brings back.
        title: What it is called, translated.
        lines: Short lines under the title.
        state: One of :data:`STATES`, or ``none``.
        label: The whole of it in words, for those who do not see it.
        help: Shown on hover.
        lock: What a click on its lock does, in words.
        word: The state in words.
        free: Whether the lock can be turned.
        skip: ``""``, or how the way around it joins: ``add`` or ``concat``.
        width: Share of the row, for a stage.
        height: In CSS pixels, for a stage.
        units: The blocks drawn within a stage: name, title, state, skip.
        unit: Name of the chosen one of these.
        marked: Whether there is room to write the signs where paths meet.
    """

    name: str
    title: str
    lines: tuple[str, ...]
    state: str
    label: str
    help: str = ""
    lock: str = ""
    word: str = ""
    free: bool = True
    skip: str = ""
    width: float = 1.0
    height: int = LOW
    units: tuple[dict[str, str], ...] = ()
    unit: str = ""
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of parts, with its title and the name of the chosen one."""

    title: str
    parts: tuple[Part, ...]
    chosen: str = ""


@lru_cache(maxsize=1)
def _component() -> Any:
    return st.components.v2.component(
        "backbone_lab_anatomy",
        html='<div class="bl-anatomy" role="group"></div>',
        css=(ASSETS / "diagram.css").read_text(encoding="utf-8"),
        js=(ASSETS / "diagram.js").read_text(encoding="utf-8"),
    )


def diagram(rows: Sequence[Row], *, key: str, label: str, on_event: Callable[[str, str], None]) -> None:
    """Draws the rows.

    Args:
        rows: The stages first.
        key: Stable key.
        label: What the drawing shows, translated.
        on_event: Called before the page is drawn again with ``select`` or ``toggle`` and the part's name.
    """
    skips = {part.skip for row in rows for part in row.parts}
    skips |= {unit["skip"] for row in rows for part in row.parts for unit in part.units}
    states = {part.state for row in rows for part in row.parts} | {
        unit["state"] for row in rows for part in row.parts for unit in part.units
    }
    legend = [(state, _(word)) for state, word in STATES.items() if state in states]
    if "add" in skips:
        legend.append(("add", _("skip connection, added")))
    if "concat" in skips:
        legend.append(("concat", _("joined, side by side")))

    def changed() -> None:
        event = getattr(st.session_state.get(key), "event", None)
        for what in ("select", "toggle"):
            if isinstance(event, dict) and isinstance(event.get(what), str):
                on_event(what, event[what])

    data = {"rows": [asdict(row) for row in rows], "label": label, "legend": legend}
    _component()(data=data, key=key, on_event_change=changed)


def stage_row(anatomy: Any, states: dict[str, str], *, chosen: str, unit: str) -> Row:
    """Returns the network's stages.

    Args:
        anatomy: The network's anatomy.
        states: State of each stage and of each module with parameters, by name.
        chosen: The chosen stage.
        unit: The chosen block.
    """
    largest = max((stage.spatial[0] for stage in anatomy.stages if stage.spatial), default=1)
    parts = []
    for stage in anatomy.stages:
        units = tuple(
            {
                "name": block.name,
                "title": _block_words(block),
                "skip": block.skip,
                "state": states.get(block.name, "none"),
            }
            for block in blocks(anatomy, stage)
        )
        height = LOW + (HIGH - LOW) * (stage.spatial[0] / largest) ** 0.5 if stage.spatial else LOW + 12
        title = stage_title(stage.name)
        lines = (figures.count(stage.parameters), stage_shape(anatomy, stage))
        state = states.get(stage.name, "none")
        parts.append(
            Part(
                stage.name, title, lines, state,
                label=_("{stage}: {parameters} parameters, {shape}, {state}. Show its blocks.").format(
                    stage=title, parameters=figures.exact(stage.parameters), shape=lines[1],
                    state=_(STATES.get(state, "")),
                ),
                help=_("{n} parameters").format(n=figures.exact(stage.parameters)),
                width=round(max(stage.parameters, 1) ** 0.4, 2), height=round(height),
                units=units if len(units) > 1 or any(u["skip"] for u in units) else (), unit=unit,
                marked=len(units) <= 4, **lock(stage.name, title, state),
            )
        )  # fmt: skip
    return Row(_("Stages, from image to logits"), tuple(parts), chosen)


def block_row(anatomy: Any, stage: Any, states: dict[str, str], *, chosen: str) -> Row:
    """Returns the blocks of a stage."""
    parts = []
    for block in blocks(anatomy, stage):
        state = states.get(block.name, "none")
        shape = shape_words((*(block.spatial or ()), *((block.channels,) if block.channels else ())))
        lines = (block.kind, _parameters(block.parameters), *((shape,) if shape else ()))
        parts.append(
            Part(
                block.name, block.name, lines, state, label=", ".join((block.name, *lines, _(STATES.get(state, "")))),
                help=_block_words(block), skip=block.skip, **lock(block.name, block.name, state),
            )
        )  # fmt: skip
    title = _n("{stage}: {n} block", "{stage}: {n} blocks", len(parts)).format(
        stage=stage_title(stage.name), n=len(parts)
    )
    return Row(title, tuple(parts), chosen)


def layer_row(anatomy: Any, title: str, layers: Sequence[str], states: dict[str, str], *, chosen: str) -> Row:
    """Returns layers, those inside a block or a stage."""
    known = {layer.name: layer for layer in anatomy.layers}
    parts = []
    for name in layers:
        layer = known.get(name)
        if layer is None:
            continue
        state = states.get(name, "none")
        short = name.removeprefix(f"{title}.")
        lines = (layer.kind, _parameters(layer.parameters), map_words(layer.output_shape, layer.layout))
        parts.append(
            Part(
                name, short, lines, state, label=", ".join((name, *lines, _(STATES.get(state, "")))), help=name,
                **lock(name, short, state),
            )
        )  # fmt: skip
    words = _n("{block}: {n} layer", "{block}: {n} layers", len(parts)).format(block=title, n=len(parts))
    return Row(words, tuple(parts), chosen)


def lock(name: str, title: str, state: str) -> dict[str, Any]:
    """Returns what a part's lock says and whether it can be turned."""
    if name == "head" or state == "none":
        return {"lock": _("The head is new and always learns."), "word": _(STATES.get(state, "")), "free": False}
    text = _("Freeze {part}") if state == "learns" else _("Let {part} learn")
    return {"lock": text.format(part=title), "word": _(STATES[state]), "free": True}


def stage_title(name: str) -> str:
    """Returns a stage's name for people."""
    number = name.removeprefix("stage")
    if number.isdigit():
        return _("Stage {n}").format(n=number)
    return {"neck": _("Neck"), "head": _("Head")}.get(name, name)


def stage_shape(anatomy: Any, stage: Any) -> str:
    """Returns the size of what leaves a stage: height, width, channels; for the head, features and classes."""
    if stage.name == "head":
        return f"{anatomy.head_features} → {anatomy.num_classes}"
    return shape_words((*stage.spatial, stage.channels)) if stage.spatial else ""


def shape_words(shape: Sequence[int]) -> str:
    """Returns ``56 × 56 × 64``."""
    return " × ".join(str(size) for size in shape)


def map_words(shape: Sequence[int], layout: str | None) -> str:
    """Returns a shape in words: of a feature map height, width and channels, of anything else as it is."""
    return shape_words((*shape[1:], shape[0]) if len(shape) == 3 and layout != "NHWC" else shape)


def _parameters(count: int) -> str:
    return _("{n} parameters").format(n=figures.count(count)) if count else _("no parameters")


def _block_words(block: Any) -> str:
    return f"{block.name} · {block.kind} · {_parameters(block.parameters)}"


def blocks(anatomy: Any, stage: Any) -> tuple[Any, ...]:
    """Returns the blocks of a stage."""
    if hasattr(stage, "blocks"):
        return tuple(stage.blocks)
    from types import SimpleNamespace

    from pages.ui.layers import main_layers, map_shape

    inside = [layer for layer in anatomy.layers if layer.stage == stage.name]
    found = []
    for name in main_layers(anatomy, [layer.name for layer in inside]):
        layer = anatomy.layer(name)
        shape = map_shape(layer)
        leaves = tuple(x.name for x in inside if x.leaf and (x.name == name or x.name.startswith(name + ".")))
        found.append(
            SimpleNamespace(
                name=name,
                kind=layer.kind,
                parameters=layer.parameters,
                layers=leaves,
                skip="add"
                if "Basic" in layer.kind or "Encoder" in layer.kind
                else "concat"
                if "Dense" in layer.kind
                else "",
                spatial=shape[1:] if shape else None,
                channels=shape[0] if shape else None,
            )
        )
    return tuple(found)
