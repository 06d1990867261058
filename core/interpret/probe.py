"""Looks inside a network and leaves it exactly as it was."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from core.errors import InputError
from core.interpret.layout import unknown_layer
from core.models.anatomy.examine import Anatomy
from core.models.modes import end_after, eval_mode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.models.network import Network

_LOCKS: weakref.WeakKeyDictionary[nn.Module, threading.RLock] = weakref.WeakKeyDictionary()
_LOCKS_GUARD = threading.Lock()


class Probe(AbstractContextManager["Probe"]):
    """Opens a network for inspection: eval mode, one thread at a time, hooks on the layers named.

    Inside the ``with`` block no parameter requires grad, so that no graph is built through the weights and no
    ``.grad`` is ever written. On leaving, also by an exception, every training flag and every ``requires_grad`` is put
    back and every hook is gone. Probes of one network wait for one another; one thread may nest them.

    Args:
        network: A :class:`core.models.network.Network`, or any module.
        layers: Names of the modules whose outputs are kept, as ``model.named_modules()`` spells them.
        start: Name of the layer at which autograd's graph begins. Its kept output is a leaf that requires grad, and
            nothing below it is recorded: gradients with respect to it cost only the way back from the logits, on
            fully frozen networks too. Of several, each that depends on none of the others begins it, and the kept
            outputs of all are parts of the graph.
        grad: Whether autograd records at all; ``None`` to record only if ``start`` is given. Set it to make the input
            the start instead.

    Attributes:
        model: The module that is looked into.
        outputs: Name -> copy of what the layer gave out in the last forward pass, batch first. A module that is called
            several times in one pass keeps its last call, one that gives a tuple its first tensor, and one that gives
            no tensor is missing.

    Raises:
        InputError: A layer does not exist.

    Example:
        >>> with Probe(network, ["layer1", "layer4"]) as probe:
        ...     logits = probe(x)
        >>> probe.outputs["layer4"].shape
        torch.Size([1, 512, 7, 7])
    """

    def __init__(
        self,
        network: Network | nn.Module,
        layers: Sequence[str] = (),
        *,
        start: str | Sequence[str] | None = None,
        grad: bool | None = None,
    ) -> None:
        self.model = model_of(network)
        self.outputs: dict[str, Tensor] = {}
        self._lock = lock_of(network)
        self._starts = frozenset((start,) if isinstance(start, str) else start or ())
        self._grad = bool(self._starts) if grad is None else grad
        self._names = tuple(dict.fromkeys((*layers, *self._starts)))
        self._stack = ExitStack()
        known = dict(self.model.named_modules())
        for name in self._names:
            if name not in known:
                raise unknown_layer(name, [n for n in known if n])
        self._modules = {name: known[name] for name in self._names}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._lock)
            stack.enter_context(eval_mode(self.model))
            stack.callback(_put_back, [(p, p.requires_grad) for p in self.model.parameters()])
            for parameter in self.model.parameters():
                parameter.requires_grad_(False)
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.set_grad_enabled(self._grad))
            for name, module in self._modules.items():
                stack.callback(module.register_forward_hook(self._output_hook(name)).remove)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def __call__(self, x: Tensor) -> Tensor:
        """Runs the network.

        Args:
            x: Normalised images, BxCxHxW, on any device.

        Returns:
            The logits, BxN, on the network's device.
        """
        self.outputs.clear()
        return logits_of(self.model(x.to(device_of(self.model))))

    def _output_hook(self, name: str) -> Callable[..., Any]:
        def store(_module: nn.Module, _inputs: object, output: Tensor | tuple[Any, ...]) -> object:
            self.outputs.pop(name, None)
            several = type(output) is tuple and bool(output)  # attention gives its output and, or not, its weights
            tensor = output[0] if several else output
            if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
                return None
            if name not in self._starts:
                self.outputs[name] = tensor.detach().clone()
                return None
            linked = tensor.requires_grad and len(self._starts) > 1
            copy = tensor.clone() if linked else tensor.detach().clone().requires_grad_()
            self.outputs[name] = copy
            handed_on = copy.clone()  # what follows may work in place, which a leaf does not allow
            return (handed_on, *output[1:]) if several else handed_on

        return store


def model_of(network: Network | nn.Module) -> nn.Module:
    """Returns the module of a network, or the module itself."""
    return network if isinstance(network, nn.Module) else network.model


def lock_of(network: Network | nn.Module) -> AbstractContextManager[Any]:
    """Returns the re-entrant lock that guards a network; a bare module has one of its own for as long as it lives."""
    if not isinstance(network, nn.Module):
        return network.lock
    with _LOCKS_GUARD:
        return _LOCKS.setdefault(network, threading.RLock())


def device_of(model: nn.Module) -> torch.device:
    """Returns the device of a model's first parameter or buffer, the CPU where it has none."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def dtype_of(model: nn.Module) -> torch.dtype:
    """Returns the kind of numbers of a model's first weights, float32 where it has none."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


def logits_of(output: object) -> Tensor:
    """Returns the logits out of what a classifier gives: a tensor, or a tuple that begins with it.

    Raises:
        InputError: The network gives neither.
    """
    first = output[0] if isinstance(output, tuple | list) and output else output
    if not isinstance(first, Tensor) or first.ndim != 2:
        raise InputError(
            "The network gives {kind}, not one row of class scores an image. Choose a classifier.",
            kind=f"a tensor of shape {tuple(first.shape)}" if isinstance(first, Tensor) else type(first).__name__,
        )
    return first


def _put_back(grads: list[tuple[nn.Parameter, bool]]) -> None:
    for parameter, requires_grad in grads:
        parameter.requires_grad_(requires_grad)


def reach(probe: Probe, x: Tensor, layers: Iterable[str], anatomy: Anatomy) -> None:
    """Runs a network until its layers have answered, each for the last of its calls.

    Args:
        probe: An open probe that keeps these layers.
        x: Normalised images, BxCxHxW.
        layers: Names of the layers.
        anatomy: The network's anatomy, which knows how often each layer runs.
    """
    calls = {name: anatomy.layer(name).calls for name in layers}
    if calls:
        with end_after(probe.model, calls):
            probe(x)


def probabilities(network: Network | nn.Module, x: Tensor) -> NDArray[np.float32]:
    """Returns what a network answers: class probabilities NxK, the softmax of its logits in eval mode.

    Args:
        network: A :class:`core.models.network.Network`, or any classifier.
        x: Normalised images, NxCxHxW. Damaged weights answer with values that are no numbers.
    """
    with Probe(network) as probe:
        found: NDArray[np.float32] = probe(x).float().softmax(1).cpu().numpy()
    return found
