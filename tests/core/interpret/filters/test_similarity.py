"""Duplicates, opposites and empty filters are found where they were planted, dead ones by what they answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.interpret.drawing.colormaps import lookup
from core.interpret.filters.dead_filters import life
from core.interpret.filters.movement import motion, relative_change
from core.interpret.filters.similarity import alike
from core.interpret.filters.similarity_matrix import alike_map
from core.models.anatomy.examine import examine
from core.models.network import Network
from core.specs import Preprocessing


def planted() -> Tensor:
    """Twelve random filters, of which 3, 7 and 9 are the same, 5 is 1's negative, and 10 is nearly nothing."""
    weights = torch.randn(12, 6, 3, 3, generator=torch.Generator().manual_seed(0))
    weights[7] = 2.5 * weights[3]
    weights[9] = 0.5 * weights[3] + 0.001
    weights[5] = -weights[1]
    weights[10] *= 1e-4
    return weights


def test_planted_filters_are_found() -> None:
    found = alike(planted())
    assert found.duplicates == ((3, 7, 9),)
    assert found.redundant == 2
    assert found.opposites == ((1, 5),)
    assert found.near_zero == (10,)
    assert found.likeness == pytest.approx((np.abs(found.cosine).sum() - 12) / (12 * 11), abs=1e-6)
    assert np.isnan(alike(planted()[:1]).likeness)
    assert sorted(found.order) == list(range(12))
    assert found.order[-1] == 10
    places = sorted(found.order.index(index) for index in (3, 7, 9))
    assert places[2] - places[0] == 2, "the same stand side by side"
    assert found.cosine[3, [7, 9]] == pytest.approx(1.0, abs=1e-4)


def test_cosines_are_those_of_torch() -> None:
    weights = planted()
    wanted = nn.functional.cosine_similarity(weights.flatten(1)[:, None], weights.flatten(1)[None], dim=2)
    assert np.allclose(alike(weights).cosine, wanted.numpy(), atol=1e-5)


def test_all_pairs_of_a_group_are_alike() -> None:
    angles = torch.deg2rad(torch.tensor([0.0, 15.0, 30.0, 45.0]))  # neighbours are alike, the ends are not
    weights = torch.zeros(4, 1, 2, 2)
    weights[:, 0, 0, 0], weights[:, 0, 0, 1] = angles.cos(), angles.sin()
    found = alike(weights, 0.95)
    assert all(found.cosine[a, b] >= 0.95 for group in found.duplicates for a in group for b in group)
    assert sorted(map(len, found.duplicates)) == [2, 2]


def test_what_has_no_direction_is_not_compared() -> None:
    assert alike(torch.ones(5, 2, 1, 1)).duplicates == ()
    assert alike(torch.zeros(4, 3, 3, 3)).near_zero == (0, 1, 2, 3)
    assert not alike(torch.ones(1, 3, 3, 3)).comparable
    broken = planted()
    broken[0] = float("nan")
    assert np.isfinite(alike(broken).cosine).all()


def test_the_map_is_drawn_in_order() -> None:
    found = alike(planted())
    pixels = np.asarray(alike_map(found, side=24))
    assert pixels.shape == (24, 24, 3)
    assert (pixels[0, 0] == lookup("blue-red")[255]).all()
    row, column = found.order.index(1), found.order.index(5)
    assert (pixels[2 * row, 2 * column] == lookup("blue-red")[0]).all()
    many = alike(torch.randn(1500, 1, 3, 3, generator=torch.Generator().manual_seed(1)))
    assert alike_map(many).size == (1024, 1024)


