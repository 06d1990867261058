"""Backbone: the catalogue, the chosen network's card, and where its weights come from."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core import settings
from core.errors import WeightsUnavailable
from core.models.catalog import catalog
from core.models.weights import background_download
from core.models.weights.download import DownloadProgress
from core.models.weights.uploads import kept_files
from core.specs import DataSpec, FreezePlan, ModelSpec, Piece


def spec(app: Any) -> ModelSpec:
    return app.session_state["bl.model"]


def test_the_default_backbone_is_shown_with_its_figures_and_its_family(open_page, words) -> None:
    app = open_page("backbone")
    assert not app.exception
    text = words(app)
    for part in (
        "4,652,008",
        "75.1 %",
        "on this machine",
        "made for phones",
        "Higher accuracy on vision models",
        "2020",
    ):
        assert part in text


def test_a_family_and_a_network_can_be_chosen(open_page) -> None:
    app = open_page("backbone", session={"bl.freeze": FreezePlan(2, thaw=("features.0",))})
    app.selectbox(key="bl-family").set_value("ResNet").run()
    options = app.selectbox(key="bl-backbone").options
    assert len(options) == 6  # five of the family, and the one that is chosen
    app.selectbox(key="bl-backbone").set_value("resnet34").run()
    app.segmented_control(key="bl-weights").set_value("none").run()
    assert not app.exception
    assert (spec(app).backbone, spec(app).weights) == ("resnet34", "none")
    assert app.query_params["backbone"] == "resnet34"
    assert app.session_state["bl.freeze"] == FreezePlan()


def test_search_and_filters_narrow_the_list(open_page, words) -> None:
    app = open_page("backbone")
    app.text_input(key="bl-search").set_value("swin v2").run()
    assert len(app.selectbox(key="bl-backbone").options) == 4
    app.select_slider(key="bl-largest").set_value(30e6).run()
    assert len(app.selectbox(key="bl-backbone").options) == 2
    app.text_input(key="bl-search").set_value("no such thing").run()
    assert "No network fits" in words(app)
    assert spec(app).backbone == "efficientnet_lite0"
    app.text_input(key="bl-search").set_value("").run()
    app.select_slider(key="bl-largest").set_value(1e9).run()
    app.toggle(key="bl-here").set_value(True).run()
    shown = app.selectbox(key="bl-backbone").options
    assert any("EfficientNet-Lite1" in line for line in shown)
    assert any("MNIST CNN" in line for line in shown)
    assert not any("VGG-16" in line for line in shown)


def test_a_click_on_the_map_chooses(open_page) -> None:
    app = open_page("backbone", session={"bl.map.picked": "vgg16"})
    assert not app.exception
    assert spec(app).backbone == "vgg16"
    assert app.selectbox(key="bl-backbone").value == "vgg16"


def test_the_map_places_every_network_with_an_accuracy() -> None:
    from pages.backbone import network_map

    rows = [row for row in catalog.BACKBONES.values() if row.top1 is not None]
    chart = network_map.figure(rows, "resnet18")
    placed = {name for trace in chart.data[:-1] for name in trace.customdata}
    assert placed == {row.name for row in rows}
    assert {family for families in network_map.GROUPS.values() for family in families} == {row.family for row in rows}
    assert chart.data[-1].text == ("ResNet-18",)
    assert len({trace.marker.color for trace in chart.data[:-1]}) == len(network_map.GROUPS)
    big, small = (trace for trace in chart.data[:-1] for name in trace.customdata if name in ("vit_h_14", "alexnet"))
    assert max(big.marker.size) != max(small.marker.size)


def test_the_table_lists_what_has_no_accuracy_too(open_page) -> None:
    app = open_page("backbone")
    app.segmented_control(key="bl-view").set_value("table").run()
    assert not app.exception
    frame = app.dataframe[0].value
    assert len(frame) == len(catalog.BACKBONES)
    row = frame[frame.title == "MNIST CNN"].iloc[0]
    assert (row.family, row.parameters) == ("Course networks", catalog.backbone("mnist_cnn").parameters)
    assert frame[frame.title == "VGG-16"].iloc[0].parameters == 138_357_544


def test_every_entry_of_the_weights_can_be_chosen(open_page, words) -> None:
    app = open_page("backbone", backbone="vit_b_16")
    assert len(app.selectbox(key="bl-entry").options) == 3
    app.selectbox(key="bl-entry").set_value("IMAGENET1K_SWAG_E2E_V1").run()
    assert spec(app).weights == "IMAGENET1K_SWAG_E2E_V1"
    assert app.query_params["weights"] == "IMAGENET1K_SWAG_E2E_V1"
    text = words(app)
    assert "384 px" in text
    assert "85.3 %" in text
    app.selectbox(key="bl-backbone").set_value("resnet18").run()
    assert spec(app).weights == "default"


def test_an_address_may_name_an_entry_and_a_wrong_one_is_mended(open_page) -> None:
    app = open_page("backbone", backbone="resnet50", weights="IMAGENET1K_V1")
    assert spec(app).weights == "IMAGENET1K_V1"
    assert app.selectbox(key="bl-entry").value == "IMAGENET1K_V1"
    for wrong in ("IMAGENET1K_V7", "<b>", "file:/etc/passwd"):
        app = open_page("backbone", backbone="resnet50", weights=wrong)
        assert not app.exception
        assert spec(app) == ModelSpec("resnet50")
    app = open_page("backbone", backbone="resnet19")
    assert spec(app).backbone == "efficientnet_lite0"


def test_random_weights_are_drawn_as_chosen(open_page, words) -> None:
    app = open_page("backbone", weights="none")
    app.selectbox(key="bl-init").set_value("he-normal").run()
    assert spec(app).init == "he-normal"
    app.number_input(key="bl-init-bias").set_value(0.1).run()
    assert spec(app).init_bias == 0.1
    assert "He et al. 2015" in words(app)


def test_a_small_network_starts_at_random(open_page, words) -> None:
    app = open_page("backbone", backbone="mnist_cnn")
    assert not app.exception
    assert spec(app).weights == "none"
    assert "default" not in app.segmented_control(key="bl-weights").options
    assert "square, gray" in words(app)
    app.selectbox(key="bl-backbone").set_value("resnet18").run()
    assert spec(app).weights == "default"


def test_weights_of_an_earlier_run_are_compared(open_page, words, learned) -> None:
    run = learned()
    app = open_page("backbone", backbone="shufflenet_v2_x0_5", weights="none")
    app.segmented_control(key="bl-weights").set_value("run").run()
    assert not app.exception
    assert spec(app).weights == f"run:{run.id}"
    assert "tensors are copied" in words(app)
    app.selectbox(key="bl-backbone").set_value("resnet18").run()
    assert not app.exception
    assert spec(app).weights == "default"


def test_without_a_run_nothing_is_handed_on(open_page, words) -> None:
    app = open_page("backbone", weights="none")
    app.segmented_control(key="bl-weights").set_value("run").run()
    assert "No run has weights yet" in words(app)
    assert spec(app).weights == "none"
    app.segmented_control(key="bl-weights").set_value("file").run()
    assert "weights of the same network" in words(app)


def test_a_weight_file_is_compared_or_refused_with_the_reason(open_page, words) -> None:
    from core.models.network import save

    folder = settings.weight_uploads_dir()
    folder.mkdir(parents=True)
    save(catalog.build("mnist_cnn", "none", 0), folder / "digits.safetensors")
    app = open_page("backbone", backbone="mnist_cnn")
    app.segmented_control(key="bl-weights").set_value("file").run()
    assert not app.exception
    assert spec(app).weights == f"file:{folder / 'digits.safetensors'}"
    assert "8 of 8 tensors are copied" in words(app)
    (folder / "digits.safetensors").write_bytes(b"not weights at all")
    app = open_page("backbone", session={"bl.model": spec(app)})
    assert not app.exception
    assert "These weights cannot be used" in words(app)


def test_an_uploaded_file_that_is_refused_says_so_and_is_gone(open_page, words) -> None:
    app = open_page("backbone", backbone="mnist_cnn")
    app.segmented_control(key="bl-weights").set_value("file").run()
    (uploader,) = app.get("file_uploader")
    uploader.upload("mine.safetensors", b"no tensors").run()
    assert not app.exception
    assert "This file was not taken" in words(app)
    assert kept_files() == []
    app.run()
    assert "This file was not taken" in words(app)


def test_an_uploaded_file_is_chosen_and_can_be_deleted(open_page, words, tmp_path: Path) -> None:
    from core.models.network import save

    save(catalog.build("mnist_cnn", "none", 0), tmp_path / "digits.safetensors")
    app = open_page("backbone", backbone="mnist_cnn")
    app.segmented_control(key="bl-weights").set_value("file").run()
    (uploader,) = app.get("file_uploader")
    uploader.upload("digits.safetensors", (tmp_path / "digits.safetensors").read_bytes()).run()
    (kept,) = kept_files()
    assert spec(app).weights == f"file:{kept}"
    assert "used by all uploads" in words(app)
    app.button(key="bl-weight-delete").click().run()
    app.button(key="bl-weight-delete-now").click().run()
    assert not app.exception
    assert kept_files() == []
    assert spec(app).weights == "none"


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Any]], None]:
    """Empties the weight cache, and lets ``fetch`` do what a test says."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(background_download, "_JOBS", {})

    def behave(act: Callable[..., Any]) -> None:
        monkeypatch.setattr("core.models.weights.torchvision.download.fetch", act)

    return behave


