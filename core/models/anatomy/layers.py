"""The layers of a network, one record each, from a traced pass."""

from __future__ import annotations

import math

from torch import nn

from core.models.anatomy import parameter_formulas
from core.models.anatomy.blocks import PARAMETER
from core.models.anatomy.call import Call
from core.models.anatomy.receptive_field import Shape, Trail
from core.models.anatomy.records import Layer, Receptive
from core.models.anatomy.stages import Division
from core.models.anatomy.trace import TRACE_IMAGES, Trace, layout

_FLOAT_BYTES = 4


class Rows:
    """Makes the layers of an anatomy.

    Args:
        model: The network.
        traced: Its traced pass.
        division: Its stages.
    """

    def __init__(self, model: nn.Module, traced: Trace, division: Division) -> None:
        self.modules = dict(model.named_modules())
        self.uses = traced.uses
        self.division = division
        self.calls = sorted(traced.root.walk(), key=lambda call: call.order)
        self.last = {call.name: call for call in self.calls if call.name}
        self.own: dict[str, dict[str, Shape]] = {}
        self.inside: dict[str, int] = {}
        for name, parameter in model.named_parameters():
            *path, leaf = name.split(".")
            self.own.setdefault(".".join(path), {})[leaf] = tuple(parameter.shape)
            for depth in range(1, len(path) + 1):
                prefix = ".".join(path[:depth])
                self.inside[prefix] = self.inside.get(prefix, 0) + parameter.numel()
        self.macs: dict[str, int] = {}
        self.own_macs: dict[str, int] = {}
        self.made: dict[str, int] = {}
        self.times: dict[str, int] = {}
        totals: dict[Call, int] = {}
        for call in self.calls:
            totals[call] = call.macs + call.borrowed_macs + sum(totals[child] for child in call.children)
            self.macs[call.name] = self.macs.get(call.name, 0) + totals[call]
            self.own_macs[call.name] = self.own_macs.get(call.name, 0) + call.macs
            self.made[call.name] = self.made.get(call.name, 0) + (bytes_of(call.exit) if call.owns_memory else 0)
            self.times[call.name] = self.times.get(call.name, 0) + 1

    def layers(self) -> tuple[Layer, ...]:
        """Returns the modules that ran, and before each the parts in it that hold parameters and did not."""
        silent: dict[str, list[Layer]] = {}
        for owner in self.own:
            if owner and owner not in self.last:
                around = owner
                while around and around not in self.last:
                    around = around.rpartition(".")[0]
                silent.setdefault(around, []).append(self._silent(owner))
        rows = [self._parameter(name, shape) for name, shape in self.own.get("", {}).items()]
        for name, call in sorted(self.last.items(), key=lambda entry: entry[1].order):
            rows += silent.get(name, [])
            rows.append(self._ran(call))
        return (*rows, *silent.get("", []))

    def _ran(self, call: Call) -> Layer:
        module = self.modules[call.name]
        field, reason = _receptive(call.trail)
        return Layer(
            name=call.name,
            kind=call.kind,
            input_shape=call.entry[1:],
            output_shape=call.exit[1:],
            parameters=self.inside.get(call.name, 0),
            stage=self.division.calls[call],
            layout=layout(call.exit),
            leaf=not call.children,
            **parameter_formulas.window(module),
            own_parameters=_count(self.own.get(call.name, {})),
            formula=parameter_formulas.formula(module, self.own.get(call.name, {})),
            macs=self.macs[call.name],
            own_macs=self.own_macs[call.name],
            activation_bytes=bytes_of(call.exit),
            own_activation_bytes=self.made[call.name],
            receptive=field,
            receptive_reason=reason,
            calls=self.times[call.name],
        )

    def _silent(self, name: str) -> Layer:
        """Makes the row of a module that holds parameters and did not run; another may have used them."""
        module, shapes, use = self.modules[name], self.own[name], self.uses.get(name)
        field, reason = _receptive(use.trail if use else None)
        return Layer(
            name=name,
            kind=type(module).__name__,
            input_shape=use.entry[1:] if use else (),
            output_shape=use.exit[1:] if use else (),
            parameters=self.inside[name],
            stage=self.division.parameters[f"{name}.{next(iter(shapes))}"],
            layout=None,
            leaf=True,
            **parameter_formulas.window(module),
            own_parameters=_count(shapes),
            formula=parameter_formulas.formula(module, shapes),
            macs=use.macs if use else 0,
            own_macs=use.macs if use else 0,
            activation_bytes=bytes_of(use.exit) if use else 0,
            receptive=field,
            receptive_reason=reason,
            calls=0,
        )

    def _parameter(self, name: str, shape: Shape) -> Layer:
        """Makes the row of a parameter that the network itself holds."""
        return Layer(
            name=name,
            kind=PARAMETER,
            input_shape=(),
            output_shape=shape,
            parameters=math.prod(shape),
            stage=self.division.parameters[name],
            layout=None,
            leaf=True,
            own_parameters=math.prod(shape),
            formula=parameter_formulas.formula(None, {name: shape}),
            calls=0,
        )


def _count(shapes: dict[str, Shape]) -> int:
    return sum(math.prod(shape) for shape in shapes.values())


def bytes_of(shape: Shape) -> int:
    """Returns the memory of one image's share of a traced tensor in float32."""
    return math.prod(shape) * _FLOAT_BYTES // (TRACE_IMAGES if shape[:1] == (TRACE_IMAGES,) else 1) if shape else 0


def _receptive(trail: Trail | None) -> tuple[Receptive | None, str]:
    """Returns the field of a layer whose output has that trail, or why there is none."""
    if trail is None or trail.why:
        return None, trail.why if trail else ""
    rows, columns = trail.rows, trail.columns
    size = (round(rows.size), round(columns.size))
    return Receptive(size, (rows.jump, columns.jump), (rows.start, columns.start)), ""
