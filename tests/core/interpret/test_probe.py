"""A probe sees everything and leaves nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.interpret.attribution.explain import METHODS, explain
from core.interpret.layout import some_of
from core.interpret.probe import Probe, lock_of, logits_of, probabilities
from core.models.network import Network
from tests.core.interpret.conftest import CLASSES, wrap

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def state(model: nn.Module) -> dict[str, Any]:
    """Everything that looking might disturb."""
    return {
        "training": [module.training for module in model.modules()],
        "requires_grad": [parameter.requires_grad for parameter in model.parameters()],
        "grad": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "hooks": [len(getattr(module, kind)) for module in model.modules() for kind in HOOKS],
        "tensors": {name: value.clone() for name, value in model.state_dict().items()},
        "memory": [value.data_ptr() for value in model.state_dict().values()],
        "attributes": [sorted(vars(module)) for module in model.modules()],
    }


def same(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether two states are equal, tensor by tensor."""
    flags = all(before[key] == after[key] for key in ("training", "requires_grad", "hooks", "memory", "attributes"))
    grads = all(
        (a is None and b is None) or (a is not None and b is not None and torch.equal(a, b))
        for a, b in zip(before["grad"], after["grad"], strict=True)
    )
    return flags and grads and all(torch.equal(v, after["tensors"][k]) for k, v in before["tensors"].items())


def unsettle(network: Network) -> None:
    """Leaves a network as training might: mixed modes, mixed flags, a gradient lying about."""
    network.model.train()
    list(network.model.children())[-1].eval()
    for index, parameter in enumerate(network.model.parameters()):
        parameter.requires_grad_(index % 2 == 0)
    first = next(network.model.parameters())
    first.grad = torch.ones_like(first)


def of(tiny: Callable[..., Network], method: str) -> Network:
    """Makes a tiny network on which the method works."""
    if method == "lrp":
        return wrap(Plain())
    return tiny("tokens" if METHODS[method].family == "attention" else "NCHW")


class Plain(nn.Module):
    """A chain without sums or BatchNorm means."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3, 4, 1)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4 * 64, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.body(x).relu().flatten(1)))


@pytest.mark.parametrize("method", METHODS)
def test_explaining_leaves_no_trace(tiny: Callable[..., Network], image: Tensor, method: str) -> None:
    network = of(tiny, method)
    unsettle(network)
    before = state(network.model)
    explain(network, image, method)
    assert same(before, state(network.model))
    assert image.grad is None
    assert not image.requires_grad


@pytest.mark.parametrize("method", METHODS)
def test_a_failing_forward_leaves_no_trace(tiny: Callable[..., Network], image: Tensor, method: str) -> None:
    network = of(tiny, method)
    unsettle(network)

    def fail(*_args: Any) -> None:
        raise RuntimeError("broken layer")

    handle = network.model.get_submodule("head").register_forward_pre_hook(fail)
    before = state(network.model)
    with pytest.raises(RuntimeError, match="broken layer"):
        explain(network, image, method)
    assert same(before, state(network.model))
    handle.remove()
    assert network.lock.acquire(blocking=False)
    network.lock.release()


def test_the_state_check_itself_notices(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    before = state(network.model)
    network.model.train()
    assert not same(before, state(network.model))
    network.model(image)
    network.model.eval()
    assert not same(before, state(network.model)), "BatchNorm moved"


def test_outputs_are_copies_that_in_place_layers_do_not_change(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    with Probe(network, ["body.1", "after"]) as probe:
        probe(image)
    assert probe.outputs["body.1"].min() < 0
    assert torch.equal(probe.outputs["body.1"].relu(), probe.outputs["after"])


def test_start_is_a_leaf_and_nothing_below_is_recorded(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    with Probe(network, ["stem"], start="body") as probe:
        logits = probe(image.clone().requires_grad_())
        assert not any(parameter.requires_grad for parameter in network.model.parameters())
    assert probe.outputs["body"].is_leaf
    assert probe.outputs["body"].requires_grad
    assert not probe.outputs["stem"].requires_grad
    leaves, stack = set(), [logits.grad_fn]
    while stack:
        node = stack.pop()
        if hasattr(node, "variable"):
            leaves.add(id(node.variable))
        stack.extend(following for following, _ in node.next_functions if following is not None)
    assert leaves == {id(probe.outputs["body"])}


def test_logits_are_those_of_the_undisturbed_network(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    expected = network.model(image)
    with Probe(network, ["stem"], start="body") as probe:
        assert torch.equal(probe(image), expected)
    with Probe(network) as probe:
        assert not probe(image).requires_grad


def test_it_works_where_the_caller_forbids_gradients(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    with torch.inference_mode():
        inside = explain(network, image + 0).heatmap
    assert not inside.empty
    assert (inside.values == explain(network, image).heatmap.values).all()


def test_probes_nest(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    unsettle(network)
    before = state(network.model)
    with Probe(network, ["stem"]) as outer, Probe(network, ["body"]) as inner:
        inner(image)
    assert "stem" in outer.outputs
    assert "body" in inner.outputs
    assert same(before, state(network.model))


def test_an_unknown_layer_is_named_with_some_that_exist(tiny: Callable[..., Network]) -> None:
    network = tiny()
    with pytest.raises(InputError, match=r"'nowhere'.*stem"):
        Probe(network, ["nowhere"])


def test_a_bare_module_has_one_lock(tiny: Callable[..., Network]) -> None:
    model, other = tiny().model, tiny().model
    assert lock_of(model) is lock_of(model)
    assert lock_of(model) is not lock_of(other)


def test_a_second_thread_waits(tiny: Callable[..., Network], image: Tensor) -> None:
    network, events = tiny(), []

    def look() -> None:
        with Probe(network, ["stem"]) as probe:
            probe(image)
            events.append("other")

    with Probe(network, ["stem"]):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join(0.2)
        events.append("first")
    thread.join(10)
    assert events == ["first", "other"]


def test_what_is_no_classifier_is_refused() -> None:
    logits = torch.zeros(1, 3)
    assert logits_of((logits, None)) is logits
    with pytest.raises(InputError, match="shape"):
        logits_of(torch.zeros(1, 3, 4, 4))
    with pytest.raises(InputError, match="dict"):
        logits_of({"out": logits})


def test_some_of_keeps_the_ends() -> None:
    assert some_of(list("abc"), 6) == ["a", "b", "c"]
    assert some_of([str(i) for i in range(100)], 3) == ["0", "50", "99"]


def test_probabilities_are_the_softmax_in_eval_mode(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    network.model.train()
    found = probabilities(network, torch.cat([image, image]))
    assert found.shape == (2, len(CLASSES))
    assert (found[0] == found[1]).all()
    assert network.model.training
    with torch.no_grad():
        assert found[0] == pytest.approx(network.model.eval()(image)[0].softmax(0).numpy(), abs=1e-6)
