"""The frozen part of a network taken apart from what learns, at any point of its forward pass.

Whatever lies before the first thing that learns gives the same features in every epoch. :func:`find_split` looks for
the latest such point. The part before it is the network's own forward pass, ended early. The part behind it is
recorded: the forward pass runs once more, and from the split on it is given a stand-in that writes down what is done
with it (torch.fx), whole modules wherever they do not hold the split. Nothing is promised that was not compared with
the network.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import GraphAppendingTracer, Proxy

from core.models import freeze, heads
from core.models.anatomy.examine import Anatomy
from core.models.anatomy.trace import input_channels
from core.models.before_head import digest_outside
from core.models.modes import eval_mode, forward_to
from core.specs import FreezePlan

MAX_TRIES = 8
"""Points that are tried, the latest first, before the network is left in one piece."""
RECORDED_IMAGES, COMPARED_IMAGES = 1, 2
"""Images by which the part behind the split is recorded and then compared: two numbers, so that none is built in."""
MAX_PARAMETERS, MAX_VALUES = 24, 100_000
"""Parameters whose gradients are compared, at most, and values that each has at most."""
_MODELESS = ("pooling", "padding", "flatten", "activation")
"""Modules of ``torch.nn.modules`` whose classes do in train mode what they do in eval mode ..."""
_MODELESS_BUT = (nn.RReLU, nn.MultiheadAttention)
"""... but for these."""
TOLERANCE = 1e-4
"""Largest difference from the network's own logits and gradients, as a share of the largest value."""


@dataclass(frozen=True, slots=True)
class BackboneSplit:
    """A point of the forward pass before which everything is frozen.

    Attributes:
        stage: The last stage that lies wholly before it.
        place: The module whose output (for the head: whose input) is handed over, and which of its calls it is.
        suffix: From the features to the logits; it shares its modules and parameters with the network.
        whole: Whether features are handed over in float32, whatever the network computes in: before the head.
    """

    stage: str
    place: str
    suffix: nn.Module
    whole: bool
    _model: nn.Module = field(repr=False)
    _until: Callable[[Tensor], Tensor] = field(repr=False)

    @torch.no_grad()
    def prefix(self, images: Tensor) -> Tensor:
        """Returns the features of images ``B x C x H x W`` without a graph; autocast is the caller's."""
        features = self._until(images)
        return features.float() if self.whole else features

    def digest(self) -> str:
        """Returns a fingerprint of the part before the split, see :func:`core.models.before_head.digest_outside`."""
        return digest_outside(self._model, self.suffix, self.place)


def expected_stage(anatomy: Anatomy, plan: FreezePlan) -> str | None:
    """Returns the last stage that lies before everything that learns, as far as the anatomy alone shows.

    Args:
        anatomy: The network's anatomy.
        plan: What learns. Where frozen BatchNorm layers train their statistics, nothing stays the same.
    """
    found = None
    if plan.norm == "eval" or not any("BatchNorm" in layer.kind for layer in anatomy.layers):
        for name, state in freeze.stage_state(anatomy, plan).items():
            if state != "frozen":
                break
            found = name
    return found


