"""The map of all images: near means alike, whatever draws it; the same images give the same map."""

from __future__ import annotations

import importlib.util
import json
import time

import numpy as np
import pytest

from core.runs.jobs import JobStore
from core.specs import DataSpec
from core.workflows.data_check import picture_map
from core.workflows.data_check.picture_map import PictureMap, project
from core.workflows.jobs import picture_map as job
from core.workflows.jobs.picture_map import MapRequest


def clusters(count: int, groups: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    labels = np.arange(count) % groups
    vectors = chance.normal(size=(groups, 64))[labels] + 0.15 * chance.normal(size=(count, 64))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("method", ["t-sne", "pca"])
def test_alike_pictures_lie_near_each_other_and_the_map_repeats(method: str, monkeypatch) -> None:
    monkeypatch.setattr(picture_map, "TSNE_MOST", 2000 if method == "t-sne" else 10)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    vectors, labels = clusters(150)
    points, used = project(vectors)
    assert used == method
    assert points.min() == 0
    assert points.max() == 1
    far = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(far, np.inf)
    assert (labels[far.argmin(axis=1)] == labels).mean() > 0.98
    assert np.array_equal(project(vectors)[0], points)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_few_pictures_and_equal_ones_have_places_too(count: int) -> None:
    for vectors in (clusters(count)[0], np.ones((count, 64), np.float32) / 8):
        points, _ = project(vectors)
        assert points.shape == (count, 2)
        assert np.isfinite(points).all()


def test_five_thousand_pictures_are_laid_out_in_seconds(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    start = time.perf_counter()
    project(np.random.default_rng(0).normal(size=(5000, 1280)).astype(np.float32))
    assert time.perf_counter() - start < 20  # the figure itself is measured by the benchmark


def test_the_job_writes_the_map_of_the_images_that_can_be_read(image_folder, monkeypatch) -> None:
    from core.workflows.data_check import features

    folder = image_folder("some", images=6)
    (folder / "red" / "broken.png").write_bytes(b"no picture")
    monkeypatch.setattr(features, "Eye", lambda: None)
    monkeypatch.setattr(features, "features_of", lambda images, *_args: clusters(sum(1 for _ in images))[0])
    request = MapRequest(DataSpec(str(folder)))
    made = JobStore("maps").create(request.as_record())

    class Context:
        job, roots = made, None
        cancelled = staticmethod(lambda: False)
        progress = staticmethod(lambda *_args: None)

    job.work(made.read_request(), Context())  # type: ignore[arg-type]
    found = job.result(made)
    assert found is not None
    assert len(found.keys) == len(found.points) == 12
    assert "red/broken.png" not in found.keys
    again = PictureMap.from_record(json.loads(json.dumps(found.as_record())))
    assert again.keys == found.keys
    made.write_result({"keys": ["a"], "points": [[1, 2], [3, 4]], "method": "pca"})
    assert job.result(made) is None
