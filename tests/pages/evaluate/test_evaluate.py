"""Evaluate: figures with their reference, mistakes that lead on, and its other faces."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pages.evaluate import mistakes


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stands in for the gallery, which lives in the browser: collects its pictures and clicks none."""
    tiles: list[Any] = []

    def gallery(drawn: list[Any], **_options: Any) -> None:
        tiles[:] = drawn

    monkeypatch.setattr(mistakes, "ticked_gallery", gallery)
    return tiles


def test_without_runs_it_sends_to_train(open_page, words) -> None:
    app = open_page("evaluate")
    assert not app.exception
    assert "Nothing to judge yet" in words(app)
    assert [button.label for button in app.button] == ["Train one"]


def test_a_run_that_is_gone(open_page, words) -> None:
    app = open_page("evaluate", run="20260101T000000Z-none-0000")
    assert not app.exception
    assert "This run is gone" in words(app)


def test_figures_have_a_reference_and_the_mistake_is_shown(open_page, learned, words, shown) -> None:
    run = learned()
    app = open_page("evaluate", run=run.id)
    assert not app.exception
    said = words(app)
    assert "5 of 6 right" in said
    assert "always naming" in said
    assert "Wilson interval" in said
    assert "Worst mistakes" in said
    assert len(shown) == 1
    assert shown[0].note in ("is red", "is blue")
    assert shown[0].caption.endswith("· 90\u00a0%")


def test_validation_has_its_own_figures(open_page, learned, words, shown) -> None:
    app = open_page("evaluate", run=learned().id, session={"bl-eval-split": "val"})
    assert not app.exception
    assert "6 of 6 right" in words(app)
    assert "No mistakes" in words(app)
    assert {tile.note for tile in shown} == {"right"}


def test_without_test_images_it_says_that_validation_flatters(open_page, learned, words, shown) -> None:
    app = open_page("evaluate", run=learned(test_share=0.0).id)
    assert not app.exception
    assert "This run has no test images" in words(app)
    assert len(shown) == 1


@pytest.mark.usefixtures("shown")
def test_data_that_bring_their_own_split_get_advice_that_can_be_followed(open_page, learned, words) -> None:
    run = learned(test_share=0.0)
    own = Path(run.experiment.data.source).with_name("own")
    for part in ("train", "val"):
        shutil.copytree(Path(run.experiment.data.source), own / part)
    data = replace(run.experiment.data, source=str(own))
    (run.path / "experiment.json").write_text(replace(run.experiment, data=data).to_json())
    said = words(open_page("evaluate", run=run.id))
    assert "into a folder named test beside train and val" in said
    assert "Data page" not in said


def test_back_from_a_heatmap_leads_to_the_mistake_that_was_clicked(
    open_page, learned, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(mistakes, "ticked_gallery", lambda _tiles, **options: calls.append(options))
    run = learned()
    key = next(row["key"] for row in run.split_rows() if row["split"] == "test")  # the first is the one mistake
    app = open_page("evaluate", run=run.id, session={mistakes._LEFT: mistakes.Place(run.id, "test", key)})
    assert not app.exception
    assert (calls[-1]["chosen"], calls[-1]["reveal"]) == (0, True)
    app.run()
    assert (calls[-1]["chosen"], calls[-1]["reveal"]) == (None, False)


def test_a_click_on_a_mistake_opens_its_heatmap(open_page, learned, monkeypatch: pytest.MonkeyPatch) -> None:
    gone: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(mistakes, "ticked_gallery", lambda _tiles, **_options: 0)
    monkeypatch.setattr(mistakes.nav, "go", lambda name, **params: gone.append((name, params)))
    run = learned()
    app = open_page("evaluate", run=run.id)
    assert not app.exception
    assert gone[0][0] == "heatmaps"
    assert gone[0][1]["run"] == run.id
    assert gone[0][1]["image"] in {row["key"] for row in run.split_rows() if row["split"] == "test"}


def test_pictures_that_have_gone_are_named(open_page, learned, words, shown) -> None:
    run = learned()
    shutil.rmtree(Path(run.experiment.data.source))
    app = open_page("evaluate", run=run.id)
    assert not app.exception
    assert "The figures above are kept with the run" in words(app)
    assert list(app.dataframe[-1].value["share"]) == pytest.approx([90])
    assert shown == []


def test_a_run_under_way_has_no_figures_yet(open_page, make_run, words, alive) -> None:
    app = open_page("evaluate", run=make_run("running", **alive).id)
    assert not app.exception
    assert "It is still training" in words(app)
    assert "Worst mistakes" not in words(app)


def test_a_failed_run_says_why(open_page, make_run, words) -> None:
    app = open_page("evaluate", run=make_run("failed", message="The disk was full.").id)
    assert not app.exception
    assert "The disk was full." in words(app)


def test_an_interrupted_run_can_be_judged_afterwards(open_page, learned, words, shown) -> None:
    run = learned(judged=False, state="running", pid=999_999_999, create_time=1.0)
    app = open_page("evaluate", run=run.id)
    assert not app.exception
    assert "never judged" in words(app)
    app.button(key="bl-judge").click().run()
    assert not app.exception
    assert "of 6 right" in words(app)
    assert len(shown) > 0
