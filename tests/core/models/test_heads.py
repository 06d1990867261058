from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.models.anatomy.examine import anatomy_of, examine
from core.models.catalog import catalog
from core.models.heads import build_head, head_input, tail
from core.specs import HeadSpec

SMALL = {
    "alexnet": 64,
    "vgg11": 32,
    "googlenet": 32,
    "inception_v3": 80,
    "resnet18": 32,
    "wide_resnet50_2": 32,
    "resnext50_32x4d": 32,
    "densenet121": 32,
    "squeezenet1_1": 32,
    "mobilenet_v2": 32,
    "mobilenet_v3_small": 32,
    "shufflenet_v2_x0_5": 32,
    "mnasnet0_5": 32,
    "efficientnet_b0": 32,
    "efficientnet_v2_s": 32,
    "efficientnet_lite0": 32,
    "regnet_x_400mf": 32,
    "vit_b_32": 64,
    "swin_t": 64,
    "swin_v2_t": 64,
    "convnext_tiny": 32,
    "maxvit_t": 224,
}
"""One small network of every line, and an image size that it can take."""


def test_every_family_is_represented() -> None:
    assert {catalog.BACKBONES[name].family for name in SMALL} == {
        entry.family for entry in catalog.BACKBONES.values() if not entry.family.startswith("Course")
    }  # the small gray ones have tests of their own


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), SMALL.items())
def test_tail_of_head_input_is_the_network(name: str, size: int, images) -> None:
    model = catalog.build(name, "none", seed=0, image_size=size)
    anatomy = build_head(model, anatomy_of(name, size), 5, HeadSpec(dropout=0.3), seed=1)
    end = tail(model, anatomy)
    assert end is not None
    x = images(3, size)
    with torch.no_grad():
        features, logits = head_input(model, anatomy, x), model(x)
        assert features.shape[:2] == (3, anatomy.head_features)
        assert logits.shape == (3, 5)
        torch.testing.assert_close(end(features), logits, rtol=1e-4, atol=1e-5)
    head = model.get_submodule(anatomy.head)
    assert {id(parameter) for parameter in end.parameters()} == {id(parameter) for parameter in head.parameters()}
    assert not model.training


def test_the_new_head_follows_its_seed_alone(tiny) -> None:
    anatomy = examine(tiny, num_classes=5, image_size=32)
    build_head(tiny, anatomy, 3, seed=7)
    first = tiny.classifier[1].weight.clone()
    torch.rand(3)
    state = torch.get_rng_state()
    build_head(tiny, anatomy, 3, seed=7)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(tiny.classifier[1].weight, first)
    build_head(tiny, anatomy, 3, seed=8)
    assert not torch.equal(tiny.classifier[1].weight, first)
    bound = (6 / (8 + 3)) ** 0.5
    assert first.abs().max() <= bound
    assert first.abs().max() > bound / 2
    assert torch.count_nonzero(tiny.classifier[1].bias) == 0


def test_the_new_anatomy_is_that_of_the_changed_network(tiny) -> None:
    anatomy = build_head(tiny, examine(tiny, num_classes=5, image_size=32), 3)
    assert anatomy == examine(tiny, num_classes=3, image_size=32)
    assert anatomy.layer("classifier.1").output_shape == (3,)
    assert anatomy.stages[-1].parameters == 27


def test_names_in_the_state_dict_do_not_depend_on_dropout(tiny) -> None:
    anatomy = examine(tiny, num_classes=5, image_size=32)
    before = list(tiny.state_dict())
    build_head(tiny, anatomy, 3, HeadSpec(dropout=0.5))
    assert list(tiny.state_dict()) == before


@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_dropout_drops_in_train_mode_only(kind: str) -> None:
    end = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(40, 4)] if kind == "linear" else [nn.Conv2d(40, 4, 1)]
    model = nn.Sequential(nn.Conv2d(3, 40, 3, 2), *end).eval()
    anatomy = build_head(model, examine(model, num_classes=4, image_size=16), 2, HeadSpec(dropout=0.5))
    assert anatomy.head_kind == kind
    head = model.get_submodule(anatomy.head)
    x = torch.ones(2, 40, 3, 3) if kind == "conv" else torch.ones(2, 40)
    assert torch.equal(head(x), head(x))
    head.train()
    assert not torch.equal(head(x), head(x))
    assert "dropout=0.5" in repr(head)


