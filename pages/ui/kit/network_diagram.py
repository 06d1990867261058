"""The network drawn as parts that can be clicked: stages, the blocks of one, the layers of one of those.

A component of the browser. A click on a part chooses it; a click on its lock freezes it or lets it learn. Both come
back by the part's name. It can be used with the keyboard: every part and lock is a button, the arrow keys go along a
row, and the focus stays where it was when the drawing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.specs import FreezePlan
from pages.ui.kit.style import component
from pages.ui.text import layer_names, number_format
from pages.ui.text.i18n import N_, _, _n

if TYPE_CHECKING:
    from core.models.anatomy.records import Anatomy, Block, Stage

STATES = {"learns": N_("learns"), "frozen": N_("frozen"), "partly": N_("partly")}
"""What a part's parameters do; a part without any is in the state ``none``."""
LOW, HIGH = 28, 124
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


class States:
    """What each part of a network does under a freeze plan.

    Args:
        anatomy: The network's anatomy.
        plan: What learns.
    """

    def __init__(self, anatomy: Anatomy, plan: FreezePlan) -> None:
        self._learns = _of_parts(anatomy, plan)
        self._open = self._learns if plan.learns == "all" else _of_parts(anatomy, replace(plan, learns="all"))

    def of(self, name: str) -> str:
        """Returns one of :data:`STATES` for a stage, a module or a parameter; ``none`` for what has no parameters."""
        return self._learns.get(name, "none")

    def open(self, name: str) -> bool:
        """Whether the plan frees all of a part, even where of what is free only norms and biases learn."""
        return self._open.get(name) == "learns"


def _of_parts(anatomy: Anatomy, plan: FreezePlan) -> dict[str, str]:
    from core.models.freeze import learning, part_state, stage_state

    found = learning(anatomy, plan)
    alone = {
        block.name: "learns" if block.name in found else "frozen"
        for stage in anatomy.stages
        for block in stage.blocks
        if block.kind == "Parameter"
    }
    return {**alone, **part_state(anatomy, plan), **stage_state(anatomy, plan)}


def diagram(
    rows: Sequence[Row], *, image: tuple[int, int], key: str, label: str, on_event: Callable[[str, str], None]
) -> None:
    """Draws the rows.

    Args:
        rows: The stages first.
        image: Channels and side of the image that goes in.
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

    channels, side = image
    data = {
        "rows": [asdict(row) for row in rows],
        "label": label,
        "legend": legend,
        "height": HIGH,
        "image": [_("Image"), shape_words((side, side)), _("{n} channels").format(n=channels)],
    }
    made = component("anatomy", '<div class="bl-anatomy" role="group"></div>', "diagram.js", "diagram.css")
    made(data=data, key=key, on_event_change=changed)


def stage_row(
    anatomy: Anatomy, states: States, *, chosen: str, unit: str, starts: Mapping[str, int] | None = None
) -> Row:
    """Returns the network's stages.

    Args:
        anatomy: The network's anatomy.
        states: State of each stage and of each module with parameters, by name.
        chosen: The chosen stage.
        unit: The chosen block.
        starts: In a gradual unfreezing, the epoch from which each stage learns.
    """
    largest = max((stage.spatial[0] for stage in anatomy.stages if stage.spatial), default=1)
    parts = []
    for stage in anatomy.stages:
        units = tuple(
            {
                "name": block_id(anatomy, block),
                "title": _block_words(block),
                "skip": block.skip,
                "state": block_state(block, states),
            }
            for block in stage.blocks
        )
        height = LOW + (HIGH - LOW) * (stage.spatial[0] / largest) ** 0.5 if stage.spatial else LOW + 12
        title = stage_title(stage.name)
        lines = (number_format.count(stage.parameters), *stage_lines(anatomy, stage))
        state = states.of(stage.name)
        locked = lock(title, state, states.open(stage.name), head=stage.name == "head")
        if starts and stage.name in starts:
            locked["word"] = _("from epoch {n}").format(n=starts[stage.name])
        parts.append(
            Part(
                stage.name,
                title,
                lines,
                state,
                label=_("{stage}: {parameters} parameters, {shape}, {state}. Show its blocks.").format(
                    stage=title,
                    parameters=number_format.exact(stage.parameters),
                    shape=stage_shape(anatomy, stage),
                    state=_(STATES.get(state, "")),
                ),
                help=_("{n} parameters").format(n=number_format.exact(stage.parameters)),
                width=round(max(stage.parameters, 1) ** 0.4, 2),
                height=round(height),
                units=units if len(units) > 1 or any(u["skip"] for u in units) else (),
                unit=unit,
                marked=len(units) <= 4,
                **locked,
            )
        )
    return Row(_("Stages, from image to logits"), tuple(parts), chosen)


def block_row(anatomy: Anatomy, stage: Stage, states: States, *, chosen: str) -> Row:
    """Returns the blocks of a stage."""
    parts = []
    for number, block in enumerate(stage.blocks, 1):
        state = block_state(block, states)
        name = _("Block {n}").format(n=number)
        shape = shape_words((*(block.spatial or ()), *((block.channels,) if block.channels else ())))
        paths = (_("{n} paths side by side, joined").format(n=block.branches),) if block.branches > 1 else ()
        sort = layer_names.sort(anatomy, block.name, block.kind)
        lines = (sort, parameter_words(block.parameters), shape, *paths)
        parts.append(
            Part(
                block_id(anatomy, block),
                name,
                lines,
                state,
                help=_block_words(block),
                skip=block.skip,
                label=", ".join((name, *lines, _(STATES.get(state, "")))),
                **lock(name, state, block_open(block, states), head=stage.name == "head"),
            )
        )
    title = _n("{stage}: {n} block", "{stage}: {n} blocks", len(parts)).format(
        stage=stage_title(stage.name), n=len(parts)
    )
    return Row(title, tuple(parts), chosen)


def layer_row(anatomy: Anatomy, block: Block, states: States, *, chosen: str) -> Row:
    """Returns the layers of a block, each called by what it is."""
    parts = []
    for name in inside(anatomy, block):
        layer = anatomy.layer(name)
        state = states.of(name)
        title = layer_names.in_block(anatomy, name, layer.kind)
        size = parameter_words(layer.own_parameters) if layer.own_parameters else ""
        lines = (size, map_words(layer.output_shape, layer.layout))
        parts.append(
            Part(
                name,
                title,
                lines,
                state,
                label=", ".join((title, *filter(None, lines), _(STATES.get(state, "")))),
                help=f"{name} · {layer.kind}",
                **lock(title, state, states.open(name), head=layer.stage == "head"),
            )
        )
    words = _n("{block}: {n} layer", "{block}: {n} layers", len(parts))
    words = words.format(block=block_title(anatomy, block), n=len(parts))
    return Row(words, tuple(parts), chosen)


def lock(title: str, state: str, opened: bool, *, head: bool = False) -> dict[str, Any]:
    """Returns what a part's lock says and whether it can be turned.

    Args:
        title: What the part is called.
        state: One of :data:`STATES`, or ``none``.
        opened: Whether the plan frees the whole part: then a click freezes it.
        head: Whether it belongs to the head.
    """
    if head or state == "none":
        return {"lock": _("The head is new and always learns."), "word": _(STATES.get(state, "")), "free": False}
    text = _("Freeze {part}") if opened else _("Let {part} learn")
    return {"lock": text.format(part=title), "word": _(STATES[state]), "free": True}


def stage_title(name: str) -> str:
    """Returns a stage's name for people."""
    return layer_names.stage(name)


