"""Watching: what can be asked of a run in each of its states, what became of it, and bad files."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from core.runs import control, launch
from core.runs.recorder import Recorder
from core.runs.store import RunStore
from core.specs import DataSpec, Experiment, LiveChange, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from pages.ui.kit import one_shot_button
from pages.ui.plan import another_like
from pages.ui.runs import queue_panel, run_controls
from pages.ui.session import warmup
from pages.ui.session.train_form import LISTED, TrainChoice

KEY = "bl-train-live"
OPEN = {f"{KEY}-change": True}
"""The popover with the changes stands open."""


@pytest.fixture
def resumed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Replaces going on with a run by noting it."""
    found: list[Any] = []

    def resume(run: Any, *, roots: Any = None) -> None:
        assert roots, "the trainer must be held to the folders that the page may read"
        found.append(run.id)

    monkeypatch.setattr(launch, "resume", resume)
    return found


def pick(app: Any, start: str) -> Any:
    """Returns the button whose key begins so."""
    return next(button for button in app.button if button.key.startswith(start))


def asked(run: Any) -> list[tuple[str, float]]:
    return [(row["kind"], row["value"]) for row in control.read(run.path)[0]]


@pytest.mark.parametrize("state", ["paused", "stopped", "failed", "interrupted"])
def test_a_run_that_kept_its_state_can_be_resumed(open_page, make_run, resumed, state) -> None:
    run = make_run(state)
    (run.path / "resume.pt").write_bytes(b"state")
    app = open_page("train", run=run.id)
    assert not app.exception
    app.button(key="bl-resume").click().run()
    assert resumed == [run.id]
    assert [button for button in app.button if button.key == "bl-again"]


def test_a_finished_run_cannot_be_resumed(open_page, make_run) -> None:
    app = open_page("train", run=make_run("finished").id)
    assert not [button for button in app.button if button.key == "bl-resume"]


def test_a_paused_run_says_so_everywhere(open_page, make_run, words) -> None:
    run = make_run("paused")
    (run.path / "resume.pt").write_bytes(b"state")
    assert "This run is paused" in words(open_page("train", run=run.id))
    app = open_page("runs", run=run.id)
    assert list(app.dataframe[0].value["state"]) == ["Paused"]
    assert "This run is paused" in words(app)
    assert "This run is paused" in words(open_page("evaluate", run=run.id))


def test_the_session_comes_back_to_its_paused_run(open_page, make_run, words) -> None:
    run = make_run("paused")
    assert "This run is paused" in words(open_page("train", session={"bl.run": run.id}))


def test_pausing_is_shown_until_it_is_done(open_page, make_run, words, alive) -> None:
    run = make_run("running", **alive)
    app = open_page("train", run=run.id)
    app.button(key=f"{KEY}-pause").click().run()
    assert run.state == "pausing"
    assert app.button(key=f"{KEY}-pause").disabled
    assert "asked, not yet in effect" in words(app)
    assert "Pausing" in words(app)


def test_each_change_is_asked_for(open_page, make_run, alive, monkeypatch) -> None:
    monkeypatch.setattr(warmup, "pending", lambda: False)  # whether or not another test has loaded torch before
    run = make_run("running", lr=0.001, **alive)
    app = open_page("train", session=OPEN, run=run.id)
    for start in ("rate-0.1", "extend-5", "unfreeze"):
        pick(app, f"{KEY}-{start}-").click().run()
    app.number_input(key=f"{KEY}-rate-factor").set_value(0.25).run()
    pick(app, f"{KEY}-rate-go").click().run()
    assert not app.exception
    assert asked(run) == [("rate", 0.1), ("extend", 5), ("unfreeze", 1), ("rate", 0.25)]


