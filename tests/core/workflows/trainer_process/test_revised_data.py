"""Runs on a source that was changed carry the revision; copies in different splits are found before they begin."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from core import settings
from core.cli import main
from core.data.pixel_store import PixelStore
from core.data.revisions import store as revisions
from core.data.revisions.record import Revision
from core.data.sources import open_dataset, open_spec, revise
from core.runs import Run, RunStore
from core.runs.files import read_json
from core.runs.status_parts import LeakSearch
from core.specs import DataSpec, Experiment, ModelSpec, Preprocessing, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.data_check.leaks import open_leaks
from core.workflows.export.pytorch.program import split_csv
from core.workflows.images import DATA_FILE, open_source, reopen
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


@pytest.fixture
def leaking(image_folder: Callable[..., Path]) -> Path:
    """Divided data in which a picture of train is in test, too, and another one, brighter, in val."""
    folder = image_folder(presplit=True)
    red = sorted((folder / "train" / "red").iterdir())
    shutil.copy(red[0], folder / "test" / "red" / "again.png")
    with Image.open(red[1]) as image:
        ImageEnhance.Brightness(image).enhance(1.1).save(folder / "val" / "red" / "brighter.png")
    return folder


def test_a_run_says_that_copies_stand_in_different_splits_until_somebody_sets_them_aside(leaking: Path) -> None:
    run = trained(DataSpec(str(leaking)))
    leaks = run.status().leaks
    assert leaks == LeakSearch(groups=2, images=4)
    assert leaks.warning is not None
    assert "(groups: 2)" in str(leaks.warning)
    assert str(leaks.warning) in run.log()
    groups = read_json(run.path / DATA_FILE)["leaks"]
    assert sorted(map(len, groups)) == [2, 2]
    revision = revisions.of(open_spec(run.experiment.data).name).keeping(groups[0]).gathering(groups[1])
    mended = trained(revise(run.experiment.data, revision))
    assert mended.status().leaks == LeakSearch(groups=0)
    assert mended.status().leaks.warning is None  # type: ignore[union-attr]


def test_among_many_pictures_only_equal_files_are_looked_for(leaking: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.workflows.data_check.leaks.MOST", 10)
    run = trained(DataSpec(str(leaking)))
    assert run.status().leaks == LeakSearch(groups=1, images=2, changed=False)
    assert "only equal files were looked for" in run.log()


def test_drawn_images_are_looked_at_as_they_were_decoded() -> None:
    dataset = open_dataset("brains?percent=5&size=64")
    place = {item.key: number % 2 for number, item in enumerate(dataset.items)}
    items = tuple(replace(item, split=("train", "val")[place[item.key]]) for item in dataset.items)
    torn = replace(dataset, items=items)
    with PixelStore(torn, Preprocessing(64, 64), canvas=False, max_bytes=10**8) as store:
        store.fill()
        assert open_leaks(torn, Revision(torn.name), store).groups, "slices of one patient on both sides"


def test_the_command_line_says_that_a_run_is_leaky(leaking: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(DataSpec(str(leaking)))
    sentence = str(run.status().leaks.warning)  # type: ignore[union-attr]
    assert main(["runs"]) == 0
    assert " % leaky" in capsys.readouterr().out
    assert main(["evaluate", run.id]) == 0
    assert sentence in capsys.readouterr().out
    assert main(["compare-runs", run.id, run.id]) == 0
    assert f"so their accuracies flatter them: {run.name}, {run.name}" in capsys.readouterr().out
    assert main(["evaluate", run.id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["leaks"] == 2


def test_an_earlier_run_was_not_looked_at(earlier: dict[str, Run]) -> None:
    assert earlier["finished"].status().leaks is None