def find_split(model: nn.Module, anatomy: Anatomy, plan: FreezePlan) -> BackboneSplit | None:
    """Returns the latest point of the forward pass before which nothing learns.

    ``suffix(prefix(x))`` equals ``model(x)``, and so do the gradients of what learns; both are tried on random images
    before they are promised. Hooks, modes and gradients are left as they were, and torch's global generator is not
    used.

    Args:
        model: The network, on its device; the plan is applied to it, flags (:func:`core.models.freeze.apply`) and modes
            (:func:`core.models.freeze.set_train_mode`).
        anatomy: Its anatomy.
        plan: What learns.

    Returns:
        The split; ``None`` if not even one stage lies before what learns, or the network cannot be taken apart there.
    """
    if expected_stage(anatomy, plan) is None:
        return None
    if freeze.is_linear_probe(anatomy, plan) and (tail := heads.tail(model, anatomy)) is not None:
        stage = anatomy.stages[-2].name
        until = partial(heads.head_input, model, anatomy)
        return BackboneSplit(stage, f"{anatomy.head} input", tail, True, model, until)
    constant = {name for name, module in model.named_modules() if _is_constant(module)}
    recorder = _Recorder(model, anatomy)
    with eval_mode(model):
        for point in recorder.points(constant)[: -MAX_TRIES - 1 : -1]:
            # whatever a network of one's own may raise on a stand-in only means that this is no place to split
            with suppress(Exception):
                suffix = recorder.record(point)
                last = _last_before(anatomy, suffix)
                if last is None:
                    return None
                until = partial(forward_to, model, layer=point.name, calls=point.nth + 1)
                split = BackboneSplit(last, f"{point.name} {point.nth}", suffix, False, model, until)
                if recorder.matches(split):
                    return split
    return None


def _is_constant(module: nn.Module) -> bool:
    """Whether a module gives the same for the same input throughout a phase."""
    moving = any(inner.training and not _is_modeless(inner) for inner in module.modules())
    return not moving and not any(parameter.requires_grad for parameter in module.parameters())


def _is_modeless(module: nn.Module) -> bool:
    """Whether a module takes no note of its mode."""
    home, _, name = type(module).__module__.rpartition(".")
    return home == "torch.nn.modules" and name in _MODELESS and not isinstance(module, _MODELESS_BUT)


def _last_before(anatomy: Anatomy, suffix: nn.Module) -> str | None:
    """Returns the last stage of which the suffix holds nothing."""
    behind, found = {name for name, _ in suffix.named_parameters()}, None
    for stage in anatomy.stages:
        if behind.intersection(stage.parameter_names):
            break
        found = stage.name
    return found


@dataclass(slots=True, eq=False)
class _Point:
    """A call of a module.

    Attributes:
        name: The module's.
        nth: Which of its calls in a pass, from 0.
        around: Names of the modules that are at work while it runs, the network's first.
        inside: The calls made in it, in order.
    """

    name: str
    nth: int
    around: tuple[str, ...]
    inside: list[_Point] = field(default_factory=list)


@contextmanager
def _diverted(model: nn.Module, divert: Callable[[str, nn.Module], Callable[..., Any]]) -> Iterator[None]:
    """Lets every call of a module do something else, past its hooks, on these instances only."""
    modules = dict(model.named_modules())
    try:
        for name, module in modules.items():
            module.__dict__["_call_impl"] = divert(name, module)
        yield
    finally:
        for module in modules.values():
            module.__dict__.pop("_call_impl", None)