def test_a_download_shows_its_progress_and_can_be_cancelled(open_page, words, far) -> None:
    gate = threading.Event()

    def slow(*_args: object, report: Callable[[DownloadProgress], None], **_options: object) -> None:
        while not gate.wait(0.02):
            report(DownloadProgress(12_000_000, 46_800_000, 3e6))

    far(slow)
    app = open_page("backbone", backbone="resnet18")
    assert "to be downloaded" in words(app)
    app.button(key="bl-download").click().run()
    job = catalog.downloading("resnet18")
    while job.progress is None:
        pass
    app.run()
    assert "12 MB of 47 MB, 3.0 MB a second" in words(app)
    app.button(key="bl-download-cancel").click().run()
    assert job.state == background_download.CANCELLED
    app.run()
    assert "was cancelled" in words(app)
    gate.set()


def test_a_failed_download_says_why_in_one_sentence(open_page, words, far) -> None:
    def gone(*_args: object, **_options: object) -> None:
        raise WeightsUnavailable("There is no network, and {file} is not here.", file="resnet18.pth")

    far(gone)
    app = open_page("backbone", backbone="resnet18")
    app.button(key="bl-download").click().run()
    catalog.downloading("resnet18").join(5)
    app.run()
    text = words(app)
    assert "There is no network, and resnet18.pth is not here." in text
    assert app.button(key="bl-download")


