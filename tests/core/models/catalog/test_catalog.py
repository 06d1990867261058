from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from dataclasses import asdict

import pytest
import torch
from torchvision import models
from torchvision.transforms import InterpolationMode

from core.errors import InputError
from core.models.architectures import families, small_networks
from core.models.catalog import catalog
from core.specs import Piece

PUBLISHED = {"vgg16": 138_357_544, "resnet18": 11_689_512, "mobilenet_v2": 3_504_872, "resnet50": 25_557_032}


def test_lists_every_classifier_of_torchvision_and_the_lites() -> None:
    registered = set(models.list_models(module=models))
    assert len(registered) >= 80
    lites = {f"efficientnet_lite{size}" for size in range(3)}
    assert set(catalog.BACKBONES) == registered | lites | set(small_networks.NETWORKS)
    assert all(name == backbone.name for name, backbone in catalog.BACKBONES.items())


@pytest.mark.parametrize(("name", "parameters"), PUBLISHED.items())
def test_published_parameter_counts(name: str, parameters: int) -> None:
    assert catalog.BACKBONES[name].parameters == parameters


def test_every_family_stands_together_and_has_a_year_and_a_paper() -> None:
    shown = [backbone.family for backbone in catalog.BACKBONES.values()]
    assert tuple(dict.fromkeys(shown)) == catalog.FAMILIES
    assert sum(a != b for a, b in itertools.pairwise(shown)) == len(catalog.FAMILIES) - 1
    for backbone in catalog.BACKBONES.values():
        assert backbone.family != "Other"
        if backbone.source != "course":
            assert backbone.paper.startswith("https://")
            assert 2012 <= backbone.year <= 2022
    assert catalog.FAMILIES[-1] == "Course networks"
    json.dumps([asdict(backbone) for backbone in catalog.BACKBONES.values()])


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("vgg16_bn", "VGG-16 BN"),
        ("wide_resnet50_2", "Wide ResNet-50-2"),
        ("resnext101_64x4d", "ResNeXt-101 64x4d"),
        ("regnet_y_1_6gf", "RegNetY-1.6GF"),
        ("regnet_x_400mf", "RegNetX-400MF"),
        ("shufflenet_v2_x0_5", "ShuffleNetV2 0.5×"),
        ("mnasnet0_75", "MNASNet 0.75"),
        ("vit_b_16", "ViT-B/16"),
        ("swin_v2_t", "Swin V2-T"),
        ("efficientnet_v2_s", "EfficientNetV2-S"),
        ("efficientnet_lite2", "EfficientNet-Lite2"),
        ("mobilenet_v3_large", "MobileNetV3-Large"),
    ],
)
def test_titles(name: str, title: str) -> None:
    assert catalog.BACKBONES[name].title == title


def test_every_family_is_described_in_two_sentences_and_cites_its_papers() -> None:
    for title in catalog.FAMILIES:
        text = families.describe(title)
        assert text.endswith(".")
        assert len(re.findall(r"[.] (?=[A-Z])", text)) == 1, title
        assert all(family.paper_title and family.year for family in families.papers(title))
    assert [family.year for family in families.papers("MobileNet")] == [2018, 2019]
    assert len(families.papers("VGG")) == 1
    assert families.describe("timm · resnet") != families.describe("nothing") == ""


def test_titles_are_distinct_and_a_stranger_keeps_its_name() -> None:
    titles = [backbone.title for backbone in catalog.BACKBONES.values()]
    assert len(set(titles)) == len(titles)
    title, family = families.find("somenet_v9")
    assert (title, family.title) == ("somenet_v9", "Other")


@pytest.mark.parametrize("name", ["resnet18", "vit_h_14", "efficientnet_b1", "swin_v2_t"])
def test_preprocessing_is_that_of_the_weights(name: str) -> None:
    preset = models.get_model_weights(name).DEFAULT.transforms()
    own = catalog.preprocessing(name)
    assert [own.crop] == preset.crop_size
    assert [own.resize] == preset.resize_size
    assert list(own.mean) == preset.mean
    assert list(own.std) == preset.std
    assert InterpolationMode(own.interpolation) == preset.interpolation
    assert own.crop == catalog.BACKBONES[name].input_size


def test_preprocessing_keeps_its_margin_at_another_size() -> None:
    assert catalog.preprocessing("resnet18", 112).resize == 128
    assert catalog.preprocessing("resnet18", 112).crop == 112


