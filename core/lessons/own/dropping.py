"""Dropout before the last layer of one's own network: the same picture asked about many times, as while training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.errors import InputError
from core.interpret.forward import ask
from core.interpret.probe import Probe

if TYPE_CHECKING:
    from core.models.network import Network


@dataclass(frozen=True, slots=True)
class Redrawn:
    """What a network says of one picture while values before its last layer are dropped.

    Attributes:
        values: How many values reach the last layer.
        named: The class that the whole network names.
        whole: Its probability by the whole network.
        draws: Its probability in each draw.
        elsewhere: Draws in which another class is named.
        logit: The class's logit by the whole network.
        mean_logit: Its mean over the draws.
    """

    values: int
    named: int
    whole: float
    draws: tuple[float, ...]
    elsewhere: int
    logit: float
    mean_logit: float


def redraw(network: Network, x: Tensor, share: float, *, draws: int = 200, seed: int = 0) -> Redrawn:
    """Asks about a picture with another mask in every draw; the body runs once.

    Args:
        network: The network, in eval mode but for these values; it is left as it was.
        x: A normalised picture, 1xCxHxW.
        share: Share that is dropped, from 0 to below 1.
        draws: How many masks.
        seed: Seed of the masks.

    Raises:
        InputError: The share is out of range, or the network cannot be asked so.
    """
    if not 0 <= share < 1:
        raise InputError("The share is {share}; it goes from 0 to below 1.", share=share)
    count = 0

    def dropped(_module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        nonlocal count
        entered = given[0]
        count = entered[0].numel()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            masks = F.dropout(torch.ones(draws, *entered.shape[1:]), share)
        return torch.cat([entered, entered * masks.to(entered)]), *given[1:]

    with Probe(network) as probe:
        hook = probe.model.get_submodule(network.anatomy.head).register_forward_pre_hook(dropped)
        try:
            logits = ask(probe, network, x).double().cpu()
        finally:
            hook.remove()
    if len(logits) != draws + 1:
        raise InputError("What enters the last layer of {network} cannot be dropped.", network=network.name)
    shares, named = logits.softmax(1), int(logits[0].argmax())
    return Redrawn(
        count,
        named,
        float(shares[0, named]),
        tuple(shares[1:, named].tolist()),
        int((logits[1:].argmax(1) != named).sum()),
        float(logits[0, named]),
        float(logits[1:, named].mean()),
    )
