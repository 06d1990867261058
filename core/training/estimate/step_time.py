"""Predicting how long a step takes, for any freeze plan, from one measurement of the network.

The measurement (:mod:`core.training.estimate.layer_timing`) times every call of a layer in three kinds of pass:
forwards without a graph, a whole step in which everything learns, and a step in which gradients only pass through. A
plan's step is put together from these: a layer costs its weights' gradient only if it learns, and its input's gradient
only if something before it learns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.models import freeze
from core.models.anatomy.examine import Anatomy
from core.specs import AugmentSpec, FreezePlan
from core.training.optim.precision import CLEARLY_FASTER, MAX_IMAGES

PASS_KINDS = ("frozen", "learning", "backward_all", "backward_through")
"""What is timed of a call: forwards in eval mode without a graph, forwards in train mode, backwards with the
gradients of its own parameters, backwards without."""


@dataclass(frozen=True, slots=True)
class Linear:
    """Seconds that grow evenly: ``fixed`` whatever the amount, and ``each`` for every one.

    Attributes:
        fixed: Seconds.
        each: Seconds for one more.
    """

    fixed: float
    each: float

    def at(self, amount: float) -> float:
        """Returns the seconds for so many."""
        return self.fixed + self.each * amount


@dataclass(frozen=True, slots=True)
class Machine:
    """What does not depend on the network.

    Attributes:
        optimizers: For each optimizer, seconds of a step: ``fixed`` for a tensor, ``each`` for a value.
        head_weight: Seconds that a step through a linear layer takes for each of its weights, whatever the batch.
        head_product: Seconds for each weight and row of the batch, forwards and backwards.
        overhead: Seconds of a step's loss and bookkeeping.
    """

    optimizers: Mapping[str, Linear]
    head_weight: float
    head_product: float
    overhead: float


@dataclass(frozen=True, slots=True)
class Profile:
    """What was measured of one network at one image size on one device.

    Attributes:
        device: The device's title and number of threads.
        calls: Names of the layers in the order in which they were called; a layer called twice stands twice.
        kinds: Their classes.
        seconds: precision -> one of :data:`PASS_KINDS` -> for each call, seconds for a batch.
        prepare: Seconds to turn a batch of bytes into the network's input.
        augment: Seconds for the same with mild and with full augmentation, instead.
        decode: Seconds to decode and resize one photograph, with all threads at work.
        separable: Whether the head can learn on features that were computed once.
        machine: What does not depend on the network.
        measured: When, in Unix seconds.
    """

    device: str
    calls: tuple[str, ...]
    kinds: tuple[str, ...]
    seconds: Mapping[str, Mapping[str, tuple[Linear, ...]]]
    prepare: Linear
    augment: Mapping[str, Linear]
    decode: float
    separable: bool
    machine: Machine
    measured: float

    def forward(self, anatomy: Anatomy, precision: str, batch: int) -> float:
        """Returns the seconds of a forward pass through the backbone in eval mode."""
        times = self.seconds[precision]["frozen"]
        return sum(times[index].at(batch) for index in self._present(anatomy))

    def step(self, anatomy: Anatomy, plan: FreezePlan, precision: str, batch: int) -> float:
        """Returns the seconds of the forward and backward pass through the backbone and its neck.

        Args:
            anatomy: The network's, with the head that learns.
            plan: What learns.
            precision: One of those measured.
            batch: Images.
        """
        work = _Work(self, anatomy, plan)
        return sum(work.seconds(precision, index, batch) for index in self._present(anatomy))

    def before(self, anatomy: Anatomy, plan: FreezePlan, precision: str, batch: int) -> float:
        """Returns the seconds of a forward pass through what lies before everything that learns."""
        times, first = self.seconds[precision]["frozen"], _Work(self, anatomy, plan).first
        return sum(times[index].at(batch) for index in self._present(anatomy) if index < first)

    def behind(self, anatomy: Anatomy, plan: FreezePlan, precision: str, batch: int, *, learns: bool) -> float:
        """Returns the seconds of a pass through the rest of backbone and neck, backwards too if it ``learns``."""
        work, times = _Work(self, anatomy, plan), self.seconds[precision]["frozen"]
        rest = [index for index in self._present(anatomy) if index >= work.first]
        return sum(work.seconds(precision, index, batch) if learns else times[index].at(batch) for index in rest)

    def trial(self, anatomy: Anatomy, plan: FreezePlan, precision: str, batch: int) -> float:
        """Returns the seconds of one pass in eval mode, by which the loop chooses the precision."""
        forward = self.forward(anatomy, precision, batch)
        if freeze.is_linear_probe(anatomy, plan) and self.separable:
            return forward
        work = _Work(self, anatomy, plan)
        return forward + sum(work.backward(precision, index, batch) for index in self._present(anatomy))

    def precision(self, anatomy: Anatomy, plan: FreezePlan, wanted: str, batch: int) -> str:
        """Returns the number format that the loop will compute in."""
        if wanted in self.seconds:
            return wanted
        if "bf16" not in self.seconds or "fp32" not in self.seconds:
            return next(iter(self.seconds))
        small = min(batch, MAX_IMAGES)
        times = {name: self.trial(anatomy, plan, name, small) for name in ("fp32", "bf16")}
        return "bf16" if times["bf16"] < CLEARLY_FASTER * times["fp32"] else "fp32"

    def head(self, anatomy: Anatomy, batch: int, *, learns: bool) -> float:
        """Returns the seconds of a pass through the head, backwards too if it ``learns``."""
        stage = anatomy.stages[-1]
        rows = batch * (anatomy.grid[0] * anatomy.grid[1] if anatomy.head_kind == "conv" else 1)
        weights = stage.parameters
        seconds = weights * (self.machine.head_weight + self.machine.head_product * rows)
        return seconds + self.machine.overhead if learns else seconds / 3

    def optimizer(self, anatomy: Anatomy, plan: FreezePlan, name: str) -> float:
        """Returns the seconds of an optimizer's step over what learns."""
        learning = freeze.learning(anatomy, plan)
        sizes = [
            size
            for stage in anatomy.stages
            for parameter, size in zip(stage.parameter_names, stage.parameter_sizes, strict=True)
            if parameter in learning
        ]
        cost = self.machine.optimizers.get(name) or self.machine.optimizers["adamw"]
        return cost.fixed * len(sizes) + cost.each * sum(sizes)

    def preparing(self, augment: AugmentSpec, batch: int) -> float:
        """Returns the seconds to make a batch of stored pixels ready."""
        if not augment.active:
            return self.prepare.at(batch)
        return self.augment["full" if augment.rotation or augment.color or augment.operations else "mild"].at(batch)

    def _present(self, anatomy: Anatomy) -> list[int]:
        """Returns the calls that the network with its new head makes before it."""
        layers = anatomy.layers_by_name
        inside = anatomy.head + "."
        return [
            index
            for index, (name, kind) in enumerate(zip(self.calls, self.kinds, strict=True))
            if name != anatomy.head and not name.startswith(inside) and name in layers and layers[name].kind == kind
        ]

    def to_dict(self) -> dict[str, Any]:
        """Returns the profile as what JSON knows."""
        return {
            "device": self.device,
            "calls": list(self.calls),
            "kinds": list(self.kinds),
            "seconds": {p: {kind: _pairs(rows) for kind, rows in t.items()} for p, t in self.seconds.items()},
            "prepare": _pairs([self.prepare])[0],
            "augment": {name: _pairs([cost])[0] for name, cost in self.augment.items()},
            "decode": self.decode,
            "separable": self.separable,
            "optimizers": {name: _pairs([cost])[0] for name, cost in self.machine.optimizers.items()},
            "head": [self.machine.head_weight, self.machine.head_product, self.machine.overhead],
            "measured": self.measured,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Profile:
        """Reads what :meth:`to_dict` returned.

        Raises:
            KeyError, TypeError, ValueError: It is none.
        """
        weight, product, overhead = map(float, record["head"])
        return cls(
            device=str(record["device"]),
            calls=tuple(record["calls"]),
            kinds=tuple(record["kinds"]),
            seconds={
                precision: {kind: tuple(Linear(*pair) for pair in times[kind]) for kind in PASS_KINDS}
                for precision, times in record["seconds"].items()
            },
            prepare=Linear(*record["prepare"]),
            augment={name: Linear(*pair) for name, pair in record["augment"].items()},
            decode=float(record["decode"]),
            separable=bool(record["separable"]),
            machine=Machine(
                {name: Linear(*pair) for name, pair in record["optimizers"].items()}, weight, product, overhead
            ),
            measured=float(record["measured"]),
        )


def _pairs(rows: Iterable[Linear]) -> list[list[float]]:
    return [[row.fixed, row.each] for row in rows]


class _Work:
    """What a plan needs of each call of a profile."""

    def __init__(self, profile: Profile, anatomy: Anatomy, plan: FreezePlan) -> None:
        self.profile, self.plan = profile, plan
        places: dict[str, int] = {}
        for index, name in enumerate(profile.calls):
            places.setdefault(name, index)
        self.own: set[str] = set()
        self.weights: set[str] = set()
        starts = [len(profile.calls)]
        for parameter in freeze.learning(anatomy, plan) - set(anatomy.stages[-1].parameter_names):
            owner = _owner(parameter, places)
            if owner in places:
                self.own.add(owner)
                if not parameter.endswith("bias"):
                    self.weights.add(owner)
                starts.append(places[owner])
            else:  # a parameter of a block itself: it learns from the block's first layer on
                inside = [index for name, index in places.items() if name.startswith(f"{owner}.") or not owner]
                starts.append(min(inside, default=len(profile.calls)))
        self.first = min(starts)

    def seconds(self, precision: str, index: int, batch: int) -> float:
        """Returns the seconds of one call, forwards and backwards."""
        name, kind = self.profile.calls[index], self.profile.kinds[index]
        if "BatchNorm" in kind:
            trains = name in self.own or self.plan.norm == "train"
        else:
            trains = index >= self.first
        times = self.profile.seconds[precision]["learning" if trains else "frozen"]
        return times[index].at(batch) + self.backward(precision, index, batch)

    def backward(self, precision: str, index: int, batch: int) -> float:
        """Returns the seconds of one call backwards."""
        if index < self.first:
            return 0.0
        times = self.profile.seconds[precision]
        whole, through = times["backward_all"][index].at(batch), times["backward_through"][index].at(batch)
        name, norm = self.profile.calls[index], "Norm" in self.profile.kinds[index]
        if name in self.own and (norm or name in self.weights):
            return whole if norm or index > self.first else max(0.0, whole - through)
        return through


def _owner(parameter: str, places: Mapping[str, int]) -> str:
    """Returns the innermost called layer that holds a parameter, else the module that owns it directly."""
    path = direct = parameter.rpartition(".")[0]
    while path and path not in places:
        path = path.rpartition(".")[0]
    return path or direct
