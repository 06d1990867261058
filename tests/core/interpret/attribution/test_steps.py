"""Integrated gradients choose their steps by how far the shares are from what they should add up to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import Tensor

from core.interpret.attribution import explain as explaining
from core.interpret.attribution.explain import CLOSE, FIRST_STEPS, MOST_STEPS, explain
from core.models.network import Network
from tests.core.interpret.conftest import raw


def test_integrated_gradients_take_as_many_steps_as_it_takes(tiny: Callable[..., Network], image: Tensor) -> None:
    network, counted = tiny(), []
    found = explain(network, image, "integrated-gradients", target=1, progress=lambda *now: counted.append(now)).heatmap
    assert found.gap is not None
    assert found.steps is not None
    assert found.gap <= CLOSE or found.steps == MOST_STEPS
    same = explain(network, image, "integrated-gradients", target=1, settings={"steps": found.steps}).heatmap
    assert raw(same) == pytest.approx(raw(found))
    assert same.steps is None
    if found.steps > FIRST_STEPS:
        fewer = explain(network, image, "integrated-gradients", target=1, settings={"steps": found.steps // 2}).heatmap
        assert fewer.gap is not None
        assert fewer.gap > CLOSE
    assert counted[-1][0] == counted[-1][1] == 2 * found.steps - FIRST_STEPS


def test_steps_end_where_shares_never_add_up(
    tiny: Callable[..., Network], image: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "CLOSE", -1.0)
    found = explain(tiny(), image, "integrated-gradients", target=1).heatmap
    assert found.steps == MOST_STEPS
