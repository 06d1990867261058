"""A run at another moment: any picture through the weights of any epoch that was kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.runs import Run, RunStore
from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, Phase, TrainingSpec
from core.training.checkpoints import epoch_weights
from core.workflows.trainer_process import worker


@pytest.fixture
def run(image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Two epochs of the head, then two of everything."""
    monkeypatch.setattr(epoch_weights, "FREE_SECONDS", 1e9)
    phases = (Phase("head", "head", 2, lr=0.01), Phase("all", "plan", 2, lr=0.001))
    made = RunStore().create(
        Experiment(
            DataSpec(str(image_folder())),
            ModelSpec("mnist_cnn", "none"),
            TrainingSpec("custom", phases, 8, 3, "cpu", "fp32"),
            freeze=FreezePlan("all"),
            name="Through the epochs",
        )
    )
    worker.work(made)
    assert made.state == "finished", made.log()
    return made


@pytest.mark.parametrize(("asked", "number"), [("2", 2), ("9", 4), ("0", 1)], ids=["kept", "too-late", "too-early"])
def test_an_epoch_in_the_address_is_looked_into(open_page, run, asked: str, number: int) -> None:
    app = open_page("feature_maps", run=run.id, moment=asked)
    assert not app.exception
    assert app.selectbox(key="bl-moment").value == str(number)


@pytest.mark.parametrize("asked", ["noon", "-1", "٣", "9" * 400, "best"])
def test_another_word_in_the_address_means_the_best(open_page, run, asked: str) -> None:
    app = open_page("heatmaps", run=run.id, moment=asked)
    assert not app.exception
    assert app.selectbox(key="bl-moment").value == ("4" if asked.startswith("99") else "best")


def test_an_epoch_is_chosen_by_hand(open_page, run) -> None:
    app = open_page("heatmaps", run=run.id)
    moments = ["Before training", *(f"After epoch {n}" for n in range(1, 5)), "Best epoch", "Last epoch"]
    assert app.selectbox(key="bl-moment").options == moments
    app.selectbox(key="bl-moment").set_value("2").run()
    assert not app.exception
    assert app.query_params["moment"] == "2"
    app.selectbox(key="bl-moment").set_value("best").run()
    assert "moment" not in app.query_params


def test_heatmaps_through_the_training(open_page, run, words) -> None:
    app = open_page("heatmaps", run=run.id, view="epochs")
    assert not app.exception
    said = words(app)
    best = run.status().best_epoch
    assert "Before training" in said
    assert f"Epoch {best}, the best" in said
    for epoch in {1, 2, 3} - {best}:
        assert f"After epoch {epoch}" in said
    assert "Likeness" in said or "likeness" in said


def test_filters_of_every_layer_over_the_epochs(open_page, run, words) -> None:
    app = open_page("filters", run=run.id, view="epochs")
    assert not app.exception
    assert "How far each convolution had come" in words(app)
    assert "stood still in every epoch" not in words(app)
    for index in (0, 1):
        picker = app.selectbox(key="bl-filters-name").select_index(index).run().selectbox(key="bl-filters-name")
        assert not app.exception
        layer = picker.options[index].split(" · ")[0]
        assert f"filters of {layer} after epoch 4" in words(app)


def test_filters_and_grown_pictures_of_an_epoch(open_page, run) -> None:
    for view in ("kernels", "dreams", "alike"):
        app = open_page("filters", run=run.id, view=view, moment="2")
        assert not app.exception
        assert app.selectbox(key="bl-moment").value == "2"


def test_two_epochs_side_by_side(open_page, run, words) -> None:
    app = open_page("feature_maps", run=run.id, view="beside", moment="1")
    app.segmented_control(key="bl-beside-what").set_value("models").run()
    app.selectbox(key="bl-beside-model").set_value("epoch").run()
    assert not app.exception
    app.select_slider(key=f"bl-beside-epoch-{run.id}").set_value(2).run()
    assert not app.exception
    said = words(app)
    assert "are the same to the last bit" in said  # the head learned between them, and nothing else
    assert "<h2>After epoch 1</h2>" in said, "by what differs: both are moments of one run"
    assert "<h2>After epoch 2</h2>" in said


def test_an_epoch_that_goes_away_meanwhile(open_page, run, words) -> None:
    app = open_page("feature_maps", run=run.id, moment="2")
    epoch_weights.kept_file(run.path, 2).write_bytes(b"damaged")
    app.run()
    assert not app.exception
    assert "This moment cannot be looked into" in words(app)
    for epoch in range(1, 5):
        epoch_weights.kept_file(run.path, epoch).unlink()
    app.run()
    assert not app.exception
    assert app.selectbox(key="bl-moment").value == "best"