def test_categories() -> None:
    assert len(catalog.categories("resnet18")) == 1000
    assert catalog.categories("efficientnet_lite0") == catalog.categories("resnet18")
    assert catalog.categories("resnet18")[285] == "Egyptian cat"


def test_an_unknown_backbone_is_named() -> None:
    for call in (catalog.build, catalog.weights_state, catalog.categories, catalog.preprocessing):
        with pytest.raises(InputError, match="resnet19"):
            call("resnet19")
    with pytest.raises(InputError, match=r"imagenet\. Choose one of: default, none"):
        catalog.build("resnet18", "imagenet")


@pytest.mark.parametrize(
    "name",
    [
        "squeezenet1_1",
        "shufflenet_v2_x0_5",
        "mnasnet0_5",
        "regnet_x_400mf",
        pytest.param("swin_t", marks=pytest.mark.slow),
    ],
)
def test_random_weights_follow_the_seed_and_leave_torch_alone(name: str, global_random_state) -> None:
    first, second, other = (catalog.build(name, "none", seed) for seed in (3, 3, 4))
    assert not first.training
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))
    assert all(torch.isfinite(value).all() for value in first.state_dict().values())
    assert global_random_state()


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_classifiers_are_left_out(name: str) -> None:
    model = catalog.skeleton(name)
    assert not [key for key in model.state_dict() if "aux" in key.lower()]
    assert model.train()(torch.empty(2, 3, 299, 299, device="meta")).shape == (2, 1000)


def test_transformers_are_built_for_the_size_asked() -> None:
    assert catalog.skeleton("vit_b_32", 64)(torch.empty(2, 3, 64, 64, device="meta")).shape == (2, 1000)
    assert catalog.skeleton("vit_b_32").image_size == 224
    assert catalog.skeleton("vit_h_14").image_size == 518
    assert catalog.skeleton("maxvit_t", 448)(torch.empty(1, 3, 448, 448, device="meta")).shape == (1, 1000)
    for name in ("vit_b_32", "maxvit_t"):
        with pytest.raises(InputError, match="100 px"):
            catalog.skeleton(name, 100)


def test_a_skeleton_weighs_nothing() -> None:
    model = catalog.skeleton("vit_h_14")
    assert {value.device.type for value in model.state_dict().values()} == {"meta"}


def test_search_needs_all_words_and_leaves_timm_alone() -> None:
    assert catalog.search("resnet 50") == ("resnet50", "wide_resnet50_2")
    assert catalog.search("course cnn")[0] == "mnist_cnn"
    assert catalog.search("swin v2") == ("swin_v2_t", "swin_v2_s", "swin_v2_b")
    assert len(catalog.search()) == len(catalog.BACKBONES)
    assert catalog.search("no such network") == ()
    code = "import sys, core.models.catalog.catalog as c; c.search('resnet'); c.timm_available()"
    code += "; print('timm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", list(small_networks.NETWORKS))
def test_the_small_networks_are_built_as_they_are_listed(name: str) -> None:
    known = catalog.backbone(name)
    model = catalog.build(name, "none", seed=0)
    assert sum(parameter.numel() for parameter in model.parameters()) == known.parameters
    images = torch.zeros(2, known.channels, known.input_size, known.input_size)
    assert model(images).shape == (2, known.num_classes)
    assert catalog.entries(name) == ()
    assert catalog.weights_state(name) == "none"
    assert catalog.categories(name) == tuple(map(str, range(known.num_classes)))
    assert catalog.preprocessing(name).channels == known.channels


def test_a_network_of_ones_own_is_built_from_its_pieces() -> None:
    design = (Piece("conv", size=4, kernel=3), Piece("relu"), Piece("global-average-pool"))
    model = catalog.skeleton("own", 32, channels=1, design=design)
    assert model(torch.empty(2, 1, 32, 32, device="meta")).shape == (2, 10)
    assert catalog.backbone("own").family not in catalog.FAMILIES
    with pytest.raises(InputError, match="no layers yet"):
        catalog.build("own", "none")


@pytest.mark.parametrize("name", ["resnet18", "vit_b_32"])
def test_gray_images_need_a_narrower_first_layer_only(name: str) -> None:
    gray, colour = catalog.skeleton(name, channels=1), catalog.skeleton(name)
    assert gray(torch.empty(2, 1, 224, 224, device="meta")).shape == (2, 1000)
    difference = {key for key, value in gray.state_dict().items() if value.shape != colour.state_dict()[key].shape}
    assert len(difference) == 1
    assert catalog.preprocessing(name, channels=1).channels == 1
