"""The life of a job, whatever its kind: asked, found again, done once in its process, cancelled, failed, pruned."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import filelock
import pytest

from core.cli import main
from core.errors import Cancelled, InputError
from core.runs import launch, queue, queue_entries
from core.runs.job_kinds import JOB_KINDS, JobKind
from core.runs.jobs import Job, JobRequest, JobStore, latest_job
from core.runs.launch import start_job
from core.runs.recorder import Recorder
from core.specs import AugmentSpec, DataSpec, Experiment, Factor, ModelSpec, Study, TrainingSpec
from core.training.autoencoder.designs import DESIGNS
from core.training.recipes import make_recipe
from core.workflows.autoencoder.request import AutoencoderRequest
from core.workflows.gan.request import GanRequest
from core.workflows.jobs import job_process
from core.workflows.jobs.data_check import check_request
from core.workflows.jobs.heatmap_study import StudyRequest
from core.workflows.jobs.job_process import JobContext
from core.workflows.jobs.judging.normalisations import NormalisationRequest
from core.workflows.jobs.judging.robustness import RobustnessRequest
from core.workflows.jobs.judging.test_time import ViewsRequest
from core.workflows.jobs.known_set import KnownSetRequest
from core.workflows.jobs.leak import LeakRequest
from core.workflows.jobs.leaving.answers import AnswersRequest
from core.workflows.jobs.leaving.report import ReportRequest
from core.workflows.jobs.lr_finder import rate_request
from core.workflows.jobs.model_export import ExportRequest
from core.workflows.jobs.offline_copies import CopiesRequest
from core.workflows.jobs.picture_map import MapRequest
from core.workflows.jobs.profile import profile_request
from core.workflows.jobs.ranking import RankingRequest
from core.workflows.jobs.style_transfer import StyleRequest
from core.workflows.jobs.visualization import VisualizationJob
from core.workflows.leak.record import LeakPlan
from core.workflows.studies import members as studies

NET = ModelSpec("mnist_cnn", "none")
EXPERIMENT = Experiment(
    DataSpec("shapes"), NET, TrainingSpec("full", make_recipe("full", weights="none").phases, device="cpu")
)
STUDY = Study(EXPERIMENT, (Factor.of("training.batch_size", 2, 4),))
REQUESTS: dict[str, JobRequest] = {
    "rankings": RankingRequest(DataSpec("shapes"), (NET, ModelSpec("resnet18")), 8, "cpu"),
    "rates": rate_request(EXPERIMENT),
    "heat-studies": StudyRequest("some-run", "1", settings={"samples": 3}, most=4),
    "leaks": LeakRequest.of(LeakPlan("shapes", copies=2, group_by=""), "cpu"),
    "studies": studies.StudyRequest(
        Study(EXPERIMENT, (Factor.of("training.batch_size", 2, 4),)).as_record(), "earlier"
    ),
    "dreams": VisualizationJob("mnist_cnn", "conv1", "none", (0, 3), place=(1, 2), device="cpu"),
    "profiles": profile_request(NET, "cpu"),
    "maps": MapRequest(DataSpec("shapes"), "7"),
    "exports": ExportRequest("some-run", "12", "5", "pt2"),
    "robustness": RobustnessRequest("some-run", "5", "val", 50, ("fog", "pgd")),
    "normalisations": NormalisationRequest.of(DataSpec("shapes", val_share=0.4), NET, "7"),
    "views": ViewsRequest("some-run", "5", "val", 0, "draws", 8, 1),
    "checks": check_request(DataSpec("shapes", val_share=0.4), "7"),
    "known-sets": KnownSetRequest("FashionMNIST", "clothes-of-mine"),
    "answers": AnswersRequest("some-run", "12", "5", "20260101T000000-0a1b2c3d"),
    "reports": ReportRequest("some-run", "12", "5"),
    "styles": StyleRequest("mnist_cnn", "abc", "def", "none", "conv1", ("conv1", "conv2"), steps=3, device="cpu"),
    "autoencoders": AutoencoderRequest(DataSpec("digits"), *DESIGNS["notes"].make(1, 28, 0), loss="l1", device="cpu"),
    "gans": GanRequest(DataSpec("mnist"), epochs=3, generator_steps=2, device="cpu"),
    "copies": CopiesRequest(DataSpec("shapes"), AugmentSpec.preset("brain-paper"), 5, 0, "many shapes"),
}
EARLIER: dict[str, dict[str, Any]] = {
    "answers": {"run": "some-run", "weights": "best", "stamp": "5", "lot": "a"},
    "reports": {"run": "some-run", "weights": "best", "stamp": "5"},
    "exports": {"run": "some-run", "weights": "best", "stamp": "5", "format": "onnx"},
    "rankings": {
        "data": {"source": "shapes", "val_share": 0.2, "test_share": 0.0, "seed": 0},
        "models": [{"backbone": "resnet18", "weights": "default", "image_size": None, "head": {"hidden": []}}],
        "images": 1000,
        "device": "auto",
    },
    "heat-studies": {
        "run": "20260101T000000Z-a-0000",
        "stamp": "0",
        "method": "smoothgrad",
        "layer": None,
        "of": "predicted",
        "moment": "best",
        "settings": {"samples": 5},
        "most": None,
    },
    "dreams": {
        "reference": "resnet18",
        "layer": "layer1",
        "weights": "default",
        "channels": [0, 1],
        "size": 128,
        "steps": 128,
        "seed": 0,
        "place": [3, 4],
        "octaves": 4,
        "strength": 1.0,
        "picture": "",
        "precision": "fp32",
        "device": "auto",
    },
    "studies": {"study": {"experiment": {}, "factors": []}},
    "maps": {"data": {"source": "shapes"}, "stamp": "0"},
    "autoencoders": {
        "data": {"source": "digits"},
        "encoder": [{"kind": "flatten"}],
        "decoder": [{"kind": "unflatten", "size": 1}],
        "epochs": 3,
    },
    "gans": {"data": {"source": "mnist"}, "epochs": 3},
    "styles": {"reference": "vgg19", "content": "abc", "look": "def", "style_layers": ["features.1"], "steps": 50},
    "robustness": {"run": "some-run", "stamp": "5", "split": "test", "most": 0, "corruptions": ["fog"]},
    "views": {"run": "some-run", "stamp": "5", "split": "test", "most": 0, "way": "mirror", "draws": 8, "seed": 0},
    "normalisations": {"data": {"source": "shapes"}, "model": {"backbone": "resnet18"}, "stamp": "0"},
    "checks": {"data": {"source": "shapes"}, "stamp": "0", "features": True, "format": 1},
    "leaks": {"plan": {"source": "shapes", "copies": 2}, "device": "cpu"},
    "profiles": {"model": {"backbone": "mnist_cnn", "weights": "none", "image_size": 28}, "device": "cpu"},
    "known-sets": {"name": "MNIST", "called": "digits-of-mine"},
    "copies": {"data": {"source": "shapes"}, "augment": {"flip": True}, "copies": 2, "seed": 0, "name": "a"},
}
"""Requests as jobs had them before there was a table of kinds; that of a rate holds a whole experiment."""
OF_SPECS = ("data", "models", "model", "augment", "encoder", "decoder")
"""What has more fields now than it was written with."""
KINDS = pytest.mark.parametrize("kind", JOB_KINDS.values(), ids=JOB_KINDS)


def made(kind: JobKind) -> Job:
    return JobStore(kind.id).create(REQUESTS[kind.id].as_record())


def working(monkeypatch: pytest.MonkeyPatch, kind: JobKind, work: Any) -> None:
    """Puts other work into a kind's module."""
    monkeypatch.setattr(f"{kind.module}.work", work)


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The command lines of processes that would have been started."""
    words: list[tuple[str, ...]] = []
    monkeypatch.setattr(launch, "spawn", lambda _folder, spoken, _roots: words.append(tuple(spoken)))
    return words


@KINDS
def test_a_row_is_whole(kind: JobKind) -> None:
    assert kind.load(kind.request).kind == kind.id
    assert isinstance(REQUESTS[kind.id], kind.load(kind.request))
    assert callable(kind.load("work"))
    job = made(kind)
    assert job.kind == kind.id
    assert job.read_request() == REQUESTS[kind.id]
    assert job.read_result() is None
    assert latest_job(REQUESTS[kind.id]) == job


@KINDS
def test_a_job_of_an_earlier_version_is_read(kind: JobKind) -> None:
    record = EARLIER.get(kind.id) or {"experiment": json.loads(EXPERIMENT.to_json()), "phase": 0}
    request = JobStore(kind.id).create(record).read_request()
    again = json.loads(json.dumps(request.as_record()))
    known = {name: value for name, value in record.items() if name not in OF_SPECS}
    assert known.items() <= again.items()


def test_waiting_processes_stay_small() -> None:
    waiting = [kind.module for kind in JOB_KINDS.values() if kind.waits_for != "nothing"]
    code = f"import sys, core.cli.commands.job, {', '.join(waiting)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    code = "import sys, core.runs.launch; sys.exit(any(name.startswith('core.workflows') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@KINDS
def test_a_job_is_done_once_and_says_so(kind: JobKind, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(request: JobRequest, context: JobContext) -> None:
        assert request == REQUESTS[kind.id]
        assert context.job.state == "running"
        assert context.runs_dir == job.path.parent.parent
        context.progress("counting", 1, 2, ready=1)

    working(monkeypatch, kind, work)
    job, told = made(kind), []
    status = job_process.work(job, told.append)
    assert (status.state, status.doing, status.done, status.ready) == ("finished", "", 1, 1)
    assert status.launched <= status.started <= status.begun <= status.ended
    assert told == [{"doing": "counting", "done": 1, "total": 2, "ready": 1}]
    assert job.state == "finished"
    assert bool(status.queue_device) == (kind.waits_for != "nothing")
    with pytest.raises(InputError, match="This job was done before"):
        job_process.work(job)


@KINDS
def test_who_queues_is_seen_by_the_runs(kind: JobKind) -> None:
    job = made(kind)
    assert (job in queue_entries.everything(job.path.parent.parent)) == (kind.waits_for == "turn")


@KINDS
def test_a_job_is_cancelled(kind: JobKind, monkeypatch: pytest.MonkeyPatch) -> None:
    job = made(kind)

    def work(_request: JobRequest, context: JobContext) -> None:
        context.raise_if_cancelled()
        job.request_stop()
        assert job.state == "stopping"
        with pytest.raises(Cancelled):
            context.raise_if_cancelled()
        raise Cancelled

    working(monkeypatch, kind, work)
    status = job_process.work(job)
    assert (status.state, status.doing, job.state) == ("stopped", "", "stopped")


@KINDS
def test_a_job_that_fails_says_why(kind: JobKind, monkeypatch: pytest.MonkeyPatch) -> None:
    def known(*_: Any) -> None:
        raise InputError("There is no {thing}.", thing="room")

    def unknown(*_: Any) -> None:
        raise ArithmeticError("strange")

    for work, error, said in ((known, InputError, "There is no room."), (unknown, ArithmeticError, kind.unexpected)):
        working(monkeypatch, kind, work)
        job = made(kind)
        with pytest.raises(error):
            job_process.work(job)
        assert (job.state, job.status().message) == ("failed", said)
    assert "strange" in (job.path / "log.txt").read_text()
    damaged = JobStore(kind.id).create({"nothing": 1})
    with pytest.raises(InputError, match="damaged"):
        job_process.work(damaged)
    assert damaged.state == "failed"


def test_two_processes_do_not_do_one_job() -> None:
    job = made(JOB_KINDS["rankings"])
    before = job.status()
    with filelock.FileLock(job.path / ".worker.lock"), pytest.raises(InputError, match="another process"):
        job_process.work(job)
    assert job.status() == before


@KINDS
def test_the_same_asked_twice_is_one_job(kind: JobKind, spawned: list[tuple[str, ...]]) -> None:
    request = REQUESTS[kind.id]
    job = start_job(request, owner="ann")
    assert start_job(request) == job
    assert spawned == [("job", str(job.path))]
    assert job.status().owner == "ann"
    job.request_stop()
    other = start_job(request)
    assert other != job
    assert latest_job(request) == other


@KINDS
def test_what_waited_goes_on_after_a_restart(kind: JobKind, monkeypatch: pytest.MonkeyPatch) -> None:
    words: list[tuple[str, ...]] = []
    monkeypatch.setattr(queue, "spawn", lambda _folder, spoken, _roots, **_more: words.append(tuple(spoken)))
    job = made(kind)
    Recorder(job).update(pid=None, spawned={"boot": "before", "uptime": 1.0})
    assert job.state == "interrupted"
    waits = kind.waits_for == "turn"
    assert queue.revive(job.path.parent.parent) == ([job] if waits else [])
    assert words == ([("job", str(job.path))] if waits else [])


def test_a_process_that_cannot_be_started_leaves_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise OSError(12, "no memory")

    monkeypatch.setattr(launch, "spawn", refused)
    with pytest.raises(InputError, match="no memory"):
        start_job(REQUESTS["dreams"])
    assert latest_job(REQUESTS["dreams"]) is None


def test_only_as_many_ended_jobs_are_kept_as_the_kind_says() -> None:
    kind = JOB_KINDS["profiles"]
    for _ in range(kind.kept + 2):
        (made(kind).path / "status.json").write_text('{"state": "finished"}')
    assert len(JobStore(kind.id).list()) == kind.kept
    oldest = JobStore(kind.id).list()[-1]
    (oldest.path / "status.json").write_text(json.dumps({"state": "queued", "launched": time.time(), "pid": None}))
    made(kind)
    assert oldest in JobStore(kind.id).list()  # it is still to be done


def test_the_verb_of_processes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, seen = JOB_KINDS["profiles"], []
    working(monkeypatch, kind, lambda _request, context: seen.append(context.roots))
    job = made(kind)
    assert main(["job", str(job.path), "--within", str(tmp_path), "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out) == {"job": str(job.path), "state": "finished"}
    assert seen == [(tmp_path,)]
    stranger = tmp_path / ".unknown" / "one"
    stranger.mkdir(parents=True)
    (stranger / "request.json").write_text("{}")
    for folder in (stranger, tmp_path / "nowhere"):
        assert main(["job", str(folder), "--quiet"]) == 2
        assert "There is no job in the folder" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--help"])
    assert " job " not in capsys.readouterr().out
