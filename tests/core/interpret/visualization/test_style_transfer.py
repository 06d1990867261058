"""Style transfer: Gram matrices, losses that fall, layers and starts, what is refused, and a network left as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import Cancelled, InputError
from core.interpret.layout import spatial_layers
from core.interpret.visualization.style_transfer import (
    VGG_CONTENT,
    VGG_STYLE,
    StylePlan,
    gram,
    transfer_style,
    usual_layers,
)
from core.models.anatomy_cache import blueprint
from core.models.network import Network, assemble
from core.specs import ModelSpec, Piece

DESIGN = (
    Piece("conv", size=6, kernel=3, padding=1),
    Piece("relu"),
    Piece("max-pool", kernel=2),
    Piece("conv", size=8, kernel=3, padding=1),
    Piece("relu"),
)


@pytest.fixture(scope="module")
def network() -> Network:
    return assemble(ModelSpec("own", "none", image_size=32, channels=3, design=DESIGN), ("a", "b"), seed=0)


def noise(seed: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values)


def stripes() -> Image.Image:
    values = np.zeros((40, 40, 3), np.uint8)
    values[::4] = (255, 40, 0)
    return Image.fromarray(values)


PLAN = StylePlan("conv2", ("act1", "act2"), size=64, steps=12, style_weight=1.0)


def test_gram_is_the_mean_product_of_two_channels_over_all_places() -> None:
    maps = torch.randn(2, 5, 7, 3, dtype=torch.float64)
    assert torch.allclose(gram(maps), torch.einsum("bihw,bjhw->bij", maps, maps) / 21, rtol=1e-12)


@pytest.mark.parametrize("start", ["picture", "noise"])
def test_both_losses_fall_and_the_picture_is_reported_as_it_grows(network: Network, start: str) -> None:
    seen: list[tuple[int, tuple[int, ...]]] = []

    def on_step(step: int, _losses: Any, picture: Callable[[], Any]) -> None:
        seen.append((step, picture().shape))

    plan = StylePlan("conv2", ("act1", "act2"), 1.0, start, 64, 12)
    made = transfer_style(network, noise(0), stripes(), plan, on_step=on_step)
    assert made.image.shape == (48, 64, 3)  # as wide as high as the picture
    assert seen == [(step, (48, 64, 3)) for step in range(1, 13)]
    assert len(made.losses) == 12
    first, last = made.losses[0], made.losses[-1]
    assert last["total"] < 0.5 * first["total"]
    assert last["style"] < first["style"]
    if start == "picture":
        assert first["content"] == 0.0
    for row in made.losses:
        assert row["total"] == pytest.approx(row["content"] + row["style"], rel=1e-5)


def test_the_painted_picture_s_gram_matrices_approach_the_style_s(network: Network) -> None:
    made = transfer_style(network, noise(0), stripes(), PLAN)
    assert list(made.grams) == ["act1", "act2"]
    for found in made.grams.values():
        assert set(found) == {"style", "content", "result"}
        assert np.allclose(found["style"], found["style"].T)
        gap = {which: float(((found[which] - found["style"]) ** 2).sum()) for which in ("content", "result")}
        assert gap["result"] < gap["content"]


def test_a_picture_in_its_own_style_stays_as_it_is(network: Network) -> None:
    picture = noise(3, (64, 64))
    made = transfer_style(network, picture, picture, PLAN)
    assert max(row["total"] for row in made.losses) < 1e-9
    assert np.abs(made.image.astype(int) - np.array(picture).astype(int)).max() <= 1


def test_the_same_seed_paints_the_same_and_the_network_is_left_as_it_was(network: Network) -> None:
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    plan = StylePlan("conv2", ("act1",), 1.0, "noise", 64, 3, seed=4)
    one, other = (transfer_style(network, noise(0), stripes(), plan) for _ in range(2))
    assert np.array_equal(one.image, other.image)
    assert all(torch.equal(value, before[name]) for name, value in network.model.state_dict().items())
    assert not any(module._forward_hooks for module in network.model.modules())
    assert all(value.requires_grad for value in network.model.parameters())


def test_a_coarse_beginning_is_handed_out_at_the_whole_size_and_helps(network: Network) -> None:
    seen: list[tuple[int, int, int]] = []
    plan = StylePlan("conv2", ("act1", "act2"), 1.0, "noise", 128, 16, coarse=True)
    assert plan.stages() == ((64, 12), (128, 4))
    made = transfer_style(
        network, noise(0), stripes(), plan, on_step=lambda _n, _l, picture: seen.append(picture().shape)
    )
    assert seen == [(96, 128, 3)] * 16
    assert len(made.losses) == 16
    unprepared = transfer_style(network, noise(0), stripes(), replace(plan, coarse=False, steps=4))
    assert made.losses[-1]["total"] < 0.8 * unprepared.losses[-1]["total"]  # after as many steps at the whole size
    assert replace(plan, size=100).stages() == ((100, 16),)  # half of it is too small


def test_a_network_that_looks_in_bfloat16_paints_nearly_the_same(network: Network) -> None:
    plan = replace(PLAN, steps=24)
    exact, short = (transfer_style(network, noise(0), stripes(), plan, precision=name) for name in ("fp32", "bf16"))
    assert short.losses[0] != exact.losses[0]
    assert short.losses[0]["total"] == pytest.approx(exact.losses[0]["total"], rel=0.02)
    assert short.losses[-1]["total"] < 0.5 * short.losses[0]["total"]
    assert exact.grams["act1"]["style"].dtype == short.grams["act1"]["style"].dtype == np.float32


def test_it_can_be_cancelled(network: Network) -> None:
    def stop(step: int, *_: Any) -> None:
        if step == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        transfer_style(network, noise(0), stripes(), PLAN, on_step=stop)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (StylePlan("nothing", ("act1",), size=64, steps=1), "nothing"),
        (StylePlan("conv1", ("classifier",), size=64, steps=1), "classifier gives no map"),
    ],
)
def test_layers_that_cannot_be_are_refused(network: Network, plan: StylePlan, said: str) -> None:
    with pytest.raises(InputError, match=said):
        transfer_style(network, noise(0), stripes(), plan)


def test_a_layer_that_answers_with_nothing_is_refused() -> None:
    dark = Image.new("RGB", (64, 64))
    silent = assemble(
        ModelSpec("own", "none", image_size=32, channels=3, design=DESIGN, init="zeros"), ("a", "b"), seed=0
    )
    with pytest.raises(InputError, match="answers with nothing but zeros"):
        transfer_style(silent, dark, dark, PLAN)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"start": "void"}, "start is void"),
        ({"size": 20}, "size is 20"),
        ({"steps": 0}, "steps is 0"),
        ({"style_weight": -1.0}, "style_weight is -1.0"),
        ({"style_weight": float("nan")}, "style_weight is nan"),
        ({"style_layers": ("a", "a")}, "stands twice"),
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        StylePlan(**values)


@pytest.mark.parametrize("name", ["vgg19", "efficientnet_lite0", "resnet18", "mnist_cnn"])
def test_usual_layers_give_maps(name: str) -> None:
    anatomy = blueprint(ModelSpec(name))
    content, style = usual_layers(name, anatomy)
    assert {content, *style} <= set(spatial_layers(anatomy))
    assert len(style) >= 2
    if name == "vgg19":
        assert (content, style) == (VGG_CONTENT, VGG_STYLE)
