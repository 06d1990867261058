"""A study on disk and at work: its members in one process, failures, cancelling, going on, handing weights on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import InputError
from core.runs import launch
from core.runs.jobs import Job, JobStore
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.specs.study import Factor, Level, Study
from core.training.recipes import make_recipe
from core.workflows.jobs import job_process
from core.workflows.studies import members
from core.workflows.trainer_process import worker

RATES = Factor.of("training.phases.lr", 0.001, 0.01)


@pytest.fixture
def base(image_folder: Callable[..., Path]) -> Experiment:
    recipe = make_recipe("scratch", epochs=1)
    training = TrainingSpec("scratch", recipe.phases, batch_size=4, device="cpu", precision="fp32")
    return Experiment(DataSpec(str(image_folder(images=8))), ModelSpec("mnist_cnn", "none"), training, recipe.freeze)


@pytest.fixture(autouse=True)
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    words: list[tuple[str, ...]] = []
    monkeypatch.setattr(launch, "spawn", lambda _folder, spoken, _roots, **_more: words.append(tuple(spoken)))
    return words


def states(job: Job) -> list[str]:
    return [one.state for one in members.standings(job)]


def test_members_are_trained_in_one_process_and_are_what_they_are_alone(
    base: Experiment, spawned: list[tuple[str, ...]]
) -> None:
    job = members.start(Study(base, (RATES,), seeds=(0, 1)), owner="me")
    assert spawned == [("job", str(job.path))]
    assert states(job) == ["missing"] * 4
    assert members.find(job.id) == job
    status = job_process.work(job)
    assert (status.state, status.done, status.total) == ("finished", 4, 4)
    found = members.standings(job)
    assert states(job) == ["finished"] * 4
    assert {one.run.recorded.owner for one in found if one.run} == {"me"}
    assert {one.run.experiment.series for one in found if one.run} == {job.id}
    alone = RunStore().create(replace(found[3].member.experiment, series=""))
    worker.work(alone)
    assert alone.metrics()[0][-1]["val_loss"] == found[3].figures["val_loss"]
    assert job.read_result() == found


def test_members_of_several_processes_have_processes_of_their_own(
    base: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = replace(base, training=replace(base.training, processes=2))
    job, started = members.start(Study(several, (RATES,))), []

    def start(one: Experiment, folder: Path, **_more: object) -> Run:
        run = RunStore(folder).create(one)
        started.append(run.id)
        worker.work(run)
        return run

    monkeypatch.setattr(launch, "start", start)
    assert job_process.work(job).state == "finished"
    assert [one.run.id for one in members.standings(job) if one.run] == started
    assert states(job) == ["finished"] * 2


def test_a_member_that_fails_is_shown_and_tried_again(base: Experiment, image_folder: Callable[..., Path]) -> None:
    gone = str(Path(base.data.source).parent / "later")
    sources = Factor("pictures", tuple(Level(name, (("data.source", path),)) for name, path in _places(base, gone)))
    job = members.start(Study(base, (sources,)))
    assert job_process.work(job).state == "finished"
    failed, good = members.standings(job)
    assert (failed.state, good.state) == ("failed", "finished")
    assert gone in str(failed.failure)
    image_folder("later", images=8)
    launch.restart_job(job)
    assert job_process.work(job).state == "finished"
    assert states(job) == ["finished", "finished"]
    assert members.standings(job)[1].run == good.run
    assert len(RunStore().list()) == 2


def _places(base: Experiment, gone: str) -> list[tuple[str, str]]:
    return [("not there", gone), ("there", base.data.source)]


def test_a_cancelled_study_pauses_its_member_and_goes_on(base: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    job, begun = members.start(Study(base, (RATES,), seeds=(0, 1))), []
    train = worker.work

    def cancelled(run: Run, **more: object) -> object:
        begun.append(run.id)
        if len(begun) == 2:
            job.request_stop()
            run.request("pause")  # what the study passes on, here before the run could be done
        return train(run, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(worker, "work", cancelled)
    assert job_process.work(job).state == "stopped"
    assert states(job) == ["finished", "paused", "missing", "missing"]
    launch.restart_job(job)
    assert not job.stop_requested
    assert job_process.work(job).state == "finished"
    assert states(job) == ["finished"] * 4
    assert len(begun) == 5
    assert begun[4] == begun[1]  # went on last, after those never tried


def test_a_killed_study_loses_nothing(base: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    job = members.start(Study(base, (RATES,), seeds=(0, 1)))
    train, begun = worker.work, []

    def killed(run: Run, **more: object) -> object:
        begun.append(run.id)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return train(run, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(worker, "work", killed)
    with pytest.raises(KeyboardInterrupt):
        job_process.work(job)
    (job.path / "status.json").write_text(json.dumps({"state": "running", "pid": 2**22 + 1, "ticks": 1, "boot": "x"}))
    assert job.state == "interrupted"
    RunStore().get(begun[1])
    launch.restart_job(job)
    monkeypatch.setattr(worker, "work", train)
    member = RunStore().get(begun[1]).path / "status.json"
    member.write_text(json.dumps({**json.loads(member.read_text()), "launched": 1.0, "pid": 2**22 + 1, "ticks": 1}))
    assert job_process.work(job).state == "finished"
    assert states(job) == ["finished"] * 4


def test_runs_of_an_earlier_study_are_adopted(base: Experiment) -> None:
    first = members.start(Study(base, (RATES,)))
    job_process.work(first)
    more = members.start(Study(base, (RATES,), seeds=(0, 1)), adopts=first.id)
    job_process.work(more)
    ids = [one.run.id for one in members.standings(more) if one.run]
    assert {one.run.id for one in members.standings(first) if one.run} < set(ids)
    assert len(RunStore().list()) == 4


def test_weights_are_handed_on_from_the_first_run(base: Experiment) -> None:
    starts = Factor(
        "start", (Level("copied", (("model.weights", "run:first"),)), Level("random", (("model.weights", "none"),)))
    )
    job = members.start(Study(base, (starts,), first=replace(base, name="before")))
    job_process.work(job)
    assert states(job) == ["finished", "finished"]
    copied, random = (one.run for one in members.standings(job))
    first = RunStore().get(members.known_runs(job)["first"])
    assert copied is not None
    assert random is not None
    assert first.name == "before"
    assert copied.experiment.model.weights == f"run:{first.id}"
    assert copied.recorded.transferred is not None
    assert random.recorded.transferred is None


def test_a_first_run_that_fails_says_why(base: Experiment) -> None:
    gone = replace(base, data=replace(base.data, source=base.data.source + "-gone"))
    starts = Factor.of("model.weights", "run:first", "none")
    job = members.start(Study(base, (starts,), first=gone))
    with pytest.raises(InputError, match="-gone"):
        job_process.work(job)
    assert job.state == "failed"
    assert states(job) == ["missing", "missing"]


def test_a_deleted_run_is_missing_again_and_damaged_studies_are_told(base: Experiment) -> None:
    job = members.start(Study(base, (RATES,)))
    job_process.work(job)
    run = members.standings(job)[0].run
    assert run is not None
    RunStore().delete(run)
    assert states(job) == ["missing", "finished"]
    (job.path / "result.json").write_text('{"runs": [3]}')
    assert states(job) == ["missing", "missing"]
    (job.path / "request.json").write_text('{"study": 3}')
    assert job.read_result() is None
    with pytest.raises(InputError, match="must be a JSON object"):
        members.standings(job)
    for name in ("../x", "", "nothing"):
        with pytest.raises(InputError, match="no study"):
            members.find(name)
    assert members.part_of(job.id) == job
    assert members.part_of("../x") is members.part_of("") is None


def test_what_cannot_be_a_study_makes_no_folder(base: Experiment) -> None:
    with pytest.raises(InputError, match="has no lrr"):
        members.start(Study(base, (Factor.of("training.lrr", 1, 2),)))
    assert JobStore(members.KIND).list() == []
