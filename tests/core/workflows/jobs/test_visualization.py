"""Pictures grown in a process of their own: found in the cache, stopped when asked, failed with a sentence."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import InputError
from core.interpret.visualization.activation_maximization import Recipe, cached_images
from core.runs.jobs import Job, JobStore
from core.workflows.jobs import job_process, visualization
from core.workflows.jobs.visualization import VisualizationJob
from core.workflows.network_loading import load_network

NET = {"reference": "shufflenet_v2_x0_5", "weights": "none"}


@pytest.fixture
def queued() -> Callable[[VisualizationJob], Job]:
    """Makes a job without starting its process."""
    return lambda wish: JobStore("dreams").create(wish.as_record())


def test_grown_pictures_are_found_in_the_cache(queued: Callable[[VisualizationJob], Job]) -> None:
    wish = VisualizationJob(**NET, layer="conv1", channels=(0, 5), size=32, steps=3, precision="fp32", device="cpu")
    job = queued(wish)
    told: list[str] = []
    status = job_process.work(job, lambda record: told.append(record["doing"]))
    assert (status.state, job.state) == ("finished", "finished")
    assert "growing" in told
    found = cached_images(
        load_network("shufflenet_v2_x0_5", weights="none"), "conv1", [0, 5], Recipe(32, 3, precision="fp32")
    )
    assert [one.channel for one in found] == [0, 5]
    with pytest.raises(InputError, match="This job was done before"):
        job_process.work(job)


def test_a_picture_is_dreamt_into(queued: Callable[[VisualizationJob], Job]) -> None:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 36, 3), dtype=np.uint8)).save(file, "PNG")
    picture = base64.b64encode(file.getvalue()).decode()
    wish = VisualizationJob(
        **NET, layer="conv1", size=36, steps=2, octaves=2, picture=picture, precision="fp32", device="cpu"
    )
    job = queued(wish)
    assert visualization.result(job) is None
    assert job_process.work(job).state == "finished"
    made = visualization.result(job)
    assert made is not None
    assert made.image.shape == made.original.shape == (24, 36, 3)
    assert not np.array_equal(made.image, made.original)
    assert made.layer == "conv1"
    assert made.after > made.before
    assert job.read_request() == wish
    latest = visualization.latest("shufflenet_v2_x0_5", "none", deep=True)
    assert latest is not None
    assert latest.id == job.id
    assert visualization.latest("shufflenet_v2_x0_5", "none", deep=False) is None


def test_asked_to_stop(queued: Callable[[VisualizationJob], Job]) -> None:
    job = queued(VisualizationJob(**NET, layer="conv1", channels=(0,), size=32, steps=50, device="cpu"))

    def stop(record: dict) -> None:
        if record.get("done", 0) >= 2:
            job.request_stop()

    assert job_process.work(job, stop).state == "stopped"


def test_a_run_that_was_deleted_meanwhile(queued: Callable[[VisualizationJob], Job]) -> None:
    job = queued(VisualizationJob("20200101T000000Z-gone-0000", "conv1", channels=(0,)))
    with pytest.raises(InputError, match="neither a run"):
        job_process.work(job)
    assert job.state == "failed"
    assert "neither a run" in job.status().message


def test_a_damaged_request(tmp_path: Path) -> None:
    job = JobStore("dreams").create({"reference": "resnet18"})
    with pytest.raises(InputError, match="damaged"):
        job_process.work(job)
    assert VisualizationJob.from_record(VisualizationJob("a", "b", place=(1, 2)).as_record()).place == (1, 2)
    assert visualization.latest("a", "default", deep=False, runs_dir=tmp_path) is None
