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

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from core.models import freeze, heads
from core.models.network import Network, outline
from core.specs import FreezePlan, ModelSpec
from core.training.precision import autocast

STATES = {"adamw": 2, "adam": 2, "sgd": 1, "rmsprop": 2}
"""Values that an optimizer keeps for each value that learns, with momentum."""
WITHOUT_MOMENTUM = {"sgd": 0, "rmsprop": 1}
"""The same where the momentum is 0."""
CPU = torch.device("cpu")


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
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)
        self.model = deepcopy(network.model).to("meta")
        with self.mode:
            for module in self.model.modules():
                for name, parameter in module.named_parameters(recurse=False):
                    module.register_parameter(name, nn.Parameter(_like(parameter)))
                for name, buffer in module.named_buffers(recurse=False):
                    module.register_buffer(name, _like(buffer), persistent=False)

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
        """Finds what one step of a phase holds, as :mod:`core.training.engine` carries it out.

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
        learning = freeze.learning(self.anatomy, plan)
        with self.lock:
            freeze.apply(self.model, self.anatomy, plan)
            freeze.set_train_mode(self.model, self.anatomy, plan)
            try:
                standing, activations, peak = self._step(plan, batch_size, precision)
                found = dict(self.model.named_parameters())
                sizes = [_bytes(found[name]) for name in learning if name in found]
            finally:
                self.model.zero_grad(set_to_none=True)
        gradients = sum(sizes)
        copies = (STATES if momentum else WITHOUT_MOMENTUM | {"adamw": 2, "adam": 2})[optimizer]
        apart = gradients if device_type == "cuda" else max(sizes)  # what the optimizer's own arithmetic needs
        peak = max(peak, standing + gradients + apart)
        return Memory(
            parameters=standing,
            gradients=gradients,
            optimizer=copies * gradients,
            activations=activations,
            workspace=peak - standing - gradients - activations,
        )

    def _step(self, plan: FreezePlan, batch_size: int, precision: str) -> tuple[int, int, int]:
        """Runs one step; returns the bytes that stand, that the forward pass leaves, and the most of all moments.

        The gradients of the step before are there until the forward pass has ended, as in the loop.
        """
        prep = self.preprocessing
        with self.mode, _Ledger() as ledger:
            for value in (*self.model.parameters(), *self.model.buffers()):
                ledger.enter(value)
            standing = ledger.live
            for parameter in self.model.parameters():
                if parameter.requires_grad:
                    parameter.grad = torch.empty_like(parameter)
            before = ledger.live
            images = _like(torch.empty(batch_size, prep.channels, prep.crop, prep.crop, device="meta"))
            labels = torch.zeros(batch_size, dtype=torch.long, device="cpu")
            logits = self._logits(plan, images, precision)
            loss = F.cross_entropy(logits, labels)
            activations = ledger.live - before
            self.model.zero_grad(set_to_none=True)
            loss.backward()
            return standing, activations, ledger.peak

    def _logits(self, plan: FreezePlan, images: Tensor, precision: str) -> Tensor:
        """Returns logits as the engine's feeds do: of the whole network, or of features without a graph."""
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


class _Ledger(TorchDispatchMode):
    """Notes the size of every storage that an operation makes, for as long as it lives.

    Attributes:
        live: Bytes alive now.
        peak: The most that were alive at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def enter(self, tensor: Tensor) -> None:
        """Counts a tensor's storage, unless it is counted already."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return

        def gone(_: weakref.ref[torch.UntypedStorage]) -> None:
            self.live -= size
            del self._known[key]

        self._known[key] = weakref.ref(storage, gone)
        self.live += size
        self.peak = max(self.peak, self.live)

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in (result,) if isinstance(result, Tensor) else tree_leaves(result):
            if isinstance(value, Tensor):
                self.enter(value)
        return result
