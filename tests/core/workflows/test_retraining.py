"""Training again on repaired images: the others stay in their splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.data.sources import open_dataset, open_spec
from core.errors import InputError
from core.runs.recorder import Recorder
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.data_check.dividing import divide
from core.workflows.retraining import again, repaired, revision_of


@pytest.fixture
def run(image_folder: Callable[..., Path]) -> Run:
    data = DataSpec(str(image_folder("colours", ("red", "blue"), images=20)), val_share=0.2, test_share=0.2)
    training = TrainingSpec("linear-probe", make_recipe("linear-probe").phases)
    made = RunStore().create(Experiment(data, ModelSpec("mnist_cnn", "none"), training, name="First"))
    dataset = divide(open_dataset(data.source), data)
    recorder = Recorder(made)
    recorder.classes(dataset.classes)
    recorder.split((item.key, dataset.classes[item.label], item.split) for item in dataset.items)
    return made


def splits(spec: DataSpec) -> dict[str, tuple[str, str]]:
    dataset = divide(open_spec(spec), spec)
    return {item.key: (item.split, dataset.classes[item.label]) for item in dataset.items}


def test_what_was_not_repaired_stays_in_its_split(run: Run) -> None:
    before = {row["key"]: row["split"] for row in run.split_rows()}
    tests = [key for key, split in before.items() if split == "test" and key.startswith("red")]
    new = repaired(run, revision_of(run.experiment.data).relabelling({tests[0]: "blue"}).excluding(tests[1:2]))
    after = splits(new)
    assert set(after) == set(before) - {tests[1]}
    assert {key: split for key, (split, _label) in after.items()} == {key: before[key] for key in after}
    assert after[tests[0]] == ("test", "blue")
    assert new.revision != run.experiment.data.revision
    assert run.experiment.data == RunStore().get(run.id).experiment.data


def test_a_move_that_a_person_made_holds(run: Run) -> None:
    before = {row["key"]: row["split"] for row in run.split_rows()}
    key = next(key for key, split in before.items() if split == "test")
    after = splits(repaired(run, revision_of(run.experiment.data).moving({key: "train"})))
    assert after[key][0] == "train"
    assert all(split == before[other] for other, (split, _label) in after.items() if other != key)


def test_it_trains_the_same_under_another_name(run: Run) -> None:
    data = repaired(run, revision_of(run.experiment.data).excluding([run.split_rows()[0]["key"]]))
    experiment = again(run, data, "First, repaired")
    assert (experiment.model, experiment.training) == (run.experiment.model, run.experiment.training)
    assert (experiment.name, experiment.data) == ("First, repaired", data)


def test_a_repair_that_empties_a_class_is_refused(run: Run) -> None:
    keys = [row["key"] for row in run.split_rows() if row["label"] == "red"]
    with pytest.raises(InputError):
        repaired(run, revision_of(run.experiment.data).excluding(keys))