class _Tracer(GraphAppendingTracer):
    """Writes down what is done with a stand-in; of other tensors it knows the network's own alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(fx.Graph())
        self._names = {id(value): name for name, value in (*model.named_parameters(), *model.named_buffers())}

    def create_arg(self, a: Any) -> fx.node.Argument:  # noqa: ANN401 - as in the class it extends
        """Makes an argument one of the graph.

        Raises:
            NotImplementedError: It is a tensor that was computed before the split.
        """
        if isinstance(a, Tensor):
            if id(a) not in self._names:
                raise NotImplementedError("more than one tensor goes across the split")
            return self.create_node("get_attr", self._names[id(a)], (), {})
        return super().create_arg(a)


class _Recorder:
    """Finds the points of a network's forward pass, and records what lies behind one."""

    def __init__(self, model: nn.Module, anatomy: Anatomy) -> None:
        self.model = model
        place = next(model.parameters())
        self._generator = torch.Generator().manual_seed(0)
        shape = (COMPARED_IMAGES, input_channels(model), anatomy.input_size, anatomy.input_size)
        images = torch.randn(shape, generator=self._generator).to(place.device, place.dtype)
        self._images = images.contiguous(memory_format=torch.channels_last)

    def points(self, constant: Collection[str]) -> list[_Point]:
        """Returns the calls that are over before anything learns, those inside of which one must look left out."""
        root = _Point("", 0, ())
        open_calls: list[_Point] = []
        counts: dict[str, int] = {}

        def divert(name: str, module: nn.Module) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> object:
                nth = counts[name] = counts.get(name, -1) + 1
                point = _Point(name, nth, tuple(outer.name for outer in open_calls)) if open_calls else root
                if open_calls:
                    open_calls[-1].inside.append(point)
                open_calls.append(point)
                try:
                    return module.forward(*args, **kwargs)
                finally:
                    open_calls.pop()

            return call

        with _diverted(self.model, divert), torch.no_grad():
            self.model(self._images[:RECORDED_IMAGES])
        found: list[_Point] = []
        _gather(root, constant, found)
        return found

    def record(self, point: _Point) -> nn.Module:
        """Returns the part behind a point.

        Raises:
            Exception: Anything; then there can be no split at the point.
        """
        tracer, counts = _Tracer(self.model), 0

        def divert(name: str, module: nn.Module) -> Callable[..., Any]:
            if name in point.around:
                return module.forward

            def call(*args: Any, **kwargs: Any) -> object:
                nonlocal counts
                if any(isinstance(value, Proxy) for value in (*args, *kwargs.values())):
                    return tracer.create_proxy("call_module", name, args, kwargs)
                output = module.forward(*args, **kwargs)
                if name == point.name:
                    counts += 1
                    if counts == point.nth + 1:
                        return tracer.create_proxy("placeholder", "features", (), {})
                return output

            return call

        with _diverted(self.model, divert), torch.no_grad():
            logits = self.model(self._images[:RECORDED_IMAGES])
        tracer.graph.output(tracer.create_arg(logits))
        tracer.graph.lint()
        if not isinstance(logits, Proxy):
            raise TypeError("the logits do not depend on the features")
        return fx.GraphModule(self.model, tracer.graph, "Suffix").eval()

    def matches(self, split: BackboneSplit) -> bool:
        """Whether both parts together do what the network does, forwards and backwards."""
        own, handed = self.model(self._images), split.prefix(self._images)
        if handed.requires_grad or len(handed) != len(self._images):
            return False
        ours = split.suffix(handed)
        if ours.shape != own.shape or not _close(ours, own):
            return False
        chosen = self._chosen(split.suffix)
        weights = torch.randn(own.shape, generator=self._generator).to(own)
        wanted, found = (
            torch.autograd.grad((logits * weights).sum(), chosen, allow_unused=True) for logits in (own, ours)
        )
        return all(
            (a is None) == (b is None) and (a is None or b is None or _close(b, a))
            for a, b in zip(wanted, found, strict=True)
        )

    def _chosen(self, suffix: nn.Module) -> list[nn.Parameter]:
        """Returns learning parameters to compare: the first, some all over the suffix, and any that it does not hold.

        Large ones take long, and show no more of the way that gradients go.
        """
        behind = {id(parameter) for parameter in suffix.parameters()}
        learning = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        small = [parameter for parameter in learning if parameter.numel() <= MAX_VALUES and id(parameter) in behind]
        missing = [parameter for parameter in learning if id(parameter) not in behind]
        return [learning[0], *small[:: -(-len(small) // MAX_PARAMETERS) or 1], *missing]


def _gather(call: _Point, constant: Collection[str], found: list[_Point]) -> bool:
    """Collects the calls inside one that are over before anything learns; returns whether all of them are."""
    for inner in call.inside:
        if inner.name in constant:
            found.append(inner)
        elif not (inner.inside and _gather(inner, constant, found)):
            return False
    return bool(call.inside)


def _close(found: Tensor, wanted: Tensor) -> bool:
    found, wanted = found.detach(), wanted.detach()
    scale = max(float(wanted.abs().max()), 1e-6) if wanted.numel() else 1.0
    return torch.allclose(found, wanted, rtol=0.0, atol=TOLERANCE * scale)
