"""Copies written by a job: counted before and after, a data source afterwards, nothing left where it is cancelled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core import settings
from core.data.sources import open_dataset
from core.errors import InputError
from core.runs.jobs import JobStore
from core.specs import AugmentSpec, DataSpec
from core.workflows.jobs import job_process
from core.workflows.jobs.offline_copies import CopiesRequest

BASIC = AugmentSpec.preset("basic")


def test_copies_become_a_data_source(image_folder: Callable[..., Path]) -> None:
    data = DataSpec(str(image_folder(images=10)), val_share=0.2, test_share=0.2)
    job = JobStore("copies").create(CopiesRequest(data, BASIC, 4, 1, "many").as_record())
    assert job_process.work(job).state == "finished"
    found = job.read_result()
    assert found.after == {name: 4 * count for name, count in found.before.items()}
    written = open_dataset(str(settings.uploads_dir() / found.name))
    assert written.presplit
    assert written.counts()["train"] == found.after
    again = JobStore("copies").create(CopiesRequest(data, BASIC, 3, 1, "many").as_record())
    with pytest.raises(InputError, match="not empty"):
        job_process.work(again)


def test_what_does_not_fit_is_refused(image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBONE_LAB_QUOTA_MB", "0.001")
    data = DataSpec(str(image_folder(images=10)))
    job = JobStore("copies").create(CopiesRequest(data, BASIC, 100, 1, "many").as_record())
    with pytest.raises(InputError, match="Delete an older upload first"):
        job_process.work(job)
    assert not (settings.uploads_dir() / "many").exists()


@pytest.mark.parametrize("name", ["", "../out", ".hidden", "a/b", "x" * 90])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="is no name for a folder"):
        CopiesRequest(DataSpec("shapes"), BASIC, 2, 0, name)


@pytest.mark.parametrize("copies", [0, 1, 10_000])
def test_a_number_of_copies_that_makes_no_sense_is_refused(copies: int) -> None:
    with pytest.raises(InputError, match="copies is"):
        CopiesRequest(DataSpec("shapes"), BASIC, copies, 0, "a")
