"""The units a network is made of: residual and dense blocks, transformer blocks, convolutions with what follows them.

A module is a block if calls of its class join paths (a sum, a concatenation) or repeat themselves with weights inside.
What only holds blocks, one after the other, is opened. Layers that stand alone form a block with the layers of weights
before them: convolution, normalisation, activation, pool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import nn

from core.models.anatomy.call import Call
from core.models.anatomy.records import Block
from core.models.anatomy.stages import Division
from core.models.anatomy.trace import layout, side, token_side

PARAMETER = "Parameter"


@dataclass(slots=True)
class _Unit:
    """Calls that belong together: one compound call, or a chain of single layers."""

    stage: str
    calls: list[Call] = field(default_factory=list)
    compound: bool = False
    weighted: bool = False
    around: str = ""  # how the module around it joins what its blocks give


def blocks(model: nn.Module, division: Division, counts: Mapping[str, int]) -> dict[str, tuple[Block, ...]]:
    """Divides the stages of a network into blocks.

    Args:
        model: The network.
        division: Its stages.
        counts: Number of values of each parameter.

    Returns:
        By stage, its blocks in order. They partition the stage's parameters.
    """
    units = _Splitter(model, division).split()
    found: dict[str, list[Block]] = {stage: [] for stage in division.names}
    owner: dict[str, _Unit] = {}
    for unit in units:
        for call in unit.calls:
            owner.setdefault(call.name, unit)
    owned: dict[int, list[str]] = {}
    loose: dict[str, list[str]] = {stage: [] for stage in division.names}
    for name, stage in division.parameters.items():
        unit_of = _around(name, owner)
        if unit_of is not None and unit_of.stage == stage:
            owned.setdefault(id(unit_of), []).append(name)
        else:
            loose[stage].append(name)
    for unit in units:
        names = owned.get(id(unit), [])
        if names:
            found[unit.stage].append(_block(unit, names, counts))
    return {stage: (*_loose(model, loose[stage], counts), *found[stage]) for stage in division.names}


def refreshed(block: Block, like: Mapping[str, tuple[tuple[int, int] | None, int | None]]) -> Block:
    """Returns a block with the map that its last member gives at another image size."""
    for name in (block.name, *reversed(block.members)):
        if like.get(name, (None, None))[0] is not None:
            spatial, channels = like[name]
            return replace(block, spatial=spatial, channels=channels)
    return replace(block, spatial=None, channels=None)


def map_of(call: Call) -> tuple[tuple[int, int] | None, int | None]:
    """Returns height and width, and the channels, of the map that a call returned; ``None`` twice where it is none."""
    kind = layout(call.exit)
    length = (side(call.exit) or token_side(call.exit[1])) if kind else None
    if not length:
        return None, None
    return (length, length), call.exit[1 if kind == "NCHW" else -1]


class _Splitter:
    """Cuts the units that stages were divided by into blocks."""

    def __init__(self, model: nn.Module, division: Division) -> None:
        self.division = division
        self.modules = dict(model.named_modules())
        self.kinds = self._kinds()
        self.units: list[_Unit] = []

    def _kinds(self) -> set[str]:
        """Returns the classes of which a call joins paths."""
        return {
            call.kind
            for unit in self.division.units
            for call in unit.walk()
            if call.merges and call.children and not self._bare(call)
        }

    def split(self) -> list[_Unit]:
        for unit in self.division.units:
            self._visit(unit)
        return self.units

    def _visit(self, call: Call, around: str = "") -> None:
        if not call.children:
            self._single(call)
        elif self._opened(call):
            for child in call.children:
                self._visit(child, call.merges[-1][0] if call.merges else "")
        else:
            self.units.append(_Unit(self.division.calls[call], [call], compound=True, around=around))

    def _opened(self, call: Call) -> bool:
        if call.kind in self.kinds:
            return len(call.children) > 1 and all(child.kind in self.kinds for child in call.children)
        inside = list(call.walk())[:-1]
        if any(other.kind in self.kinds for other in inside):
            return True
        return self._bare(call) and sum(1 for other in inside if _weighted(other)) > 1

    def _bare(self, call: Call) -> bool:
        return type(self.modules.get(call.name)) in (nn.Sequential, nn.ModuleList, nn.ModuleDict)

    def _single(self, call: Call) -> None:
        stage, weighted = self.division.calls[call], _weighted(call)
        last = self.units[-1] if self.units else None
        if last is None or last.compound or last.stage != stage or (weighted and last.weighted):
            last = _Unit(stage)
            self.units.append(last)
        last.calls.append(call)
        last.weighted = last.weighted or weighted


def _weighted(call: Call) -> bool:
    return call.macs + call.borrowed_macs > 0


def _around(parameter: str, owner: Mapping[str, _Unit]) -> _Unit | None:
    parts = parameter.split(".")
    for depth in range(len(parts) - 1, 0, -1):
        unit = owner.get(".".join(parts[:depth]))
        if unit is not None:
            return unit
    return None


def _block(unit: _Unit, names: Sequence[str], counts: Mapping[str, int]) -> Block:
    holding = [call for call in unit.calls if any(name.startswith(f"{call.name}.") for name in names)]
    main = next((call for call in unit.calls if _weighted(call)), holding[0])
    everything = [call for top in unit.calls for call in top.walk()]
    spatial, channels = next(
        (found for call in reversed(unit.calls) if (found := map_of(call))[0] is not None), (None, None)
    )
    skip, branches = _skip(everything)
    return Block(
        name=main.name,
        kind=main.kind,
        parameters=sum(counts[name] for name in names),
        layers=tuple(dict.fromkeys(name.rpartition(".")[0] for name in names)),
        members=tuple(dict.fromkeys(call.name for call in everything if not call.children)),
        skip=skip or unit.around,
        branches=branches,
        spatial=spatial,
        channels=channels,
    )


def _skip(calls: Sequence[Call]) -> tuple[str, int]:
    """Returns how features go around, and how many paths run side by side; the outermost join decides."""
    branches, skip = 1, ""
    for call in reversed(calls):
        for kind, paths, before in call.merges:
            if kind == "add" or before:
                skip = skip or kind
            elif branches == 1 or call is calls[-1]:
                branches = paths
    return skip, branches


def _loose(model: nn.Module, names: Sequence[str], counts: Mapping[str, int]) -> list[Block]:
    """Makes blocks of parameters outside of all units: those that opened modules hold, and parts that never ran."""
    found: dict[str, list[str]] = {}
    modules = dict(model.named_modules())
    for name in names:
        owner = name.rpartition(".")[0]
        alone = owner == "" or any(True for _ in modules[owner].children())
        found.setdefault(name if alone else owner, []).append(name)
    return [
        Block(
            name=title,
            kind=PARAMETER if title in counts else type(modules[title]).__name__,
            parameters=sum(counts[name] for name in owned),
            layers=tuple(dict.fromkeys(name.rpartition(".")[0] for name in owned)),
            members=(),
            skip="",
            branches=1,
            spatial=None,
            channels=None,
        )
        for title, owned in found.items()
    ]
