"""Dividing a traced network into stages, by how its feature maps shrink.

The call tree is cut into *units*: calls within which the features shrink at most once, so that a residual block or a
whole ``layer3`` stays in one piece while ``features`` of a VGG is opened up. A unit belongs to the stage of the
side that comes out of it. Transformer blocks, whose tokens do not shrink, are divided in four. What works on
pooled features, behind the last feature map and before the head, is the neck.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from torch import nn

from core.models.anatomy.call import Call
from core.models.anatomy.records import HEAD, NECK
from core.models.anatomy.trace import TRACE_IMAGES, layout, side

SHRUNK = 0.75
"""A side of at most this share of the former one opens a new stage."""


@dataclass(slots=True, eq=False)
class Division:
    """Which stage every call and parameter belongs to.

    Attributes:
        calls: Stage of each call that lies in a unit, and of each opened call: the stage of its last unit.
        spread: Names of the modules that were opened, because they hold more than one unit.
        parameters: Stage of each parameter, in the network's order.
        names: Stages in order, such as ``stage1``, ``stage2``, ``neck``, ``head``; only those with parameters.
        ends: The last unit with a feature map and parameters in each stage.
        units: The calls within which the features shrink at most once, in order.
    """

    calls: dict[Call, str] = field(default_factory=dict)
    spread: set[str] = field(default_factory=set)
    parameters: dict[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    ends: dict[str, Call] = field(default_factory=dict)
    units: tuple[Call, ...] = ()


def divide(model: nn.Module, root: Call, head: Call, image_size: int) -> Division:
    """Divides a traced network.

    Args:
        model: The network.
        root: Its traced call.
        head: The call of the layer that makes the logits.
        image_size: Side of the traced images.

    Returns:
        The division; its stages partition the parameters.
    """
    walker = _Walker(head, image_size)
    walker.visit(root)
    owners = _owners(model, walker)
    division = Division(spread={call.name for call in walker.opened})
    division.units = tuple(unit for unit, _ in walker.units)
    titles = _titles(walker, owners)
    division.calls = {call: titles[group] for unit, group in walker.units for call in unit.walk()}
    for call in walker.opened:
        division.calls[call] = titles[walker.groups[walker.last[call]]]
    division.parameters = {name: titles[group] for name, group in owners.items()}
    present = set(division.parameters.values())
    stages = sorted((name for name in present if name not in (NECK, HEAD)), key=lambda name: int(name[5:]))
    division.names = (*stages, *(name for name in (NECK, HEAD) if name in present))
    owning = _owning(model)
    for unit, group in walker.units:
        if layout(unit.exit) and unit.name in owning and group not in (NECK, HEAD):
            division.ends[titles[group]] = unit
    return division


Group = int | str


class _Walker:
    """Goes through the call tree in order, opens what spans stages, and gives each unit its group."""

    def __init__(self, head: Call, image_size: int) -> None:
        self.head = head
        self.side = image_size
        self.stage = 0
        self.pooled = False
        self.units: list[tuple[Call, Group]] = []
        self.groups: dict[Call, Group] = {}
        self.opened: list[Call] = []
        self.first: dict[Call, Call] = {}
        self.last: dict[Call, Call] = {}

    def visit(self, call: Call) -> None:
        inside = self.head in call.walk()
        blocks = _token_blocks(call)
        if call is self.head or not (inside or blocks or _spans_stages(call) or _holds_token_blocks(call)):
            self._add(call)
            return
        start, base = len(self.units), self.stage
        for child in call.children:
            if blocks and child is blocks[0]:
                base = self.stage
            if child in blocks:
                self.stage = base + blocks.index(child) * min(4, len(blocks)) // len(blocks)
            self.visit(child)
        if len(self.units) == start:
            self._add(call)
            return
        self.opened.append(call)
        self.first[call], self.last[call] = self.units[start][0], self.units[-1][0]

    def _add(self, call: Call) -> None:
        group = self._group(call)
        self.units.append((call, group))
        self.groups[call] = group

    def _group(self, call: Call) -> Group:
        if call.order >= self.head.order:
            return HEAD
        entry, exit = side(call.entry), side(call.exit)
        if not self.pooled and "Pool" in call.kind and exit == 1 and (call.kind.startswith("Adaptive") or entry != 1):
            self.pooled = True
            return self.stage
        if self.pooled or len(call.entry) == 2:
            self.pooled = True
            return NECK
        if exit is not None and exit <= SHRUNK * self.side:
            self.stage += 1
            self.side = exit
        return self.stage


def _spans_stages(call: Call) -> bool:
    return _shrinks(call) > 1


def _shrinks(call: Call) -> int:
    """Returns how many times the features shrink within a call, along its trunk."""
    entry, exit = side(call.entry), side(call.exit)
    if entry is None or exit is None or exit > SHRUNK * entry:
        return 0
    count, current = 0, entry
    for child in call.children:
        reached = side(child.exit)
        if reached is not None and exit <= reached <= SHRUNK * current:
            count += max(1, _shrinks(child))
            current = reached
    return max(1, count)


def _token_blocks(call: Call) -> list[Call]:
    """Returns the transformer blocks that ``call`` runs one after the other: alike, each with an inner life."""
    alike: dict[tuple[str, tuple[int, ...]], list[Call]] = defaultdict(list)
    for child in call.children:
        if child.children and len(child.exit) == 3 and child.exit[0] == TRACE_IMAGES and child.entry == child.exit:
            alike[child.kind, child.exit].append(child)
    largest = max(alike.values(), key=len, default=[])
    return largest if len(largest) > 1 else []


def _holds_token_blocks(call: Call) -> bool:
    if len(call.exit) != 3:
        return False
    return any(_token_blocks(child) or _holds_token_blocks(child) for child in call.children)


def _owning(model: nn.Module) -> set[str]:
    """Returns the names of the modules that hold parameters, themselves or further down."""
    names: set[str] = set()
    for parameter, _ in model.named_parameters():
        parts = parameter.split(".")[:-1]
        names.update(".".join(parts[:depth]) for depth in range(len(parts) + 1))
    return names


def _owners(model: nn.Module, walker: _Walker) -> dict[str, Group]:
    """Returns the group of each parameter.

    It is that of the nearest module around it that is a unit; of the first unit in the nearest opened module; and,
    for parts that never ran, that of the parameter before it.
    """
    of_unit: dict[str, Group] = {}
    for unit, group in walker.units:
        of_unit.setdefault(unit.name, group)
    of_opened = {call.name: walker.groups[walker.first[call]] for call in walker.opened}
    owners: dict[str, Group] = {}
    before: Group = walker.units[0][1]
    if before == HEAD:
        before = NECK
    for name, _ in model.named_parameters():
        parts = name.split(".")[:-1]
        for depth in range(len(parts), -1, -1):
            prefix = ".".join(parts[:depth])
            if prefix in of_unit:
                before = of_unit[prefix]
                break
            if prefix in of_opened and depth == len(parts):
                before = of_opened[prefix]
                break
        owners[name] = before
    return owners


def _titles(walker: _Walker, owners: dict[str, Group]) -> dict[Group, str]:
    """Names the groups: those with parameters are numbered from 1; the others go with the one before (or after)."""
    owned = set(owners.values())
    numbered = sorted(group for group in owned if isinstance(group, int))
    titles: dict[Group, str] = {HEAD: HEAD}
    last = f"stage{len(numbered)}" if numbered else NECK
    titles[NECK] = NECK if NECK in owned else (last if numbered else HEAD)
    for group in {group for _, group in walker.units if isinstance(group, int)}:
        place = sum(1 for other in numbered if other <= group)
        titles[group] = f"stage{max(1, place)}" if numbered else titles[NECK]
    return titles
