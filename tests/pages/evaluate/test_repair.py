"""Evaluate: a ticked mistake is relabelled or left out, undone, and trained again on."""

from __future__ import annotations

from typing import Any

import pytest

from core.data.revisions import store
from pages.evaluate import mistakes, repair


@pytest.fixture
def wrong(open_page, learned, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any, str]:
    """The page with its one mistake ticked, the run, and the mistake's key."""
    monkeypatch.setattr(mistakes, "ticked_gallery", lambda _tiles, **_options: None)
    run = learned()
    from core.workflows.evaluate import recorded

    judged = recorded(run)["test"]
    key = judged.predictions.keys[judged.predictions.mistakes()[0]]
    return open_page("evaluate", run=run.id, session={repair.TICKED: (run.id, {key})}), run, key


def revision(app: Any, run: Any) -> Any:
    from core.data.sources import open_dataset

    return store.of(open_dataset(run.experiment.data.source).name, app.query_params["repaired"])


def test_relabelled_as_the_network_says_and_undone(wrong, words) -> None:
    app, run, key = wrong
    assert "1 picture is ticked" in " ".join(part.value for part in app.caption)
    app.button(key="bl-eval-relabel-said").click().run()
    assert not app.exception
    assert dict(revision(app, run).relabelled)[key] in ("red", "blue")
    assert "Since this run: 1" in words(app)
    app.button(key="bl-eval-repair-undo").click().run()
    assert not app.exception
    assert "repaired" not in app.query_params


def test_left_out_and_trained_again(wrong, monkeypatch: pytest.MonkeyPatch) -> None:
    app, run, key = wrong
    started: list[Any] = []

    class Started:
        id = "20260101T000000Z-again-0000"

    monkeypatch.setattr(repair, "start", lambda experiment, **_more: started.append(experiment) or Started)
    monkeypatch.setattr(repair.nav, "go", lambda *_where, **_more: None)
    app.button(key="bl-eval-exclude").click().run()
    assert revision(app, run).excluded == (key,)
    app.button(key="bl-eval-again").click().run()
    assert not app.exception
    (experiment,) = started
    assert experiment.name == "Small one, repaired"
    assert experiment.training == run.experiment.training
    assert experiment.data.revision


def test_a_link_with_another_runs_repair_shows_none(open_page, learned, words, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mistakes, "ticked_gallery", lambda _tiles, **_options: None)
    app = open_page("evaluate", run=learned().id, repaired="0" * 20)
    assert not app.exception
    assert "Since this run" not in words(app)
    app = open_page("evaluate", run=learned(folder="others").id, repaired="../../etc")
    assert not app.exception
