from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from core.models.architectures.build_modes import OnMeta, Seeded, Uninitialised


def test_on_meta_makes_shapes_and_leaves_tables_on_the_cpu() -> None:
    with OnMeta():
        layer = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
        table = torch.arange(5).tolist()
    assert {parameter.device.type for parameter in layer.parameters()} == {"meta"}
    assert table == [0, 1, 2, 3, 4]


def test_modes_hold_in_their_own_thread_only() -> None:
    with OnMeta(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: nn.Linear(2, 2).weight.device.type).result() == "cpu"


def test_uninitialised_draws_nothing(global_random_state) -> None:
    with Uninitialised():
        layer = nn.Linear(300, 300)
        nn.init.trunc_normal_(layer.weight)
    assert layer.weight.shape == (300, 300)
    assert layer.weight.device.type == "cpu"
    assert global_random_state()


@pytest.mark.parametrize("bound", [2.0, 0.01])
def test_uninitialised_contents_pass_initialisers_that_draw_until_they_fit(bound: float) -> None:
    with Uninitialised():
        weight = torch.full((50, 50), 1e30)
        nn.init.trunc_normal_(weight, std=0.02, a=-bound, b=bound)
        assert nn.init.trunc_normal_(torch.full((4,), 1e30), a=1.9, b=3.0).shape == (4,)
    assert weight.abs().max() <= bound


def test_seeded_depends_on_the_seed_alone(global_random_state) -> None:
    def draw(seed: int | None) -> torch.Tensor:
        with Seeded(seed):
            layer = nn.Linear(4, 4)
            other = nn.init.trunc_normal_(torch.empty(4, 4))
            third = torch.empty(4, 4).normal_(std=0.02)
            return torch.cat([layer.weight.detach(), other, third, torch.randn(4, 4)])

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert not torch.equal(draw(None), draw(None))
    assert global_random_state()


def test_seeded_draws_from_the_usual_distribution() -> None:
    with Seeded(0):
        weight = nn.Linear(100, 100).weight
    assert weight.abs().max() <= 0.1
    assert abs(weight.std().item() - 0.1 / 3**0.5) < 0.002