def test_a_click_takes_what_was_written_just_before(open_page, make_run, alive) -> None:
    """The browser sends a field and a click together where the page has not been drawn anew in between."""
    run = make_run("running", lr=0.001, **alive)
    app = open_page("train", session=OPEN, run=run.id)
    app.number_input(key=f"{KEY}-rate-factor").set_value(0.25)
    pick(app, f"{KEY}-rate-go").click().run()
    app.number_input(key=f"{KEY}-extend-own").set_value(7)
    pick(app, f"{KEY}-extend-go").click().run()
    assert not app.exception
    assert asked(run) == [("rate", 0.25), ("extend", 7)]


def test_what_was_asked_is_pending_until_the_run_has_done_it(open_page, make_run, words, alive) -> None:
    run = make_run("running", **alive)
    run.request("rate", 0.3)
    said = words(open_page("train", run=run.id))
    assert "Learning rate × 0.3" in said
    assert "asked, not yet in effect" in said
    Recorder(run).live_change(LiveChange(16, "rate", 0.3), 0)
    status = json.loads((run.path / "status.json").read_text())
    status["heard"] = control.read(run.path)[1]
    (run.path / "status.json").write_text(json.dumps(status))
    app = open_page("train", run=run.id, section="changes")
    assert "asked, not yet in effect" not in words(app)
    assert "in epoch 3, after step 16" in words(app)


def test_a_change_that_is_yet_to_be_repeated_says_so(open_page, make_run, words, alive) -> None:
    run = make_run("running", **alive)
    Recorder(run).live_change(LiveChange(64, "extend", 2), 0)
    status = {**json.loads((run.path / "status.json").read_text()), "step": 8}
    (run.path / "status.json").write_text(json.dumps(status))
    app = open_page("train", run=run.id, section="changes")
    assert "will be repeated after step 64" in words(app)


def test_one_click_asks_once_however_often_it_is_carried_out(open_page, make_run, alive, monkeypatch) -> None:
    run = make_run("running", **alive)
    app = open_page("train", session=OPEN, run=run.id)
    honest = one_shot_button._once

    def thrice(*args: Any) -> None:
        for _ in range(3):
            honest(*args)

    monkeypatch.setattr(one_shot_button, "_once", thrice)
    app.run()
    pick(app, f"{KEY}-extend-5").click().run()
    assert asked(run) == [("extend", 5)]
    pick(app, f"{KEY}-extend-5").click().run()
    assert asked(run) == [("extend", 5), ("extend", 5)]


def test_a_refusal_is_said(open_page, make_run, words, alive, monkeypatch) -> None:
    run = make_run("running", **alive)
    app = open_page("train", session=OPEN, run=run.id)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(control, "append_line", refuse)
    pick(app, f"{KEY}-extend-5").click().run()
    assert "The run cannot be reached: No space left on device." in words(app)


def test_the_stage_that_would_join_in_is_named_until_all_learn(open_page, make_run, alive) -> None:
    run = make_run("running", preset="two-phase", **alive)
    status = replace(run.status(), phase_index=1)
    assert run_controls.joined(run.experiment, 1, 0)
    stage, reason = run_controls.next_stage(run, status)
    assert stage
    assert reason is None
    everything = make_run("running", preset="full", **alive)
    assert run_controls.next_stage(everything, everything.status()) == (None, "Everything learns already.")
    app = open_page("train", session=OPEN, run=everything.id)
    assert pick(app, f"{KEY}-unfreeze").disabled


def test_discarding_asks_once_more(open_page, make_run, words, alive) -> None:
    run = make_run("running", **alive)
    app = open_page("train", session=OPEN, run=run.id)
    app.button(key=f"{KEY}-discard").click().run()
    assert asked(run) == []
    app.button(key=f"{KEY}-discard-not").click().run()
    app.button(key=f"{KEY}-discard").click().run()
    app.button(key=f"{KEY}-discard-now").click().run()
    assert asked(run) == [("discard", 1.0)]
    status = {**json.loads((run.path / "status.json").read_text()), "state": "stopped", "pid": None}
    (run.path / "status.json").write_text(json.dumps(status))
    RunStore().delete(run)
    app.run()
    assert not app.exception
    assert "The run was discarded, as you asked." in words(app)


