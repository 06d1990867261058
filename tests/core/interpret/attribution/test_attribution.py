"""Heatmaps: their scale, their class, their layer, and figures that can be checked by other means."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.interpret.attribution import cam
from core.interpret.attribution.explain import FAMILIES, METHODS, explain, explain_many
from core.models.network import Network
from tests.core.interpret.conftest import CLASSES, SIZE, wrap

CAMS = [row.id for row in METHODS.values() if row.formula]
LAYERED = [row.id for row in METHODS.values() if row.needs_layer]
FEW = {"samples": 24, "regions": 6, "steps": 8, "channels": 0}


def few(method: str) -> dict[str, int]:
    """Small settings for a method, so that it is quick."""
    return {name: FEW[name] for name in METHODS[method].defaults if name in FEW}


class Corner(nn.Module):
    """Sees only the upper left quarter: class 0 rises with its brightness, class 1 falls."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(3, 2, 1, bias=False)
        self.head = nn.Linear(2, len(CLASSES), bias=False)
        with torch.no_grad():
            self.look.weight.copy_(torch.tensor([[1.0, 1, 1], [-1, -1, -1]])[:, :, None, None])
            self.head.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [0, 0], [0.5, 0.5]]))

    def forward(self, x: Tensor) -> Tensor:
        half = x.shape[-1] // 2
        return self.head(self.look(x)[:, :, :half, :half].mean((2, 3)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["NCHW", "tokens", "NHWC"])
def test_every_method_on_every_layout(tiny: Callable[..., Network], image: Tensor, kind: str, method: str) -> None:
    network = tiny(kind)
    for parameter in network.model.parameters():
        parameter.requires_grad_(False)
    reason = METHODS[method].unavailable(network)
    if reason is not None:
        assert reason.endswith(".")
        with pytest.raises(InputError) as refusal:
            explain(network, image, method)
        assert str(refusal.value) == reason
        return
    found = [
        explain(network, image, method, target=target, settings=few(method)).heatmap for target in range(len(CLASSES))
    ]
    assert network.anatomy.layout == kind
    for target, heatmap in enumerate(found):
        assert heatmap.values.shape == (SIZE, SIZE)
        assert heatmap.values.dtype == np.float32
        assert np.isfinite(heatmap.values).all()
        assert heatmap.target == target
        assert heatmap.seconds > 0
        assert heatmap.layer == (network.anatomy.cam_layer if METHODS[method].needs_layer else None)
        if not heatmap.empty:
            assert np.abs(heatmap.values).max() == pytest.approx(1.0)
            assert heatmap.values.min() >= (-1 if METHODS[method].signed else 0)
    assert sum(heatmap.empty for heatmap in found) < len(found)
    differs = any((found[0].values != heatmap.values).any() for heatmap in found[1:])
    assert differs == METHODS[method].follows_class


def test_probabilities_and_the_predicted_class(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    expected = network.model(image).softmax(1)[0].detach().numpy()
    found = explain(network, image)
    assert found.probabilities == pytest.approx(expected, abs=1e-6)
    assert found.predicted == found.heatmap.target == int(expected.argmax())
    assert explain(network, image, target=(found.predicted + 1) % 4).predicted == found.predicted


def test_methods_on_a_layer_share_one_pass(tiny: Callable[..., Network], image: Tensor) -> None:
    network, passes = tiny(), []
    handle = network.model.register_forward_hook(lambda *_: passes.append(1))
    together = explain_many(network, image, CAMS, target=2)
    handle.remove()
    assert len(passes) == 1
    assert list(together) == CAMS
    for method in CAMS:
        assert (together[method].heatmap.values == explain(network, image, method, target=2).heatmap.values).all()


def test_formulas_by_hand() -> None:
    rng = np.random.default_rng(5)
    a, g = rng.random((4, 3, 3)), rng.normal(size=(4, 3, 3)) * 1e-9
    given = torch.from_numpy(a), torch.from_numpy(g)
    weighted = sum(g[k].mean() * a[k] for k in range(4))
    assert cam.grad_cam(*given).numpy() == pytest.approx(np.maximum(weighted, 0))
    assert cam.hires_cam(*given).numpy() == pytest.approx(np.maximum((a * g).sum(0), 0))
    assert cam.layer_cam(*given).numpy() == pytest.approx((a * np.maximum(g, 0)).sum(0))
    expected = np.zeros((3, 3))
    for k in range(4):
        alpha = g[k] ** 2 / (2 * g[k] ** 2 + a[k].sum() * g[k] ** 3)
        expected += (alpha * np.maximum(g[k], 0)).sum() * a[k]
    assert cam.grad_cam_plus_plus(*given).numpy() == pytest.approx(expected)
    assert (cam.grad_cam_plus_plus(given[0], torch.zeros(4, 3, 3)) == 0).all()


def test_grad_cam_plus_plus_by_true_higher_derivatives() -> None:
    generator = torch.Generator().manual_seed(8)
    a = torch.rand(3, 2, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    head = torch.randn(3, 2, 2, generator=generator, dtype=torch.float64)
    score = (a * head).sum()
    first = torch.autograd.grad(score.exp(), a, create_graph=True)[0]
    second, third = torch.zeros_like(a), torch.zeros_like(a)
    for place in np.ndindex(*a.shape):
        slope = torch.autograd.grad(first[place], a, create_graph=True)[0][place]
        second[place] = slope.detach()
        third[place] = torch.autograd.grad(slope, a, retain_graph=True)[0][place]
    values = a.detach()
    alpha = second / (2 * second + values.sum((1, 2), keepdim=True) * third)  # as the paper's equation 19 has it
    weights = (alpha * first.detach().relu()).sum((1, 2))
    expected = (weights[:, None, None] * values).sum(0).relu()
    found = cam.grad_cam_plus_plus(values, head)
    assert (found / found.max()).numpy() == pytest.approx((expected / expected.max()).numpy())


def test_grad_cam_sees_the_corner_and_only_for_its_class() -> None:
    network = wrap(Corner().double())
    x = torch.ones(1, 3, SIZE, SIZE, dtype=torch.float64)
    x[:, :, :4, :4] = 5
    bright = explain(network, x, "hires-cam", target=0).heatmap
    assert bright.values[:4, :4].min() == pytest.approx(1.0)
    assert (bright.values[:, SIZE // 2 :] == 0).all()
    against = explain(network, x, "hires-cam", target=1).heatmap
    assert against.empty
    assert (against.values == 0).all()
    blind = explain(network, x, "saliency", target=2).heatmap
    assert blind.empty


def test_saliency_is_the_slope_by_finite_differences(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    network.model.double()
    x, step = image.double(), 1e-6
    heatmap = explain(network, x, "saliency", target=1).heatmap
    raw = heatmap.values * (heatmap.high - heatmap.low) + heatmap.low
    for row, column in [(0, 0), (7, 19), (16, 16), (31, 5)]:
        slopes = []
        for channel in range(3):
            up, down = x.clone(), x.clone()
            up[0, channel, row, column] += step
            down[0, channel, row, column] -= step
            with torch.no_grad():
                slopes.append(float(network.model(up)[0, 1] - network.model(down)[0, 1]) / (2 * step))
        assert raw[row, column] == pytest.approx(max(map(abs, slopes)), rel=1e-4, abs=1e-9)


def test_integrated_gradients_add_up_to_the_rise(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    heatmap = explain(network, image, "integrated-gradients", target=1, settings={"steps": 200}).heatmap
    largest = max(abs(heatmap.low), abs(heatmap.high))
    with torch.no_grad():
        rise = network.model(image)[0, 1] - network.model(torch.zeros_like(image))[0, 1]
    assert float(heatmap.values.sum() * largest) == pytest.approx(float(rise), rel=0.02)


def test_occlusion_falls_only_where_the_network_looks() -> None:
    network = wrap(Corner())
    x = torch.ones(1, 3, SIZE, SIZE)
    found = explain(network, x, "occlusion", target=0, settings={"window": 4}).heatmap
    half = SIZE // 2
    assert found.values[:half, :half] == pytest.approx(1.0)
    assert np.abs(found.values[half:]).max() < 1e-5
    assert explain(network, x, "occlusion", target=1).heatmap.values[:half, :half].max() < 0
    # a square of 4 of 16 x 16 pixels with 3 colours: 16/256 of the mean brightness 3
    assert found.high == pytest.approx(3 * 16 / 256, rel=1e-4)


SLOW = [row.id for row in METHODS.values() if row.passes > 2]


@pytest.mark.parametrize("method", ["saliency", *SLOW])
def test_progress_counts_to_the_end(tiny: Callable[..., Network], image: Tensor, method: str) -> None:
    seen: list[tuple[int, int]] = []
    network = wrap(Corner()) if METHODS[method].unavailable(tiny()) else tiny()
    if METHODS[method].unavailable(network):
        assert method == "lrp"
        return
    explain(network, image, method, settings=few(method), progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize("method", SLOW)
def test_progress_can_end_the_work(tiny: Callable[..., Network], image: Tensor, method: str) -> None:
    network = tiny()
    if METHODS[method].unavailable(network):
        assert method == "lrp"
        return
    network.model.train()

    def cancel(_done: int, _total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        explain(network, image, method, settings=few(method), progress=cancel)
    assert all(module.training for module in network.model.modules())
    assert all(p.requires_grad and p.grad is None for p in network.model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in network.model.modules())


def test_a_layer_of_choice_and_its_size(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    early, late = (explain(network, image, "layer-cam", layer=layer).heatmap for layer in ("stem", "body.0"))
    assert (early.layer, late.layer) == ("stem", "body.0")
    assert (early.values != late.values).any()


def test_gradients_that_do_not_reach_a_layer_give_an_empty_map(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny("tokens")  # behind the attention only the class token reaches the head
    late = explain(network, image, layer="last").heatmap
    assert late.empty
    assert (late.values == 0).all()
    assert network.anatomy.cam_layer == "norm"
    assert not explain(network, image, "layer-cam").heatmap.empty
    assert not explain(network, image, "layer-cam", layer="patches").heatmap.empty


def test_a_layer_that_gives_a_tuple(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny("tokens")
    found = explain(network, image, layer="attention")
    assert found.heatmap.empty
    assert found.probabilities == pytest.approx(explain(network, image).probabilities, abs=1e-6)


@pytest.mark.parametrize("target", [4, -1, True, 1.0, "bee"])
def test_a_class_that_does_not_exist(tiny: Callable[..., Network], image: Tensor, target: int) -> None:
    for method in ("grad-cam", "saliency"):
        with pytest.raises(InputError, match="4 classes: 0 ant, 1 bee, 2 cat, 3 dog"):
            explain(tiny(), image, method, target=target)


def test_numpy_integers_are_classes(tiny: Callable[..., Network], image: Tensor) -> None:
    assert explain(tiny(), image, target=np.int64(2)).heatmap.target == 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("layer", "words"), [("nowhere", "no layer 'nowhere'.*body"), ("head", "head gives no map.*body")]
)
def test_a_layer_that_cannot_be(tiny: Callable[..., Network], image: Tensor, layer: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        explain(tiny(), image, layer=layer)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"method": "magic"}, "no method magic.*grad-cam"),
        ({"method": "occlusion", "settings": {"steps": 3}}, "Occlusion has no setting steps"),
        ({"method": "occlusion", "settings": {"window": -1}}, "window is -1"),
        ({"method": "occlusion", "settings": {"window": True}}, "window is True"),
    ],
)
def test_settings_that_cannot_be(tiny: Callable[..., Network], image: Tensor, given: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        explain(tiny(), image, **given)


def test_several_methods_share_settings_and_refuse_what_none_has(tiny: Callable[..., Network], image: Tensor) -> None:
    together = explain_many(tiny(), image, ("saliency", "smoothgrad"), settings={"samples": 2})
    alone = explain(tiny(), image, "smoothgrad", settings={"samples": 2})
    assert (together["smoothgrad"].heatmap.values == alone.heatmap.values).all()
    with pytest.raises(InputError, match=r"None of these methods has a setting steps.*samples, noise, seed"):
        explain_many(tiny(), image, ("saliency", "smoothgrad"), settings={"steps": 2})


@pytest.mark.parametrize("shape", [(3, SIZE, SIZE), (2, 3, SIZE, SIZE)])
def test_one_image_at_a_time(tiny: Callable[..., Network], shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="1xCxHxW"):
        explain(tiny(), torch.zeros(shape))


def test_a_network_without_maps_says_so() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(3 * SIZE * SIZE, len(CLASSES))

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x.flatten(1))

    network = wrap(Flat())
    x = torch.ones(1, 3, SIZE, SIZE)
    for method in LAYERED:
        assert METHODS[method].unavailable(network)
        with pytest.raises(InputError, match="no class activation map"):
            explain(network, x, method)
    assert METHODS["saliency"].unavailable(network) is None
    assert not explain(network, x, "saliency").heatmap.empty


def test_rows_are_complete() -> None:
    for name, row in METHODS.items():
        assert row.id == name
        assert row.description.endswith(".")
        assert row.paper
        assert (row.formula is None) != (row.procedure is None)
        assert row.family in FAMILIES
        assert row.layered or row.formula is None
        assert row.needs in ("layer", "input")


def test_captum_serves_wherever_it_is_right_and_is_not_loaded_before() -> None:
    own = {row.id for row in METHODS.values() if row.served_by == "own"}
    assert own == {
        *CAMS,
        *("score-cam", "ablation-cam", "smoothgrad-cam++", "guided-grad-cam", "random-cam"),
        *("deep-lift", "attention-rollout", "gradient-rollout"),
    }
    code = (
        "import sys; from core.interpret.attribution.explain import explain; from core.models.network import bare; "
        "import torch; n = bare('mnist_cnn', 'none'); p = n.preprocessing; "
        "explain(n, torch.ones(1, p.channels, p.crop, p.crop)); print('captum' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