def test_a_network_of_ones_own_has_its_figures(open_page, words) -> None:
    design = (Piece("conv", size=4, kernel=3), Piece("relu"), Piece("global-average-pool"))
    app = open_page("backbone", session={"bl.model": ModelSpec("own", "none", design=design)})
    assert not app.exception
    assert spec(app).design == design
    assert f'data-tip="{(3 * 3 * 3 + 1) * 4 + (4 + 1) * 10} parameters"' in words(app)
    app.selectbox(key="bl-backbone").set_value("resnet18").run()
    assert spec(app) == ModelSpec("resnet18")


def test_networks_of_timm_are_found_and_chosen(open_page, words) -> None:
    pytest.importorskip("timm")
    app = open_page("backbone")
    app.toggle(key="bl-timm").set_value(True).run()
    app.text_input(key="bl-search").set_value("resnet10t").run()
    assert "timm/resnet10t" in app.selectbox(key="bl-backbone").options
    app.selectbox(key="bl-backbone").set_value("timm/resnet10t").run()
    assert not app.exception
    assert spec(app) == ModelSpec("timm/resnet10t")
    text = words(app)
    assert "5,435,488 parameters" in text
    assert "176 px" in text
    assert "c3_in1k" in text or "to be downloaded" in text
    app = open_page("backbone", backbone="timm/deit_tiny_distilled_patch16_224")
    assert spec(app).backbone == "efficientnet_lite0"


def test_a_built_network_has_one_number_of_parameters(open_page, words) -> None:
    design = (Piece("conv", 8, 3), Piece("relu"), Piece("flatten"))
    spec = ModelSpec("own", "none", image_size=16, channels=3, design=design)
    app = open_page("backbone", session={"bl.data": DataSpec("shapes", images_per_class=10), "bl.model": spec})
    assert not app.exception
    counts = re.findall(r"<dt>Parameters</dt><dd[^>]*><bdi>([^<]+)</bdi>", words(app))
    assert len(counts) >= 2
    assert len(set(counts)) == 1
    assert "with a head for 4 classes" in words(app)
