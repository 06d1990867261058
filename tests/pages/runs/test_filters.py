"""The table of runs: filters, columns, tags, notes, the archive, and the way to a comparison."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.runs.files import write_atomic
from core.runs.listing.annotations import annotate, read_annotations
from core.runs.store import Run, RunStore
from pages.runs.filters import Filter, holds
from pages.runs.rows import rows_of
from pages.ui.session import caches, run_list


@pytest.fixture
def three(make_run) -> list[Run]:
    runs = [make_run("finished", test_accuracy=0.5 + n / 10) for n in range(3)]
    for number, run in enumerate(runs):
        run.rename(f"Run {number}")
    annotate(runs[0], add=["good", "كلاب", "a|b, <i>c</i>"], group="Week A", note=("", "Look again"))
    annotate(runs[2], archived=True)
    return runs


def names(app) -> set[str]:
    return set(app.dataframe[0].value["name"]) if app.dataframe else set()


@pytest.mark.usefixtures("three")
def test_the_archive_is_out_of_the_way_and_can_be_seen(open_page, words) -> None:
    app = open_page("runs")
    assert not app.exception
    assert names(app) == {"Run 0", "Run 1"}
    assert "1 is filtered out." in words(app)
    app.toggle(key="bl-archive").set_value(True).run()
    assert names(app) == {"Run 0", "Run 1", "Run 2"}


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("text", "found"), [("look", {"Run 0"}), ("RUN 1", {"Run 1"}), ("كلاب", {"Run 0"}), ("nothing", set())]
)
def test_runs_are_found_by_what_stands_beside_them(open_page, params, text: str, found: set[str]) -> None:
    app = open_page("runs")
    app.text_input(key="bl-find").set_value(text).run()
    assert not app.exception
    assert names(app) == found
    assert params(app)["find"] == text
    assert names(open_page("runs", find=text)) == found


@pytest.mark.usefixtures("three")
def test_a_filter_and_a_column_stand_in_the_address(open_page, params) -> None:
    app = open_page("runs")
    app.multiselect(key="bl-runs-by-tag").set_value(["good"]).run()
    app.multiselect(key="bl-runs-by-column").set_value(["Learning rate", "Optimizer"]).run()
    assert not app.exception
    assert names(app) == {"Run 0"}
    assert list(app.dataframe[0].value["Optimizer"]) == ["AdamW"]
    carried = params(app)
    assert (carried["by-tag"], carried["by-column"]) == ("good", "Learning rate\nOptimizer")
    app.multiselect(key="bl-runs-by-tag").set_value(["a|b, <i>c</i>"]).run()
    assert names(app) == {"Run 0"}
    again = open_page("runs", **{"by-tag": "good\nno such tag", "by-column": "Optimizer\n<b>"})
    assert names(again) == {"Run 0"}
    assert "Optimizer" in again.dataframe[0].value


@pytest.mark.usefixtures("three")
def test_a_filter_needs_all_that_it_says() -> None:
    rows = rows_of(run_list.entries())
    wanted = Filter("", {"tag": frozenset({"good"}), "group": frozenset({"Week 2"})}, archived=True)
    assert not [row for row in rows if holds(row, wanted)]
    wanted = replace(wanted, facets={"tag": frozenset({"good", "bad"}), "group": frozenset()})
    assert [row.name for row in rows if holds(row, wanted)] == ["Run 0"]


def test_tags_group_and_note_are_written_beside_one_run(open_page, three: list[Run]) -> None:
    run = three[1]
    app = open_page("runs", run=run.id)
    app.text_input(key=f"bl-one-group-{run.id}").set_value("Week 2").run()
    app.text_area(key=f"bl-one-note-{run.id}").set_value("Fine").run()
    app.multiselect(key=f"bl-one-tags-{run.id}").set_value(["good"]).run()
    assert not app.exception
    found = read_annotations(run.path)
    assert (found.tags, found.group, found.note) == (("good",), "Week 2", "Fine")
    app.button(key="bl-put-away").click().run()
    assert read_annotations(run.path).archived
    assert names(app) == {"Run 0"}


def test_what_somebody_else_wrote_meanwhile_stays(open_page, words, three: list[Run]) -> None:
    run = three[0]
    app = open_page("runs", run=run.id)
    annotate(run, add=["theirs"], note=("Look again", "Theirs"))
    app.multiselect(key=f"bl-one-tags-{run.id}").set_value(["كلاب"]).run()  # takes "good" away
    assert read_annotations(run.path).tags == ("theirs", "كلاب")
    app = open_page("runs", run=run.id)
    annotate(run, note=("Theirs", "Theirs again"))
    app.text_area(key=f"bl-one-note-{run.id}").set_value("Mine").run()
    assert read_annotations(run.path).note == "Theirs again"
    assert "Somebody else changed the note" in words(app)


def test_ticked_runs_are_tagged_put_away_and_compared(open_page, three: list[Run]) -> None:
    ids = [run.id for run in three[:2][::-1]]
    app = open_page("runs")
    key = "bl-runs-" + app.dataframe[0].proto.id.rpartition("bl-runs-")[2]
    app.session_state[key] = {"selection": {"rows": [0, 1], "columns": [], "cells": []}}
    app.run()
    assert not app.exception
    app.text_input(key="bl-runs-tag").set_value("both").run()
    app.button(key="bl-runs-tag-now").click().run()
    assert all("both" in read_annotations(RunStore().get(name).path).tags for name in ids)
    app.button(key="bl-runs-archive").click().run()
    assert all(read_annotations(RunStore().get(name).path).archived for name in ids)


def test_a_run_that_changes_is_made_into_a_row_again(make_run) -> None:
    run = make_run("finished", test_accuracy=0.5)
    assert rows_of(run_list.entries())[0].test == pytest.approx(50)
    assert rows_of(run_list.entries())[0] is rows_of(run_list.entries())[0]
    write_atomic(run.path / "status.json", (run.path / "status.json").read_text().replace("0.5,", "0.9,"))
    assert rows_of(run_list.entries())[0].test == pytest.approx(90)
    assert caches.entries()[0].run == run
