"""Whether what lies before a part of a network is what it was: in this training, or in another one of the process."""

from __future__ import annotations

import hashlib

import torch
from torch import nn

from core.models.network import Network


def digest_outside(model: nn.Module, part: nn.Module, place: str) -> str:
    """Returns a fingerprint of a network without one part: its modules, their settings, and every value in them.

    Args:
        model: The network.
        part: What is left out: a module of the network, or one that shares modules and tensors with it.
        place: Where the part begins.
    """
    found = hashlib.blake2b(place.encode(), digest_size=32)
    behind = {id(module) for module in part.modules()}
    for name, module in model.named_modules():
        if id(module) not in behind and next(module.children(), None) is None:
            found.update(f"\n{name}:{type(module).__qualname__}({module.extra_repr()})".encode())
    inside = {id(value) for value in (*part.parameters(), *part.buffers())}
    for name, value in (*model.named_parameters(), *model.named_buffers()):
        if id(value) not in inside:
            flat = value.detach().contiguous().cpu().flatten().view(torch.uint8)
            found.update(f"\n{name}:{value.dtype}{tuple(value.shape)}".encode())
            found.update(flat.numpy().data)
    return found.hexdigest()


class BeforeHead:
    """What lies before a network's head.

    Args:
        network: The network; its head stays the same module.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._versions: tuple[int, ...] | None = None
        self._digest = ""

    def stamp(self) -> str | None:
        """Returns a fingerprint of all that lies before the head; ``None`` where any of it learns, too.

        Values are read anew only where torch says that one was written.
        """
        model, name = self._network.model, self._network.anatomy.head
        head = model.get_submodule(name)
        own = {id(value) for value in head.parameters()}
        before = [value for value in model.parameters() if id(value) not in own]
        if any(value.requires_grad for value in before):
            return None
        versions = tuple(value._version for value in (*before, *model.buffers()))
        if versions != self._versions:
            self._digest, self._versions = digest_outside(model, head, name), versions
        return self._digest
