"""Runs that commit 5a25077 trained are read, judged, explained and gone on with by what there is now."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.data.images import to_tensor
from core.evaluation.predictions import predict_images
from core.interpret.attribution.explain import explain
from core.runs import Run, RunStore, launch, queue, snapshots
from core.runs.files import read_lines
from core.runs.journal import Journal
from core.runs.status import FILE, RunStatus, Status
from core.specs import Experiment
from core.workflows.checkpoints import epochs_of, named_checkpoints, network_at
from core.workflows.coach.diagnose import advise_run
from core.workflows.evaluate import evaluate, recorded
from core.workflows.export.pytorch.program import script
from core.workflows.images import reopen
from core.workflows.network_loading import load_network
from core.workflows.trainer_process import worker


def test_they_are_listed_with_their_names_and_states(earlier: dict[str, Run]) -> None:
    assert [run.name for run in RunStore().list()] == ["Paused at 5a25077", "Digits of 5a25077"]
    assert {state: run.state for state, run in earlier.items()} == {"finished": "finished", "paused": "paused"}
    assert earlier["paused"].can_resume
    assert not earlier["finished"].can_resume
    assert queue.waiting(RunStore()) == queue.working(RunStore()) == []


@pytest.mark.parametrize("state", ["finished", "paused"])
def test_every_key_of_their_status_is_a_field(earlier: dict[str, Run], state: str) -> None:
    record = json.loads((earlier[state].path / FILE).read_text())
    status = earlier[state].status()
    assert status.faults == ()
    written = json.loads(json.dumps(status.as_record()))
    assert written.items() <= record.items()
    nothing = (None, 0, "", [], False)  # what is not written any more, because it says nothing
    assert all(value in nothing for key, value in record.items() if key not in written)
    assert RunStatus.read(written) == status


def test_what_was_done_and_what_came_of_it(earlier: dict[str, Run]) -> None:
    run = earlier["finished"]
    status, experiment = run.status(), run.experiment
    assert (experiment.model.backbone, experiment.data.source, experiment.training.preset) == (
        "mnist_cnn",
        "digits",
        "two-phase",
    )
    assert [(phase.name, phase.epochs, phase.lr) for phase in experiment.training.phases] == [
        ("head", 2, 0.02),
        ("fine-tune", 4, 0.006),
    ]
    assert [phase.schedule.name for phase in experiment.training.phases] == ["constant", "cosine"]
    assert experiment.training.precisions == ("fp32", "fp32")
    assert [(act.kind, act.value, act.step) for act in experiment.training.acts] == [("rate", 0.5, 48)]
    assert Experiment.from_json(experiment.to_json()) == experiment
    assert (status.epochs, status.steps, status.best_epoch, status.test_accuracy) == (6, 72, 6, 0.8)
    assert (status.requests_read, status.unreadable_images, status.owner) == (59, 0, "ann")
    assert status.moved["stage1"] == 0.0
    assert run.halting is None


def test_curves_and_looks_inside(earlier: dict[str, Run]) -> None:
    run = earlier["finished"]
    book = Journal(run.path)
    book.look()
    assert book.phases == [(1, "head"), (3, "fine-tune")]
    assert book.epochs.column("val_accuracy").tolist()[-1] == pytest.approx(run.status().val_accuracy)
    assert len(book.steps) > 5
    health, _ = read_lines(run.path / "health.jsonl")
    counts = {"train": dict.fromkeys(run.classes(), 18), "val": dict.fromkeys(run.classes(), 6)}
    assert advise_run(run.metrics()[0], health, run.status(), run.experiment, counts)
    assert snapshots.pinned_of(run.path) is not None
    assert snapshots.epochs(run.path) == [1, 6]
    assert snapshots.read(run.path, 6).epoch == 6
    assert "mnist_cnn" in script(run)


def test_it_is_judged_and_explained(earlier: dict[str, Run]) -> None:
    run = earlier["finished"]
    before, again = recorded(run)["test"], evaluate(run)
    assert before.scores.accuracy == again.scores.accuracy == run.status().test_accuracy == 0.8
    network, dataset = load_network(run.id), reopen(run)
    held = [position for position, item in enumerate(dataset.items) if item.split == "test"]
    images = [dataset.load(position) for position in held]
    labels = [dataset.items[position].label for position in held]
    assert np.mean(predict_images(network, images).argmax(axis=1) == labels) == 0.8
    found = explain(network, to_tensor(images[0], network.preprocessing), "grad-cam")
    assert np.isfinite(found.heatmap.values).all()


def test_the_weights_of_its_epochs_open(earlier: dict[str, Run]) -> None:
    run = earlier["paused"]
    assert epochs_of(run) == [1, 2]
    assert {"start", "best", "last"} <= set(named_checkpoints(run))
    first, last = (dict(network_at(run, name).model.named_parameters()) for name in ("1", "last"))
    assert first.keys() == last.keys()
    assert any((first[key] != last[key]).any() for key in first)


def test_a_paused_one_comes_to_where_it_would_have_come(earlier: dict[str, Run]) -> None:
    run = earlier["paused"]
    launch.resume_here(run)
    status: Status = worker.work(run)
    assert (status.state, status.faults) == ("finished", ())
    rows = run.metrics()[0]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    found = [row["val_loss"] for row in rows]
    assert found == pytest.approx([2.164948, 1.759253, 1.204064, 0.880559], rel=1e-3)  # of the same, never paused
    assert run.status().test_accuracy == pytest.approx(0.85, abs=0.02)
