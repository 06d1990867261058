"""Eval mode for a while, and forward passes that end early: both leave a network as it was."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.models.modes import EndForward, end_after, eval_mode, forward_to

HOOKS = ("_forward_hooks", "_forward_pre_hooks")


class Twice(nn.Module):
    """Uses its ReLU twice, gives a tuple from its last layer, and never uses ``idle``."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.relu, self.last = nn.Linear(4, 3), nn.ReLU(), Pair()
        self.idle = nn.Linear(1, 1)
        self.ended = 0

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.first(x)) - 1
        x = self.relu(x)
        y, _ = self.last(x)
        self.ended += 1
        return y


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return 2 * x, None


class Stubborn(nn.Module):
    """Stays in training mode whatever it is asked, as frozen normalisations of some networks do the other way round."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def train(self, mode: bool = True) -> Stubborn:  # noqa: ARG002
        return super().train(True)


def mixed(model: nn.Module) -> list[bool]:
    """Gives the modules flags by turns, as a training with frozen stages might, and returns them."""
    for index, module in enumerate(model.modules()):
        module.training = index % 2 == 0
    return flags(model)


def flags(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


def hooks(model: nn.Module) -> int:
    return sum(len(getattr(module, kind)) for module in model.modules() for kind in HOOKS)


def test_every_flag_is_restored(tiny: nn.Module) -> None:
    before = mixed(tiny)
    with eval_mode(tiny):
        assert not any(flags(tiny))
        with eval_mode(tiny.middle):
            assert not any(flags(tiny))
        assert not any(flags(tiny))
    assert flags(tiny) == before


def test_every_flag_is_restored_after_an_exception(tiny: nn.Module) -> None:
    before = mixed(tiny)
    with pytest.raises(KeyError), eval_mode(tiny), eval_mode(tiny):
        raise KeyError
    assert flags(tiny) == before


def test_models_that_share_modules_are_restored_together(tiny: nn.Module) -> None:
    part = nn.Sequential(tiny.pool, nn.Dropout())
    before, own = mixed(tiny), flags(part)
    with eval_mode(tiny, part):
        assert not any(flags(tiny) + flags(part))
    assert (flags(tiny), flags(part)) == (before, own)


def test_a_model_that_clings_to_training_is_in_eval_mode_too() -> None:
    model, x = Stubborn(), torch.ones(64)
    with eval_mode(model):
        assert torch.equal(model.drop(x), x)
    assert model.drop.training


@pytest.mark.parametrize("calls", [1, 2])
def test_a_pass_ends_at_the_call_that_is_asked_for(calls: int) -> None:
    model, x = Twice(), torch.randn(2, 4)
    once = model.relu(model.first(x))
    found = forward_to(model, x, "relu", calls)
    torch.testing.assert_close(found, once if calls == 1 else (once - 1).clamp(min=0))
    assert found.requires_grad
    assert (model.ended, hooks(model)) == (0, 0)


def test_what_enters_a_layer() -> None:
    model, x = Twice(), torch.randn(2, 4)
    torch.testing.assert_close(forward_to(model, x, "relu", entering=True), model.first(x))
    assert (model.ended, hooks(model)) == (0, 0)


def test_the_first_tensor_of_several_is_given() -> None:
    model, x = Twice(), torch.randn(2, 4)
    torch.testing.assert_close(forward_to(model, x, "last"), model(x))


def test_the_last_call_counts_where_there_are_fewer() -> None:
    model, x = Twice(), torch.randn(2, 4)
    torch.testing.assert_close(forward_to(model, x, "relu", 5), forward_to(model, x, "relu", 2))
    assert (model.ended, hooks(model)) == (1, 0)


def test_a_layer_that_does_not_run_is_named() -> None:
    model = Twice()
    with pytest.raises(InputError, match="idle"):
        forward_to(model, torch.randn(2, 4), "idle")
    assert hooks(model) == 0


def test_no_hook_is_left_when_a_pass_breaks() -> None:
    model = Twice()
    with pytest.raises(RuntimeError):
        forward_to(model, torch.randn(2, 9), "relu")
    with pytest.raises(RuntimeError), end_after(model, {"first": 1, "relu": 1}):
        model(torch.randn(2, 9))
    assert hooks(model) == 0


def test_a_pass_ends_once_all_layers_have_run() -> None:
    model, ran = Twice(), []
    handle = model.relu.register_forward_hook(lambda *_: ran.append("relu"))
    with end_after(model, {"relu": 2, "first": 1}):
        model(torch.randn(2, 4))
        raise AssertionError("the pass went on")
    handle.remove()
    assert (model.ended, ran, hooks(model)) == (0, ["relu", "relu"], 0)


def test_a_pass_that_is_not_ended_goes_on() -> None:
    model = Twice()
    with end_after(model, {"relu": 3}):
        model(torch.randn(2, 4))
    assert (model.ended, hooks(model)) == (1, 0)


def test_hooks_of_others_may_end_a_pass() -> None:
    model = Twice()

    def end(*_: object) -> None:
        raise EndForward

    with model.first.register_forward_hook(end), end_after(model, {"relu": 1}):
        model(torch.randn(2, 4))
    assert (model.ended, hooks(model)) == (0, 0)
