"""Runs: the table, and what can be done with one."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import pytest

from core import settings
from core.runs.files import write_atomic
from core.runs.store import Run, RunStore
from core.specs import AUGMENT_PRESETS, AugmentSpec, EarlyStopping, Mix
from pages.runs import taking_in
from pages.ui.kit import components
from pages.ui.plan import settings_table
from pages.ui.session import run_list
from pages.ui.text import augmentation_words


def test_without_runs_the_page_leads_to_images(open_page, words) -> None:
    assert "No runs yet" in words(open_page("runs"))


def test_runs_are_listed_and_the_newest_is_open(open_page, words, make_run) -> None:
    make_run("finished")
    app = open_page("runs")
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["state"]) == ["Finished"]
    assert list(table["curve"].iloc[0]) == [0.5, 0.6, 0.7]
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
    data, _mime = convert_data_to_bytes_and_infer_mime(
        components.on_disk(lambda file: taking_in.pack(run, file))(), TypeError("refused")
    )
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
        rows = app.dataframe[0].value
        assert rows["state"].to_dict() == {good.id: "Finished", bad.id: "Unreadable"}
        assert rows["validation"].to_dict() == pytest.approx({good.id: 70, bad.id: 70})
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


def test_a_series_is_one_row_that_opens(open_page, words, make_run) -> None:
    for seed, accuracy in enumerate((0.6, 0.8), start=1):
        run = make_run("finished", test_accuracy=accuracy, seconds=30.0)
        changed = replace(run.experiment, series="abcd", name=f"Mine · seed {seed}")
        write_atomic(run.path / "experiment.json", changed.to_json())
    make_run("finished")
    app = open_page("runs", run=run.id)
    assert not app.exception
    table = app.dataframe[0].value.set_index("name")
    assert set(table.index) == {"A run <b>of</b> mine", "Mine · series of 2"}
    assert table.loc["Mine · series of 2", "test"] == pytest.approx(70)
    assert table.loc["Mine · series of 2", "duration"] == "1\u00a0min\u00a00\u00a0s"
    assert "2 runs of one recipe" in words(app)


def test_runs_of_one_name_are_told_apart_by_their_time(make_run) -> None:
    runs = [make_run() for _ in range(3)]
    times = ["20260101T100000Z-a-0000", "20260101T103000Z-a-0001", "20260101T103000Z-a-0002"]
    runs = [Run(run.path.rename(run.path.with_name(name))) for run, name in zip(runs, times, strict=True)]
    labels = run_list.labels(runs)
    assert labels[times[0]] == "A run <b>of</b> mine · 2026-01-01 10:00"
    assert labels[times[1]].endswith("· 0001")
    assert len(set(labels.values())) == 3
    runs[0].rename("Another")
    assert run_list.labels(runs[:2]) == {times[0]: "Another", times[1]: "A run <b>of</b> mine"}


def test_the_labs_helpers_are_out_of_the_way(open_page, words, make_run) -> None:
    mine, helper = make_run(), make_run()
    folder = settings.lab_dirs()[0] / "mnist-8-0" / "with-mark"
    data = replace(helper.experiment.data, source=str(folder))
    write_atomic(helper.path / "experiment.json", replace(helper.experiment, data=data, name="Shortcut: 8").to_json())
    assert [run.id for run in run_list.listed()] == [mine.id]
    assert {run.id for run in run_list.listed(chosen=helper.id)} == {mine.id, helper.id}
    app = open_page("runs", run=mine.id)
    assert not app.exception
    assert list(app.dataframe[0].value["name"]) == [mine.name]
    assert "1 run of the shortcut lab" in words(app)
    assert "Shortcut: 8" in words(open_page("runs", run=helper.id))


def test_what_was_set_is_said_in_words(open_page, words, make_run) -> None:
    run = make_run(preset="two-phase")
    spec = replace(run.experiment, augment=AugmentSpec.preset("strong"))
    write_atomic(run.path / "experiment.json", spec.to_json())
    app = open_page("runs", run=run.id)
    assert not app.json
    said = words(app)
    assert "Strong: mirrored in 50 % of draws, cropped to 40 % or more, " in said
    assert "or more, turned by up to 15°, recoloured by up to 30 %" in said
    assert "Phase 2: Fine-tune" in said
    assert "kept_mib" not in said
    assert "None" not in said
    assert "null" not in said.lower()


def test_every_setting_has_words(make_run) -> None:
    experiment = make_run(preset="two-phase").experiment
    for preset in AUGMENT_PRESETS:
        assert augmentation_words.title(AugmentSpec.preset(preset))
    training = replace(
        experiment.training,
        batch_size="auto",
        clip=1.0,
        accumulate=2,
        ema=0.999,
        early=EarlyStopping(),
        mix=Mix(mixup=0.2),
        views=3,
        deterministic=True,
        precisions=("bf16", "fp32"),
    )
    rows = settings_table._training(replace(experiment, training=training))
    values = {name: value for name, value, _term in rows}
    assert values["Batch"] == "as many as fit"
    assert values["Number format"] == "bf16, fp32"
    assert values["Early stopping"] == "Validation loss, after 5 epochs"
    assert values["MixUp"] == "0.2"


def test_somebody_elses_run_is_said_to_be_theirs_and_asked_about_again(open_page, make_run) -> None:
    run = make_run(owner="0123456789abcdef")
    for button, now in (("bl-rename", "bl-rename-now"), ("bl-delete", "bl-delete-now")):
        app = open_page("runs", run=run.id)
        app.button(key=button).click().run()
        assert "it was started in another browser" in "".join(warning.value for warning in app.warning)
        assert app.button(key=now).disabled
        app = open_page("runs", run=run.id, session={"bl-run-sure": True})
        app.button(key=button).click().run()
        assert not app.button(key=now).disabled


def test_what_is_not_known_is_a_dash(open_page, make_run) -> None:
    app = open_page("runs", run=make_run(test_accuracy=None).id)
    table = app.dataframe[0]
    assert table.value["test"].isna().all()
    assert table.proto.placeholder == "–"


def test_somebody_elses_training_is_controlled_only_after_asking(open_page, words, make_run, alive) -> None:
    run = make_run("running", owner="0123456789abcdef", **alive)
    app = open_page("train", run=run.id)
    assert not app.exception
    assert "it was started in another browser" in words(app)
    buttons = {button.label for button in app.button}
    assert "Control it all the same" in buttons
    assert "Pause" not in buttons
    app.button(key="bl-train-live-agreed").click().run()
    assert "Pause" in {button.label for button in app.button}


def test_ones_own_run_asks_once(open_page, make_run) -> None:
    app = open_page("runs", run=make_run(owner="me").id, session={"bl.owner": "me"})
    app.button(key="bl-delete").click().run()
    assert not app.warning
    assert not app.button(key="bl-delete-now").disabled


@pytest.mark.parametrize("page", ["runs", "train", "evaluate"])
def test_what_was_learned_after_the_best_epoch_is_not_said_to_be_kept(open_page, words, make_run, page: str) -> None:
    run = make_run(preset="two-phase", best_epoch=2, trainable_parameters=2_700_000, epochs=3)
    rows = (run.path / "metrics.jsonl").read_text().splitlines()
    rows[2] = rows[2].replace('"phase": "head", "phase_index": 0', '"phase": "fine-tune", "phase_index": 1')
    (run.path / "metrics.jsonl").write_text("\n".join(rows) + "\n")
    said = words(open_page(page, run=run.id))
    assert "What was learned later, in Fine-tune, was no better and is not kept." in said
    assert "2.7 M" not in said


def test_a_run_by_itself_is_no_series(open_page, words, make_run) -> None:
    assert "The series" not in words(open_page("runs", run=make_run("finished").id))
