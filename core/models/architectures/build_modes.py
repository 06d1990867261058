"""Building networks without waste: as mere shapes, without initial values, or with seeded ones.

``torch.nn`` modules allocate and fill their parameters as they are made. The three contexts here change that for
the code they enclose, in the current thread alone, by a torch function mode: nothing global is patched, so two
threads of a server can build networks at the same time, and the global random state is neither read nor moved.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import init
from torch.overrides import TorchFunctionMode

_ALLOCATE = frozenset({torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn})
_FILL = frozenset({torch.Tensor.uniform_, torch.Tensor.normal_})
_DRAW = frozenset(
    {
        torch.Tensor.uniform_,
        torch.Tensor.normal_,
        torch.Tensor.bernoulli_,
        torch.Tensor.exponential_,
        torch.Tensor.random_,
        torch.rand,
        torch.randn,
        torch.randint,
        torch.randperm,
        torch.normal,
        torch.bernoulli,
    }
)
_INIT_MODULE = init.__name__


class Uninitialised(TorchFunctionMode):
    """Skips the random filling of new parameters, for networks whose values are loaded at once.

    Initialisers of ``torch.nn.init`` that announce themselves are skipped altogether. Inside the others, a draw gives
    the constant that is always within its distribution's bounds (the mean, the lower bound), for some draw again
    until they are.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        kwargs = kwargs or {}
        if func in _FILL:
            low = args[1] if len(args) > 1 else kwargs.get("mean", kwargs.get("from", 0.0))
            return args[0].fill_(low)
        if getattr(func, "__module__", None) == _INIT_MODULE:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


class OnMeta(Uninitialised):
    """Makes parameters as shapes on the ``meta`` device: no memory, no values.

    Unlike ``torch.device("meta")`` it leaves small tables that constructors compute with (``arange``, ``linspace``)
    on the CPU, so that networks which read numbers from them can be built too.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        kwargs = dict(kwargs or {})
        if func in _ALLOCATE:
            kwargs["device"] = "meta"
        return super().__torch_function__(func, types, args, kwargs)


class Seeded(TorchFunctionMode):
    """Draws every random number from a generator of its own.

    Args:
        seed: Seed of that generator; ``None`` for a seed from the operating system.
    """

    def __init__(self, seed: int | None) -> None:
        super().__init__()
        self.generator = torch.Generator()
        if seed is None:
            self.generator.seed()
        else:
            self.generator.manual_seed(seed)

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        kwargs = dict(kwargs or {})
        if func in _DRAW or (getattr(func, "__module__", None) == _INIT_MODULE and _takes_generator(func)):
            kwargs["generator"] = self.generator
        return func(*args, **kwargs)


def _takes_generator(func: Callable[..., Any]) -> bool:
    return "generator" in inspect.signature(func).parameters
