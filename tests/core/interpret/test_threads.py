"""One cached network, many visitors."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from core.interpret.attribution.explain import explain
from core.interpret.features.activations import activations
from core.interpret.filters.kernels import kernels
from core.interpret.forward import batch_of
from core.models.network import Network


def test_threads_get_the_same_answers_as_one(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    network.model.train()
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    jobs = [(method, target) for method in ("grad-cam", "saliency", "layer-cam") for target in range(4)]
    expected = {job: explain(network, image, job[0], target=job[1]).heatmap.values for job in jobs}
    maps = activations(network, image)

    def visit(turn: int) -> bool:
        job = jobs[turn % len(jobs)]
        same = np.array_equal(explain(network, image, job[0], target=job[1]).heatmap.values, expected[job])
        seen = activations(network, image, ["stem", "after"])
        same &= all(torch.equal(seen[name], maps[name]) for name in seen)
        return same and len(kernels(network, "stem.0")) == 6

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(visit, range(120)))
    assert all(module.training for module in network.model.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.model.parameters())
    assert not any(module._forward_hooks for module in network.model.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.model.state_dict().items())


def test_a_batch_keeps_the_network_from_others_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    device, small = torch.device("cpu"), SimpleNamespace(activation_bytes=4 * 2**20, macs=50 * 10**6)
    assert batch_of(SimpleNamespace(anatomy=small), device) == 16  # type: ignore[arg-type]
    large = SimpleNamespace(activation_bytes=4 * 2**20, macs=15 * 10**9)
    assert batch_of(SimpleNamespace(anatomy=large), device) == 1  # type: ignore[arg-type]
    assert batch_of(SimpleNamespace(anatomy=large), device, whole=False) == 16  # type: ignore[arg-type]
