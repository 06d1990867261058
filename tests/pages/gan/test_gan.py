"""The page GAN: what is asked of a process, and what it shows of a trained and of a cancelled generator."""

from __future__ import annotations

import pytest

from core.runs import launch
from core.runs.jobs import JobStore
from core.workflows.gan.request import GanRequest
from core.workflows.jobs import job_process

SMALL = {"data": "digits", "split": "v30t20s0n8", "gan-epochs": "2", "gan-images": "64"}


@pytest.fixture(autouse=True)
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    words: list[tuple[str, ...]] = []
    monkeypatch.setattr(launch, "spawn", lambda _folder, spoken, _roots, **_more: words.append(tuple(spoken)))
    return words


def test_what_is_chosen_is_asked_of_a_process_and_stands_in_the_address(open_page, words, params, spawned) -> None:
    app = open_page("gan")
    assert not app.exception
    assert "Handwritten digits of 28 px, as no images are chosen yet" in words(app)
    app.slider(key="bl-gan-often").set_value(3).run()
    app.slider(key="bl-gan-epochs").set_value(5).run()
    assert {name: params(app)[f"gan-{name}"] for name in ("often", "epochs")} == {"often": "3", "epochs": "5"}
    app.button(key="bl-gan-go").click().run()
    assert not app.exception
    assert [spoken[0] for spoken in spawned] == ["job"]
    request = JobStore("gans").list()[0].read_request()
    assert isinstance(request, GanRequest)
    assert (request.data.source, request.generator_steps, request.epochs, request.channels) == ("mnist", 3, 5, 1)


def test_a_trained_one_shows_its_epochs_its_variety_and_a_walk(open_page, words, params) -> None:
    app = open_page("gan", **SMALL)
    app.button(key="bl-gan-go").click().run()
    job_process.work(JobStore("gans").list()[0])
    app = open_page("gan", **SMALL)
    assert not app.exception
    said = words(app)
    for part in (
        "What it makes",
        "Copied, and all of one kind?",
        "Of 500 generated pictures",
        "From picture 1 to picture 2",
    ):
        assert part in said
    assert "bl-gan-go" not in {button.key for button in app.button}
    app.select_slider(key="bl-gan-epoch").set_value(0).run()
    app.slider(key="bl-gan-to").set_value(9).run()
    assert not app.exception
    assert (params(app)["gan-epoch"], params(app)["gan-to"]) == ("0", "9")
    assert "From picture 1 to picture 9" in words(app)


def test_one_that_was_cancelled_shows_what_it_has_and_can_begin_again(open_page, words) -> None:
    app = open_page("gan", **SMALL)
    app.button(key="bl-gan-go").click().run()
    job = JobStore("gans").list()[0]

    def cancel(record: dict[str, object]) -> None:
        if record["doing"] == "training" and record["done"] == 2:
            job.request_stop()

    job_process.work(job, cancel)
    app = open_page("gan", **SMALL)
    assert not app.exception
    assert "What it makes" in words(app)
    assert "Copied" not in words(app)
    assert "bl-gan-go" in {button.key for button in app.button}
