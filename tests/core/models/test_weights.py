from __future__ import annotations

import hashlib
import urllib.error
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models

from core.errors import WeightsUnavailable
from core.models import catalog, weights


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty weight cache on a machine without network."""

    def unreachable(*_args: object, **_options: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr("torch.hub.urlopen", unreachable)
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
    assert weights.checkpoint("resnet18").name in text
    assert str(hub) in text
    assert "\n" not in text


@pytest.mark.usefixtures("hub")
def test_a_failed_digest_of_a_download_is_reported_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise RuntimeError("invalid hash value")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    with pytest.raises(WeightsUnavailable, match="could not be downloaded"):
        catalog.build("squeezenet1_1")


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
