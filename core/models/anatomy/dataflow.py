"""Follows tensors through a forward pass: what each cell sees, what each layer multiplies, where paths meet.

:class:`Flow` sees every torch function that a network calls, whatever module calls it. Each tensor computed from the
image carries a :class:`~core.models.anatomy.receptive_field.Trail`; functions of one value at a time hand it on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from core.models.anatomy.macs import COUNTS
from core.models.anatomy.receptive_field import Shape, Trail
from core.models.anatomy.receptive_rules import RULES, Step, first, pointwise

if TYPE_CHECKING:
    from core.models.anatomy.call import Call

_KEY = "_backbone_lab_trail"
_GETTERS = frozenset({"T", "mT", "H", "mH", "data"})
_ADDS = ("add", "add_", "__add__", "__radd__", "__iadd__")
_MEETINGS = {**dict.fromkeys(_ADDS, "add"), **dict.fromkeys(("cat", "concat", "concatenate"), "concat")}
_VIEWS = _GETTERS.union(
    ("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "swapaxes", "swapdims"),
    ("movedim", "chunk", "split", "tensor_split", "unbind", "expand", "__getitem__", "contiguous"),
)
"""What hands values on without computing new ones."""
_FRESH = frozenset(("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like")).union(
    ("new_zeros", "new_ones", "new_empty", "new_full", "new_tensor")
)
"""What makes new values that have nothing to do with the image."""


def trail_of(value: object) -> Trail | None:
    """Returns how a tensor relates to the image; ``None`` for anything not computed from it."""
    return value.__dict__.get(_KEY) if isinstance(value, Tensor) else None


def begin_trail(images: Tensor) -> None:
    """Makes a tensor the image that trails begin at."""
    images.__dict__[_KEY] = Trail()


@dataclass(slots=True)
class Use:
    """What was done with the weights of a module that did not run itself, such as a projection inside attention.

    Attributes:
        entry: Shape of what met the weights.
        exit: Shape of what came out.
        trail: How that relates to the image.
        macs: Multiply-adds for one image.
        calls: How many times.
    """

    entry: Shape
    exit: Shape
    trail: Trail | None
    macs: int = 0
    calls: int = 0


class Flow(TorchFunctionMode):
    """Watches the functions of one forward pass.

    Args:
        owners: Name of the owning module of each parameter, by the parameter's ``id``.
        batch: Images in the pass.
        shapes_only: Answer normalisations with an empty tensor, which torch takes long to find out on ``meta``.

    Attributes:
        calls: The module calls that are open, the innermost last; kept by the tracer's hooks.
        uses: By module name, what was done with weights outside of their own module.
        functions_run: Counts the functions.
    """

    def __init__(self, owners: dict[int, str], batch: int, *, shapes_only: bool) -> None:
        super().__init__()
        self.owners = owners
        self.batch = batch
        self.shapes_only = shapes_only
        self.calls: list[Call] = []
        self.uses: dict[str, Use] = {}
        self.functions_run = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        kwargs = kwargs or {}
        output = self._output(func, args, kwargs)
        if isinstance(output, Tensor) or (type(output) in (tuple, list) and output and isinstance(output[0], Tensor)):
            name = func.__name__
            if name == "__get__":
                name = getattr(getattr(func, "__self__", None), "__name__", "")
                if name not in _GETTERS:
                    return output
            self._follow(name, args, kwargs, output)
        return output

    def _output(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever torch gives
        if self.shapes_only:
            if func is F.batch_norm:
                return torch.empty_like(args[0])
            if func is F.layer_norm and len(args) > 1 and args[0].shape[-len(args[1]) :] == tuple(args[1]):
                return torch.empty_like(args[0])
        return func(*args, **kwargs)

    def _follow(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor | Sequence[Any]) -> None:
        self.functions_run += 1
        inputs = [(tensor, trail) for tensor in _tensors(args, kwargs) if (trail := trail_of(tensor)) is not None]
        step = Step(name, args, kwargs, output, inputs)
        trail = None
        if inputs and name not in _FRESH:
            trail = RULES.get(name, pointwise)(step)
            if name not in _VIEWS:
                trail = replace(trail, born=self.functions_run)
            for tensor in (output,) if isinstance(output, Tensor) else output:
                if isinstance(tensor, Tensor):
                    tensor.__dict__[_KEY] = trail
            if name in _MEETINGS:
                self._meet(step)
        if name in COUNTS:
            self._count(step, trail)

    def _count(self, step: Step, trail: Trail | None) -> None:
        for macs, weight in COUNTS[step.name](step.args, step.kwargs, step.output):
            share = macs // self.batch if step.inputs else macs
            if not self.calls:
                continue
            call = self.calls[-1]
            owner = self.owners.get(id(weight)) if weight is not None else None
            if owner is None or owner == call.name:
                call.macs += share
            else:
                call.borrowed_macs += share
                entry, exit = step.args[0].shape, first(step.output).shape
                if step.name == "multi_head_attention_forward" and len(exit) == 3:
                    entry = exit = torch.Size((exit[1], exit[0], exit[2]))
                use = self.uses.setdefault(owner, Use((), (), None))
                use.entry, use.exit, use.trail = tuple(entry), tuple(exit), trail
                use.macs += share
                use.calls += 1

    def _meet(self, step: Step) -> None:
        """Notes a sum or a concatenation in which paths meet."""
        if not self.calls or len(step.inputs) < 2 or any(trail.uniform for _, trail in step.inputs):
            return
        births = [trail.born for _, trail in step.inputs]
        call = self.calls[-1]
        if _MEETINGS[step.name] == "add":
            if all(tensor.shape == step.output.shape for tensor, _ in step.inputs):
                call.merges.append(("add", 2, True))
        elif len(set(births)) > 1:
            call.merges.append(("concat", len(births), any(born <= call.began for born in births)))


def _tensors(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    found = []
    for value in (*args, *kwargs.values()) if kwargs else args:
        if isinstance(value, Tensor):
            found.append(value)
        elif type(value) in (tuple, list):
            found += [entry for entry in value if isinstance(entry, Tensor)]
    return found
