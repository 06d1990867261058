"""Runs on a source that was changed: they carry the revision, and open where it is not stored."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core import settings
from core.data.revisions import store as revisions
from core.data.sources import open_spec, revise
from core.runs import Run, RunStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.export.pytorch.program import split_csv
from core.workflows.images import open_source, reopen
from core.workflows.trainer_process import worker


def trained(data: DataSpec) -> Run:
    recipe = make_recipe("scratch", epochs=1, weights="none")
    training = TrainingSpec("scratch", recipe.phases, batch_size=8, device="cpu", precision="fp32")
    run = RunStore().create(Experiment(data, ModelSpec("mnist_cnn", "none"), training, freeze=recipe.freeze))
    assert worker.work(run).state == "finished"
    return run


@pytest.mark.parametrize("embedded", [False, True])
def test_a_run_opens_on_another_machine_as_it_was_trained(image_folder: Callable[..., Path], embedded: bool) -> None:
    spec = DataSpec("shapes?per_class=8&size=32" if embedded else str(image_folder()), test_share=0.2)
    opened = open_spec(spec)
    first, second = opened.classes[:2]
    keys = [item.key for item in opened.items if item.label == 0]
    revision = revisions.of(opened.name).merging({second: "other"}).relabelling({keys[1]: "other"})
    data = revise(spec, revision.excluding(keys[:1]).moving({keys[2]: "test"}))
    run = trained(data)
    shutil.rmtree(settings.revisions_dir())
    again = reopen(run)
    assert again.classes[:2] == (first, "other")
    rows = {item.key: (again.classes[item.label], item.split) for item in again.items}
    assert keys[0] not in rows
    assert (rows[keys[1]][0], rows[keys[2]][1]) == ("other", "test")
    assert len(open_source(run)) == len(opened) - 1, "the revision came with the run"
    assert split_csv(replace(run.experiment, name="again")) == split_csv(run)
