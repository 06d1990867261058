"""The page Autoencoder: what is asked of a process, sizes, what a trained one shows, and a classifier from it."""

from __future__ import annotations

import json

import pytest

from core.runs import launch
from core.runs.jobs import JobStore
from core.workflows.autoencoder.request import AutoencoderRequest
from core.workflows.jobs import job_process

SMALL = {"data": "digits", "split": "v30t20s0n8", "auto-epochs": "2", "auto-images": "64"}


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    words: list[tuple[str, ...]] = []
    monkeypatch.setattr(launch, "spawn", lambda _folder, spoken, _roots, **_more: words.append(tuple(spoken)))
    return words


def asked() -> AutoencoderRequest:
    request = JobStore("autoencoders").list()[0].read_request()
    assert isinstance(request, AutoencoderRequest)
    return request


def test_the_notes_network_its_sizes_and_the_31_pixels(open_page, words, params, spawned) -> None:
    app = open_page("autoencoder")
    assert not app.exception
    said = words(app)
    assert "557 parameters; 196 values of a picture pass the narrow place; sides 28 → 14 → 7 → 15 → 31" in said
    assert "It gives back 31 px of 28" in said
    assert "(7 - 1)*2 - 0 + 3 = 15" in said
    assert "Small digits, as no images are chosen yet" in said
    app.segmented_control(key="bl-auto-undo").set_value("occlusion").run()
    app.slider(key="bl-auto-strength").set_value(0.5).run()
    app.selectbox(key="bl-auto-loss").set_value("l1").run()
    app.slider(key="bl-auto-epochs").set_value(3).run()
    carried = params(app)
    chosen = {name: carried[f"auto-{name}"] for name in ("undo", "strength", "loss", "epochs")}
    assert chosen == {"undo": "occlusion", "strength": "0.5", "loss": "l1", "epochs": "3"}
    app.button(key="bl-auto-go").click().run()
    assert not app.exception
    assert [spoken[0] for spoken in spawned] == ["job"]
    request = asked()
    assert (request.corruption, request.strength, request.loss, request.epochs) == ("occlusion", 0.5, "l1", 3)
    assert (request.channels, request.side) == (1, 28)


def test_91_pixels_come_back_as_91(open_page, words) -> None:
    app = open_page("autoencoder", **{"auto-side": "91"})
    assert not app.exception
    assert "sides 91 → 45 → 22 → 45 → 91" in words(app)
    assert "It gives back" not in words(app)


def test_photos_are_taken_in_colour(open_page) -> None:
    app = open_page("autoencoder", data="shapes")
    assert not app.exception
    assert app.segmented_control(key="bl-auto-channels-rgb").value == 3


@pytest.mark.usefixtures("spawned")
def test_a_trained_one_shows_its_epochs_its_map_and_hands_its_encoder_on(open_page, words, params, monkeypatch) -> None:
    app = open_page("autoencoder", **SMALL, **{"auto-design": "plane"})
    app.button(key="bl-auto-go").click().run()
    job_process.work(JobStore("autoencoders").list()[0])
    app = open_page("autoencoder", **SMALL, **{"auto-design": "plane", "auto-picture": "3"})
    assert not app.exception
    said = words(app)
    for part in ("What comes back", "What the narrow place keeps", "The plane, decoded", "PCA of equal width"):
        assert part in said
    assert "Picture 3" in said
    assert "bl-auto-go" not in {button.key for button in app.button}
    app.select_slider(key="bl-auto-epoch").set_value(0).run()
    assert params(app)["auto-epoch"] == "0"
    app.slider(key="bl-auto-walk-x").set_value(90).run()
    assert not app.exception
    started: list[object] = []

    def start(experiment: object, **_more: object) -> object:
        started.append(experiment)
        return type("Run", (), {"id": f"run-{len(started)}"})

    monkeypatch.setattr(launch, "start", start)
    app.button(key="bl-auto-both").click().run()
    assert not app.exception
    assert [experiment.model.weights.partition(":")[0] for experiment in started] == ["file", "none"]


@pytest.mark.usefixtures("spawned")
def test_one_that_was_cancelled_shows_what_it_has_and_can_begin_again(open_page, words) -> None:
    app = open_page("autoencoder", **SMALL)
    app.button(key="bl-auto-go").click().run()
    job = JobStore("autoencoders").list()[0]

    def cancel(record: dict[str, object]) -> None:
        if record["doing"] == "training" and record["done"] == 3:
            job.request_stop()

    job_process.work(job, cancel)
    assert json.loads((job.path / "status.json").read_text())["state"] == "stopped"
    app = open_page("autoencoder", **SMALL)
    assert not app.exception
    assert "What comes back" in words(app)
    assert "What the narrow place keeps" not in words(app)
    assert "bl-auto-go" in {button.key for button in app.button}


@pytest.mark.usefixtures("spawned")
def test_encoder_and_decoder_are_built_layer_by_layer_and_kept_in_the_address(open_page, words, params) -> None:
    app = open_page("autoencoder", **SMALL, **{"auto-design": "own"})
    assert not app.exception
    assert "sides 28 → 14 → 7 → 14 → 28" in words(app)
    app.button(key="bl-build-add-dconv").click().run()
    assert "The decoder gives 16 x 28 x 28" in words(app)
    assert "bl-auto-go" not in {button.key for button in app.button}
    app.number_input(key=f"bl-piece-{app.session_state['bl.auto.lists'][1].rows[-1][0]}-conv-size").set_value(1).run()
    assert "floor((28 + 2 - 3)/1) + 1 = 28" in words(app)
    link = params(app)
    assert link["auto-layers"].endswith("sigmoid,conv 1 3 0 1")
    app.button(key="bl-auto-go").click().run()
    assert not app.exception
    assert asked().decoder[-1].kind == "conv"
    again = open_page("autoencoder", **link)
    assert "bl-auto-job-stop" in {button.key for button in again.button}, "a link asks for the same training"
    app.menu_button(key="bl-auto-from").click("plane").run()
    assert "2 values of a picture pass the narrow place" in words(app)
    app.number_input(key=f"bl-piece-{app.session_state['bl.auto.lists'][0].rows[0][0]}-conv-kernel").set_value(63).run()
    assert not app.exception
    assert "bl-piece-wrong" in words(app)


@pytest.mark.parametrize("layers", ["cat", "/", "conv 1/", "conv 4 3 1 1,relu/transposed-conv 0 2 2 0"])
def test_a_link_with_layers_that_are_none_is_answered(layers: str, open_page, words) -> None:
    app = open_page("autoencoder", **{"auto-design": "own", "auto-layers": layers})
    assert not app.exception
    assert "Something went wrong" not in words(app)
