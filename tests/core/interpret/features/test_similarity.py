"""Similarity of layers against the textbook's estimate; difference maps; weights that did not move are exactly zero."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from core.data.dataset import Dataset, Item
from core.data.pixel_store import PixelStore
from core.errors import InputError
from core.interpret.features import similarity
from core.interpret.features.activations import activations
from core.interpret.features.similarity import (
    MAX_BATCH,
    USUAL_MIN_BATCH,
    Side,
    against,
    batch_size,
    channel_agreement,
    cka,
    difference,
    weight_change,
)
from core.models.network import Network
from tests.core.interpret.conftest import CLASSES
from tests.core.interpret.features.test_activation_stats import Pictures

COUNT = 24


@pytest.fixture
def store(tiny: Callable[..., Network]):
    items = tuple(Item(str(number), number % len(CLASSES)) for number in range(COUNT))
    dataset = Dataset("noise", "Noise", CLASSES, items, False, Pictures())
    with PixelStore(dataset, tiny().preprocessing, max_bytes=10**8) as opened:
        yield opened


def song(k: np.ndarray, other: np.ndarray) -> float:
    """The unbiased HSIC as Song et al. 2012 write it (equation 5), term by term."""
    n = len(k)
    k, other = k - np.diag(np.diag(k)), other - np.diag(np.diag(other))
    one = np.ones(n)
    first = np.trace(k @ other)
    second = (one @ k @ one) * (one @ other @ one) / ((n - 1) * (n - 2))
    third = 2 / (n - 2) * (one @ k @ other @ one)
    return float((first + second - third) / (n * (n - 3)))


def test_similarity_is_the_unbiased_estimate_summed_over_batches(tiny, store) -> None:
    network, layers = tiny(), ("stem", "body", "after")
    side = Side(network, layers, store)
    found = cka(side, side, range(COUNT), batch=8)
    sums = np.zeros((3, 3))
    for start in range(0, COUNT, 8):
        flat = _flat(network, store, range(start, start + 8), layers)
        grams = [values @ values.T for values in flat]
        sums += np.array([[song(k, other) for other in grams] for k in grams])
    expected = sums / np.sqrt(np.outer(np.diag(sums), np.diag(sums)))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.diag(found), 1.0)


def _flat(network: Network, store: PixelStore, positions, layers) -> list[np.ndarray]:
    from core.data.images import normalise

    rows: list[list[np.ndarray]] = [[] for _ in layers]
    for position in positions:
        maps = activations(network, normalise(store.batch([position]), network.preprocessing), layers)
        for place, name in enumerate(layers):
            rows[place].append(maps[name].flatten().double().numpy())
    return [np.stack(row) for row in rows]


def test_two_sides_are_told_apart_and_scale_and_rotation_do_not_matter(tiny, store) -> None:
    first = tiny()
    turned = copy.deepcopy(first.model)
    with torch.no_grad():  # channels of the last layer mixed by a rotation, and twice as strong
        rotation = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(0)))[0]
        norm, conv = turned.get_submodule("body")[1], turned.get_submodule("body")[0]
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        weight = 2 * torch.einsum("ij,jabc->iabc", rotation, conv.weight * scale[:, None, None, None])
        conv.weight.copy_(weight)
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        norm.weight.fill_(1.0)
    other = Network(turned, first.anatomy, first.preprocessing, first.classes, "turned")
    same = cka(Side(first, ("body",), store), Side(other, ("body",), store), range(COUNT))
    assert same[0, 0] == pytest.approx(1.0, abs=1e-4)
    random = cka(Side(first, ("stem",), store), Side(tiny("tokens"), ("last",), store), range(COUNT))
    assert -0.5 < random[0, 0] < 0.999


def test_layers_in_groups_give_the_same(tiny, store, monkeypatch) -> None:
    side = Side(tiny(), ("stem", "body", "after"), store)
    whole = cka(side, side, range(COUNT))
    monkeypatch.setattr(similarity, "MAX_BATCH_BYTES", 1)
    np.testing.assert_allclose(cka(side, side, range(COUNT)), whole, atol=1e-12)


def test_comparing_can_be_given_up_and_needs_images(tiny, store) -> None:
    side = Side(tiny(), ("body",), store)

    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cka(side, side, range(COUNT), progress=stop)
    assert not any(module._forward_hooks for module in side.network.model.modules())
    with pytest.raises(InputError, match="3 images are too few"):
        cka(side, side, range(3))


def test_a_layer_that_answers_the_same_to_all_is_not_told(tiny, store) -> None:
    network = tiny()
    with torch.no_grad():
        network.model.get_submodule("body")[1].weight.zero_()
    side = Side(network, ("stem", "body"), store)
    found = cka(side, side, range(COUNT))
    assert np.isnan(found[1]).all()
    assert found[0, 0] == pytest.approx(1.0)


def test_difference_of_maps() -> None:
    first, second = torch.zeros(2, 4, 4), torch.ones(2, 2, 2)
    first[0, :2, :2] = 4
    assert torch.equal(difference(first, second), torch.tensor([[[-3.0, 1], [1, 1]], [[1, 1], [1, 1]]]))
    with pytest.raises(InputError, match="2 channels cannot be set against 3"):
        difference(first, torch.zeros(3, 4, 4))


def test_agreement_of_channels_is_their_correlation() -> None:
    maps = torch.randn(3, 5, 5, generator=torch.Generator().manual_seed(0))
    found = channel_agreement(maps, torch.stack([2 * maps[0] + 1, -maps[1], torch.ones(5, 5)]))
    assert found[:2] == pytest.approx([1.0, -1.0])
    assert np.isnan(found[2])


def test_frozen_layers_have_moved_by_exactly_nothing(tiny) -> None:
    before = tiny().model
    after = copy.deepcopy(before)
    with torch.no_grad():
        after.get_submodule("body")[0].weight.mul_(1.1)
        after.get_submodule("body")[1].running_mean.add_(1.0)
        after.get_submodule("head").weight[0, 0] += 1e-6
    rows = {row.layer: row for row in weight_change(before, after)}
    assert list(rows) == ["stem.0", "stem.1", "body.0", "body.1", "head"]
    assert rows["stem.0"].relative == 0.0
    assert rows["stem.0"].largest == 0.0
    conv = before.get_submodule("body")[0]
    length = (conv.weight.square().sum() + conv.bias.square().sum()).sqrt()
    assert rows["body.0"].relative == pytest.approx(0.1 * conv.weight.norm().item() / length.item(), rel=1e-5)
    assert rows["body.1"].relative == 0.0
    assert rows["body.1"].statistics is not None
    assert rows["body.1"].statistics > 0
    assert rows["stem.1"].statistics == 0.0
    assert 0 < rows["head"].relative < 1e-5
    assert sum(row.parameters for row in rows.values()) == sum(p.numel() for p in before.parameters())


def test_weights_that_grew_from_nothing_moved_without_bound() -> None:
    before, after = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        before.weight.zero_()
    assert weight_change(nn.Sequential(before), nn.Sequential(after))[0].relative == float("inf")
    assert weight_change(nn.Sequential(before), nn.Sequential(nn.Linear(3, 3))) == ()


def test_sides_with_values_that_are_no_numbers_are_still_set_against_each_other() -> None:
    first = torch.rand(4, 3, 3, generator=torch.Generator().manual_seed(0))
    second = first.clone()
    second[1] += 0.5
    second[2, 0, 0] = float("nan")
    found = against(first, second)
    assert found.order == (1, 0, 3, 2)
    assert (found.same, found.broken) == (2, 1), "what is no number is not unchanged"
    assert 0 < found.relative < 1
    assert found.agreement == pytest.approx(1.0)
    assert against(first, first).relative == 0.0
    with pytest.raises(InputError, match="cannot be set against"):
        against(first, second[:2])


def test_a_heavy_network_is_run_over_fewer_images_at_a_time(tiny, store, monkeypatch) -> None:
    side = Side(tiny(), ("stem",), store)
    assert batch_size(side) == MAX_BATCH
    monkeypatch.setattr(similarity, "MAX_BATCH_MACS", 12.0 * side.network.anatomy.macs)
    assert batch_size(side) == 12
    monkeypatch.setattr(similarity, "MAX_BATCH_MACS", 1.0)
    assert batch_size(side) == USUAL_MIN_BATCH