def stage_shape(anatomy: Anatomy, stage: Stage) -> str:
    """Returns the size of what leaves a stage: height, width, channels; for the head, features and classes."""
    if stage.name == "head":
        return f"{anatomy.head_features} → {anatomy.num_classes}"
    return shape_words((*stage.spatial, stage.channels or 0)) if stage.spatial else ""


def stage_lines(anatomy: Anatomy, stage: Stage) -> tuple[str, str]:
    """Returns the same in two lines, the second for the channels."""
    if stage.name == "head" or not stage.spatial:
        return (stage_shape(anatomy, stage) or "\N{NO-BREAK SPACE}", "\N{NO-BREAK SPACE}")
    return shape_words(stage.spatial), _("{n} channels").format(n=stage.channels)


def shape_words(shape: Sequence[int]) -> str:
    """Returns ``56 × 56 × 64``."""
    return " × ".join(str(size) for size in shape)


def map_words(shape: Sequence[int], layout: str | None) -> str:
    """Returns a shape in words: of a feature map height, width and channels, of anything else as it is."""
    return shape_words((*shape[1:], shape[0]) if len(shape) == 3 and layout != "NHWC" else shape)


def parameter_words(count: int) -> str:
    """Returns a number of parameters in words."""
    return _("{n} parameters").format(n=number_format.count(count)) if count else _("no parameters")


def _block_words(block: Block) -> str:
    return f"{block.name} · {block.kind} · {parameter_words(block.parameters)}"


def inside(anatomy: Anatomy, block: Block) -> tuple[str, ...]:
    """Returns the layers of a block in the network's order: all that run, and those that hold parameters besides."""
    if block.kind == "Parameter":
        return ()
    wanted = {*block.members, *block.layers}
    if _module(block) and len(block.layers) > 1:
        wanted.discard(block.name)
    return tuple(layer.name for layer in anatomy.layers if layer.name in wanted)


def _module(block: Block) -> bool:
    """Whether one module holds the whole block."""
    return all(name == block.name or name.startswith(f"{block.name}.") for name in block.layers)


def block_id(anatomy: Anatomy, block: Block) -> str:
    """Returns what a click on a block brings back: its module's name, which must not be that of a layer in it."""
    return f"block:{block.name}" if block.name in inside(anatomy, block) else str(block.name)


def block_parts(block: Block) -> tuple[str, ...]:
    """Returns the names by which a block is frozen: its module's or its parameter's, or those of its layers."""
    return (block.name,) if block.kind == "Parameter" or _module(block) else tuple(block.layers)


def block_open(block: Block, states: States) -> bool:
    """Whether the plan frees all of a block."""
    return all(states.open(name) for name in block_parts(block))


def block_state(block: Block, states: States) -> str:
    """Returns what a block's parameters do."""
    seen = {states.of(name) for name in block_parts(block)} - {"none"}
    return "none" if not seen else seen.pop() if len(seen) == 1 else "partly"


def block_title(anatomy: Anatomy, block: Block) -> str:
    """Returns what a block is called in its network: *Stage 4, block 2*."""
    places = ((stage.name, n) for stage in anatomy.stages for n, one in enumerate(stage.blocks, 1) if one is block)
    stage, number = next(places)
    return _("{stage}, block {n}").format(stage=stage_title(stage), n=number)
