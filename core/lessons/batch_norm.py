"""Batch norm and dropout: what they do while training, what afterwards, and what moves in a layer that is "frozen"."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from core.errors import InputError
from core.messages import Progress

if TYPE_CHECKING:
    from core.models.network import Network


@dataclass(frozen=True, slots=True)
class Normed:
    """One channel of a batch under batch norm.

    Attributes:
        mean: Mean of the batch.
        variance: Its variance, over n.
        training: What the layer gives while training: by the batch's own figures.
        running_mean: The kept mean after this batch.
        running_variance: The kept variance after it; torch keeps the one over n - 1.
        evaluating: What the layer gives afterwards, by the kept figures.
    """

    mean: float
    variance: float
    training: tuple[float, ...]
    running_mean: float
    running_variance: float
    evaluating: tuple[float, ...]


def norm(
    values: Sequence[float], *, scale: float = 1.0, shift: float = 0.0, momentum: float = 0.1, batches: int = 1
) -> Normed:
    """Sends the same batch of one channel through torch's batch norm some times, then judges it.

    Args:
        values: The channel's values in the batch, at least two.
        scale: The layer's weight.
        shift: The layer's bias.
        momentum: Share of the new batch in the kept figures.
        batches: How often the batch is seen while training.

    Raises:
        InputError: There are fewer than two values, or a setting is out of range.
    """
    if len(values) < 2:
        raise InputError("Batch norm needs at least two values a channel while training: one alone has no deviation.")
    if not 0 < momentum <= 1 or not 1 <= batches <= 1000:
        raise InputError("The momentum is above 0 and at most 1, and there are 1 to 1,000 batches.")
    layer = nn.BatchNorm1d(1, momentum=momentum).double()
    with torch.no_grad():
        layer.weight.fill_(scale)
        layer.bias.fill_(shift)
        x = torch.tensor(list(values), dtype=torch.float64)[:, None]
        for _batch in range(batches):
            trained = layer(x)
        layer.eval()
        judged = layer(x)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    return Normed(
        float(x.mean()),
        float(x.var(correction=0)),
        tuple(trained.flatten().tolist()),
        float(layer.running_mean),
        float(layer.running_var),
        tuple(judged.flatten().tolist()),
    )


@dataclass(frozen=True, slots=True)
class Moved:
    """What a "frozen" network did while pictures went through it in training mode.

    Attributes:
        layers: Number of its batch norms.
        weights: Whether any weight or bias changed.
        statistics: Largest move of a kept mean, in kept deviations, after each batch.
        agreement: Whether the class that the network names is still the same.
        before: Its probability before.
        after: The same class's probability after.
        left_behind: The same class's probability in a new network that got all parameters and no kept figures.
        renamed: The class that this one names.
    """

    layers: int
    weights: bool
    statistics: tuple[float, ...]
    agreement: bool
    before: float
    after: float
    left_behind: float
    renamed: int


def train_mode(network: Network, images: Tensor, *, batches: int = 5, progress: Progress | None = None) -> Moved:
    """Sends pictures through a copy of a network in training mode, without a single step of an optimizer.

    Args:
        network: The network; a copy is asked, with every parameter frozen.
        images: Normalised pictures, BxCxHxW, at least two.
        batches: How often they go through.
        progress: Called with the number of batches that went through, and of all; what it raises ends the work.

    Raises:
        InputError: The network has no batch norm that keeps figures, or there are fewer than two pictures.
    """
    if len(images) < 2:
        raise InputError("Batch norm needs at least two pictures while training.")
    with network.lock:
        model = copy.deepcopy(network.model).cpu()
    model.requires_grad_(False)
    norms = [m for m in model.modules() if isinstance(getattr(m, "running_mean", None), Tensor)]
    if not norms:
        raise InputError("The network {network} has no batch norm that keeps figures.", network=network.name)
    first = [(m.running_mean.clone(), m.running_var.sqrt().clamp_min(1e-6)) for m in norms]  # type: ignore[operator]
    weights = [p.clone() for p in model.parameters()]
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # what is dropped in training mode is drawn
        before = model.eval()(images[:1]).softmax(1)[0]
        moves = []
        for batch in range(batches):
            if progress is not None:
                progress(batch, batches)
            model.train()(images)
            moves.append(
                max(
                    float(((m.running_mean - mean) / deviation).abs().max())  # type: ignore[operator]
                    for m, (mean, deviation) in zip(norms, first, strict=True)
                )
            )
        after = model.eval()(images[:1]).softmax(1)[0]
        for m in norms:  # as they are in a new network
            m.running_mean.zero_()  # type: ignore[operator]
            m.running_var.fill_(1.0)  # type: ignore[operator]
        bare = model(images[:1]).softmax(1)[0]
    named = int(before.argmax())
    changed = any(not torch.equal(p, w) for p, w in zip(model.parameters(), weights, strict=True))
    return Moved(
        len(norms),
        changed,
        tuple(moves),
        int(after.argmax()) == named,
        float(before[named]),
        float(after[named]),
        float(bare[named]),
        int(bare.argmax()),
    )


@dataclass(frozen=True, slots=True)
class Dropped:
    """Values under dropout.

    Attributes:
        mask: 1 where a value was kept, 0 where it was dropped.
        training: What comes out while training: kept values over (1 - p).
        evaluating: What comes out afterwards: the values themselves.
        mean: Mean of many draws: what is expected.
        spread: Deviation of the sum over these draws.
    """

    mask: tuple[int, ...]
    training: tuple[float, ...]
    evaluating: tuple[float, ...]
    mean: tuple[float, ...]
    spread: float


def drop(values: Sequence[float], share: float, *, seed: int = 0, draws: int = 2000) -> Dropped:
    """Sends values through torch's dropout once, and many times for the mean.

    Args:
        values: What goes in.
        share: Share that is dropped, from 0 to below 1.
        seed: Seed of the draw.
        draws: How many draws the mean is of.

    Raises:
        InputError: There is no value, or the share is out of range.
    """
    if not values or not 0 <= share < 1:
        raise InputError("Dropout needs a value, and a share from 0 to below 1.")
    x = torch.tensor(list(values), dtype=torch.float64)
    layer = nn.Dropout(share)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        kept = layer(torch.ones_like(x))
        many = layer(x.expand(draws, -1))
    mask = (kept > 0).long()
    return Dropped(
        tuple(mask.tolist()),
        tuple((x * kept).tolist()),
        tuple(layer.eval()(x).tolist()),
        tuple(many.mean(0).tolist()),
        float(many.sum(1).std()),
    )
