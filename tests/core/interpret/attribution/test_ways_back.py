"""Ways back through a network other than the gradient: guided, DeepLift, LRP, each beside another way there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.references_back import secant_shares
from core.interpret.attribution.explain import METHODS, explain
from core.models.network import Network
from core.specs import Preprocessing
from tests.core.interpret.conftest import CLASSES, SIZE, made, raw, scores, wrap


class Chain(nn.Module):
    """A small VGG: convolutions, ReLUs, a max pool, dense layers; its ReLUs in place or not, shared or not."""

    def __init__(
        self, *, in_place: bool = False, functional: bool = False, overlap: bool = False, mean: bool = False
    ) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(6, 8, 3, padding=1)
        self.r1, self.r2, self.r3 = (nn.ReLU(inplace=in_place) for _ in range(3))
        self.pool = nn.AvgPool2d(2) if mean else nn.MaxPool2d(3, 2, 1) if overlap else nn.MaxPool2d(2)
        self.hidden, self.head = nn.Linear(8 * 64, 10), nn.Linear(10, len(CLASSES))
        self.functional = functional

    def forward(self, x: Tensor) -> Tensor:
        if self.functional:
            x = self.pool(F.relu(self.b(torch.relu(self.a(x))), inplace=True))
            return self.head(self.hidden(x.flatten(1)).relu())
        x = self.pool(self.r2(self.b(self.r1(self.a(x)))))
        return self.head(self.r3(self.hidden(x.flatten(1))))


class Residual(nn.Module):
    """One ReLU for all, in place, as ResNets have it, with BatchNorm and a sum; or one each, and a mean for a pool."""

    def __init__(self, *, shared: bool = True) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.relu2, self.relu3 = (self.relu, self.relu) if shared else (nn.ReLU(), nn.ReLU())
        self.pool = nn.MaxPool2d(3, 2, 1) if shared else nn.AvgPool2d(2)
        self.head = nn.Linear(8, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.norm(self.a(x))))
        y = self.c(self.relu2(self.b(x)))
        y += x
        return self.head(self.relu3(y).mean((2, 3)))


@pytest.mark.parametrize("method", ["guided-backprop", "deconvolution"])
def test_guided_ways_back_agree_with_captum(image: Tensor, method: str) -> None:
    from captum.attr import Deconvolution, GuidedBackprop

    network = made(Chain)
    peer = (GuidedBackprop if method == "guided-backprop" else Deconvolution)(network.model)
    theirs = peer.attribute(image.clone().requires_grad_(), target=2)[0].detach().abs().amax(0).numpy()
    ours = raw(explain(network, image, method, target=2).heatmap)
    assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-7)
    assert ours != pytest.approx(raw(explain(network, image, "saliency", target=2).heatmap), rel=0.1)


class Back(torch.autograd.Function):
    """A ReLU (up to a value) that goes back as guided backpropagation or deconvolution has it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, top: float, guided: bool) -> Tensor:
        ctx.save_for_backward(x)
        ctx.top, ctx.guided = top, guided
        return x.clamp(0, top)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        active = (x > 0) & (x < ctx.top) if ctx.guided else torch.ones_like(x, dtype=torch.bool)
        return grads[0].clamp_min(0) * active, None, None


