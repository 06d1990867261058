"""Checking images as a job: what it is known by, what is found while it goes on, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.data.sources import open_dataset
from core.errors import Cancelled
from core.runs.jobs import Job, JobStore
from core.runs.recorder import Recorder
from core.specs import DataSpec
from core.workflows.data_check import check as module
from core.workflows.jobs import data_check, job_process
from core.workflows.jobs.data_check import CheckRequest, check_request, latest


def made(request: CheckRequest) -> Job:
    return JobStore(request.kind).create(request.as_record())


def test_how_images_are_divided_and_repaired_plays_no_part() -> None:
    plain = check_request(DataSpec("pets"), "1")
    other = DataSpec("pets", 0.4, 0.1, 7, folds=0, val_of="rest", group_by="stem", anew=True, revision="0" * 20)
    assert check_request(other, "1") == plain
    for spec in (DataSpec("dogs"), DataSpec("pets", classes=("a", "b")), DataSpec("pets", images_per_class=9)):
        assert check_request(spec, "1") != plain
    assert check_request(DataSpec("shapes", seed=1)) != check_request(DataSpec("shapes"))
    assert latest(plain) is None
    job = made(plain)
    assert latest(check_request(other, "1", features=False)) == job
    assert latest(check_request(other, "2")) is None, "the files changed"


def test_what_is_known_before_the_network_looks_is_there_already(
    monkeypatch: pytest.MonkeyPatch, image_folder: Callable[..., Path]
) -> None:
    root = image_folder()
    first = min((root / "red").iterdir())
    (root / "blue" / "copy.png").write_bytes(first.read_bytes())
    job = made(check_request(DataSpec(str(root))))

    def cancelled(*_: object) -> None:
        found = data_check.result(job)
        assert found is not None
        assert (found.featured, found.equal) == (False, (("blue/copy.png", f"red/{first.name}"),))
        raise Cancelled

    monkeypatch.setattr(module, "_features", cancelled)
    assert job_process.work(job).state == "stopped"
    found = job.read_result()
    assert found.conflicts == ()
    assert found.on(open_dataset(str(root))).conflicts == (("blue/copy.png", f"red/{first.name}"),)


def test_the_networks_check_is_preferred_once_it_has_ended(image_folder: Callable[..., Path]) -> None:
    request = check_request(DataSpec(str(image_folder())))
    complete, quick, empty = made(request), made(replace(request, features=False)), made(request)
    assert latest(request) == empty
    quick.write_result({"featured": False})
    assert latest(request) == quick
    complete.write_result({"featured": True})
    Recorder(complete).update(state="finished")
    assert latest(request) == complete
    assert complete.read_result() is None, "damaged"


def test_a_check_is_cancelled_between_two_pictures(image_folder: Callable[..., Path]) -> None:
    job = made(check_request(DataSpec(str(image_folder()))))
    job.request_stop()
    assert job_process.work(job).state == "stopped"
    assert job.read_result() is None