class Planted(nn.Module):
    """A ReLU that is used twice, a filter that is always below zero, and one behind which no ReLU follows."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)
        self.second = nn.Conv2d(5, 4, 3)
        self.relu = nn.ReLU(inplace=True)
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.relu(self.norm(self.first(x))))
        return self.head(self.pool(x).flatten(1))


@pytest.fixture
def network() -> Network:
    """A network with dead filters: 2 of the first convolution, 1 of the second."""
    torch.manual_seed(0)
    model = Planted().eval()
    with torch.no_grad():
        model.norm.weight[2], model.norm.bias[2] = 0.01, -3.0
        model.second.weight[1], model.second.bias[1] = 0.0, 0.7
        model.second.weight[3].abs_().neg_()
        model.second.bias[3] = -1.0  # always below zero, but no ReLU follows: it speaks
    return Network(model, examine(model, num_classes=2, image_size=16), Preprocessing(16, 16), ("a", "b"), "tiny")


def batches() -> list[Tensor]:
    """Five images in two batches."""
    chance = torch.Generator().manual_seed(2)
    return [torch.randn(3, 3, 16, 16, generator=chance), torch.randn(2, 3, 16, 16, generator=chance)]


def test_a_filter_that_a_relu_silences_is_dead(network: Network) -> None:
    told: list[tuple[int, int]] = []
    found = life(network, "first", batches(), total=5, progress=lambda *step: told.append(step))
    assert (found.dead, found.judged, found.cut, found.images) == ((2,), "norm", True, 5)
    assert told == [(3, 5), (5, 5)]
    maps = network.model.norm(network.model.first(torch.cat(batches()))).detach()
    assert np.allclose(found.highest, maps.amax((0, 2, 3)).numpy(), atol=1e-5)
    assert np.allclose(found.lowest, maps.amin((0, 2, 3)).numpy(), atol=1e-5)
    assert np.allclose(found.active, (maps > 0).float().mean((0, 2, 3)).numpy(), atol=1e-6)


def test_without_a_relu_only_what_never_varies_is_dead(network: Network) -> None:
    found = life(network, "second", batches())
    assert (found.dead, found.judged, found.cut) == ((1,), "second", False)
    assert found.highest[3] < 0


def test_little_time_shows_fewer_images_and_no_more_of_the_network_than_needed(network: Network) -> None:
    ran: list[int] = []
    network.model.second.register_forward_hook(lambda *_: ran.append(1))
    found = life(network, "first", batches(), total=5, budget=0.0)
    assert found.images == 3
    assert len(ran) == 1, "only to find out what follows the filter"


def test_nothing_is_left_behind(network: Network) -> None:
    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        life(network, "first", batches(), progress=stop)
    assert not any(module._forward_hooks for module in network.model.modules())
    assert all(parameter.requires_grad for parameter in network.model.parameters())


def test_what_cannot_be_looked_at(network: Network, tiny: Callable[..., Network]) -> None:
    with pytest.raises(InputError, match=r"'head'.*first, second"):
        life(network, "head", batches())
    with pytest.raises(InputError, match="no image"):
        life(network, "first", [])
    broken = tiny()
    with torch.no_grad():
        broken.model.stem[0].weight.fill_(float("nan"))
    with pytest.raises(InputError, match="not numbers"):
        life(broken, "stem.0", batches())


def test_movement_over_epochs() -> None:
    start = np.zeros((3, 1, 2, 2), np.float16)
    start[0, 0, 0] = (3.0, 4.0)
    start[1, 0, 0, 0] = start[2, 0, 0, 0] = 2.0
    later = start.copy()
    later[0] *= 2.0  # twice as long, the same way
    later[1, 0, 0] = (0.0, 2.0)  # turned by a right angle
    found = motion(start, {1: None, 5: later})
    assert found.epochs == (1, 5)
    assert found.moved[0].tolist() == [0.0, 0.0, 0.0]
    assert found.moved[1].tolist() == pytest.approx([1.0, 2**0.5, 0.0])
    assert found.turned[1].tolist() == pytest.approx([0.0, 90.0, 0.0])
    assert found.furthest(1) == [(1, pytest.approx(2**0.5))]
    assert found.usual.tolist() == [0.0, pytest.approx(1.0)]
    assert found.still == 1
    with pytest.raises(ValueError, match="no epoch"):
        motion(start, {})


@pytest.mark.parametrize("limit", [0.0, -0.5, 1.5, float("nan")])
def test_a_limit_that_is_no_cosine_is_said(limit: float) -> None:
    with pytest.raises(InputError, match="is no cosine"):
        alike(torch.rand(3, 2, 3, 3), limit)


def test_change_as_a_share_of_the_length_before() -> None:
    before = np.array([[3.0], [4.0]], np.float16)
    assert relative_change(2 * before, before) == pytest.approx(1.0)
    assert relative_change(before, before) == 0.0
    assert relative_change(np.ones((2, 1)), np.zeros((2, 1))) == pytest.approx(2**0.5)