class Relus(nn.Module):
    """ReLUs of all kinds: a module shared by two branches that run in step, functions, ReLU6, before the rest too."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(6, 6, 3, 1, 1), nn.Conv2d(6, 6, 3, 1, 1)
        self.relu, self.relu6 = nn.ReLU(inplace=True), nn.ReLU6(inplace=True)
        self.head = nn.Linear(6, len(CLASSES))
        self.back: bool | None = None

    def bend(self, x: Tensor, kind: Callable[[Tensor], Tensor], top: float = math.inf) -> Tensor:
        return kind(x) if self.back is None else Back.apply(x, top, self.back)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        x = x + self.bend(x, torch.relu)  # what enters a ReLU is used elsewhere, too
        left, right = self.b(x), self.c(x)
        left, right = self.bend(left, self.relu), self.bend(right, self.relu)
        return self.head(self.bend(3 * (left - right), self.relu6, 6.0).mean((2, 3)))


@pytest.mark.parametrize("method", ["guided-backprop", "deconvolution"])
def test_guided_ways_back_of_every_kind_of_relu(image: Tensor, method: str) -> None:
    network = made(Relus)
    for target in range(len(CLASSES)):
        network.model.back = None
        ours = raw(explain(network, image, method, target=target).heatmap)
        network.model.back = method == "guided-backprop"
        leaf = image.clone().requires_grad_()
        (slope,) = torch.autograd.grad(network.model(leaf)[0, target], leaf)
        assert ours == pytest.approx(slope[0].abs().amax(0).numpy(), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("method", ["guided-backprop", "deconvolution", "deep-lift", "lrp"])
@pytest.mark.parametrize("form", ["in_place", "functional"])
def test_the_form_of_a_relu_changes_nothing(image: Tensor, method: str, form: str) -> None:
    plain = raw(explain(made(Chain), image, method, target=1).heatmap)
    assert raw(explain(made(Chain, **{form: True}), image, method, target=1).heatmap) == pytest.approx(plain, abs=1e-6)


def test_deep_lift_agrees_with_captum_where_captum_is_right(image: Tensor) -> None:
    from captum.attr import DeepLift

    network = made(Chain, mean=True)  # with a max pool its shares do not add up
    theirs = DeepLift(network.model).attribute(image, torch.zeros_like(image), target=3)[0].sum(0).detach().numpy()
    ours = raw(explain(network, image, "deep-lift", target=3).heatmap)
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.999


def test_deep_lift_agrees_with_captum_on_a_sum_of_branches_with_batchnorm(image: Tensor) -> None:
    from captum.attr import DeepLift

    network = made(Residual, shared=False)  # captum cannot share a ReLU, nor take this max pool
    for target in range(len(CLASSES)):
        theirs = DeepLift(network.model).attribute(image, torch.zeros_like(image), target=target)[0].sum(0)
        ours = raw(explain(network, image, "deep-lift", target=target).heatmap)
        assert ours == pytest.approx(theirs.detach().numpy(), rel=1e-3, abs=1e-5 * float(theirs.abs().max()))


@pytest.mark.parametrize(
    ("kind", "given"), [(Chain, {}), (Chain, {"overlap": True}), (Chain, {"in_place": True}), (Residual, {})]
)
def test_deep_lift_takes_straight_lines(image: Tensor, kind: type[nn.Module], given: dict[str, bool]) -> None:
    network = made(kind, **given)
    for target in (0, 3):
        expected = secant_shares(network.model, image, target)
        ours = raw(explain(network, image, "deep-lift", target=target).heatmap)
        assert ours == pytest.approx(expected, rel=1e-3, abs=1e-4 * float(np.abs(expected).max()))


def test_deep_lift_by_hand() -> None:
    class Four(nn.Module):
        """Four pixels, plus 1 for the left two, as a map; the larger of each row; twice the sum."""

        def __init__(self) -> None:
            super().__init__()
            self.look = nn.Conv2d(1, 1, 1, bias=False)
            self.head = nn.Linear(2, len(CLASSES), bias=False)
            self.register_buffer("more", torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
            nn.init.ones_(self.look.weight)
            nn.init.constant_(self.head.weight, 2.0)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(F.max_pool2d((self.look(x) + self.more).relu(), (1, 2)).flatten(1))

    anatomy = wrap(Chain()).anatomy
    network = Network(Four().eval(), anatomy, Preprocessing(2, 2, channels=1), CLASSES, "four")
    x = torch.tensor([[[[-3.0, 4.0], [2.0, 1.0]]]])
    # the first row rises from 1 (left) to 4 (right): of 3 all are the right's, none the left's, which fell from 1 to 0;
    # the second from 1 to 3, both at the left
    found = raw(explain(network, x, "deep-lift", target=0).heatmap)
    assert found == pytest.approx(np.array([[0.0, 6.0], [4.0, 0.0]]))


@pytest.mark.parametrize("kind", ["power", "largest", "between", "larger"])
def test_deep_lift_is_not_offered_where_it_has_no_rule(kind: str) -> None:
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "power": lambda x: x.pow(2),
        "largest": lambda x: x.max(2)[0],
        "between": lambda x: x.clamp(0.1, 0.5),
        "larger": lambda x: torch.maximum(x, x.flip(1)),
    }

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look = nn.Conv2d(3, 4, 3, 2, 1)
            self.head = nn.LazyLinear(len(CLASSES))

        def forward(self, x: Tensor) -> Tensor:
            return self.head(ways[kind](self.look(x).relu()).flatten(1))

    model = Odd()
    model(torch.zeros(1, 3, SIZE, SIZE))
    assert "no rule (such as powers" in str(METHODS["deep-lift"].unavailable(wrap(model)))


@pytest.mark.parametrize("kind", [Chain, Residual])
def test_deep_lift_adds_up_also_with_overlapping_windows_and_shared_relus(image: Tensor, kind: type[nn.Module]) -> None:
    network = made(kind, overlap=True) if kind is Chain else made(kind)
    for target in range(len(CLASSES)):
        found = raw(explain(network, image, "deep-lift", target=target).heatmap)
        rise = scores(network, image, target) - scores(network, torch.zeros_like(image), target)
        assert found.sum() == pytest.approx(rise[0], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("gamma", [0, 25])
def test_lrp_agrees_with_captum(image: Tensor, gamma: int) -> None:
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import EpsilonRule, GammaRule

    network = made(Chain)
    ours = raw(explain(network, image, "lrp", target=1, settings={"gamma": gamma}).heatmap)
    peer = made(Chain).model
    for name in ("a", "pool", "hidden", "head"):
        peer.get_submodule(name).rule = EpsilonRule()
    peer.b.rule = GammaRule(gamma / 100)
    theirs = LRP(peer).attribute(image, target=1)[0].sum(0).detach().numpy()
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.999
    assert ours == pytest.approx(theirs, rel=0.02, abs=1e-3 * float(np.abs(theirs).max()))


@pytest.mark.parametrize("gamma", [0, 25])
@pytest.mark.parametrize("against", [None, 3])
def test_lrp_layer_by_layer(image: Tensor, gamma: int, against: int | None) -> None:
    model = made(Chain).model
    steps: list[Callable[[Tensor, float], Tensor]] = [
        lambda x, _g: model.a(x),
        lambda x, g: F.conv2d(x.relu(), model.b.weight + g * model.b.weight.clamp_min(0), model.b.bias, padding=1),
        lambda x, _g: model.hidden(F.max_pool2d(x.relu(), 2).flatten(1)),
        lambda x, _g: model.head(x.relu()),
    ]
    entered = [image]
    with torch.no_grad():
        for step in steps:
            entered.append(step(entered[-1], 0.0))
    share = torch.zeros_like(entered[-1])
    share[0, 1] = entered[-1][0, 1]
    if against is not None:
        share[0, against] = -entered[-1][0, against]
    for x, step in zip(reversed(entered[:-1]), reversed(steps), strict=True):
        leaf = x.clone().requires_grad_()  # a share is what enters times its slope; ReLU and pool hand on what they get
        out = step(leaf, gamma / 100)
        (slope,) = torch.autograd.grad(out, leaf, (share / out).detach())
        share = (slope * leaf).detach()
    found = explain(made(Chain), image, "lrp", target=1, against=against, settings={"gamma": gamma}).heatmap
    expected = share[0].sum(0).numpy()
    assert raw(found) == pytest.approx(expected, rel=1e-3, abs=1e-4 * float(np.abs(expected).max()))


def test_lrp_keeps_the_score_where_there_are_no_biases_and_takes_batchnorm_into_its_convolution(image: Tensor) -> None:
    plain, normed = made(Chain), nn.Sequential()
    for module in (plain.model.a, plain.model.b, plain.model.hidden, plain.model.head):
        nn.init.zeros_(module.bias)
    found = raw(explain(plain, image, "lrp", target=2).heatmap)
    assert found.sum() == pytest.approx(scores(plain, image, 2)[0], rel=1e-3)
    conv, norm = nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4)
    with torch.no_grad():
        for value in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            value.copy_(torch.rand(4, generator=torch.Generator().manual_seed(1)) + 0.1)
    rest = [nn.ReLU(), nn.Flatten(), nn.Linear(4 * 256, len(CLASSES))]
    normed = wrap(nn.Sequential(conv, norm, *rest))
    joint = torch.nn.utils.fusion.fuse_conv_bn_eval(conv.eval(), norm.eval())
    fused = wrap(nn.Sequential(joint, *rest))
    a, b = (raw(explain(network, image, "lrp", target=0).heatmap) for network in (normed, fused))
    assert a == pytest.approx(b, rel=1e-3, abs=1e-4 * np.abs(b).max())


def norms(count: int) -> nn.BatchNorm2d:
    """A BatchNorm that has seen something."""
    norm = nn.BatchNorm2d(count)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            value.copy_(torch.rand(count, generator=generator) + 0.1)
    return norm.eval()


@pytest.mark.parametrize("in_place", [False, True])
def test_lrp_shares_batchnorm_behind_a_relu_by_itself(image: Tensor, in_place: bool) -> None:
    class Behind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.relu, self.norm = nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(in_place), norms(4)
            self.head = nn.Linear(4 * 256, len(CLASSES))

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.norm(self.relu(self.a(x))).flatten(1))

    network = made(Behind)
    assert METHODS["lrp"].unavailable(network) is None
    ours = raw(explain(network, image, "lrp", target=1, settings={"gamma": 0}).heatmap)
    model, kept = network.model, []
    with torch.no_grad():
        x = image
        kept.append((x, model.a))
        x = model.a(x).relu()
        kept.append((x, model.norm))
        x = model.norm(x).flatten(1)
        kept.append((x, model.head))
        share = torch.zeros(1, len(CLASSES))
        share[0, 1] = model.head(x)[0, 1]
    for entered, layer in reversed(kept):  # the epsilon rule as in Montavon et al. 2019
        entered = entered.clone().requires_grad_()
        out = layer(entered)
        (slope,) = torch.autograd.grad(out, entered, (share.view_as(out) / out).detach())
        share = (slope * entered).detach()
    assert ours == pytest.approx(share[0].sum(0).numpy(), rel=1e-3, abs=1e-4 * float(share.abs().max()))
