"""Several classes, layers and pictures at once; contrast; bad pictures and weights; many visitors."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from core.data.images import fit, to_tensor
from core.errors import InputError
from core.interpret.attribution import cam
from core.interpret.attribution.equations import EQUATIONS
from core.interpret.attribution.explain import (
    METHODS,
    explain,
    explain_classes,
    explain_each,
    explain_layers,
    explain_pictures,
)
from core.interpret.drawing.overlay import overlay
from core.models.network import Network
from tests.core.interpret.conftest import SIZE

KINDS = ["NCHW", "tokens", "NHWC"]


def passes_of(network: Network, work: Callable[[], object]) -> int:
    """Counts forward passes."""
    seen: list[int] = []
    handle = network.model.register_forward_hook(lambda *_: seen.append(1))
    work()
    handle.remove()
    return len(seen)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["grad-cam", "layer-cam", "saliency"])
def test_classes_at_once_are_those_one_by_one(
    tiny: Callable[..., Network], image: Tensor, kind: str, method: str
) -> None:
    network = tiny(kind)
    together = explain_classes(network, image, method, [0, None, 3])
    for found, target in zip(together, [0, None, 3], strict=True):
        alone = explain(network, image, method, target=target)
        assert found.heatmap.target == alone.heatmap.target
        assert found.heatmap.values == pytest.approx(alone.heatmap.values, abs=1e-5)
    if method != "saliency":
        assert passes_of(network, lambda: explain_classes(network, image, method, [0, 1, 2, 3])) == 1


def test_layers_at_once_are_those_one_by_one(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    layers = ["stem.0", "stem", "body", "after"]
    together = explain_layers(network, image, "hires-cam", layers, target=1)
    assert list(together) == layers
    for layer, found in together.items():
        alone = explain(network, image, "hires-cam", target=1, layer=layer).heatmap
        assert found.heatmap.layer == layer
        assert found.heatmap.values == pytest.approx(alone.values, abs=1e-5)
    assert passes_of(network, lambda: explain_layers(network, image, "grad-cam", layers)) == 1
    tried = explain_layers(network, image, "random-cam", ["stem", "after"])
    assert list(tried) == ["stem", "after"]
    with pytest.raises(InputError, match="looks at the picture itself"):
        explain_layers(network, image, "saliency", layers)


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_at_once_are_those_one_by_one(tiny: Callable[..., Network], kind: str) -> None:
    network = tiny(kind)
    images = torch.randn(5, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(4))
    targets = [0, 1, None, 3, 2]
    seen: list[tuple[int, int]] = []
    together = explain_each(network, images, targets=targets, progress=lambda a, b: seen.append((a, b)))
    assert seen[-1] == (5, 5)
    for found, picture, target in zip(together, images, targets, strict=True):
        alone = explain(network, picture[None], target=target)
        assert found.heatmap.target == alone.heatmap.target
        assert found.predicted == alone.predicted
        assert found.heatmap.values == pytest.approx(alone.heatmap.values, abs=1e-4)
    assert passes_of(network, lambda: explain_each(network, images)) == 1
    few = explain_each(network, list(images[:2].split(1)), "occlusion", targets=1)
    assert [found.heatmap.target for found in few] == [1, 1]
    with pytest.raises(InputError, match="2 classes were given for 5 pictures"):
        explain_each(network, images, targets=[0, 1])


@pytest.mark.parametrize("method", ["grad-cam", "saliency"])
@pytest.mark.parametrize("kind", KINDS)
def test_classes_of_several_pictures_at_once_are_those_one_by_one(
    tiny: Callable[..., Network], kind: str, method: str
) -> None:
    network = tiny(kind)
    images = torch.randn(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(5))
    targets = [[0, 1], [2, 0], [None, 3]]
    together = explain_pictures(network, images, method, targets)
    for row, picture, wanted in zip(together, images, targets, strict=True):
        assert len(row) == 2
        for found, target in zip(row, wanted, strict=True):
            alone = explain(network, picture[None], method, target=target)
            assert found.heatmap.target == alone.heatmap.target
            assert found.heatmap.values == pytest.approx(alone.heatmap.values, abs=1e-4)
    if method == "grad-cam":
        assert passes_of(network, lambda: explain_pictures(network, images, method, targets)) == 1
    with pytest.raises(InputError, match="1 classes were given for 3 pictures"):
        explain_pictures(network, images, method, [[0, 1]])
    assert explain_pictures(network, [], method, []) == []


def test_contrast_is_the_difference_of_the_gradients(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    lead, own, other = (cam.layer_pass(network, image, target=t, against=a) for t, a in ((1, 2), (1, None), (2, None)))
    assert lead.gradients.numpy() == pytest.approx((own.gradients - other.gradients).numpy(), abs=1e-7)
    assert (lead.target, lead.against) == (1, 2)
    found = explain(network, image, "integrated-gradients", target=1, against=2, settings={"steps": 200}).heatmap
    with torch.no_grad():
        rise = (network.model(image) - network.model(torch.zeros_like(image)))[0]
    total = float(found.values.sum()) * max(abs(found.low), abs(found.high))
    assert total == pytest.approx(float(rise[1] - rise[2]), rel=0.03)
    assert found.against == 2
    swapped = explain(network, image, "input-x-gradient", target=2, against=1).heatmap.values
    assert swapped == pytest.approx(-explain(network, image, "input-x-gradient", target=1, against=2).heatmap.values)


def test_contrast_with_the_predicted_class_explains_the_runner_up(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    ranked = network.model(image)[0].argsort(descending=True).tolist()
    assert explain(network, image, against=ranked[0]).heatmap.target == ranked[1]
    assert explain(network, image, against=ranked[2]).heatmap.target == ranked[0]
    with pytest.raises(InputError, match="against itself"):
        explain(network, image, target=1, against=1)
    with pytest.raises(InputError, match="There is no class 9"):
        explain(network, image, target=1, against=9)


def test_a_picture_of_another_size_or_of_other_channels(tiny: Callable[..., Network]) -> None:
    for method in ("grad-cam", "saliency", "occlusion", "kernel-shap"):
        with pytest.raises(InputError, match=r"cannot take a picture of 32 × 32 px with 1 channels.*32 × 32 px"):
            explain(tiny(), torch.zeros(1, 1, SIZE, SIZE), method)
    with pytest.raises(InputError, match="cannot take a picture of 4 × 4 px"):
        explain(tiny("tokens"), torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize("method", ["grad-cam", "random-cam", "saliency", "occlusion", "lime", "eigen-cam"])
def test_one_pixel(tiny: Callable[..., Network], method: str) -> None:
    found = explain(tiny(), torch.ones(1, 3, 1, 1), method).heatmap
    assert found.values.shape == (1, 1)
    assert np.isfinite(found.values).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_other_numbers_and_with_a_graph(
    tiny: Callable[..., Network], image: Tensor, kind: str, method: str
) -> None:
    network = tiny(kind)
    if METHODS[method].unavailable(network):
        return
    given = {n: v for n, v in {"samples": 12, "regions": 5, "steps": 4}.items() if n in METHODS[method].defaults}
    plain = explain(network, image, method, target=1, settings=given).heatmap.values
    for other in (image.double(), image.clone().requires_grad_()):
        found = explain(network, other, method, target=1, settings=given).heatmap.values
        assert found == pytest.approx(plain, abs=1e-5)
        assert other.grad is None


def test_tokens_of_a_picture_that_is_no_square(tiny: Callable[..., Network]) -> None:
    for method in ("layer-cam", "attention-rollout", "saliency"):  # 4 x 16 patches would pass for 8 x 8
        with pytest.raises(InputError, match="cannot take a picture of 128 × 32 px"):
            explain(tiny("tokens"), torch.ones(1, 3, 32, 128), method)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_in_sixteen_bits(tiny: Callable[..., Network], image: Tensor, kind: str) -> None:
    network = tiny(kind)
    methods = ["grad-cam", "score-cam", "ablation-cam", "saliency", "kernel-shap"]
    methods += ["attention-rollout", "gradient-rollout"] if kind == "tokens" else ["deep-lift"]
    plain = [explain(network, image, name, target=1).heatmap.values for name in methods]
    network.model.to(torch.bfloat16)
    for name, values in zip(methods, plain, strict=True):
        found = explain(network, image, name, target=1).heatmap.values
        assert np.corrcoef(found.ravel(), values.ravel())[0, 1] > 0.9, name


def test_a_panorama_is_explained_where_the_network_looks(tiny: Callable[..., Network]) -> None:
    network = tiny()
    picture = Image.linear_gradient("L").resize((10_000, 320)).convert("RGB")
    found = explain(network, to_tensor(picture, network.preprocessing), "occlusion").heatmap
    assert found.values.shape == (SIZE, SIZE)
    assert overlay(fit(picture, network.preprocessing), abs(found.values)).size == (SIZE, SIZE)


def test_scores_that_are_no_numbers(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    with pytest.raises(InputError, match="no numbers"):
        explain(network, torch.full_like(image, float("nan")))
    network.model.after.register_forward_hook(lambda _m, _i, output: output.nan_to_num())
    handle = network.model.body.register_forward_hook(lambda _m, _i, output: output * float("nan"))
    for method in METHODS:
        if METHODS[method].needs_layer and not METHODS[method].unavailable(network):
            with pytest.raises(InputError, match="no numbers"):
                explain(network, image, method, layer="body")
    handle.remove()
    with torch.no_grad():
        network.model.get_parameter("stem.0.weight")[0, 0, 0, 0] = float("inf")
    for method in METHODS:
        with pytest.raises(InputError):
            explain(network, image, method)


def test_many_visitors_of_many_methods_leave_nothing_behind(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    network.model.train()
    names = [
        "grad-cam",
        "guided-backprop",
        "deep-lift",
        "score-cam",
        "ablation-cam",
        "smoothgrad",
        "gradient-shap",
        "lime",
        "occlusion",
        "random-cam",
    ]
    expected = {(name, t): explain(network, image, name, target=t).heatmap.values for name in names for t in (0, 2)}
    jobs = list(expected)

    def visit(turn: int) -> bool:
        name, target = jobs[turn % len(jobs)]

        def cancel(_done: int, _total: int) -> None:
            raise InterruptedError

        if turn % 5 == 0:
            try:
                explain(network, image, "kernel-shap", progress=cancel)
            except InterruptedError:
                return True
            return False
        return np.array_equal(explain(network, image, name, target=target).heatmap.values, expected[name, target])

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(visit, range(96)))
    modules = list(network.model.modules())
    assert all(module.training for module in modules)
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in modules)
    assert all(p.requires_grad and p.grad is None for p in network.model.parameters())


def test_every_method_has_its_equation() -> None:
    assert set(EQUATIONS) == set(METHODS)
    for row in METHODS.values():
        assert row.equation.count("{") == row.equation.count("}")
        assert row.equation.count(r"\Big(") == row.equation.count(r"\Big)")
