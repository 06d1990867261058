"""Figures as the lessons' pages print them, each worked out again by plain torch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from core.data.images import open_image, to_tensor
from core.models.network import Network
from core.workflows.network_loading import load_network

CAT = Path(__file__).resolve().parents[3] / "assets" / "samples" / "cat.jpg"
OWN = {"step": "play", "backbone": "mnist_cnn", "weights": "none", "image": "sample:cat", "learn-on": "own"}


def numbers(text: str) -> list[float]:
    """Returns every number that a page prints."""
    plain = re.sub(r"<[^>]*>", " ", text).replace("\N{MINUS SIGN}", "-").replace(",", "")
    return [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", plain)]


def prints(text: str, value: float, rel: float = 1e-6) -> bool:
    """Whether a page prints a value, with as many digits as it has there."""
    return any(math.isclose(found, value, rel_tol=rel, abs_tol=1e-12) for found in numbers(text))


@pytest.fixture(scope="module")
def network() -> Network:
    found = load_network("mnist_cnn", weights="none")
    found.model.eval()
    return found


@pytest.fixture(scope="module")
def picture(network: Network) -> torch.Tensor:
    image: Image.Image = open_image(CAT)
    return to_tensor(image, network.preprocessing)


def test_a_way_over_a_surface_ends_where_plain_torch_ends(open_page: Callable[..., object], words) -> None:
    place = torch.tensor([-4.0, 1.6], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([place], 0.1)
    for _step in range(60):
        optimizer.zero_grad()
        (0.05 * place[0] ** 2 + 2 * place[1] ** 2).backward()
        optimizer.step()
    x, y = place.tolist()
    last = 0.05 * x**2 + 2 * y**2
    said = words(open_page("learn", lesson="race", step="play", **{"learn-rates": "one", "learn-rate": "-1.0"}))
    assert prints(said, last, rel=1e-3), "four digits are printed"


def test_gradients_of_a_stack_are_plain_torchs(open_page: Callable[..., object], words) -> None:
    torch.manual_seed(0)
    layers = [torch.nn.Linear(64, 64) for _layer in range(20)]
    head = torch.nn.Linear(64, 10)
    x, labels = torch.randn(128, 64), torch.randint(10, (128,))
    for linear in (*layers, head):
        torch.nn.init.zeros_(linear.bias)
        torch.nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
    h = x
    for linear in layers:
        h = linear(h).relu()
    F.cross_entropy(head(h), labels).backward()
    first, last = (float(layers[place].weight.grad.norm()) for place in (0, -1))
    said = words(open_page("learn", lesson="depth", step="play"))
    assert prints(said, first / last, rel=5e-3), "three digits are printed"
    assert prints(said, float(h.detach().std()), rel=5e-3)


def test_a_value_of_ones_own_layer_is_torchs(open_page, words, network: Network, picture: torch.Tensor) -> None:
    conv = next(module for module in network.model.modules() if isinstance(module, torch.nn.Conv2d))
    with torch.no_grad():
        value = conv(picture)[0, 2, 3, 4]
        patch = F.pad(picture, (1, 1, 1, 1))[0, 0, 3:8, 4:9]
    query = OWN | {"learn-channel": "2", "learn-at": "3.4"}
    said = words(open_page("learn", lesson="convolution", **query))
    assert prints(said, float(value))
    products = patch * conv.weight[2, 0].detach()
    for cell in ((0, 0), (4, 4)):
        assert prints(said, float(products[cell]), rel=1e-3), "a broad grid has four digits"


def test_a_gradient_of_ones_own_layer_is_torchs(open_page, words, network: Network, picture: torch.Tensor) -> None:
    import copy

    model = copy.deepcopy(network.model).double()
    logits = model(picture.double())
    F.cross_entropy(logits, logits.argmax(1)).backward()
    last = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    steepest = last.weight.grad.flatten().abs().topk(3).indices
    said = words(open_page("learn", lesson="backward", **OWN))
    for place in steepest.tolist():
        assert prints(said, float(last.weight.grad.flatten()[place]))


def test_logits_and_loss_of_ones_own_picture_are_torchs(open_page, words, network: Network, picture) -> None:
    with torch.no_grad():
        logits = network.model(picture)[0].double()
    said = words(open_page("learn", lesson="cross-entropy", **OWN))
    assert prints(said, float(logits.max()))
    assert prints(said, float(F.cross_entropy(logits[None], logits.argmax()[None])))


def test_a_cell_of_a_heatmap_is_the_sum_that_torch_gives(open_page, words, network: Network, picture) -> None:
    layer = network.model.get_submodule(network.anatomy.cam_layer)
    kept: list[torch.Tensor] = []
    hook = layer.register_forward_hook(lambda _module, _given, output: kept.append(output))
    logits = network.model(picture.clone().requires_grad_())[0]
    hook.remove()
    (slopes,) = torch.autograd.grad(logits.max(), kept[0])
    raw = (slopes[0].mean((1, 2))[:, None, None] * kept[0][0].detach()).sum(0)
    said = words(open_page("learn", lesson="heatmap", **OWN | {"learn-heat-at": "1.2"}))
    assert prints(said, float(logits.detach().max()))
    assert prints(said, float(raw[1, 2]), rel=1e-5)
    assert prints(said, float(raw.relu().max()), rel=1e-5)


def test_what_is_dropped_before_ones_own_last_layer_is_torchs(open_page, words, network: Network, picture) -> None:
    with torch.no_grad():
        shares = network.model(picture).softmax(1)[0]
    said = words(open_page("learn", lesson="dropout", **OWN | {"learn-drop-own": "0"}))
    assert prints(said, round(100 * float(shares.max()), 1), rel=1e-2), "percent"
    assert "0 / 200" in said
    assert "50 values" in said.replace("the 50 values", "50 values")


def test_sizes_of_ones_own_layer_are_torchs(open_page, words, network: Network) -> None:
    conv = next(module for module in network.model.modules() if isinstance(module, torch.nn.Conv2d))
    with torch.no_grad():
        shape = tuple(conv(torch.zeros(1, 1, 28, 28))[0].shape)
    said = words(open_page("learn", lesson="sizes", **OWN))
    assert " × ".join(map(str, shape)) in said
    assert prints(said, sum(value.numel() for value in conv.parameters()))


def test_a_window_grows_as_kernels_and_strides_say(open_page, words) -> None:
    """Of the notes' digits: two convolutions of 5 x 5, each with a pool of 2."""
    query = {name: value for name, value in OWN.items() if name != "learn-on"}
    said = words(open_page("learn", lesson="receptive-field", **query | {"learn-depth": "99"}))
    size, step, sides = 1, 1, []
    for kernel, stride in ((5, 1), (2, 2), (5, 1), (2, 2)):
        size, step = size + (kernel - 1) * step, step * stride
        sides.append(f"{size} px, step {step}")
    assert any(side in said for side in sides)
    assert sides[0] in said


def test_counts_of_uneven_classes_are_scikit_learns(open_page, words) -> None:
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score

    from core.lessons.imbalance import TEST_EACH, points

    x, y = points(0.05, 400, 2.0, 0)
    new_x, new_y = points(0.5, 2 * TEST_EACH, 2.0, 2)
    model = LogisticRegression(class_weight="balanced").fit(x, y)
    balanced = balanced_accuracy_score(new_y, model.predict(new_x))
    weights = np.where(new_y == 1, 0.05, 0.95)
    accuracy = float(((model.predict(new_x) == new_y) * weights).sum() / weights.sum())
    said = words(open_page("learn", lesson="uneven", step="play"))
    for value in (balanced, accuracy):
        assert prints(said, round(100 * value, 1), rel=1e-3)
