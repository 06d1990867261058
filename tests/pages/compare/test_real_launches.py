"""The buttons of Compare that train what is missing, with real trainer processes: small digits, a tiny network."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from core.runs.status import LIVE
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.trainer_process import worker

RECIPE = make_recipe("scratch", epochs=2)
DATA = DataSpec("digits", 0.3, 0.3, images_per_class=8)
PATIENCE_SECONDS = 240
pytestmark = pytest.mark.slow


def trained(weights: str, name: str, data: DataSpec = DATA) -> Run:
    """Trains a run in this process."""
    training = TrainingSpec("scratch", RECIPE.phases, batch_size=16, device="cpu", precision="fp32")
    run = RunStore().create(Experiment(data, ModelSpec("mnist_cnn", weights), training, RECIPE.freeze, name=name))
    worker.work(run)
    assert run.state == "finished"
    return run


def over(count: int) -> list[Run]:
    """Waits until all of so many runs have ended, however slow the machine is."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        runs = RunStore().list()
        if len(runs) == count and not any(run.state in LIVE for run in runs):
            return runs
        time.sleep(0.3)
    raise AssertionError([(run.name, run.state, run.log(2000)) for run in RunStore().list()])


def test_the_twin_from_scratch_and_the_missing_seeds_are_trained_for_real(open_page, words) -> None:
    before = trained("none", "Before", replace(DATA, images_per_class=6))
    mine = trained(f"run:{before.id}", "Handed on")
    both = f"{before.id},{mine.id}"
    app = open_page("compare", runs=both, view="transfer")
    app.button(key="bl-compare-scratch").click().run()
    assert not app.exception
    (twin,) = [run for run in over(3) if run.id not in both]
    assert (twin.state, twin.experiment.model.weights) == ("finished", "none")
    assert twin.experiment == replace(
        twin.experiment, data=mine.experiment.data, training=replace(mine.experiment.training, phases=RECIPE.phases)
    )
    app = open_page("compare", runs=both, view="transfer")
    assert "one run on a side: no interval" in words(app)
    app.button(key=f"bl-compare-more-{twin.id}").click().run()
    assert not app.exception
    scratch = [run.experiment for run in over(5) if run.experiment.model == twin.experiment.model and run != before]
    assert sorted(one.training.seed for one in scratch) == [0, 1, 2]
    app = open_page("compare", runs=f"{mine.id},{twin.id}", view="chance", question="recipes")
    assert list(app.dataframe[0].value["seeds"]) == [1, 3]
    assert all(run.state == "finished" for run in RunStore().list())
