"""A run that was packed elsewhere opens on every page, though its images are not here."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.store import Run
from core.workflows.packing.pack import pack
from core.workflows.packing.unpack import import_run

PAGES = ("train", "evaluate", "runs", "heatmaps", "feature_maps", "filters", "try_it", "home")


@pytest.mark.parametrize("name", PAGES)
def test_it_opens(
    name: str,
    open_page: Callable[..., AppTest],
    learned: Callable[..., Run],
    words: Callable[[AppTest], str],
    tmp_path: Path,
) -> None:
    run, packed = learned(), io.BytesIO()
    pack(run, packed)
    shutil.rmtree(run.path)
    shutil.rmtree(tmp_path / "data" / "colours")
    packed.seek(0)
    taken = import_run(packed, "run.zip")
    app = open_page(name, run=taken.id)
    assert not app.exception
    assert "Something went wrong" not in words(app)


def test_a_run_paused_by_an_earlier_version_goes_on_only_where_it_was_packed(
    open_page: Callable[..., AppTest], earlier: dict[str, Run], words: Callable[[AppTest], str]
) -> None:
    run, packed = earlier["paused"], io.BytesIO()
    here = open_page("runs", run=run.id)
    assert "can go on here only" in words(here)
    pack(run, packed)
    shutil.rmtree(run.path)
    packed.seek(0)
    there = words(open_page("runs", run=import_run(packed, "run.zip").id))
    assert "without the state that training goes on from" in there
    assert "Resume it" not in there
    assert "can go on here only" not in there
