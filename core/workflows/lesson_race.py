"""The race of the optimizers on a person's own pictures: features of a frozen network, and heads."""

from __future__ import annotations

import torch
from torch import Tensor

from core.data.dataset import Dataset
from core.data.images import to_tensor
from core.errors import InputError
from core.interpret.probe import Probe, device_of
from core.lessons.race import Parts
from core.messages import Progress
from core.models.modes import forward_to
from core.models.network import Network

LEARNED, HELD = 160, 80
"""Pictures that heads learn from and are judged by, at most."""
_BATCH = 16


def places_of(dataset: Dataset) -> tuple[list[int], list[int]]:
    """Returns which pictures heads learn from, and by which they are judged: held-out ones, evenly over the list.

    Raises:
        InputError: There are no held-out pictures, or no two classes on either side.
    """
    held = [place for split in ("val", "test") for place in dataset.positions(split)]
    parts = _spread(list(dataset.positions("train")), LEARNED), _spread(sorted(held), HELD)
    for name, part in zip(("training", "held-out"), parts, strict=True):
        if len({dataset.items[place].label for place in part}) < 2:
            raise InputError(
                "There are no {name} pictures of two classes. Divide your pictures on the page Data.", name=name
            )
    return parts


def features(dataset: Dataset, network: Network, *, progress: Progress = lambda *_: None) -> Parts:
    """Returns what enters a frozen network's head, standardised by the pictures that are learned from.

    Args:
        dataset: The pictures, divided.
        network: The network; it is left as it was, and others get their turn between batches.
        progress: Called with pictures looked at and all; what it raises ends the work.

    Raises:
        InputError: As for :func:`places_of`, or a picture cannot be read.
    """
    learned, held = places_of(dataset)
    places = learned + held
    found = []
    for start in range(0, len(places), _BATCH):
        part = places[start : start + _BATCH]
        found.append(_entering(network, torch.cat([to_tensor(dataset.load(at), network.preprocessing) for at in part])))
        progress(start + len(part), len(places))
    values = torch.cat(found)
    labels = torch.tensor([dataset.items[place].label for place in places])
    n = len(learned)
    own = values[:n]
    scaled = (values - own.mean(0)) / own.std(0).clamp_min(1e-6)
    return Parts(scaled[:n], labels[:n], scaled[n:], labels[n:], len(dataset.classes))


def _entering(network: Network, batch: Tensor) -> Tensor:
    """Returns what enters the head, NxD; maps are averaged over their places."""
    with Probe(network) as probe:
        inputs = batch.to(device_of(probe.model))
        values = forward_to(probe.model, inputs, network.anatomy.head, entering=True).float().cpu()
    return values.flatten(2).mean(2) if values.ndim > 2 else values


def _spread(places: list[int], most: int) -> list[int]:
    """Returns at most so many places, evenly over all."""
    count = min(most, len(places))
    return [places[at * len(places) // count] for at in range(count)]
