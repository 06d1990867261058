"""Heatmaps: any class, method and layer; honest about random weights, empty maps and pictures that are none."""

from __future__ import annotations

import dataclasses
import io
import re
import shutil
import threading
from types import MappingProxyType

import numpy as np
import pytest
from PIL import Image

from core.interpret.attribution import explain
from core.runs.store import Run
from core.specs import ModelSpec
from pages.heatmaps import single_map
from pages.ui.selection import network_picker, samples, subjects
from pages.ui.session.choices import ImageChoice
from pages.ui.session.lru_store import LruStore

BACKBONE = {"backbone": "shufflenet_v2_x0_5", "weights": "none"}


def twin(run: Run, ending: str = "ffff") -> Run:
    """Copies a run's folder, name and all."""
    path = run.path.with_name(run.path.name[:-4] + ending)
    shutil.copytree(run.path, path)
    return Run(path)


def labels(app) -> list[str]:
    return [button.label for button in app.button]


def test_a_random_backbone_says_so_and_answers(open_page, words) -> None:
    app = open_page("heatmaps", **BACKBONE)
    assert not app.exception
    said = words(app)
    assert "These weights are random" in said
    assert "What it says" in said
    assert "451 × 300 px, short side resized to 256, centre 224 × 224 kept" in said
    assert "Computed on Stage 4, block 5" in said


def test_a_runs_image_from_the_address_is_judged_against_its_class(open_page, learned, words) -> None:
    run = learned()
    key = next(row["key"] for row in run.split_rows() if row["split"] == "test")
    app = open_page("heatmaps", run=run.id, image=key)
    assert not app.exception
    assert app.session_state["bl.image"].name == key
    assert "its class is" in words(app)


def test_another_class_and_another_method(open_page, learned, words) -> None:
    app = open_page("heatmaps", run=learned().id)
    app.selectbox(key="bl-heat-target").set_value(1).run()
    assert not app.exception
    assert app.query_params["target"] == "red"
    assert "Grad-CAM · red" in words(app)
    assert "Carried out by this app's own code." in words(app)
    app.selectbox(key="bl-heat-method").set_value("occlusion").run()
    assert not app.exception
    assert "Occlusion · red" in words(app)
    assert "Computed on the pixels" in words(app)
    assert "Carried out by the library captum." in words(app)
    assert app.query_params["method"] == "occlusion"


def test_how_far_shares_are_from_what_they_should_add_up_to(open_page, learned, words, monkeypatch) -> None:
    monkeypatch.setattr(single_map, "seconds", lambda *_: 1.0)
    app = open_page("heatmaps", run=learned().id, method="integrated-gradients")
    assert not app.exception
    assert re.search(r"With (16|32|64|128) steps its shares add up to .* above plain grey, but for", words(app))
    app.number_input(key="bl-heat-set-integrated-gradients-steps").set_value(3).run()
    assert "rise above plain grey by" in words(app)


def test_another_layer(open_page, learned, words) -> None:
    app = open_page("heatmaps", run=learned().id, layer="conv1.0")
    assert not app.exception
    assert "Computed on Stage 1, convolution 3 × 3 in" in words(app)
    app.selectbox(key="bl-heat-layer").set_value("").run()
    assert "Computed on Stage 4, block 5 in" in words(app)


def test_a_method_that_cannot_work_is_named_with_the_reason(open_page, words, monkeypatch) -> None:
    rows = dict(explain.METHODS)
    rows["xgrad-cam"] = dataclasses.replace(rows["xgrad-cam"], unavailable=lambda _network: "It has no mass.")
    monkeypatch.setattr(explain, "METHODS", MappingProxyType(rows))
    app = open_page("heatmaps", **BACKBONE)
    assert not app.exception
    offered = app.selectbox(key="bl-heat-method").options
    assert not any("XGrad-CAM" in name or "Attention" in name for name in offered)
    assert "XGrad-CAM: not on this network. It has no mass." in words(app)
    assert "No layer of this network lets every part of the picture" in words(app)


def test_a_method_its_setting_and_a_contrast_from_the_address(open_page, learned, words) -> None:
    run = learned()
    session = {"bl-heat-set-feature-ablation-regions": 4}
    app = open_page("heatmaps", run=run.id, session=session, method="feature-ablation", target="red", against="blue")
    assert not app.exception
    assert "Feature ablation · red rather than blue" in words(app)
    assert app.selectbox(key="bl-heat-method").value == "feature-ablation"
    assert app.number_input(key="bl-heat-set-feature-ablation-regions").value == 4


