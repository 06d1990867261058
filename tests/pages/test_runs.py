"""Runs: the table, and what can be done with one."""

from __future__ import annotations

from core.runs.store import RunStore


def test_without_runs_the_page_leads_to_images(open_page, words) -> None:
    assert "No runs yet" in words(open_page("runs"))


def test_runs_are_listed_and_the_newest_is_open(open_page, words, make_run) -> None:
    make_run("finished")
    app = open_page("runs")
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["state"]) == ["Finished"]
    assert list(table["curve"][0]) == [0.5, 0.6, 0.7]
    assert "of 3.4 M parameters" in words(app)


def test_a_run_can_be_renamed(open_page, make_run) -> None:
    run = make_run("finished")
    app = open_page("runs", run=run.id)
    app.button(key="bl-rename").click().run()
    app.text_input(key="bl-new-name").set_value("سيب أحمر")
    app.button(key="bl-rename-now").click().run()
    assert not app.exception
    assert run.name == "سيب أحمر"


def test_deleting_asks_first(open_page, make_run) -> None:
    run = make_run("finished")
    app = open_page("runs", run=run.id)
    app.button(key="bl-delete").click().run()
    assert run.exists
    app.button(key="bl-delete-now").click().run()
    assert not app.exception
    assert RunStore().list() == []


def test_a_live_run_cannot_be_deleted(open_page, make_run, alive) -> None:
    run = make_run("running", **alive)
    app = open_page("runs", run=run.id)
    assert app.button(key="bl-delete").disabled


def test_a_damaged_run_does_not_spoil_the_table(open_page, make_run) -> None:
    make_run("finished")
    bad = make_run("finished")
    (bad.path / "experiment.json").write_text("{}")
    app = open_page("runs")
    assert not app.exception
    assert len(app.dataframe[0].value) == 1