def test_a_head_keeps_device_dtype_and_mode(tiny) -> None:
    model = tiny.double().train()
    build_head(model, examine(model, num_classes=5, image_size=32), 2)
    assert model.classifier[1].weight.dtype == torch.float64
    assert model.classifier[1].training


def test_one_class_is_not_enough(tiny) -> None:
    with pytest.raises(InputError, match="at least 2 classes"):
        build_head(tiny, examine(tiny, num_classes=5, image_size=32), 1)


def test_head_input_stops_early_and_leaves_no_hook(tiny, images) -> None:
    anatomy = examine(tiny, num_classes=5, image_size=32)
    ran: list[str] = []
    handle = tiny.classifier[1].register_forward_hook(lambda *_: ran.append("head"))
    features = head_input(tiny, anatomy, images())
    handle.remove()
    assert not ran
    assert not tiny.classifier[1]._forward_pre_hooks
    assert features.requires_grad
    with torch.no_grad():
        assert not head_input(tiny, anatomy, images()).requires_grad
    with pytest.raises(RuntimeError):
        head_input(tiny, anatomy, torch.zeros(1, 9, 32, 32))
    assert not tiny.classifier[1]._forward_pre_hooks


def test_head_input_does_not_mind_the_memory_format(tiny, images) -> None:
    anatomy = examine(tiny, num_classes=5, image_size=32)
    x = images()
    with torch.no_grad():
        expected = head_input(tiny, anatomy, x)
        model = tiny.to(memory_format=torch.channels_last)
        last = head_input(model, anatomy, x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(last, expected)


def test_training_the_tail_trains_the_head(tiny, images) -> None:
    anatomy = examine(tiny, num_classes=5, image_size=32)
    x = images(4)
    with torch.no_grad():
        features, before = head_input(tiny, anatomy, x), tiny(x)
    end = tail(tiny, anatomy)
    assert end is not None
    optimizer = torch.optim.SGD(end.parameters(), lr=1.0)
    nn.functional.cross_entropy(end(features), torch.tensor([0, 1, 2, 3])).backward()
    optimizer.step()
    with torch.no_grad():
        assert not torch.allclose(tiny(x), before)
        torch.testing.assert_close(tiny(x), end(features))


class Residual(nn.Module):
    """Its logits need more than what enters the head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x).mean((2, 3))) + x.mean((1, 2, 3))[:, None]


def test_a_head_that_cannot_be_separated_has_no_tail() -> None:
    torch.manual_seed(0)
    model = Residual().train()
    assert tail(model, examine(model, num_classes=5, image_size=16)) is None
    assert model.training
    assert model.fc.training
    assert not model.fc._forward_pre_hooks


# --- heads of one's own -----------------------------------------------------------------------------------------------

CLASS_TOKEN, CONV_HEAD = "class token", "head is a convolution"
REFUSED = {"vit_b_32": CLASS_TOKEN, "squeezenet1_1": CONV_HEAD}


@pytest.mark.parametrize("name", SMALL)
def test_every_value_or_the_average_of_the_last_map_reaches_the_head(name: str) -> None:
    anatomy = anatomy_of(name)
    if name in REFUSED:
        build_head(catalog.skeleton(name), anatomy, 3, HeadSpec(pool="own"))
        for pool in ("average", "flatten"):
            with pytest.raises(InputError, match=REFUSED[name]):
                build_head(catalog.skeleton(name), anatomy, 3, HeadSpec(pool=pool))
        return
    flat = build_head(catalog.skeleton(name), anatomy, 3, HeadSpec((8,), "flatten"))
    mean = build_head(catalog.skeleton(name), anatomy, 3, HeadSpec((8,), "average"))
    side = round(math.sqrt(flat.head_features / mean.head_features))
    assert flat.head_features == mean.head_features * side**2
    assert side > 1
    for found in (flat, mean):
        assert found.stages[-1].parameters == (found.head_features + 1) * 8 + (8 + 1) * 3
        assert [stage.name for stage in found.stages] == [s.name for s in anatomy.stages if s.name != "neck"]
        assert sum(stage.parameters for stage in found.stages) == found.total
        assert found.grid == anatomy.grid


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "densenet121", "mobilenet_v2", "mobilenet_v3_small"])
def test_unrolled_features_are_the_last_map(name: str, images) -> None:
    model = catalog.build(name, "none", seed=0)
    anatomy = anatomy_of(name, 96)
    x = images(2, 96)
    pooled = catalog.build(name, "none", seed=0)
    with torch.no_grad():
        flat = head_input(model, build_head(model, anatomy, 3, HeadSpec(pool="flatten")), x)
        mean = head_input(pooled, build_head(pooled, anatomy, 3, HeadSpec(pool="average")), x)
        torch.testing.assert_close(flat.reshape(*mean.shape, -1).mean(-1), mean, rtol=1e-4, atol=1e-6)
        assert model(x).shape == (2, 3)
    assert not torch.equal(flat.reshape(*mean.shape, -1)[..., 0], mean)


def test_the_heads_of_the_notes() -> None:
    """Flatten-Dense(4096)-ReLU-Dense(2); Linear(512, 256)-ReLU-Dropout-Linear(256, n)."""
    dense = HeadSpec((4096,), "flatten")
    vgg = build_head(catalog.skeleton("vgg16"), anatomy_of("vgg16"), 2, dense)
    assert vgg.stages[-1].parameters == 102_764_544 + 4_096 * 2 + 2
    assert vgg.total == 14_714_688 + vgg.stages[-1].parameters  # the convolutions alone, as Keras counts them
    resnet = build_head(catalog.skeleton("resnet50"), anatomy_of("resnet50"), 2, dense)
    assert resnet.head_features == 7 * 7 * 2048
    small = build_head(catalog.skeleton("resnet18"), anatomy_of("resnet18"), 12, HeadSpec((256,), dropout=0.5))
    assert small.stages[-1].parameters == (512 + 1) * 256 + (256 + 1) * 12
    assert [layer.kind for layer in small.layers if layer.name.startswith("fc.")] == [
        "Linear",
        "ReLU",
        "Dropout",
        "Linear",
    ]


def test_a_head_beyond_all_measure_is_refused() -> None:
    with pytest.raises(InputError, match="At most 1,000,000,000"):
        build_head(catalog.skeleton("resnet152"), anatomy_of("resnet152"), 2, HeadSpec((16_384,), "flatten"))


@pytest.mark.parametrize("spec", [HeadSpec((6,), dropout=0.5), HeadSpec((6, 4)), HeadSpec((6,), "flatten")])
def test_features_once_serve_every_head(tiny: nn.Module, spec: HeadSpec, images) -> None:
    anatomy = build_head(tiny, examine(tiny, num_classes=5, image_size=32), 3, spec)
    end = tail(tiny, anatomy)
    assert end is not None
    x = images(4, 32)
    with torch.no_grad():
        torch.testing.assert_close(end(head_input(tiny, anatomy, x)), tiny(x))


def test_hidden_layers_on_a_map(images) -> None:
    model = catalog.build("squeezenet1_1", "none", seed=0)
    anatomy = build_head(model, anatomy_of("squeezenet1_1", 64), 3, HeadSpec((8,), dropout=0.2))
    assert (anatomy.head_kind, anatomy.cam_layer) == ("conv", anatomy_of("squeezenet1_1", 64).cam_layer)
    assert model(images(2, 64)).shape == (2, 3)
    assert anatomy.stages[-1].parameters == (512 + 1) * 8 + (8 + 1) * 3


def test_hidden_heads_depend_on_their_seed_alone(tiny: nn.Module) -> None:
    found = []
    for seed in (1, 1, 2):
        anatomy = build_head(tiny, examine(tiny, num_classes=5, image_size=32), 5, HeadSpec((7,)), seed=seed)
        found.append(tiny.get_submodule(anatomy.head)[0].weight.clone())
        tiny.classifier[1] = nn.Linear(8, 5)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_a_map_of_one_pixel_needs_no_pooling() -> None:
    with pytest.raises(InputError, match="At 32 px the last feature map"):
        build_head(catalog.skeleton("resnet18"), anatomy_of("resnet18", 32), 3, HeadSpec(pool="flatten"))
