"""Ranking: which images are looked at, what a row holds, what is left out, and the life of its process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data.sources import open_dataset
from core.data.splits import split
from core.errors import InputError
from core.evaluation.transferability import Transferability
from core.runs.job_kinds import JOB_KINDS
from core.runs.jobs import Job, JobStore
from core.runs.launch import start_job
from core.runs.queue import hold_device
from core.runs.recorder import Recorder
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, HeadSpec, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.advisor import rank_backbones as ranking_module
from core.workflows.advisor.rank_backbones import RankingProgress, rank, training_sample
from core.workflows.advisor.ranking import Ranked, Ranking, candidate, compare
from core.workflows.jobs import job_process
from core.workflows.jobs import ranking as rank_job
from core.workflows.jobs.ranking import RankingRequest

SMALL = ModelSpec("shufflenet_v2_x0_5", "none", image_size=64)
OTHER = ModelSpec("mobilenet_v3_small", "none", image_size=64)


@pytest.fixture
def data(image_folder: Callable[..., Path]) -> DataSpec:
    return DataSpec(str(image_folder(images=16)), test_share=0.25)


def scored(log_me: float) -> Transferability:
    return Transferability(log_me, 0.5, None, None, 0.8, 0.9, 0.5, 0.69, 20, 64, 2)


def ranked(*scores: float, spec: DataSpec | None = None) -> Ranking:
    rows = tuple(Ranked(replace(SMALL, image_size=64 + 32 * i), scored(score)) for i, score in enumerate(scores))
    return Ranking(spec or DataSpec("shapes"), rows, 20, 20, 2, 1.0, "cpu")


# --- what is looked at ------------------------------------------------------------------------------------------------


def test_only_training_images_are_opened(data: DataSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: set[str] = set()
    fill = ranking_module.PixelStore.fill

    def watched(self: ranking_module.PixelStore, *args: object, **kwargs: object) -> object:
        opened.update(item.key for item in self.dataset.items)
        return fill(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(ranking_module.PixelStore, "fill", watched)
    rank(data, [SMALL], device="cpu")
    divided = split(open_dataset(data.source), data)
    assert opened == {item.key for item in divided.items if item.split == "train"}
    assert {item.split for item in divided.items} == {"train", "val", "test"}


def test_a_sample_keeps_every_class_and_its_share() -> None:
    dataset = split(open_dataset("shapes?per_class=40"), DataSpec("shapes?per_class=40"))
    counts = training_sample(dataset, 40).counts()["train"]
    assert set(counts.values()) == {10}
    assert len(training_sample(dataset, 1)) == len(dataset.classes)
    assert len(training_sample(dataset, 10_000)) == len(dataset.positions("train"))


def test_damaged_files_bring_no_test_image_into_the_sample(image_folder: Callable[..., Path]) -> None:
    """The sample is drawn from the far end of the lots: a shifted division takes validation images at worst."""
    spec = DataSpec(str(image_folder(images=20)), val_share=0.2, test_share=0.2)
    dataset = split(open_dataset(spec.source), spec)
    sample = {item.key for item in training_sample(dataset, 1000).items}
    for label in range(2):
        held_out = [item.key for item in dataset.items if item.label == label and item.split == "val"]
        fewer = split(open_dataset(spec.source).without(held_out), spec)  # as many damaged as are validated on
        assert not sample & {item.key for item in fewer.items if item.split == "test"}


# --- what is found ----------------------------------------------------------------------------------------------------


def test_a_ranking_scores_what_it_can_and_names_what_it_cannot(data: DataSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.errors import WeightsUnavailable

    def nowhere(*_args: object, **_kwargs: object) -> None:
        raise WeightsUnavailable("The weights of {name} are nowhere.", name="resnet18")

    monkeypatch.setattr(ranking_module, "bare", nowhere)
    steps: list[RankingProgress] = []
    so_far: list[Ranking] = []
    found = rank(
        data,
        [SMALL, "resnet18", "no_such_network", OTHER, SMALL],
        device="cpu",
        progress=steps.append,
        found=so_far.append,
    )
    assert [row.model.backbone for row in found.rows] == [
        "shufflenet_v2_x0_5",
        "resnet18",
        "no_such_network",
        "mobilenet_v3_small",
    ]
    assert [row.problem is None for row in found.rows] == [True, False, False, True]
    assert "nowhere" in str(found.rows[1].problem)
    assert "no_such_network" in str(found.rows[2].problem)
    assert found.complete
    assert [len(part.rows) for part in so_far] == [1, 2, 3, 4]
    assert not so_far[-1].complete
    assert found.images == found.training_images == so_far[-1].images
    row = found.find(replace(SMALL, head=HeadSpec((256,))))
    assert row is not None
    assert row.scores is not None
    assert row.scores.leep is None  # random weights know no classes
    assert row.scores.features == 1024
    assert row.precision in ("fp32", "bf16")
    assert row.scores.probe_accuracy > 0.8  # noisy colours: any filter tells them apart
    assert {step.doing for step in steps} == {
        "reading images",
        "building the network",
        "computing features",
        "comparing",
    }
    assert Ranking.from_record(json.loads(json.dumps(found.as_record()))) == found


def test_networks_whose_images_are_prepared_alike_share_the_pixels(
    data: DataSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides: list[int] = []
    init = ranking_module.PixelStore.__init__

    def counted(self: ranking_module.PixelStore, dataset: object, prep: object, **kwargs: object) -> None:
        init(self, dataset, prep, **kwargs)  # type: ignore[arg-type]
        sides.append(self.side)

    monkeypatch.setattr(ranking_module.PixelStore, "__init__", counted)
    found = rank(data, [SMALL, OTHER, replace(SMALL, image_size=96)], device="cpu", images_limit=8)
    assert sides == [64, 96]
    assert len(found.ordered()) == 3
    assert found.images == 8 < found.training_images


def test_features_are_what_enters_the_head(data: DataSpec) -> None:
    from core.data.images import normalise
    from core.data.pixel_store import PixelStore
    from core.models import heads
    from core.models.network import assemble

    work = ranking_module._Work(("a", "b"), torch.device("cpu"), 1, lambda _: None, lambda: False, None, None)
    network = assemble(ModelSpec("squeezenet1_1", "none", image_size=64), ("a", "b"), seed=0)
    dataset = open_dataset(data.source)
    with PixelStore(dataset, network.preprocessing, max_bytes=10**8) as store:
        features, answers, _ = ranking_module._features(network, store, torch.arange(40 % len(dataset)), work)
        pixels = normalise(store.batch(list(range(len(features)))), network.preprocessing)
    with torch.no_grad():
        wanted = heads.head_input(network.model, network.anatomy, pixels).mean((2, 3)).numpy()
    assert features.shape == wanted.shape
    assert np.allclose(features, wanted, atol=0.05 * np.abs(wanted).max())
    assert np.allclose(answers.sum(axis=1), 1.0, atol=1e-5)
    assert not any(module._forward_pre_hooks for module in network.model.modules())


def test_damaged_images_are_left_out(data: DataSpec) -> None:
    divided = split(open_dataset(data.source), data)
    (Path(data.source) / divided.items[divided.positions("train")[0]].key).write_bytes(b"no image")
    found = rank(data, [SMALL, replace(SMALL, image_size=96)], device="cpu")
    assert [row.scores is not None for row in found.rows] == [True, True]
    assert found.images == found.training_images - 1 > 1


def test_a_ranking_stops_with_what_it_has(data: DataSpec) -> None:
    done: list[Ranking] = []
    found = rank(data, [SMALL, OTHER], device="cpu", found=done.append, stop=lambda: len(done) == 1)
    assert len(found.rows) == 1
    assert not found.complete


@pytest.mark.parametrize("backbones", [[], [" @none"]])
def test_a_ranking_needs_backbones(data: DataSpec, backbones: list[str]) -> None:
    with pytest.raises(InputError, match="No backbone"):
        rank(data, backbones)


def test_a_backbone_is_named_with_its_weights() -> None:
    assert candidate("resnet18") == ModelSpec("resnet18")
    assert candidate(" resnet18@none ") == ModelSpec("resnet18", "none")
    assert candidate("resnet50@IMAGENET1K_V1").weights == "IMAGENET1K_V1"
    with pytest.raises(InputError):
        candidate("resnet18@random")


def test_a_damaged_record_is_refused() -> None:
    record = ranked(1.0, 2.0).as_record()
    assert record["order"] == [1, 0]
    for wrong in ({}, {**record, "rows": [{}]}, {**record, "data": None}, {**record, "rows": None}):
        with pytest.raises(InputError):
            Ranking.from_record(wrong)


# --- predicted against reached ----------------------------------------------------------------------------------------


def finish(model: ModelSpec, data: DataSpec, val: float, test: float | None = None, state: str = "finished") -> None:
    recipe = make_recipe("linear-probe", weights=model.weights)
    run = RunStore().create(Experiment(data, model, TrainingSpec("linear-probe", recipe.phases)))
    Recorder(run).split([("a", "x", "train"), ("b", "x", "val"), ("c", "x", "test"), ("d", "y", "test")])
    status = {"state": state, "val_accuracy": val, "test_accuracy": test}
    (run.path / "status.json").write_text(json.dumps(status))


def test_predictions_are_held_against_the_best_finished_run_of_each_network() -> None:
    ranking = ranked(0.1, 0.3, 0.2)
    models = [row.model for row in ranking.rows]
    finish(models[0], ranking.data, 0.6, 0.5)
    finish(models[0], ranking.data, 0.7, 0.65)
    finish(models[0], ranking.data, 0.99, 0.99, state="failed")
    finish(models[1], ranking.data, 0.9, 0.85)
    finish(replace(models[1], weights="default"), ranking.data, 1.0, 1.0)
    finish(replace(models[2], head=HeadSpec((64,))), ranking.data, 0.8, 0.9)
    finish(models[2], replace(ranking.data, seed=7), 1.0, 1.0)
    (
        RunStore().create(Experiment(ranking.data, models[0], TrainingSpec("full", make_recipe("full").phases))).path
        / "experiment.json"
    ).write_text("{")
    found = compare(ranking, RunStore().list())
    assert (found.split, found.images) == ("test", 2)
    assert [pair.accuracy for pair in found.pairs] == [0.9, 0.85, 0.65]
    assert found.tau == pytest.approx(1 / 3)
    assert found.weighted_tau is not None
    exact = compare(ranked(0.65, 0.85, 0.9), RunStore().list())
    assert exact.tau == exact.weighted_tau == 1.0


def test_without_test_images_validation_counts_and_two_are_too_few_for_an_agreement() -> None:
    ranking = ranked(0.1, 0.3)
    finish(ranking.rows[0].model, ranking.data, 0.6)
    finish(ranking.rows[1].model, ranking.data, 0.9, 0.5)
    found = compare(ranking, RunStore().list())
    assert (found.split, found.images) == ("val", 1)
    assert [pair.accuracy for pair in found.pairs] == [0.9, 0.6]
    assert found.tau is None
    assert compare(ranking, []).pairs == ()


# --- a process of its own ---------------------------------------------------------------------------------------------


def make_job(data: DataSpec, *models: ModelSpec) -> Job:
    return JobStore("rankings").create(RankingRequest(data, models, 8, "cpu").as_record())


def test_a_job_leaves_its_result_and_is_found_again(data: DataSpec) -> None:
    job = make_job(data, SMALL, OTHER)
    assert job.state == "queued"
    status = job_process.work(job)
    assert status.state == job.state == "finished"
    found = rank_job.result(job)
    assert found is not None
    assert found.complete
    assert len(found.ordered()) == 2
    assert rank_job.latest(data) == rank_job.latest(data, model=OTHER, least=2) == found
    assert rank_job.latest(data, least=3) is None
    assert rank_job.latest(replace(data, seed=5)) is None
    assert rank_job.latest(data, model=replace(OTHER, image_size=96)) is None
    with pytest.raises(InputError, match="before"):
        job_process.work(job)


def test_a_stopped_job_says_so(data: DataSpec) -> None:
    job = make_job(data, SMALL)
    job.request_stop()
    assert job.state == "stopping"
    assert job_process.work(job).state == "stopped"
    assert rank_job.result(job) is None


def test_a_job_that_fails_says_why(tmp_path: Path) -> None:
    job = make_job(DataSpec(str(tmp_path / "nowhere")), SMALL)
    with pytest.raises(InputError):
        job_process.work(job)
    status = job.status()
    assert status.state == "failed"
    assert "nowhere" in status.message
    assert status.message_template.count("{")


def test_a_damaged_request_is_refused() -> None:
    job = JobStore("rankings").create({"data": {"source": "shapes"}})
    with pytest.raises(InputError, match="damaged"):
        job_process.work(job)


def test_a_dead_process_is_seen() -> None:
    job = make_job(DataSpec("shapes"), SMALL)
    (job.path / "status.json").write_text(json.dumps({"state": "running", "pid": 2**22 + 1, "create_time": 1.0}))
    assert job.state == "interrupted"


def test_jobs_and_runs_stand_in_one_queue(data: DataSpec) -> None:
    """A run waits for an older ranking, and a ranking for an older run; asked to stop, each leaves the queue."""
    first = make_job(data, SMALL)
    recipe = make_recipe("linear-probe")
    run = RunStore().create(Experiment(data, SMALL, TrainingSpec("linear-probe", recipe.phases)))
    last = make_job(data, SMALL)
    for waiter in (first, run, last):
        Recorder(waiter).update(state="queued", queue_device="cpu")
    ahead: list[int] = []

    def asked(waiter: Job | Run) -> Callable[[int], None]:
        def waiting(count: int) -> None:
            ahead.append(count)
            waiter.request_stop()

        return waiting

    with hold_device(run, "cpu", asked(run)) as held:
        assert not held
    with hold_device(last, "cpu", asked(last)) as held:
        assert not held
    assert ahead == [1, 1]  # the first job each time: the run has left the queue when the last job looks
    with hold_device(first, "cpu", asked(first)) as held:
        assert held


def test_old_jobs_go_and_names_stay_inside(data: DataSpec) -> None:
    store = JobStore("rankings")
    for _ in range(JOB_KINDS["rankings"].kept + 2):
        (store.create({"data": {}}).path / "status.json").write_text('{"state": "finished"}')
    make_job(data, SMALL)
    assert len(store.list()) <= JOB_KINDS["rankings"].kept + 1
    assert store.get(store.list()[0].id).exists
    for name in ("../../runs", "", "nothing"):
        with pytest.raises(InputError):
            store.get(name)


@pytest.mark.slow
def test_a_job_started_here_runs_by_itself(data: DataSpec) -> None:
    import time

    job = start_job(RankingRequest(data, (SMALL,), 8, "cpu"))
    end = time.monotonic() + 120
    while job.state not in ("finished", "failed", "interrupted"):
        assert time.monotonic() < end, job.status()
        time.sleep(0.1)
    found = rank_job.result(job)
    assert found is not None
    assert found.ordered()


def test_pages_start_rankings_without_torch() -> None:
    code = "import sys, core.workflows.jobs.ranking, core.workflows.advisor.advice; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
