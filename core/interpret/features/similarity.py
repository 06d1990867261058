"""What two looks have in common: difference maps, similarity of layers, and how far training moved the weights."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from core.data.images import normalise
from core.data.pixel_store import PixelStore
from core.device import batch_that_fits
from core.errors import InputError
from core.interpret.features.activation_stats import MAX_BATCH_BYTES
from core.interpret.layout import Layout, batch_maps, require_map_layer
from core.interpret.probe import Probe, device_of, reach
from core.messages import Progress

if TYPE_CHECKING:
    from core.models.network import Network

MIN_BATCH = 4
"""Images in a batch below which the unbiased HSIC is not defined."""
MAX_BATCH = 32
USUAL_MIN_BATCH = 8
MAX_BATCH_MACS = 100e9
"""Multiply-adds that a batch may cost one network: so that it can be given up in time. Fewer than eight images make
the estimate of a batch noisy."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One of two networks that are compared.

    Attributes:
        network: The network.
        layers: Layers that give maps.
        store: The images as this network sees them; the same ones in the same order on both sides.
    """

    network: Network
    layers: tuple[str, ...]
    store: PixelStore


@dataclass(frozen=True, slots=True)
class LayerChange:
    """How far training moved one layer's own parameters.

    Attributes:
        layer: Its name.
        parameters: Number of values.
        relative: Length of the change over the length before; infinite where there was nothing but zeros. Exactly 0
            if no value differs in a single bit.
        largest: Largest change of a single value.
        statistics: The same as ``relative`` for the running statistics of a normalisation, which move without being
            trained; ``None`` where it has none.
    """

    layer: str
    parameters: int
    relative: float
    largest: float
    statistics: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Against:
    """The same channels of two sides, set against each other.

    Attributes:
        change: The second side's maps less the first's, CxHxW; nan where one of them is.
        order: The channels, the one that differs most first; those with values that are no numbers last.
        relative: Root mean square of the change over that of the maps; values that are no numbers count as zeros.
        agreement: Median over the channels of the correlation of their two maps; ``None`` where no channel has one.
        same: Number of channels that are equal to the last bit.
        broken: Number of channels with values that are no numbers, on one of the sides.
    """

    change: Tensor
    order: tuple[int, ...]
    relative: float
    agreement: float | None
    same: int
    broken: int


def against(first: Tensor, second: Tensor) -> Against:
    """Sets two sides' maps, CxHxW, against each other.

    Raises:
        InputError: They have different numbers of channels.
    """
    change = difference(first, second)
    broken = ~change.flatten(1).isfinite().all(1)
    moved = change.nan_to_num(0.0, 0.0, 0.0).flatten(1).square().mean(1).sqrt()
    size = float(sum(maps.nan_to_num(0.0, 0.0, 0.0).float().square().mean() for maps in (first, second)) / 2) ** 0.5
    correlations = channel_agreement(first, second)
    usable = correlations[np.isfinite(correlations)]
    ranked = moved.masked_fill(broken, -1.0).argsort(descending=True, stable=True)
    return Against(
        change,
        tuple(int(channel) for channel in ranked),
        float(moved.square().mean().sqrt()) / size if size else 0.0,
        float(np.median(usable)) if len(usable) else None,
        int(((moved == 0) & ~broken).sum()),
        int(broken.sum()),
    )


def difference(first: Tensor, second: Tensor) -> Tensor:
    """Returns second less first, channel by channel, CxHxW; the larger maps are averaged down to the smaller ones.

    Args:
        first: Maps, CxHxW.
        second: Maps, CxHxW.

    Raises:
        InputError: They have different numbers of channels.
    """
    one, other = _alike(first, second)
    return other - one


def _alike(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Returns maps of equal size, on the CPU."""
    if first.shape[0] != second.shape[0]:
        raise InputError(
            "{one} channels cannot be set against {other}: there is no telling which belongs to which.",
            one=first.shape[0],
            other=second.shape[0],
        )
    size = (min(first.shape[1], second.shape[1]), min(first.shape[2], second.shape[2]))

    def resized(maps: Tensor) -> Tensor:
        same = tuple(maps.shape[1:]) == size
        return (maps.float() if same else F.adaptive_avg_pool2d(maps.float(), size)).cpu()

    return resized(first), resized(second)


