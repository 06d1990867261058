"""The web page that a network leaves in carries it whole, names nothing elsewhere, and its names are text."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import InputError
from core.models.network import Network, assemble
from core.specs import ModelSpec
from core.workflows.export.model import formats, web

pytest.importorskip("onnxscript")
CLASSES = ("</script><b>cats", "سبز", '"quoted"')


@pytest.fixture(scope="module")
def network() -> Network:
    made = assemble(ModelSpec("mnist_cnn", "none"), CLASSES, seed=0)
    made.model.eval()
    return made


@pytest.fixture(scope="module")
def page(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("web") / "page.html"
    formats.FORMATS["web"].write(formats.Deployed(network.model, network.preprocessing).eval(), network, path)
    return path


def test_it_carries_the_network_whole(network: Network, page: Path) -> None:
    images = torch.rand((5, 3, 28, 28), generator=torch.Generator().manual_seed(1))
    run = formats.FORMATS["web"].open(page, ModelSpec("mnist_cnn", "none"), CLASSES)
    own = formats.without_gradients(formats.Deployed(network.model, network.preprocessing).eval())
    assert np.abs(run(images).numpy() - own(images).numpy()).max() < 1e-5


def test_it_asks_for_nothing_from_elsewhere_and_names_are_text(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "@@" not in text
    assert "<b>cats" not in text
    head = text[: text.index('<script type="text/plain"')]
    assert "default-src 'none'" in head
    assert not re.search(r"(?:src|href)\s*=", head)
    settings = re.search(r'<script type="application/json" id="settings">(.*?)</script>', head)
    assert settings is not None
    assert json.loads(settings.group(1))["classes"] == list(CLASSES)


def test_what_is_too_large_or_no_such_page_is_refused(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other.html").write_text("<p>hello</p>")
    with pytest.raises(InputError, match="carries a network"):
        web.model_of(tmp_path / "other.html")
    monkeypatch.setattr(web, "LARGEST", 10)
    with pytest.raises(InputError, match=r"predict\.py"):
        web.write_page(b"x" * 11, tmp_path / "p.html", CLASSES, network.preprocessing, ("images", "logits"))
    assert not (tmp_path / "p.html").exists()
