"""DeepDream: the layer answers more strongly, the picture keeps its shape, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import InputError
from core.interpret.probe import Probe
from core.interpret.visualization.deepdream import Depth, deep_dream
from core.models.network import Network

DEPTH = Depth(octaves=3, steps=4, side=48)
LAYERS = {"NCHW": "body.1", "NHWC": "mix"}


@pytest.fixture
def photo() -> Image.Image:
    """A wide picture with some structure."""
    values = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((90, 60), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("kind", ["NCHW", "NHWC"])
def test_the_layer_answers_more_strongly(tiny: Callable[..., Network], photo: Image.Image, kind: str) -> None:
    network = tiny(kind)
    seen: list[tuple[int, int]] = []
    found = deep_dream(
        network, photo, LAYERS[kind], depth=DEPTH, precision="fp32", progress=lambda *step: seen.append(step)
    )
    assert found.image.shape == found.original.shape == (32, 48, 3)
    assert found.after > 1.2 * found.before
    assert seen == [(n, 12) for n in range(1, 13)]
    prep = network.preprocessing
    for picture, said in ((found.original, found.before), (found.image, found.after)):
        x = (torch.from_numpy(picture).permute(2, 0, 1)[None] / 255 - torch.tensor(prep.mean).view(1, 3, 1, 1)) / (
            torch.tensor(prep.std).view(1, 3, 1, 1)
        )
        with Probe(network, [LAYERS[kind]]) as probe:
            probe(x)
        assert said == pytest.approx(float(probe.outputs[LAYERS[kind]].square().mean()), rel=1e-4)


def test_it_is_still_the_picture(tiny: Callable[..., Network], photo: Image.Image) -> None:
    found = deep_dream(tiny(), photo, "body.1", depth=DEPTH, precision="fp32")
    alike = np.corrcoef(found.image.ravel(), found.original.ravel())[0, 1]
    assert 0.4 < alike < 0.999


def test_chosen_channels_alone(tiny: Callable[..., Network], photo: Image.Image) -> None:
    one = deep_dream(tiny(), photo, "body.1", channels=[2], depth=DEPTH, precision="fp32")
    every = deep_dream(tiny(), photo, "body.1", depth=DEPTH, precision="fp32")
    assert one.after > 1.5 * one.before
    assert (one.image != every.image).mean() > 0.3


def test_of_a_panorama_the_middle_is_used(tiny: Callable[..., Network]) -> None:
    wide = Image.new("RGB", (800, 20), "white")
    wide.paste((200, 0, 0), (360, 0, 440, 20))
    found = deep_dream(tiny(), wide, "body.1", depth=DEPTH, precision="fp32")
    assert found.original.shape == (12, 48, 3)
    assert (found.original[:, :, 1] < 128).all()


def test_tokens_see_the_middle_square(tiny: Callable[..., Network], photo: Image.Image) -> None:
    network = tiny("tokens")

    class Fixed(type(network.model)):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.shape[-2:] != (32, 32):
                raise AssertionError("wrong image size")
            return super().forward(x)

    network.model.__class__ = Fixed
    found = deep_dream(network, photo, "last", depth=DEPTH, precision="fp32")
    assert found.image.shape == (32, 32, 3)
    assert found.after > found.before


def test_strength_and_seed_count(tiny: Callable[..., Network], photo: Image.Image) -> None:
    def changed(**more: float) -> float:
        found = deep_dream(tiny(), photo, "stem.0", depth=Depth(2, steps=2, side=48, **more), precision="fp32")
        return float(np.abs(found.image.astype(int) - found.original).mean())

    assert changed(strength=3.0) > 1.5 * changed(strength=1.0) > 0
    assert changed(seed=1) != changed(seed=2)
    assert changed(seed=1) == changed(seed=1)


def test_cancelled(tiny: Callable[..., Network], photo: Image.Image) -> None:
    network = tiny()

    def stop(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deep_dream(network, photo, "body.1", depth=DEPTH, progress=stop)
    assert not any(module._forward_hooks for module in network.model.modules())
    assert all(parameter.requires_grad for parameter in network.model.parameters())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"octaves": 0}, "octaves is 0.*1 to 8"),
        ({"side": 5000}, "side is 5000"),
        ({"strength": -1.0}, "strength is -1"),
        ({"steps": 0}, "steps is 0"),
    ],
)
def test_depth_out_of_range(given: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Depth(**given)


def test_what_cannot_be_dreamt(tiny: Callable[..., Network], photo: Image.Image) -> None:
    with pytest.raises(InputError, match="'nowhere'"):
        deep_dream(tiny(), photo, "nowhere", depth=DEPTH)
    with pytest.raises(InputError, match="no channel 8"):
        deep_dream(tiny(), photo, "body.1", channels=[8], depth=DEPTH)
    network = tiny()
    with torch.no_grad():
        network.model.stem[0].bias.fill_(float("nan"))
    with pytest.raises(InputError, match="not numbers"):
        deep_dream(network, photo, "body.1", depth=DEPTH)
