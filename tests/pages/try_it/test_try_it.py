"""Try it: pictures that were given, what the network says of them, and what it does not know."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.data.importing.uploaded import Incoming
from core.runs.jobs import Job, JobStore
from core.runs.store import Run
from core.workflows.jobs import job_process
from core.workflows.new_images.lots import Lot, take
from pages.try_it import answers_view

Open = Callable[..., AppTest]
COLOURS = {"red": (200, 60, 50), "blue": (50, 90, 200), "green <b>": (60, 190, 80), "yellow": (210, 190, 60)}


def lot(*names: str, broken: int = 0) -> Lot:
    files = []
    for number, name in enumerate(names):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 64), COLOURS[name]).save(buffer, "PNG")
        files.append(Incoming(f"new/{name}/{number}.png", io.BytesIO(buffer.getvalue())))
    files += [Incoming(f"new/broken{number}.jpg", io.BytesIO(b"x")) for number in range(broken)]
    return take(files)


def test_without_runs_it_says_what_to_do(open_page: Open, words: Callable[[AppTest], str]) -> None:
    assert "Nothing to try yet" in words(open_page("try_it"))


def test_before_pictures_come_it_says_what_it_tells_apart(
    open_page: Open, learned: Callable[..., Run], words: Callable[[AppTest], str]
) -> None:
    app = open_page("try_it", run=learned().id)
    assert not app.exception
    assert "It tells apart: " in words(app)
    assert len(app.get("file_uploader")) == 1


def test_pictures_are_judged_by_their_folders(
    open_page: Open, learned: Callable[..., Run], words: Callable[[AppTest], str]
) -> None:
    given = lot("red", "blue", "green <b>", broken=1)
    app = open_page("try_it", run=learned().id, lot=given.id)
    assert not app.exception
    said = words(app)
    assert "of 3 pictures" in said
    assert "Right, of those answered" in said
    assert "green &lt;b&gt; (1)" in said
    assert "1 file is left out" in said
    app.slider(key="bl-try-limit").set_value(100).run()
    assert not app.exception
    assert "no new picture is answered" in words(app)
    assert len(app.get("download_button")) == 2


def test_folders_that_name_no_class_are_told(
    open_page: Open, learned: Callable[..., Run], words: Callable[[AppTest], str]
) -> None:
    run = learned()
    said = words(open_page("try_it", run=run.id, lot=lot("green <b>", "yellow").id))
    assert "No folder is named after a class of the network" in said
    assert "Right, of those answered" not in said
    said = words(open_page("try_it", run=run.id, lot=lot("yellow").id))
    assert "No folder is named" not in said, "one folder is what the pictures came in"
    assert "of 1 picture\n" in said.replace("<", "\n")


def test_heatmaps_are_drawn_and_tested_on_wish(open_page: Open, learned: Callable[..., Run]) -> None:
    app = open_page("try_it", run=learned().id, lot=lot("red").id, **{"try-maps": "True"})
    assert not app.exception
    app.button(key="bl-try-test").click().run(timeout=240)
    assert not app.exception
    gone = {button.key for button in app.button}
    assert "bl-try-test" not in gone


def test_only_broken_files_are_named(
    open_page: Open, learned: Callable[..., Run], words: Callable[[AppTest], str]
) -> None:
    said = words(open_page("try_it", run=learned().id, lot=lot(broken=2).id))
    assert "None of these can be read" in said
    assert "broken0.jpg" in said


def test_forgotten_pictures_are_said_to_be_gone(
    open_page: Open, learned: Callable[..., Run], words: Callable[[AppTest], str]
) -> None:
    run = learned()
    assert "Give them again" in words(open_page("try_it", run=run.id, lot="../../secret"))
    given = lot("red")
    app = open_page("try_it", run=run.id, lot=given.id)
    app.button(key="bl-try-forget").click().run()
    assert not app.exception
    assert not given.path.exists()
    assert "It tells apart" in words(app)


def test_many_pictures_are_a_job(
    open_page: Open, learned: Callable[..., Run], words: Callable[[AppTest], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Job] = []

    def start(request: Any, **_more: Any) -> Job:
        started.append(JobStore(request.kind).create(request.as_record()))
        return started[-1]

    monkeypatch.setattr(answers_view, "AT_ONCE", 1)
    monkeypatch.setattr(answers_view, "start_job", start)
    run, given = learned(), lot("red", "blue")
    app = open_page("try_it", run=run.id, lot=given.id)
    assert not app.exception
    assert len(started) == 1
    job_process.work(started[0])
    app = open_page("try_it", run=run.id, lot=given.id)
    assert not app.exception
    assert "of 2 pictures" in words(app)
    assert len(started) == 1
    app.button(key="bl-try-forget").click().run()
    assert not started[0].exists, "what was said of them is forgotten, too"
    again = open_page("try_it", run=run.id, lot=given.id)
    assert "Give them again" in words(again)


def test_the_camera_is_offered(open_page: Open, learned: Callable[..., Run], words: Callable[[AppTest], str]) -> None:
    app = open_page("try_it", run=learned().id, **{"try-give": "camera"})
    assert not app.exception
    assert "About a frame a second" in words(app)
