"""Measuring a network here: what is timed, what is kept, how it is asked for and stopped. No time is asserted."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from core import settings
from core.cli import main
from core.errors import Cancelled, InputError
from core.models.network import assemble
from core.runs.jobs import Job, JobStore, latest_job
from core.runs.launch import start_job
from core.specs import DataSpec, Experiment, FreezePlan, HeadSpec, ModelSpec
from core.specs import TrainingSpec as Training
from core.training.estimate import layer_timing
from core.training.estimate.estimate import Counts
from core.training.estimate.step_clock import StepClock
from core.training.estimate.step_time import PASS_KINDS
from core.training.recipes import make_recipe
from core.workflows.jobs import job_process, profile
from core.workflows.jobs.profile import profile_request

SMALL = ModelSpec("emnist_cnn", "none")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """One round is enough where nobody looks at the time."""
    monkeypatch.setattr(layer_timing, "MAX_SECONDS", 0.0)


def test_every_call_before_and_behind_the_head_is_timed_in_every_kind() -> None:
    network = assemble(SMALL, ("a", "b"), seed=0)
    told: list[tuple[int, int]] = []
    found = layer_timing.measure(network, torch.device("cpu"), progress=lambda *step: told.append(step))
    leaves = {layer.name for layer in network.anatomy.layers if layer.leaf}
    assert set(found.calls) == leaves
    assert network.anatomy.head in found.calls
    for times in found.seconds.values():
        assert set(times) == set(PASS_KINDS)
        for lines in times.values():
            assert len(lines) == len(found.calls)
            assert all(line.fixed >= 0 and line.each >= 0 for line in lines)
    convolutions = [index for index, kind in enumerate(found.kinds) if kind == "Conv2d"]
    fp32 = found.seconds["fp32"]
    for kind in PASS_KINDS:
        assert all(fp32[kind][index].at(16) > 0 for index in convolutions), kind
    assert set(found.machine.optimizers) == {"adamw", "adam", "sgd", "rmsprop"}
    assert told == sorted(told)
    assert not network.model.training
    assert all(parameter.grad is None for parameter in network.model.parameters())


def test_a_layer_that_runs_twice_is_timed_twice() -> None:
    network = assemble(ModelSpec("resnet18", "none", image_size=32), ("a", "b"), seed=0)
    timer = layer_timing._LayerTimer(network, torch.device("cpu"))
    times = timer.run("learning", 2, "fp32")
    assert timer.names.count("layer1.0.relu") == 2
    assert len(times["learning"]) == len(times["backward_all"]) == len(timer.names)


def test_asked_to_stop_it_stops() -> None:
    network = assemble(SMALL, ("a", "b"), seed=0)
    with pytest.raises(Cancelled):
        layer_timing.measure(network, torch.device("cpu"), stop=lambda: True)


def test_a_network_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_timing, "_free_bytes", lambda _device: 1000.0)
    with pytest.raises(InputError, match="not enough memory"):
        layer_timing.measure(assemble(SMALL, ("a", "b"), seed=0), torch.device("cpu"))


def test_what_was_measured_is_kept_whatever_the_weights_and_the_head() -> None:
    assert profile.profile_known(SMALL, "cpu") is None
    made = profile.profile_now(SMALL, "cpu")
    assert profile.profile_known(SMALL, "cpu") == made
    other = dataclasses.replace(SMALL, weights="run:some", head=HeadSpec(hidden=(64,)), init="zeros")
    assert profile.profile_known(other, "cpu") == made
    assert profile.profile_known(dataclasses.replace(SMALL, image_size=56), "cpu") is None
    assert profile.profile_known(ModelSpec("mnist_cnn", "none"), "cpu") is None
    experiment = Experiment(
        DataSpec("any"), SMALL, Training("full", make_recipe("full").phases, device="cpu"), freeze=FreezePlan("all")
    )
    told = profile.estimate_here(experiment, 10, Counts(100, 20))
    assert told.seconds is not None
    assert told.seconds > 0


def test_a_damaged_measurement_is_none() -> None:
    profile.profile_now(SMALL, "cpu")
    (file,) = (settings.cache_dir() / "profiles").iterdir()
    for text in ("", "{}", "[1]", json.dumps({**json.loads(file.read_text()), "seconds": {"fp32": {}}})):
        file.write_text(text)
        assert profile.profile_known(SMALL, "cpu") is None


def job(spec: ModelSpec = SMALL) -> Job:
    return JobStore("profiles").create(profile_request(spec, "cpu").as_record())


def test_a_job_measures_and_says_how_far_it_is() -> None:
    made = job()
    assert latest_job(profile_request(SMALL, "cpu")) == made
    assert latest_job(profile_request(ModelSpec("mnist_cnn"), "cpu")) is None
    assert start_job(profile_request(SMALL, "cpu")) == made  # one at a time
    steps: list[tuple[int, int]] = []
    status = job_process.work(made, lambda record: steps.append((record["done"], record["total"])))
    assert status.state == "finished"
    assert not status.queue_device  # it waits for nobody
    assert steps[-1][0] > 0
    known = profile.profile_known(SMALL, "cpu")
    assert known is not None
    assert profile.result(made) == known
    with pytest.raises(InputError, match="before"):
        job_process.work(made)


def test_a_job_that_is_cancelled_leaves_nothing() -> None:
    made = job()
    (made.path / "control").write_text("stop\n")
    assert job_process.work(made).state == "stopped"
    assert profile.profile_known(SMALL, "cpu") is None


def test_a_job_that_fails_says_why() -> None:
    made = job(dataclasses.replace(SMALL, image_size=28))
    request = json.loads((made.path / "request.json").read_text())
    request["model"]["backbone"] = "no_such_net"
    (made.path / "request.json").write_text(json.dumps(request))
    with pytest.raises(InputError):
        job_process.work(made)
    status = made.status()
    assert status.state == "failed"
    assert "no_such_net" in status.message


def test_the_command_line_measures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "mnist_cnn", "--device", "cpu", "--json", "--quiet"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["forward_images_per_second"]["fp32"] > 0
    with pytest.raises(SystemExit) as left:
        main(["profile", "--quiet"])
    assert left.value.code == 2
    assert main(["profile", "no_such_net", "--quiet"]) == 2


def test_the_clock_leaves_waiting_out() -> None:
    import time

    clock = StepClock(torch.device("cpu"))
    begin = clock.now()
    time.sleep(0.2)
    assert clock.elapsed(begin, clock.now()) < 0.1
    begin = clock.now()
    sum(range(2_000_000))
    assert clock.elapsed(begin, clock.now()) > 0
