"""What a training step keeps in memory, found by rehearsing the step on tensors without contents.

The rehearsal runs the very network, forwards and backwards, with fake tensors: every operation allocates what it would
allocate, in the same number format, and a ledger notes what is alive. So what autograd saves, what a frozen part does
not save, and where the peak lies come from torch itself and not from rules about layers.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from threading import RLock
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from core.models import freeze, heads
from core.models.network import Network, outline
from core.specs import FreezePlan, ModelSpec
from core.training.optim.precision import autocast

OPTIMIZER_STATES = {"adamw": 2, "adam": 2, "sgd": 1, "rmsprop": 2}
"""Values that an optimizer keeps for each value that learns, with momentum."""
WITHOUT_MOMENTUM = {"sgd": 0, "rmsprop": 1}
"""The same where the momentum is 0."""
CPU = torch.device("cpu")
SIZE_PRIMES = (97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167, 173, 179, 181, 191, 193)
"""Images of a rehearsal: a prime that divides the size of no parameter, so that what it divides grows with the batch,
and one rehearsal gives the memory of every batch."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that training holds at the fullest moment of a step.

    Not counted are the libraries themselves (about 400 MB of a process, more with CUDA) and what kernels use inside.

    Attributes:
        parameters: Parameters and buffers.
        gradients: Of the parameters that learn.
        optimizer: What the optimizer remembers of them.
        activations: The batch, and what the forward pass keeps for the backward pass.
        workspace: What is alive beyond that at the fullest moment: gradients on their way, layers' in- and outputs.
        features: Features that were computed once, where the head alone learns on them.
        images: Decoded images; always in the computer's own memory.
    """

    parameters: int
    gradients: int
    optimizer: int
    activations: int
    workspace: int
    features: int = 0
    images: int = 0

    @property
    def step(self) -> int:
        """What the device must hold."""
        return self.parameters + self.gradients + self.optimizer + self.activations + self.workspace + self.features

    @property
    def total(self) -> int:
        """Everything, the decoded images too."""
        return self.step + self.images


class Rehearsal:
    """A network whose values are fake, to run steps on without memory or arithmetic.

    Args:
        network: Its model may lie on ``meta``; it is copied as shapes and left as it is.
    """

    def __init__(self, network: Network) -> None:
        self.anatomy, self.preprocessing = network.anatomy, network.preprocessing
        self.lock = RLock()
        self._known: dict[tuple[FreezePlan, str], _StepBytes] = {}
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)
        self.model = deepcopy(network.model).to("meta")
        with self.mode:
            for module in self.model.modules():
                for name, parameter in module.named_parameters(recurse=False):
                    module.register_parameter(name, nn.Parameter(_like(parameter)))
                for name, buffer in module.named_buffers(recurse=False):
                    module.register_buffer(name, _like(buffer), persistent=False)
        sizes = [value.numel() for value in (*self.model.parameters(), *self.model.buffers()) if value.numel()]
        self.batch = next(prime for prime in SIZE_PRIMES if all(size % prime for size in sizes))

    def memory(
        self,
        plan: FreezePlan,
        batch_size: int,
        *,
        precision: str = "fp32",
        optimizer: str = "adamw",
        momentum: float = 0.9,
        device_type: str = "cpu",
    ) -> Memory:
        """Finds what one step of a phase holds, as :mod:`core.training.loop.trainer` carries it out.

        Args:
            plan: What learns.
            batch_size: Images a step.
            precision: ``fp32`` or ``bf16``.
            optimizer: One of :data:`core.specs.OPTIMIZERS`.
            momentum: For SGD and RMSprop.
            device_type: Where it will run; on CUDA the optimizer works on all tensors at once.

        Raises:
            InputError: The plan does not fit the network.
        """
        with self.lock:
            key = (plan, precision)
            if key not in self._known:
                self._known[key] = self._rehearse(plan, precision)
            rehearsed = self._known[key]
        live = rehearsed.fixed + batch_size * rehearsed.each
        activations = int(live[rehearsed.forward_end])
        copies = (OPTIMIZER_STATES if momentum else WITHOUT_MOMENTUM | {"adamw": 2, "adam": 2}).get(optimizer, 2)
        # what the optimizer's own arithmetic needs
        apart = rehearsed.gradients if device_type == "cuda" else rehearsed.largest
        beyond = max(int(live.max()), apart) - activations
        return Memory(
            parameters=rehearsed.parameters,
            gradients=rehearsed.gradients,
            optimizer=copies * rehearsed.gradients,
            activations=activations,
            workspace=max(0, beyond),
        )

    def _rehearse(self, plan: FreezePlan, precision: str) -> _StepBytes:
        learning = freeze.learning(self.anatomy, plan)
        freeze.apply(self.model, self.anatomy, plan)
        freeze.set_train_mode(self.model, self.anatomy, plan)
        values = dict(self.model.named_parameters())
        sizes = [_bytes(values[name]) for name in learning if name in values]
        standing = sum(_bytes(value) for value in (*values.values(), *self.model.buffers()))
        try:
            ledger, forward_end = self._step(plan, precision)
        finally:
            self.model.zero_grad(set_to_none=True)
        changes = np.array(ledger.changes, dtype=np.int64)
        scales = changes % self.batch == 0
        each = np.cumsum(np.where(scales, changes // self.batch, 0))
        return _StepBytes(standing, sum(sizes), max(sizes), forward_end, np.cumsum(np.where(scales, 0, changes)), each)

    def _step(self, plan: FreezePlan, precision: str) -> tuple[_Ledger, int]:
        """Runs one step; returns its ledger, which begins behind parameters and gradients, and the forward pass's end.

        The gradients of the step before are there until the forward pass has ended, as in the loop.
        """
        prep = self.preprocessing
        with self.mode, _Ledger() as ledger:
            for value in (*self.model.parameters(), *self.model.buffers()):
                ledger.enter(value)
            for parameter in self.model.parameters():
                if parameter.requires_grad:
                    parameter.grad = torch.empty_like(parameter)
            ledger.changes.clear()
            images = _like(torch.empty(self.batch, prep.channels, prep.crop, prep.crop, device="meta"))
            labels = torch.zeros(self.batch, dtype=torch.long, device="cpu")
            loss = F.cross_entropy(logits := self._logits(plan, images, precision), labels)
            forward_end = len(ledger.changes) - 1
            self.model.zero_grad(set_to_none=True)
            loss.backward()
            del logits
            return ledger, forward_end

    def _logits(self, plan: FreezePlan, images: Tensor, precision: str) -> Tensor:
        """Returns logits as the loop's batch sources do: of the whole network, or of features without a graph."""
        if not freeze.is_linear_probe(self.anatomy, plan):
            with autocast(CPU, precision):
                return self.model(images).float()
        with torch.no_grad(), autocast(CPU, precision):
            features = heads.head_input(self.model, self.anatomy, images).float()
        logits: Tensor = self.model.get_submodule(self.anatomy.head)(features)
        return logits.flatten(2).mean(2) if logits.ndim == 4 else logits


