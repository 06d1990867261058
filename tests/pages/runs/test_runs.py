"""Runs: the table, and what can be done with one."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

from core.runs.files import write_atomic
from core.runs.store import RunStore
from pages.ui.kit import components


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


def test_the_archive_is_what_the_download_takes(make_run) -> None:
    from streamlit.runtime.download_data_util import convert_data_to_bytes_and_infer_mime

    run = make_run("finished")
    data, _mime = convert_data_to_bytes_and_infer_mime(components.on_disk(run.pack)(), TypeError("refused"))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert f"{run.id}/metrics.jsonl" in archive.namelist()


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


def test_a_damaged_run_does_not_spoil_the_table(open_page, words, make_run) -> None:
    good, bad = make_run("finished"), make_run("finished")
    (bad.path / "experiment.json").write_text("{}")
    bad.rename("The bad one")
    for chosen in (good, bad):
        app = open_page("runs", run=chosen.id)
        assert not app.exception
        rows = app.dataframe[0].value.set_index("id")
        assert rows["state"].to_dict() == {good.id: "Finished", bad.id: "Unreadable"}
        assert rows["accuracy"].to_dict() == {good.id: 0.7, bad.id: 0.7}
        said = words(app)
        assert "The bad one: experiment misses the key data." in said
        assert ("This run cannot be read" in said) == (chosen == bad)
        assert app.button(key="bl-delete")


def test_a_series_says_mean_and_deviation_of_its_finished_runs(open_page, words, make_run) -> None:
    accuracies = (("finished", 0.6), ("finished", 0.8), ("failed", 0.1))
    for state, accuracy in accuracies:
        run = make_run(state, test_accuracy=accuracy)
        write_atomic(run.path / "experiment.json", replace(run.experiment, series="abcd").to_json())
    make_run("finished", test_accuracy=0.2)
    app = open_page("runs", run=run.id)
    assert not app.exception
    said = words(app)
    assert "3 runs of one recipe" in said
    assert "<bdi>70 %</bdi></dd><span>± 14.1 %</span>" in said
    assert "over 2 finished runs. 1 ended without finishing and does not count." in said


def test_the_train_page_shows_the_series_of_the_run_that_it_watches(open_page, words, make_run, alive) -> None:
    runs = [make_run("finished"), make_run("running", **alive)]
    for run in runs:
        write_atomic(run.path / "experiment.json", replace(run.experiment, series="abcd").to_json())
    for run in runs:
        said = words(open_page("train", run=run.id))
        assert "2 runs of one recipe" in said
        assert "Mean over 1 finished run. 1 is still at work or waits." in said


def test_a_run_by_itself_is_no_series(open_page, words, make_run) -> None:
    assert "The series" not in words(open_page("runs", run=make_run("finished").id))
