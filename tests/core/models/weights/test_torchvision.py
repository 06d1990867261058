from __future__ import annotations

import hashlib
import urllib.error
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models

from core.errors import InputError, WeightsUnavailable
from core.models.catalog import catalog
from core.models.weights import torchvision
from core.specs import ModelSpec


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty weight cache on a machine without network."""

    def unreachable(*_args: object, **_options: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def publish(name: str, model: nn.Module, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts the weights of ``model`` into the cache as if they were those of ``name``."""
    file = folder / "new.pth"
    torch.save(model.state_dict(), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    file = file.rename(folder / f"{name}-{digest}.pth")
    entry = models.get_model_weights(name).DEFAULT.value
    monkeypatch.setattr(entry, "url", f"https://example.invalid/models/{file.name}")
    return file


def test_without_network_one_sentence_says_what_to_do(hub: Path) -> None:
    assert catalog.weights_state("resnet18") == "needs download"
    with pytest.raises(WeightsUnavailable) as caught:
        catalog.build("resnet18")
    text = str(caught.value)
    assert "resnet18" in text
    assert "random weights" in text
    assert torchvision.checkpoint("resnet18").name in text
    assert str(hub) in text
    assert "\n" not in text


def test_weights_in_the_cache_are_found_and_loaded(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = catalog.build("squeezenet1_1", "none", seed=5)
    publish("squeezenet1_1", source, hub, monkeypatch)
    assert catalog.weights_state("squeezenet1_1") == "available"
    loaded = catalog.build("squeezenet1_1")
    assert not loaded.training
    assert all(torch.equal(a, b) for a, b in zip(source.parameters(), loaded.parameters(), strict=True))


def test_a_damaged_file_is_refused_and_named(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = publish("squeezenet1_1", catalog.build("squeezenet1_1", "none", seed=5), hub, monkeypatch)
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(WeightsUnavailable, match="damaged") as caught:
        catalog.build("squeezenet1_1")
    assert file.name in str(caught.value)


def test_an_intact_file_with_other_contents_is_refused(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish("squeezenet1_1", nn.Linear(2, 2), hub, monkeypatch)
    with pytest.raises(WeightsUnavailable, match="damaged"):
        catalog.build("squeezenet1_1")


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_weights_with_auxiliary_classifiers_lose_them(name: str, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = models.get_model(name, weights=None, init_weights=False)
    publish(name, source, hub, monkeypatch)
    loaded = catalog.build(name)
    assert set(loaded.state_dict()) == set(catalog.skeleton(name).state_dict())
    assert torch.equal(loaded.fc.weight, source.fc.weight)
    assert loaded.transform_input
    assert catalog.skeleton(name).transform_input


@pytest.mark.slow
def test_pretrained_position_embeddings_are_interpolated(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish("vit_b_32", catalog.build("vit_b_32", "none", seed=5), hub, monkeypatch)
    model = catalog.build("vit_b_32", image_size=64)
    assert model.encoder.pos_embedding.shape == (1, 5, 768)
    with torch.no_grad():
        assert torch.isfinite(model(torch.zeros(1, 3, 64, 64))).all()


def test_every_entry_of_torchvision_is_listed_with_its_figures() -> None:
    by_name = {entry.name: entry for entry in catalog.entries("vit_b_16")}
    assert list(by_name) == ["IMAGENET1K_V1", "IMAGENET1K_SWAG_E2E_V1", "IMAGENET1K_SWAG_LINEAR_V1"]
    swag = by_name["IMAGENET1K_SWAG_E2E_V1"]
    assert (swag.top1, swag.top5, swag.classes, swag.input_size) == (85.304, 97.65, 1000, 384)
    assert swag.size_mb == pytest.approx(347.5, abs=0.1)
    assert "SWAG" in swag.note
    assert "`" not in swag.note
    assert swag.recipe.startswith("https://")
    assert [entry.default for entry in by_name.values()] == [True, False, False]
    for name, known in catalog.BACKBONES.items():
        listed = catalog.entries(name)
        assert sum(entry.default for entry in listed) == (known.source != "course")
        assert not listed or (listed[0].default and listed[0].top1 == known.top1)
        for entry in listed:
            assert ModelSpec(name, entry.name).weights == entry.name
            assert catalog.weights_state(name, entry.name) == entry.state


def test_entries_differ_in_size_and_crop() -> None:
    prep = catalog.preprocessing("vit_b_16", weights="IMAGENET1K_SWAG_E2E_V1")
    assert (prep.crop, prep.resize, prep.interpolation) == (384, 384, "bicubic")
    assert catalog.preprocessing("vit_b_16").crop == 224
    assert catalog.preprocessing("vit_b_16", 224, weights="IMAGENET1K_SWAG_E2E_V1").resize == 224
    assert catalog.preprocessing("resnet50", weights="IMAGENET1K_V1").resize == 256
    assert catalog.preprocessing("resnet50").resize == 232
    assert catalog.input_size(ModelSpec("vit_b_16", "IMAGENET1K_SWAG_E2E_V1")) == 384
    assert catalog.input_size(ModelSpec("vit_b_16", "IMAGENET1K_SWAG_E2E_V1", image_size=64)) == 64
    assert catalog.input_size(ModelSpec("vit_b_16", "run:abc")) == 224


def test_an_entry_of_another_size_is_built_for_it(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = models.VisionTransformer(384, 32, 1, 2, 8, 16)
    monkeypatch.setattr(
        "core.models.weights.torchvision.models.get_model",
        lambda *_args, image_size=384, **_options: models.VisionTransformer(image_size, 32, 1, 2, 8, 16),
    )
    entry = models.ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1
    monkeypatch.setattr(entry.value, "url", "https://example.invalid/tiny.pth")
    torch.save(small.state_dict(), hub / "tiny.pth")
    assert catalog.build("vit_b_16", entry.name).image_size == 384
    resized = catalog.build("vit_b_16", entry.name, image_size=64)
    assert resized.encoder.pos_embedding.shape == (1, 5, 8)


def test_an_unknown_entry_is_refused_with_the_choices() -> None:
    for call in (catalog.build, catalog.weights_state, catalog.categories):
        with pytest.raises(InputError, match="IMAGENET1K_V9") as caught:
            call("resnet50", "IMAGENET1K_V9")
        assert "default, none, IMAGENET1K_V2, IMAGENET1K_V1" in str(caught.value)
    with pytest.raises(InputError, match="mnist_cnn has no pretrained weights"):
        catalog.build("mnist_cnn")


def test_weights_of_another_entry_are_loaded(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = models.squeezenet1_1()
    file = publish("squeezenet1_1", source, hub, monkeypatch)
    loaded = catalog.build("squeezenet1_1", "IMAGENET1K_V1", channels=1)
    assert file.is_file()
    assert loaded.features[0].in_channels == 1
    summed = source.features[0].weight.sum(1, keepdim=True)
    assert torch.allclose(loaded.features[0].weight, summed)


def test_layers_that_a_file_of_features_leaves_undefined_are_drawn(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = models.VGG16_Weights.IMAGENET1K_FEATURES
    assert next(e for e in catalog.entries("vgg16") if e.name == entry.name).classes == 0
    source = models.vgg11(init_weights=False)
    for value in source.classifier.parameters():
        value.data.fill_(float("nan"))
    monkeypatch.setattr("core.models.weights.torchvision.models.get_model", lambda *_args, **_options: source)
    monkeypatch.setattr(entry.value, "url", "https://example.invalid/features.pth")
    (hub / "features.pth").write_bytes(b"there")
    before = source.features[0].weight.clone()
    loaded = catalog.build("vgg16", entry.name)
    assert all(torch.isfinite(value).all() for value in loaded.parameters())
    assert torch.equal(loaded.features[0].weight, before)
    assert len(catalog.categories("vgg16", entry.name)) == 1000