@lru_cache(maxsize=6)
def rehearsal_of(spec: ModelSpec, classes: int) -> Rehearsal:
    """Returns the rehearsal of the network that ``spec`` describes; nothing is downloaded."""
    return Rehearsal(outline(spec, tuple(str(number) for number in range(classes))))


@lru_cache(maxsize=512)
def memory_of(
    spec: ModelSpec,
    classes: int,
    plan: FreezePlan,
    batch_size: int,
    *,
    precision: str = "fp32",
    optimizer: str = "adamw",
    momentum: float = 0.9,
    device_type: str = "cpu",
) -> Memory:
    """Returns :meth:`Rehearsal.memory` of the network that ``spec`` describes; the same is rehearsed once."""
    return rehearsal_of(spec, classes).memory(
        plan, batch_size, precision=precision, optimizer=optimizer, momentum=momentum, device_type=device_type
    )


def _like(value: Tensor) -> Tensor:
    """Returns an empty tensor of the same shape on the CPU, 4-D ones in channels_last, as the engine keeps them."""
    form = torch.channels_last if value.ndim == 4 else torch.contiguous_format
    return torch.empty(value.shape, dtype=value.dtype, device="cpu", memory_format=form)


def _bytes(value: Tensor) -> int:
    return value.numel() * value.element_size()


def _norm(images: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    training = rest[4]
    saved = torch.empty(images.shape[1] if training else 0, dtype=torch.float32, device="cpu")
    return torch.empty_like(images), saved, torch.empty_like(saved)


def _norm_backward(_gradient: Tensor, images: Tensor, *rest: Any) -> tuple[Tensor | None, ...]:
    wanted = rest[-1]
    size = images.shape[1]
    return (
        torch.empty_like(images) if wanted[0] else None,
        torch.empty(size, dtype=torch.float32, device="cpu") if wanted[1] else None,
        torch.empty(size, dtype=torch.float32, device="cpu") if wanted[2] else None,
    )


_SHORTCUTS: dict[Any, Callable[..., Any]] = {
    torch.ops.aten.native_batch_norm.default: _norm,
    torch.ops.aten.native_batch_norm_backward.default: _norm_backward,
}
"""Operations whose shapes torch takes long to find out, and what they give."""


@dataclass(frozen=True, slots=True, eq=False)
class _StepBytes:
    """What a rehearsed step holds, in bytes.

    Attributes:
        parameters: With the buffers.
        gradients: Of what learns.
        largest: The largest of these gradients.
        forward_end: Index of the moment at which the forward pass has ended.
        fixed: At each moment, what lives beyond parameters and gradients and does not depend on the batch.
        each: Likewise, for each image of the batch.
    """

    parameters: int
    gradients: int
    largest: int
    forward_end: int
    fixed: np.ndarray
    each: np.ndarray


class _Ledger(TorchDispatchMode):
    """Notes every storage that operations make, when it comes and when it goes.

    Attributes:
        changes: Bytes that came (positive) and went, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[int] = []
        self._known: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def enter(self, tensor: Tensor) -> None:
        """Counts a tensor's storage, unless it is counted already."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return

        def gone(_: weakref.ref[torch.UntypedStorage]) -> None:
            self.changes.append(-size)
            del self._known[key]

        self._known[key] = weakref.ref(storage, gone)
        self.changes.append(size)

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        shortcut = _SHORTCUTS.get(func)
        result = func(*args, **(kwargs or {})) if shortcut is None else shortcut(*args)
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, Tensor):
                self.enter(value)
        return result