def test_a_long_work_waits_for_a_click(open_page, learned, words, monkeypatch) -> None:
    monkeypatch.setattr(single_map, "seconds", lambda *_: 95.0)
    app = open_page("heatmaps", run=learned().id, method="occlusion")
    assert not app.exception
    assert "Occlusion takes about 2 min here" in words(app)
    next(button for button in app.button if button.label == "Draw it").click().run()
    assert not app.exception
    assert "Computed on the pixels" in words(app)


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ("methods", "Eigen-Grad-CAM"),
        ("classes", "rather than"),
        ("layers", "Stage 1, convolution 3 × 3"),
        ("pictures", "Each for the class that the network says"),
        ("runs", "Not enough runs"),
        ("epochs", "Before training"),
    ],
)
def test_maps_side_by_side(open_page, learned, words, view: str, said: str) -> None:
    app = open_page("heatmaps", run=learned().id, view=view)
    assert not app.exception
    assert said in words(app)
    assert "Something went wrong" not in words(app)


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ("methods", "methods measure in units of their own"),
        ("classes", "each map counts as much as its class is probable"),
        ("layers", "layers have units of their own"),
        ("pictures", "as bright as its class is probable"),
        ("epochs", "each map counts as much as its class is probable"),
        ("runs", "as bright as its class is probable"),
    ],
)
def test_what_is_compared_says_its_scale(open_page, learned, words, view: str, said: str) -> None:
    run = learned()
    twin(run)
    app = open_page("heatmaps", run=run.id, view=view)
    assert not app.exception
    assert said in words(app)
    if view in ("methods", "layers"):
        assert "bl-heat-scale" not in [toggle.key for toggle in app.toggle]
        return
    app.toggle(key="bl-heat-scale").set_value(True).run()
    assert not app.exception
    assert app.query_params["scale"] == "own"
    assert "however improbable its class" in words(app)


def test_each_class_is_drawn_as_strongly_as_it_is_probable(open_page, learned, drawn) -> None:
    app = open_page("heatmaps", run=learned().id, view="classes", method="layer-cam")
    assert not app.exception
    common = {name: pair for name, pair in drawn.items() if "rather than" not in name}
    assert len(common) == 2
    top = max(wanted for _level, wanted in common.values())
    for level, wanted in common.values():
        assert level == pytest.approx(wanted / top, rel=1e-3)
    drawn.clear()
    app.toggle(key="bl-heat-scale").set_value(True).run()
    assert {level for level, _wanted in drawn.values()} == {1.0}


def test_only_what_counts_in_a_view_can_be_chosen(open_page, learned) -> None:
    run = learned()

    def keys(view: str) -> set[str]:
        app = open_page("heatmaps", run=run.id, view=view)
        assert not app.exception
        return {str(box.key) for box in app.selectbox} & {"bl-heat-target", "bl-heat-against", "bl-heat-method"}

    assert keys("one") == {"bl-heat-target", "bl-heat-against", "bl-heat-method"}
    assert keys("methods") == {"bl-heat-target", "bl-heat-against"}
    assert keys("pictures") == keys("study") == {"bl-heat-method"}


def test_a_layer_and_a_contrast_of_classes_from_the_address(open_page, learned, words) -> None:
    app = open_page("heatmaps", run=learned().id, view="classes", target="red", against="blue", layer="conv1.0")
    assert not app.exception
    assert "red rather than blue" in words(app)
    app.selectbox(key="bl-heat-layer").set_value("").run()
    assert "layer" not in app.query_params


def test_a_contrast_holds_over_runs_and_a_foreign_class_is_said(open_page, learned, words) -> None:
    first = learned()
    other = twin(first)
    (other.path / "classes.json").write_text('{"classes": ["blue", "green"]}')
    app = open_page("heatmaps", run=first.id, view="runs", target="red", against="blue")
    assert not app.exception
    assert "red rather than blue" in words(app)
    assert "does not know red; says" in words(app)


def test_one_picture_goes_through_many_runs(open_page, learned, words) -> None:
    first = learned()
    others = [twin(first, f"{number:04x}") for number in range(4)]
    chosen = ",".join([first.id, *(run.id for run in others)])
    app = open_page("heatmaps", run=first.id, view="runs", runs=f"{chosen},gone")
    assert not app.exception
    assert "All 5 runs say" in words(app)
    app.multiselect(key="bl-heat-runs").set_value([others[0].id]).run()
    assert not app.exception
    assert "The run says" in words(app)
    assert app.query_params["runs"] in (others[0].id, [others[0].id])


def test_runs_of_one_name_stay_apart(open_page, learned) -> None:
    older = learned()
    newer = twin(older)
    app = open_page("heatmaps", run=older.id)
    options = app.selectbox(key="bl-network-run").options
    assert sorted(options) == sorted(f"Small one · {run.id[-4:]}" for run in (older, newer))
    app.selectbox(key="bl-heat-target").set_value(1).run()
    assert app.query_params["run"] in (older.id, [older.id])