def test_where_the_time_goes_is_said_in_words(open_page, make_run, words, alive) -> None:
    run = make_run("running", epochs=0, batch_size=16, precision="fp32", **alive)
    row = {
        "epoch": 1,
        "seconds": 10.0,
        "data_seconds": 6.2,
        "forward_seconds": 1.0,
        "backward_seconds": 2.0,
        "val_seconds": 0.5,
        "train_accuracy": 0.5,
        "val_accuracy": 0.5,
    }
    (run.path / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    said = words(open_page("train", run=run.id, section="machine"))
    assert "62 % of the time goes into waiting for images" in said
    assert "Main memory that the training holds." in said


@pytest.mark.parametrize("section", ["metrics", "coach", "inside", "snapshots", "machine", "changes"])
@pytest.mark.parametrize("state", ["running", "paused"])
def test_each_section_has_something_to_say(open_page, make_run, words, alive, section, state) -> None:
    run = make_run(state, **(alive if state == "running" else {}))
    app = open_page("train", run=run.id, section=section)
    assert not app.exception
    assert "Something went wrong" not in words(app)


def test_torn_files_and_a_clock_that_jumped_do_not_break_the_page(open_page, make_run, words, alive) -> None:
    ahead = time.time() + 90_000
    run = make_run("running", **{**alive, "started": ahead, "begun": ahead, "heartbeat": ahead, "launched": ahead})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 4, "val_acc')
    (run.path / "steps.jsonl").write_text('{"step": 1, "loss": 2.0, "lr": 0.1}\n\x00\x00{"step"\n{"step": "x"}\n')
    (run.path / "control.jsonl").write_text('{"kind": "rate", "value": "much"}\n[1]\n{"kind"')
    app = open_page("train", run=run.id)
    assert not app.exception
    said = words(app)
    assert "Accuracy after epoch 3" in said
    assert "Something went wrong" not in said
    (run.path / "status.json").write_text('{"state": "run')
    assert not open_page("train", run=run.id).exception


def test_the_queue_shows_places_and_moves_and_cancels(open_page, make_run, words, alive) -> None:
    waiting = []
    for number in range(3):
        run = make_run("queued", epochs=0, **{**alive, "queue_device": "cpu", "launched": time.time() + number})
        run.rename(f"Number {number}")
        waiting.append(run)
    app = open_page("train", run=waiting[2].id)
    assert not app.exception
    said = words(app)
    assert "The queue" in said
    order = [said.index(f"<bdi>Number {number}</bdi></span>") for number in range(3)]
    assert order == sorted(order)
    pick(app, f"bl-train-queue-front-{waiting[2].id}").click().run()
    said = words(app)
    assert said.index("<bdi>Number 2</bdi></span>") < said.index("<bdi>Number 0</bdi></span>")
    pick(app, f"bl-train-queue-cancel-{waiting[0].id}").click().run()
    assert waiting[0].stop_requested


def test_a_run_that_starts_at_once_is_no_queue(open_page, make_run, words, alive) -> None:
    first = make_run("queued", epochs=0, **{**alive, "queue_device": "cpu"})
    assert "The queue" not in words(open_page("train", run=first.id))
    make_run("running", **{**alive, "queue_device": "cpu"})
    assert "The queue" in words(open_page("train", run=first.id))


# --- one moment -------------------------------------------------------------------------------------------------------


def test_a_paused_run_says_that_its_test_images_wait(open_page, make_run, words) -> None:
    counts = {"images": 500, "train_images": 320, "val_images": 80}
    said = words(open_page("train", run=make_run("paused", test_accuracy=None, **counts).id))
    assert "100 images wait for the end" in said
    assert "no test images" not in said
    none = {**counts, "images": 400}
    assert "no test images" in words(open_page("train", run=make_run("finished", test_accuracy=None, **none).id))


def test_progress_and_figures_are_of_one_moment(open_page, make_run, words, alive) -> None:
    """The status is written twice a second; a quick training has ended ten epochs by then."""
    stale = {"epochs_done": 2, "epoch": 2, "step": 16, "best_val_accuracy": 0.662, "best_epoch": 2, "eta_seconds": 0.3}
    run = make_run("running", epochs=5, **{**alive, **stale})
    said = words(open_page("train", run=run.id))
    assert "Epoch 5 of 10" in said
    assert "0.3 s left" not in said
    assert "best 90 %" in said
    assert "66.2 %" not in said


def test_a_waiting_run_waits_and_does_not_run(open_page, make_run, words, alive) -> None:
    run = make_run("queued", epochs=0, **{**alive, "doing": "queued", "queue_device": "cpu", "step": 0, "epoch": 0})
    said = words(open_page("train", run=run.id))
    assert "Waiting for" in said
    assert "Running for" not in said


def test_a_count_stands_only_beside_what_is_counted(open_page, make_run, words, alive) -> None:
    run = make_run("starting", **{**alive, "doing": "loading libraries", "done": 140, "total": 140})
    said = words(open_page("train", run=run.id))
    assert "Loading PyTorch" in said
    assert "140 of 140" not in said


def test_what_is_looked_at_stays_when_the_run_ends_and_on_reload(open_page, make_run, alive) -> None:
    run = make_run("running", **alive)
    app = open_page("train", run=run.id)
    app.segmented_control(key=f"{KEY}-section").set_value("coach").run()
    assert app.query_params["section"] == "coach"
    status = {**json.loads((run.path / "status.json").read_text()), "state": "finished", "pid": None}
    (run.path / "status.json").write_text(json.dumps(status))
    app.run()
    assert app.segmented_control(key="bl-train-done-section").value == "coach"
    again = open_page("train", run=run.id, section="coach")
    assert again.segmented_control(key="bl-train-done-section").value == "coach"


@pytest.mark.parametrize("section", ["metrics", "coach"])
def test_the_coach_s_first_line_is_on_screen_whatever_is_looked_at(open_page, make_run, words, alive, section) -> None:
    for run in (make_run("running", **alive), make_run("finished")):
        assert "Nothing to worry about" in words(open_page("train", run=run.id, section=section))


def test_a_person_is_the_same_owner_in_all_tabs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Context:
        def __init__(self, cookie: str) -> None:
            self.cookies = {"_streamlit_xsrf": cookie}

    def owner(cookie: str) -> str:
        monkeypatch.setattr(queue_panel.st, "context", Context(cookie))
        return queue_panel.owner()

    assert owner("token") == owner("token") != owner("other")
    assert "token" not in owner("token")


@pytest.mark.parametrize("state", ["finished", "paused"])
@pytest.mark.parametrize("page", ["train", "runs"])
def test_another_training_is_set_up_like_a_run(open_page, make_run, state: str, page: str) -> None:
    run = make_run(state, preset="two-phase")
    app = open_page(page, session={"bl.data": DataSpec("digits"), "bl.augment.own": True}, run=run.id)
    app.button(key="bl-another-like").click().run()
    assert not app.exception
    known = app.session_state
    assert known["bl.data"] == run.experiment.data
    assert known["bl.model"] == run.experiment.model
    assert known["bl.freeze"] == run.experiment.freeze
    assert known["bl.train"] == TrainChoice("two-phase")
    assert known["bl.augment.own"] is False, "its augmentation is a preset"


@pytest.mark.parametrize("preset", LISTED)
def test_the_choices_of_a_run_make_its_recipe_again(preset: str) -> None:
    made = make_recipe(preset, epochs=31, lr=0.02, optimizer="sgd", weights="none")
    training = TrainingSpec(preset, made.phases, batch_size=7, seed=3, ema=0.9)
    first = Experiment(DataSpec("shapes"), ModelSpec("resnet18", "none"), training, freeze=made.freeze)
    choice = another_like.choice_of(first)
    if choice.by_phase:
        phases = choice.phases
    else:
        again = make_recipe(preset, epochs=choice.epochs, lr=choice.lr, optimizer="sgd", freeze=made.freeze)
        phases = again.phases
    assert choice.training(phases) == replace(training, preset=choice.preset)
