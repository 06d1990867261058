"""Frozen features under each normalisation."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.data.images import lost
from core.messages import Sentence
from core.runs.jobs import JobStore
from core.specs import DataSpec, ModelSpec, Preprocessing
from core.workflows.advisor.normalisations import Normalised, compare_normalisations
from core.workflows.jobs import job_process
from core.workflows.jobs.judging.normalisations import NormalisationRequest, result


def test_every_normalisation_has_its_own_accuracy(image_folder: Callable[..., Path]) -> None:
    data = DataSpec(str(image_folder("two")))
    spec = ModelSpec("squeezenet1_1", "none", image_size=64, fit="squeeze")
    seen: list[tuple[int, int]] = []
    colours = ((0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
    rows = compare_normalisations(
        data, spec, colours, images_limit=10, progress=lambda _what, done, total: seen.append((done, total))
    )
    assert [row.how for row in rows] == ["weights", "imagenet", "data", "255", "half"]
    assert rows[2].preprocessing.mean == colours[0]
    assert all(row.preprocessing.fit == "squeeze" and row.accuracy is not None for row in rows)
    assert rows[0].preprocessing == rows[1].preprocessing
    assert rows[0].accuracy == rows[1].accuracy
    assert all(done <= total for done, total in seen)
    problem = replace(rows[0], accuracy=None, problem=Sentence("{name} is not here.", {"name": "It"}))
    for row in (*rows, problem):
        assert Normalised.from_record(json.loads(json.dumps(row.as_record()))) == row


def test_the_job_measures_all_and_can_be_cancelled(image_folder: Callable[..., Path]) -> None:
    data = DataSpec(str(image_folder("two")))
    request = NormalisationRequest.of(data, ModelSpec("squeezenet1_1", "none", image_size=64, normalise="half"), "1")
    assert request.model.normalise == "weights"
    job = JobStore("normalisations").create(request.as_record())

    def stop(record: dict[str, Any]) -> None:
        if record["doing"] == "measuring colours":
            job.request_stop()

    assert job_process.work(job, stop).state == "stopped"
    assert result(job) is None
    job = JobStore("normalisations").create(request.as_record())
    assert job_process.work(job).state == "finished"
    rows = result(job)
    assert rows is not None
    assert [row.how for row in rows] == ["weights", "imagenet", "data", "255", "half"]


def test_what_a_crop_cuts_off_is_in_pixels_of_the_image() -> None:
    slices = Preprocessing(176, 176)
    assert lost((208, 176), slices) == (16.0, 0.0)
    assert lost((512, 256), Preprocessing(256, 224)) == (144.0, 16.0)
    assert lost((208, 176), slices.fitted("pad")) == (0.0, 0.0)
