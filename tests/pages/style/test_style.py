"""The page Style transfer: two pictures, what is asked of a process, and what it shows of a painting."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.models.catalog import catalog
from core.runs import launch
from core.runs.jobs import JobStore
from core.workflows.jobs import job_process
from core.workflows.jobs.style_transfer import StyleRequest


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    words: list[tuple[str, ...]] = []
    monkeypatch.setattr(launch, "spawn", lambda _folder, spoken, _roots, **_more: words.append(tuple(spoken)))
    return words


def asked() -> StyleRequest:
    request = JobStore("styles").list()[0].read_request()
    assert isinstance(request, StyleRequest)
    return request


def test_what_is_chosen_is_asked_of_a_process_and_stands_in_the_address(open_page, params, words, spawned) -> None:
    app = open_page("style", content="sample:cat", style="sample:coffee")
    assert not app.exception
    assert "VGG19, the network of the paper, is not on this machine" in words(app)
    app.segmented_control(key="bl-style-start").set_value("noise").run()
    app.select_slider(key="bl-style-weight").set_value(300.0).run()
    app.slider(key="bl-style-steps").set_value(20).run()
    carried = params(app)
    assert (carried["style-start"], carried["style-weight"], carried["style-steps"]) == ("noise", "300.0", "20")
    app.button(key="bl-style-go").click().run()
    assert not app.exception
    assert [spoken[0] for spoken in spawned] == ["job"]
    request = asked()
    assert (request.reference, request.start, request.style_weight, request.steps) == (
        "efficientnet_lite0",
        "noise",
        300.0,
        20,
    )
    assert request.content != request.look
    again = open_page("style", **carried)
    assert again.select_slider(key="bl-style-weight").value == 300.0
    assert again.segmented_control(key="bl-style-start").value == "noise"


def test_vgg19_is_offered_where_its_weights_are(open_page, words, monkeypatch) -> None:
    monkeypatch.setattr(catalog, "weights_state", lambda *_which: "available")
    app = open_page("style", content="sample:cat", style="sample:coffee")
    assert not app.exception
    assert app.segmented_control(key="bl-style-network").value == "vgg19"
    assert "is not on this machine" not in words(app)
    assert app.selectbox(key="bl-style-content-vgg19").value == "features.22"


def test_without_a_layer_of_the_style_it_says_so(open_page, words) -> None:
    app = open_page("style", content="sample:cat", style="sample:coffee")
    app.multiselect(key="bl-style-layers-efficientnet_lite0").set_value([]).run()
    assert not app.exception
    assert "Choose at least one" in words(app)
    assert "bl-style-go" not in {button.key for button in app.button}


@pytest.mark.usefixtures("spawned")
def test_a_painting_shows_its_steps_losses_and_gram_matrices(open_page, words, params) -> None:
    app = open_page("style", content="sample:cat", style="sample:coffee", **{"style-size": "128"})
    app.button(key="bl-style-go").click().run()
    job = JobStore("styles").list()[0]
    short = JobStore("styles").create(replace(asked(), steps=10).as_record())
    job_process.work(short)
    job.request_stop()
    app = open_page("style", content="sample:cat", style="sample:coffee", **{"style-size": "128", "style-steps": "10"})
    assert not app.exception
    said = words(app)
    assert "What the network calls style" in said
    assert "in 10 steps" in said
    assert "bl-style-go" not in {button.key for button in app.button}
    app.select_slider(key="bl-style-step").set_value(2).run()
    assert not app.exception
    assert params(app)["style-step"] == "2"
    app.selectbox(key="bl-style-gram").select_index(1).run()
    assert not app.exception


@pytest.mark.usefixtures("spawned")
def test_a_painting_that_failed_says_why(open_page, words) -> None:
    app = open_page("style", content="sample:cat", style="sample:coffee")
    app.button(key="bl-style-go").click().run()
    job = JobStore("styles").list()[0]
    (job.path / "status.json").write_text('{"state": "failed", "message": "No room."}')
    app = open_page("style", content="sample:cat", style="sample:coffee")
    assert not app.exception
    assert "The picture could not be painted" in words(app)
    assert "bl-style-go" in {button.key for button in app.button}
