"""Heatmaps of many pictures: read from a run, kept as a job, and what means, groups and boxes say of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.cli import main
from core.data.sources import open_dataset
from core.data.splits import split
from core.errors import InputError
from core.models.network import Network, assemble
from core.runs import launch
from core.runs.job_kinds import JOB_KINDS
from core.runs.jobs import Job, JobStore, latest_job
from core.runs.store import Run
from core.specs import DataSpec, ModelSpec
from core.workflows.inspection import heatmap_study
from core.workflows.inspection.heatmap_study import (
    EVEN_BORDER,
    STUDY_SIDE,
    Row,
    Study,
    mean_of,
    outside,
    pictures,
    study,
)
from core.workflows.jobs import heatmap_study as heatmap_study_job
from core.workflows.jobs import job_process
from core.workflows.jobs.heatmap_study import StudyRequest, weights_stamp

MODEL = ModelSpec("shufflenet_v2_x0_5", "none", image_size=64)
SHAPES = DataSpec("shapes?per_class=6&size=64", val_share=0.5)


@pytest.fixture(scope="module")
def network() -> Network:
    network = assemble(MODEL, ("circle", "square", "star", "triangle"), seed=0)
    network.model.eval()
    return network


def shapes() -> Any:
    return split(open_dataset(SHAPES.source), SHAPES)


def test_pictures_are_the_held_out_ones_evenly_over_the_classes() -> None:
    name, places = pictures(shapes())
    assert (name, len(places)) == ("val", 12)
    assert [shapes().items[place].label for place in pictures(shapes(), 4)[1]] == [0, 1, 2, 3]
    assert pictures(open_dataset(SHAPES.source), 5)[0] == "all"


def test_a_study_of_shapes_knows_the_objects(network: Network) -> None:
    told: list[tuple[int, int]] = []
    made, maps = study(network, shapes(), most=6, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (6, 6)
    assert maps.shape == (6, STUDY_SIDE, STUDY_SIDE)
    assert maps.dtype == np.float16
    assert made.known_objects()
    assert made.complete
    for row in made.rows:
        assert row.inside is not None
        assert 0 <= row.inside <= 1
        assert 0 < row.area < 0.5
        assert row.target == row.predicted
    again = Study.from_record(made.as_record())
    assert (again.rows, again.method, again.classes) == (made.rows, made.method, made.classes)
    true, _ = study(network, shapes(), most=6, of="truth")
    assert [row.target for row in true.rows] == [row.truth for row in true.rows]


def test_it_can_be_given_up_and_keeps_what_it_has(network: Network) -> None:
    turn = iter([False, False, True])
    made, maps = study(network, shapes(), stop=lambda: next(turn))
    assert (len(made.rows), len(maps), made.complete) == (2, 2, False)
    with pytest.raises(InputError, match="of is nobody"):
        study(network, shapes(), of="nobody")
    with pytest.raises(InputError, match="study of 0 pictures"):
        study(network, shapes(), most=0)


def test_pictures_that_vanish_are_left_out(network: Network, image_folder: Callable[..., Path]) -> None:
    spec = DataSpec(str(image_folder(classes=("circle", "square", "star", "triangle"))), val_share=0.5)
    dataset = split(open_dataset(spec.source), spec)
    files = [dataset.items[place] for place in pictures(dataset)[1]]
    (Path(spec.source) / files[0].key).unlink()
    made, maps = study(network, dataset)
    assert len(made.rows) == len(maps) == len(files) - 1
    assert made.complete
    for item in files[1:]:
        (Path(spec.source) / item.key).unlink()
    with pytest.raises(InputError, match="None of the pictures can be read"):
        study(network, dataset)


def row(key: str, **more: Any) -> Row:
    return Row(key, "a", "a", 0.9, "a", False, 0.3, 0.2, **more)


def test_means_and_outside_by_hand() -> None:
    left, even = np.zeros((STUDY_SIDE, STUDY_SIDE)), np.ones((STUDY_SIDE, STUDY_SIDE))
    left[:, : STUDY_SIDE // 2] = 1
    maps = np.stack([left, even, np.zeros((STUDY_SIDE, STUDY_SIDE))]).astype(np.float16)
    rows = (
        row("1", inside=0.9, area=0.2),
        replace(row("2", inside=0.1, area=0.2), predicted="b"),
        replace(row("3"), empty=True),
    )
    made = Study("grad-cam", "x", "predicted", "val", ("a", "b"), rows, 1.0, True)
    mean = mean_of(rows, maps, [0, 1, 2])
    assert mean is not None
    assert mean.count == 2
    assert mean.right == 0.5
    assert mean.inside == pytest.approx(0.5)
    assert mean.heat[:, 0] == pytest.approx(1)
    assert mean.heat[:, -1] == pytest.approx((1 / STUDY_SIDE**2) / (1 / STUDY_SIDE**2 + 2 / STUDY_SIDE**2), abs=1e-4)
    assert mean_of(rows, maps, [2]) is None
    assert outside(made, maps) == [(1, pytest.approx(0.9)), (0, pytest.approx(0.1))]
    assert outside(made, maps, (0.5, 0, 1, 1)) == [(0, pytest.approx(1)), (1, pytest.approx(0.5))]
    unknown = replace(made, rows=tuple(replace(r, inside=None) for r in rows))
    assert outside(unknown, maps)[0][1] == pytest.approx(0.3)
    assert pytest.approx(0.36) == EVEN_BORDER


@pytest.fixture
def run(image_folder: Callable[..., Path]) -> Run:
    """A run with weights, without training."""
    import json

    from core.models.network import save
    from core.runs.recorder import Recorder
    from core.runs.store import RunStore
    from core.specs import Experiment, TrainingSpec
    from core.training.recipes import make_recipe

    data = DataSpec(str(image_folder()), val_share=0.25, test_share=0.25)
    made = RunStore().create(Experiment(data, MODEL, TrainingSpec("linear-probe", make_recipe("linear-probe").phases)))
    dataset = split(open_dataset(data.source), data)
    recorder = Recorder(made)
    recorder.classes(dataset.classes)
    recorder.split((item.key, dataset.classes[item.label], item.split) for item in dataset.items)
    save(assemble(MODEL, dataset.classes, seed=0).model, made.path / "best.safetensors")
    (made.path / "status.json").write_text(json.dumps({"state": "finished", "pid": None}))
    return made


def study_of(run: Run, **more: Any) -> StudyRequest:
    return StudyRequest(run.id, weights_stamp(run), **more)


def asked(run: Run, **more: Any) -> Job:
    """Makes the job without a process."""
    return JobStore("heat-studies").create(study_of(run, **more).as_record())


def test_another_moment_and_other_settings_make_another_study(run: Run) -> None:
    jobs = [
        asked(run, method="smoothgrad", settings={"samples": 2}),
        asked(run, method="smoothgrad", settings={"samples": 2}, moment="start"),
        asked(run, method="smoothgrad", settings={"samples": 3}),
    ]
    for job in jobs:
        assert job_process.work(job).state == "finished"
    plain, start, more = (heatmap_study_job.result(job) for job in jobs)
    assert plain is not None
    assert start is not None
    assert more is not None
    assert (plain[1] == start[1]).all()  # this run learned nothing: its best weights are those of the start
    assert not (plain[1] == more[1]).all()
    assert latest_job(study_of(run, method="smoothgrad", settings={"samples": 2})) == jobs[0]
    assert latest_job(study_of(run, method="smoothgrad", settings={"samples": 2}, moment="start")) == jobs[1]
    late = asked(run, moment="7")
    with pytest.raises(InputError, match="no weights of its last epoch"):
        job_process.work(late)


def test_a_job_is_done_and_found_again(run: Run) -> None:
    assert latest_job(study_of(run)) is None
    job = asked(run)
    told: list[dict[str, Any]] = []
    assert job_process.work(job, told.append).state == "finished"
    found = heatmap_study_job.result(job)
    assert found is not None
    made, maps = found
    assert len(made.rows) == len(maps) == 6
    assert made.split == "test"
    assert {record["doing"] for record in told} >= {"explaining"}
    assert latest_job(study_of(run)) == job
    assert latest_job(study_of(run, of="truth")) is None
    with pytest.raises(InputError, match="This job was done before"):
        job_process.work(job)
    (job.path / heatmap_study_job.MAPS).write_bytes(b"no archive")
    assert heatmap_study_job.result(job) is None
    (run.path / "best.safetensors").touch()
    assert latest_job(study_of(run)) is None  # other weights


def test_a_job_that_is_cancelled_or_cannot_be_done(run: Run) -> None:
    job = asked(run)
    (job.path / "control").write_text("stop\n")
    assert job_process.work(job).state == "stopped"
    wrong = asked(run, method="crystal-ball")
    with pytest.raises(InputError):
        job_process.work(wrong)
    assert wrong.state == "failed"
    assert heatmap_study_job.result(wrong) is None


def test_a_page_starts_a_process_that_queues_with_the_runs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    words: list[tuple[str, ...]] = []
    monkeypatch.setattr(launch, "spawn", lambda _folder, spoken, _roots: words.append(tuple(spoken)))
    job = launch.start_job(study_of(run, most=20))
    assert words == [("job", str(job.path))]
    assert JOB_KINDS["heat-studies"].waits_for == "turn"
    assert job.request["most"] == 20
    assert latest_job(study_of(run)) == job  # however many pictures


def test_the_verb_tells_of_every_class(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["heat-study", run.id, "--images", "4", "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "middle quarter" in said
    assert "most heat outside" in said
    with pytest.raises(SystemExit) as left:
        main(["heat-study"])
    assert left.value.code == 2
    assert heatmap_study.MAX_IMAGES >= 100