def channel_agreement(first: Tensor, second: Tensor) -> NDArray[np.float64]:
    """Returns the correlation of each channel's two maps, C float64; nan where one of them is the same everywhere."""
    one, other = (maps.flatten(1).double().numpy() for maps in _alike(first, second))
    one, other = one - one.mean(1, keepdims=True), other - other.mean(1, keepdims=True)
    length = np.sqrt((one * one).sum(1) * (other * other).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(length > 1e-20, (one * other).sum(1) / length, np.nan)


def cka(
    first: Side,
    second: Side,
    positions: Sequence[int],
    *,
    batch: int | None = None,
    budget: float | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    """Compares every layer of one network with every layer of another by linear CKA.

    Centred kernel alignment (Kornblith et al. 2019, arXiv:1905.00414) of the layers' whole maps, with the unbiased
    estimate of HSIC summed over batches (Nguyen, Raghu and Kornblith 2021, arXiv:2010.15327), which does not depend
    on how many images stand in a batch.

    Args:
        first: One side; its layers are the rows.
        second: The other; its layers are the columns. May be the same as ``first``.
        positions: Which images; a last batch of fewer than four is left out.
        batch: Images a batch, at least four; ``None`` for as many as suits the networks.
        budget: Seconds after which no further batch is begun; ``None`` for no limit. What was compared counts.
        progress: Called with images done and images altogether; what it raises ends the work.

    Returns:
        Rows x columns, 1 where two layers tell images apart in the same way. Around 0 where they have nothing in
        common (an unbiased estimate may fall a little below); nan for a layer that answers the same to all images.

    Raises:
        InputError: There are fewer than four images, or a layer gives no maps.
    """
    begin = time.monotonic()
    batch = min(batch_size(first), batch_size(second)) if batch is None else batch
    parts = [positions[start : start + batch] for start in range(0, len(positions), batch)]
    parts = [part for part in parts if len(part) >= MIN_BATCH]
    if not parts or batch < MIN_BATCH:
        raise InputError(
            "{count} images are too few to compare layers by. At least four are needed.", count=len(positions)
        )
    same = first is second or (first.network is second.network and first.layers == second.layers)
    cross = np.zeros((len(first.layers), len(second.layers)))
    own = [np.zeros(len(first.layers)), np.zeros(len(second.layers))]
    done = 0
    for part in parts:
        one = _centred(_grams(first, part))
        other = one if same else _centred(_grams(second, part))
        cross += one @ other.T
        own[0] += np.square(one).sum(1)
        own[1] += np.square(other).sum(1)
        done += len(part)
        if progress is not None:
            progress(done, sum(map(len, parts)))
        if budget is not None and time.monotonic() - begin > budget:
            break
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.sqrt(np.maximum(own[0][:, None], 0.0) * np.maximum(own[1][None], 0.0))
        return np.where(scale > 0, cross / scale, np.nan)


def batch_size(side: Side) -> int:
    """Returns how many images are run through a network at a time."""
    return batch_that_fits(MAX_BATCH, (MAX_BATCH_MACS, side.network.anatomy.macs), least=USUAL_MIN_BATCH)


def weight_change(before: nn.Module, after: nn.Module) -> tuple[LayerChange, ...]:
    """Measures how far each layer's own parameters lie from where they were, in the network's order.

    Args:
        before: The module as it was.
        after: The same network later. Layers that one of them lacks, or holds in another shape, are left out.
    """
    old = dict(before.named_modules())
    found = []
    for name, module in after.named_modules():
        former = old.get(name)
        own = dict(module.named_parameters(recurse=False))
        if former is None or not own:
            continue
        was = dict(former.named_parameters(recurse=False))
        pairs = [(was[key], value) for key, value in own.items() if key in was and was[key].shape == value.shape]
        if not pairs:
            continue
        relative, largest = _moved(pairs)
        buffers = dict(former.named_buffers(recurse=False))
        moving = [
            (buffers[key], value)
            for key, value in module.named_buffers(recurse=False)
            if key in buffers and value.is_floating_point() and buffers[key].shape == value.shape
        ]
        statistics = _moved(moving)[0] if moving else None
        found.append(LayerChange(name, sum(value.numel() for _, value in pairs), relative, largest, statistics))
    return tuple(found)


def _moved(pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[float, float]:
    """Returns the relative length of a change, exactly 0 if nothing changed, and the largest single change."""
    with torch.no_grad():
        changes = [(new.detach().cpu().double() - old.detach().cpu().double()) for old, new in pairs]
        largest = max((float(change.abs().max()) for change in changes if change.numel()), default=0.0)
        if largest == 0.0:
            return 0.0, 0.0
        added = sum(float(change.square().sum()) for change in changes) ** 0.5
        had = sum(float(old.detach().double().square().sum()) for old, _ in pairs) ** 0.5
    return (added / had if had > 0 else float("inf")), largest


def _grams(side: Side, positions: Sequence[int]) -> NDArray[np.float64]:
    """Returns the inner products of images as each layer sees them, layers x images x images, zero on the diagonal.

    The network runs over a few images at a time; the layers are gone through in groups that fit into memory.
    """
    anatomy = side.network.anatomy
    x = normalise(side.store.batch(positions), side.network.preprocessing)
    layouts = {name: require_map_layer(name, anatomy) for name in side.layers}
    grams = []
    for group in _groups(side, len(positions)):
        with Probe(side.network, group) as probe:
            reach(probe, x.to(device_of(probe.model)), group, anatomy)
        grams += [_gram(probe.outputs.pop(name), layouts[name]) for name in group]
    return np.stack(grams)


def _groups(side: Side, images: int) -> list[tuple[str, ...]]:
    """Divides the layers, in order, into groups whose outputs fit into memory together."""
    groups: list[list[str]] = [[]]
    taken = 0
    for name in side.layers:
        size = images * side.network.anatomy.layer(name).activation_bytes
        if groups[-1] and taken + size > MAX_BATCH_BYTES:
            groups.append([])
            taken = 0
        groups[-1].append(name)
        taken += size
    return [tuple(group) for group in groups if group]


def _gram(output: Tensor, layout: Layout) -> NDArray[np.float64]:
    flat = batch_maps(output, layout).flatten(1).float()
    if not bool(flat.sum().isfinite()):
        flat = flat.nan_to_num(0.0, 0.0, 0.0)
    flat = flat - flat.mean(0, keepdim=True)  # changes nothing in exact arithmetic, and much in float32
    gram = (flat @ flat.T).double().cpu().numpy()
    np.fill_diagonal(gram, 0.0)
    return np.asarray(gram, np.float64)


def _centred(grams: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centres Gram matrices so that their inner products estimate HSIC without bias, and lays each in one row.

    This is U-centring (Székely and Rizzo 2014, arXiv:1310.2926); the inner product of two rows over n (n - 3) equals
    equation 5 of Song et al. 2012 (https://jmlr.org/papers/v13/song12a.html).

    Args:
        grams: Layers x n x n with zeros on the diagonal.
    """
    n = grams.shape[-1]
    rows = grams.sum(-1) / (n - 2)
    whole = grams.sum((-1, -2)) / ((n - 1) * (n - 2))
    centred = grams - rows[:, :, None] - rows[:, None, :] + whole[:, None, None]
    centred[:, np.arange(n), np.arange(n)] = 0.0
    return np.asarray(centred.reshape(len(grams), -1) / np.sqrt(n * (n - 3)))
