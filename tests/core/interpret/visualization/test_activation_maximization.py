"""Pictures grown for channels, neurons and classes excite more than noise, alone or together, and leave no trace."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.errors import Cancelled, InputError
from core.interpret.probe import Probe
from core.interpret.visualization import gradient_ascent, image_cache
from core.interpret.visualization.activation_maximization import (
    Recipe,
    Visualization,
    cached_images,
    maximise,
    maximise_classes,
)
from core.models.anatomy.examine import examine
from core.models.network import Network
from core.specs import Preprocessing

STEPS = 24
EXACT = {"size": 32, "steps": STEPS, "precision": "fp32"}
LAYERS = {"NCHW": "body.1", "NHWC": "mix", "tokens": "last"}


def flags(network: Network) -> list[object]:
    """Returns everything that looking inside must leave as it was."""
    model = network.model
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in model.modules()]
    modes = [m.training for m in model.modules()]
    asked = [(p.requires_grad, p.grad is None) for p in model.parameters()]
    return [hooks, modes, asked, torch.is_grad_enabled()]


def answer(network: Network, dream: Visualization) -> float:
    """Returns what a picture gives, computed without anything of what is tested."""
    prep = network.preprocessing
    pixels = torch.from_numpy(dream.image).permute(2, 0, 1)[None].float() / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (prep.mean, prep.std))
    x = (pixels - mean) / std
    if prep.channels == 1:
        x = x.mean(1, keepdim=True)
    with Probe(network, [dream.layer]) as probe:
        probe(x)
    output = probe.outputs[dream.layer][0]
    if output.ndim == 1:
        return float(output[dream.channel])
    if dream.layer == LAYERS["NHWC"]:
        return float(output[:, :, dream.channel].mean())
    if dream.layer == LAYERS["tokens"]:
        return float(output[1:, dream.channel].mean())
    return float(output[dream.channel].mean())


@pytest.mark.parametrize("kind", ["NCHW", "NHWC", "tokens"])
def test_it_excites_more_than_noise_in_every_layout(tiny: Callable[..., Network], kind: str) -> None:
    network = tiny(kind)
    before = flags(network)
    found = maximise(network, LAYERS[kind], [0, 3, 5], **EXACT)
    for one in found:
        assert one.image.shape == (32, 32, 3)
        assert one.image.dtype == np.uint8
        assert one.reached > one.noise_most > one.noise
        assert one.excited
        assert one.reached == pytest.approx(answer(network, one), rel=1e-4, abs=1e-5)
    assert flags(network) == before


def test_more_steps_reach_more(tiny: Callable[..., Network]) -> None:
    few, many = (maximise(tiny(), "body.1", [2], size=32, steps=n, precision="fp32")[0] for n in (1, 40))
    assert many.reached > few.reached + 0.5 * abs(few.reached)


def test_together_as_alone(tiny: Callable[..., Network]) -> None:
    together = maximise(tiny(), "body.1", [1, 4, 6], **EXACT, fresh=True)
    alone = maximise(tiny(), "body.1", [4], **EXACT, fresh=True)[0]
    assert together[1].reached == pytest.approx(alone.reached, rel=1e-3)
    assert np.abs(together[1].image.astype(int) - alone.image).mean() < 1.0
    assert np.abs(together[0].image.astype(int) - alone.image).mean() > 5.0, "each channel has a picture of its own"


def test_the_same_seed_gives_the_same_picture_and_leaves_the_global_one_alone(tiny: Callable[..., Network]) -> None:
    state = torch.get_rng_state()
    first, again = (maximise(tiny(), "stem.0", [0], **EXACT, fresh=True)[0] for _ in range(2))
    other = maximise(tiny(), "stem.0", [0], **EXACT, seed=1, fresh=True)[0]
    assert (first.image == again.image).all()
    assert (first.image != other.image).mean() > 0.5
    assert torch.equal(torch.get_rng_state(), state)


def test_a_gray_network_gets_gray_pictures() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    with torch.no_grad():
        model[0].bias.zero_()
    prep = Preprocessing(28, 28, mean=(0.1, 0.1, 0.1), std=(0.3, 0.3, 0.3), channels=1)
    network = Network(model.eval(), examine(model, num_classes=2, image_size=28), prep, ("a", "b"), "tiny")
    one = maximise(network, "0", [1], size=28, steps=STEPS, precision="fp32")[0]
    assert (one.image == one.image[:, :, :1]).all()
    assert one.reached > one.noise_most
    assert one.reached == pytest.approx(answer(network, one), rel=1e-4, abs=1e-5)


def test_the_pass_ends_at_the_layer(tiny: Callable[..., Network]) -> None:
    network = tiny()
    ran: list[str] = []

    class Behind(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            ran.append("behind")
            return super().forward(x)

    network.model.body[0].__class__ = Behind
    maximise(network, "stem.1", [0], size=32, steps=2, precision="fp32")
    assert ran == []
    maximise(network, "body.0", [0], size=32, steps=2, precision="fp32")
    assert ran, "the layer itself runs"


def test_a_layer_that_is_used_again_is_looked_at_in_its_last_call() -> None:
    class Again(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
            self.act, self.pool, self.head = nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.pool(self.act(self.second(self.act(self.first(x))))).flatten(1))

    torch.manual_seed(0)
    model = Again().eval()
    network = Network(model, examine(model, num_classes=2, image_size=32), Preprocessing(32, 32), ("a", "b"), "tiny")
    one = maximise(network, "act", [1], **EXACT)[0]
    assert one.reached == pytest.approx(answer(network, one), rel=1e-4, abs=1e-6)


def test_a_single_neuron(tiny: Callable[..., Network]) -> None:
    network = tiny()
    corner, centre = (maximise(network, "body.1", [2], **EXACT, place=place)[0] for place in ((0, 0), "centre"))
    grey = np.abs(corner.image.astype(float) - 127.5).mean(2)
    assert grey[:10, :10].mean() > 2 * grey[20:, 20:].mean(), "only its own window was painted"
    for one, (row, column) in ((corner, (0, 0)), (centre, (4, 4))):
        with Probe(network, ["body.1"]) as probe:
            probe((torch.from_numpy(one.image).permute(2, 0, 1)[None] / 255 - MEAN) / STD)
        assert one.reached == pytest.approx(float(probe.outputs["body.1"][0, 2, row, column]), rel=1e-4)
        assert one.reached > one.noise_most


MEAN, STD = (torch.tensor(values).view(1, 3, 1, 1) for values in (Preprocessing(1, 1).mean, Preprocessing(1, 1).std))


def test_classes_of_the_own_head(tiny: Callable[..., Network]) -> None:
    network = tiny()
    for one in maximise_classes(network, [0, 3], **EXACT):
        assert one.layer == "head"
        assert one.reached == pytest.approx(answer(network, one), rel=1e-4, abs=1e-5)
        assert one.reached > one.noise_most
    with pytest.raises(InputError, match=r"no class 4.*4 classes"):
        maximise_classes(network, [4], **EXACT)


def test_a_channel_that_is_off_everywhere_comes_alive(tiny: Callable[..., Network]) -> None:
    network = tiny()
    with torch.no_grad():
        network.model.stem[1].bias.fill_(-0.8)  # off for anything as flat as what a picture is grown from
    one = maximise(network, "stem.2", [1], **EXACT)[0]
    assert one.noise < 0.1
    assert one.reached > one.noise_most


def test_a_dead_channel_is_told_from_a_living_one(tiny: Callable[..., Network]) -> None:
    network = tiny()
    with torch.no_grad():
        network.model.stem[1].weight[1] = 0.0
        network.model.stem[1].bias[1] = -1.0
    dead, living = maximise(network, "stem.2", [1, 2], **EXACT)
    assert (dead.reached, dead.excited, living.excited) == (0.0, False, True)


@pytest.mark.parametrize("kind", ["NCHW", "tokens"])
def test_cancelling_leaves_nothing_behind(tiny: Callable[..., Network], kind: str) -> None:
    network = tiny(kind)
    before = flags(network)

    seen: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        seen.append((done, total))
        if len(seen) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        maximise(network, LAYERS[kind], [0, 1], size=32, steps=10, precision="fp32", progress=progress)
    assert seen == [(2, 20), (4, 20), (6, 20)]
    assert flags(network) == before
    assert cached_images(network, LAYERS[kind], [0, 1], Recipe(32, 10, precision="fp32")) == ()


def test_others_may_look_meanwhile(tiny: Callable[..., Network], image: Tensor) -> None:
    network = tiny()
    looked: list[bool] = []

    def look() -> None:
        with Probe(network, ["body.0"]) as probe:
            probe(image)
        looked.append(True)

    def progress(_done: int, _total: int) -> None:
        other = threading.Thread(target=look)
        other.start()
        other.join(5)

    maximise(network, "body.1", [0], size=32, steps=1, precision="fp32", progress=progress)
    assert looked == [True]


def test_kept_on_disk_until_the_weights_change(tiny: Callable[..., Network]) -> None:
    network, steps = tiny(), []
    progress = {"progress": lambda done, _total: steps.append(done)}
    first = maximise(network, "body.1", [1, 2], **EXACT, **progress)
    steps.clear()
    again = maximise(tiny(), "body.1", [2, 1], **EXACT, **progress)
    assert steps == []
    assert (again[1].image == first[0].image).all()
    assert (again[1].reached, again[1].noise) == (first[0].reached, first[0].noise)
    maximise(network, "body.1", [1, 3], **EXACT, **progress)
    assert steps[-1] == STEPS, "only the new one is grown"
    with torch.no_grad():
        network.model.head.weight.add_(1.0)
    assert len(cached_images(network, "body.1", [1], Recipe(32, STEPS, precision="fp32"))) == 1, (
        "what comes later is left out"
    )
    assert cached_images(network, "body.1", [1], Recipe(32, STEPS, seed=1, precision="fp32")) == ()
    with torch.no_grad():
        network.model.stem[0].weight.add_(0.1)
    assert cached_images(network, "body.1", [1], Recipe(32, STEPS, precision="fp32")) == ()


def test_a_damaged_file_is_grown_again_and_the_oldest_go(
    tiny: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = maximise(tiny(), "stem.0", [0], **EXACT)[0]
    (path,) = image_cache.CACHE.folder.glob("*.png")
    path.write_bytes(b"damaged")
    again = maximise(tiny(), "stem.0", [0], **EXACT)[0]
    assert (again.image == first.image).all()
    monkeypatch.setattr(image_cache, "CACHE", replace(image_cache.CACHE, max_bytes=0))
    maximise(tiny(), "stem.0", [1], **EXACT)
    assert list(image_cache.CACHE.folder.iterdir()) == []


def test_found_is_told_of_each(tiny: Callable[..., Network], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient_ascent, "MAX_CHANNELS", 2)
    told: list[int] = []
    found = maximise(tiny(), "body.1", [5, 1, 3], size=32, steps=2, on_image=lambda one: told.append(one.channel))
    assert told == [5, 1, 3] == [one.channel for one in found]


def test_half_precision_finds_as_much(tiny: Callable[..., Network]) -> None:
    exact, half = (maximise(tiny(), "body.1", [2], size=32, steps=40, precision=p)[0] for p in ("fp32", "bf16"))
    assert half.reached == pytest.approx(exact.reached, rel=0.15)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"layer": "nowhere"}, "'nowhere'"),
        ({"channels": [8]}, "no channel 8 in the layer body.1.*0 to 7"),
        ({"channels": [-1]}, "no channel -1"),
        ({"channels": []}, "No channel is chosen"),
        ({"size": 8}, "8 px is out of range"),
        ({"size": 5000}, "5000 px is out of range"),
        ({"steps": 0}, "0 steps"),
        ({"seed": -1}, "seed -1"),
        ({"place": (9, 0)}, "no neuron at row 9.*8 × 8"),
        ({"place": "left"}, "place left"),
        ({"precision": "fp8"}, "precision fp8"),
    ],
)
def test_what_cannot_be_grown(tiny: Callable[..., Network], given: dict, words: str) -> None:
    asked = {"layer": "body.1", "channels": [0], "size": 32, "steps": 2, **given}
    with pytest.raises(InputError, match=words):
        maximise(tiny(), asked.pop("layer"), asked.pop("channels"), **asked)


def test_too_small_for_the_network() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 17, 2), nn.ReLU(), nn.Conv2d(4, 4, 9), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    network = Network(
        model.eval(), examine(model, num_classes=2, image_size=64), Preprocessing(64, 64), ("a", "b"), "x"
    )
    with pytest.raises(InputError, match=r"24 px are too small for the layer 2.*at least 48 px"):
        maximise(network, "2", [0], size=24, steps=1)


def test_a_network_of_one_size_sees_the_picture_enlarged(tiny: Callable[..., Network]) -> None:
    class Fixed(type(tiny("tokens").model)):
        def forward(self, x: Tensor) -> Tensor:
            if x.shape[-1] != 32:
                raise AssertionError("wrong image height")
            return super().forward(x)

    network = tiny("tokens")
    network.model.__class__ = Fixed
    one = maximise(network, "last", [3], size=24, steps=STEPS, precision="fp32")[0]
    assert one.image.shape == (24, 24, 3)
    assert one.reached > one.noise_most


def test_weights_that_are_no_numbers(tiny: Callable[..., Network]) -> None:
    network = tiny()
    with torch.no_grad():
        network.model.stem[0].weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(InputError, match=r"body\.1 are not numbers"):
        maximise(network, "body.1", [0], **EXACT)


def test_other_preprocessing_is_followed(tiny: Callable[..., Network]) -> None:
    network = tiny()
    other = replace(network, preprocessing=Preprocessing(32, 32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)))
    one = maximise(other, "body.1", [2], **EXACT)[0]
    assert one.reached == pytest.approx(answer(other, one), rel=1e-4)


def test_pictures_are_seen_while_they_grow(tiny: Callable[..., Network]) -> None:
    seen: list[tuple[list[int], np.ndarray]] = []
    found = maximise(tiny(), "body.1", [1, 4], **EXACT, on_preview=lambda *now: seen.append(now))
    assert [channels for channels, _ in seen] == [[1, 4]] * ((STEPS - 1) // gradient_ascent.PREVIEW_STEPS)
    early, last = seen[0][1], found[0].image
    assert early.shape == (2, 32, 32, 3)
    assert early[0].std() < last.std(), "patterns grow stronger"
