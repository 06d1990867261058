"""Doing a run again elsewhere: what the panel shows once it is opened, and what it lets a person take along."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.store import Run
from pages.ui.runs import reproduce


def _panel(run_id: str) -> None:
    from core.runs.store import RunStore
    from pages.ui.runs import reproduce

    reproduce.draw(RunStore().get(run_id))


def panel(run: Run, *, opened: bool = True) -> AppTest:
    app = AppTest.from_function(_panel, kwargs={"run_id": run.id}, default_timeout=120)
    if opened:
        app.session_state["bl-repeat"] = True
    return app.run()


def test_nothing_is_written_before_the_panel_is_opened(
    make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(reproduce, "_program", asked.append)
    app = panel(make_run(), opened=False)
    assert not app.exception
    assert not asked
    assert not app.code


def test_command_program_and_files_are_there(learned: Callable[..., Run]) -> None:
    run = learned()
    app = panel(run)
    assert not app.exception
    command, program = (code.value for code in app.code)
    assert command.endswith(f"core train --experiment {run.path / 'experiment.json'}")
    compile(program, "train_again.py", "exec")
    assert 'get_model("shufflenet_v2_x0_5"' in program
    keys = {button.proto.id.split("-", 5)[-1] for button in app.get("download_button")}
    assert len(keys) == 3


def test_images_that_ship_with_the_app_can_be_taken_along(make_run: Callable[..., Run]) -> None:
    run = make_run()
    app = panel(run)
    assert not app.exception
    assert len(app.get("download_button")) == 4
    file = io.BytesIO()
    reproduce._write_images(run, file)
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    assert len(names) == 400
    assert "circle/0000.png" in names


def test_a_run_whose_images_are_gone_says_so(make_run: Callable[..., Run], words: Callable[[AppTest], str]) -> None:
    import json

    run = make_run()
    record = json.loads((run.path / "experiment.json").read_text())
    record["data"]["source"] = "/nowhere/at/all"
    (run.path / "experiment.json").write_text(json.dumps(record))
    app = panel(run)
    assert not app.exception
    assert "/nowhere/at/all" in words(app)
    assert len(app.code) == 1