def test_a_row_that_takes_long_waits_for_a_click(open_page, learned, words, monkeypatch) -> None:
    monkeypatch.setattr(single_map, "seconds", lambda *_: 5.0)
    app = open_page("heatmaps", run=learned().id, method="occlusion", view="classes")
    assert not app.exception
    assert "Occlusion takes about 15 s here" in words(app)
    assert "difference, on its own scale" not in words(app)


def test_who_waits_for_anothers_map_may_leave() -> None:
    shelf, begun, end = LruStore(4), threading.Event(), threading.Event()

    def make() -> str:
        begun.set()
        assert end.wait(20)
        return "the map"

    def leave() -> None:
        raise InterruptedError

    first = threading.Thread(target=shelf.get, args=(("key",), make))
    first.start()
    assert begun.wait(20)
    with pytest.raises(InterruptedError):
        shelf.get(("key",), make, leave)
    end.set()
    first.join()
    assert shelf.get(("key",), make, leave) == "the map"


def test_a_backbone_offers_no_epochs(open_page, words) -> None:
    app = open_page("heatmaps", view="epochs", **BACKBONE)
    assert not app.exception
    assert "Computed on Stage 4, block 5" in words(app)


def test_answers_that_are_no_numbers_are_said(open_page, learned, words, monkeypatch) -> None:
    monkeypatch.setattr(subjects.Subject, "probabilities", lambda _self: np.full(3, np.nan))
    app = open_page("heatmaps", run=learned().id)
    assert not app.exception
    assert "its weights are broken" in words(app)


def test_an_empty_map_is_said(open_page, learned, words, monkeypatch) -> None:
    real = explain.explain

    def nothing(*args, **kwargs):
        found = real(*args, **kwargs)
        blank = dataclasses.replace(found.heatmap, values=np.zeros_like(found.heatmap.values), empty=True)
        return dataclasses.replace(found, heatmap=blank)

    monkeypatch.setattr(explain, "explain", nothing)
    app = open_page("heatmaps", run=learned().id)
    assert not app.exception
    assert "so the map is empty" in words(app)


def test_without_a_picture_it_asks_for_one(open_page, words, monkeypatch) -> None:
    monkeypatch.setattr(samples, "SAMPLES", {})
    app = open_page("heatmaps", **BACKBONE)
    assert not app.exception
    assert "No picture yet" in words(app)


def test_weights_elsewhere_are_never_fetched_unasked(open_page, words, monkeypatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("core.models.catalog.catalog.weights_state", lambda _name, _weights="default": "needs download")
    monkeypatch.setattr(network_picker.caches, "network", lambda reference, *_rest: asked.append(reference))
    app = open_page("heatmaps", backbone="resnet18", weights="default")
    assert not app.exception
    assert asked == []
    assert "The pretrained weights of ResNet-18 are a download of 47 MB." in words(app)
    assert labels(app) == ["Download them", "Use random weights", "Use EfficientNet-Lite0"]


def test_random_weights_are_one_click_away(open_page, words, monkeypatch) -> None:
    monkeypatch.setattr("core.models.catalog.catalog.weights_state", lambda _name, _weights="default": "needs download")
    app = open_page("heatmaps", backbone="shufflenet_v2_x0_5", weights="default")
    next(button for button in app.button if button.label == "Use random weights").click().run()
    assert not app.exception
    assert "These weights are random" in words(app)
    assert app.session_state["bl.model"] == ModelSpec("shufflenet_v2_x0_5", "none")


def test_a_run_without_weights_says_so(open_page, make_run, words, alive) -> None:
    app = open_page("heatmaps", run=make_run("running", **alive).id)
    assert not app.exception
    assert "No weights yet" in words(app)
    assert labels(app) == ["Look into the bare backbone"]


def test_the_answer_is_that_of_the_evaluation(learned) -> None:
    """The picture is fitted once: what the page says of an image is what the evaluation said."""
    from core.data.images import fit
    from core.evaluation.predictions import predict_images
    from core.workflows.network_loading import network_of_run

    run = learned()
    network = network_of_run(run)
    image = Image.effect_noise((90, 70), 90).convert("RGB")
    file = io.BytesIO()
    image.save(file, "PNG")
    choice = ImageChoice("upload", "noise.png", file.getvalue())
    picture = fit(image, network.preprocessing)
    subject = subjects.Subject(network_picker.target_of(run), network, choice, image.size, picture)
    assert subject.probabilities() == pytest.approx(predict_images(network, [image])[0], abs=1e-6)
