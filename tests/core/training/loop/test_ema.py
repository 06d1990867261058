"""The moving average, held against torch's own and against the formula."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from core.training.loop.ema import Average


def walk(model: nn.Module, steps: int) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(steps)))


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def test_small_decays_as_torch() -> None:
    net = model()
    ours, theirs = Average(net, 0.15), AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.15))
    theirs.update_parameters(net)  # torch's first update copies
    for step in range(10):
        walk(net, step)
        ours.step()
        theirs.update_parameters(net)
    with ours.applied():
        for own, wanted in zip(net.parameters(), theirs.module.parameters(), strict=True):
            torch.testing.assert_close(own, wanted)


def test_large_decays_grow_from_small_ones() -> None:
    net = model()
    average, wanted = Average(net, 0.99), net[0].weight.detach().clone()
    for step in range(1, 1500):
        walk(net, step)
        average.step()
        decay = min(0.99, (1 + step) / (10 + step))
        wanted = decay * wanted + (1 - decay) * net[0].weight.detach()
    with average.applied():
        torch.testing.assert_close(net[0].weight.detach(), wanted, rtol=1e-4, atol=1e-4)


def test_applied_gives_the_weights_back_even_after_an_error() -> None:
    net = model()
    average = Average(net, 0.9)
    walk(net, 1)
    average.step()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    addresses = [parameter.data_ptr() for parameter in net.parameters()]

    def judged() -> None:
        with average.applied():
            assert not torch.equal(net[0].weight, before["0.weight"])
            raise KeyError

    with pytest.raises(KeyError):
        judged()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert [parameter.data_ptr() for parameter in net.parameters()] == addresses


def test_what_begins_to_learn_joins_the_average_and_what_stops_leaves_it() -> None:
    net = model()
    net[0].requires_grad_(False)
    average = Average(net, 0.9)
    walk(net, 1)
    average.step()
    assert set(average.state_dict()["values"]) == {"2.weight", "2.bias"}  # type: ignore[call-overload]
    kept = average.state_dict()["values"]["2.weight"].clone()  # type: ignore[index]
    net[0].requires_grad_(True)
    average.follow()
    with average.applied():
        assert torch.equal(net[2].weight, kept)
        assert torch.equal(net[0].weight, model()[0].weight)
    net[2].requires_grad_(False)
    average.follow()
    assert set(average.state_dict()["values"]) == {"0.weight", "0.bias"}  # type: ignore[call-overload]


def test_a_state_goes_on_bit_by_bit() -> None:
    net, other = model(), model()
    whole = Average(net, 0.9)
    for step in range(5):
        walk(net, step)
        whole.step()
    state = whole.state_dict()
    other.load_state_dict(net.state_dict())
    again = Average(other, 0.9)
    again.restore(int(state["steps"]), state["values"])  # type: ignore[call-overload, arg-type]
    for step in range(5, 9):
        for one, average in ((net, whole), (other, again)):
            walk(one, step)
            average.step()
    with whole.applied(), again.applied():
        assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))
