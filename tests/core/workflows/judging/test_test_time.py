"""Test-time augmentation: which views there are, their mean, and what the comparison says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data.augment import Augmenter
from core.data.operations.draws import drawn
from core.data.pixel_store import PixelStore, centre
from core.errors import InputError
from core.runs.jobs import JobStore
from core.runs.store import Run, RunStore
from core.specs import AugmentSpec, DataSpec, Experiment, FreezePlan, ModelSpec, Phase, Preprocessing, TrainingSpec
from core.workflows.evaluate import recorded
from core.workflows.jobs import job_process
from core.workflows.jobs.judging.test_time import ViewsRequest, result
from core.workflows.judging import test_time
from core.workflows.judging.test_time import TestTime, Views, average_views, problem
from core.workflows.trainer_process import worker

STRONG = AugmentSpec(flip=True, crop_scale=0.4, color=0.3)


def trained(folder: Path, augment: AugmentSpec = STRONG, model: ModelSpec | None = None) -> Run:
    task = Experiment(
        DataSpec(str(folder), 0.25, 0.25),
        model or ModelSpec("mnist_cnn", "none"),
        TrainingSpec("scratch", (Phase("all", "plan", 1, lr=0.001),), device="cpu", precision="fp32"),
        FreezePlan("all"),
        augment=augment,
    )
    run = RunStore().create(task)
    worker.work(run)
    return run


@pytest.fixture
def run(image_folder: Callable[..., Path]) -> Run:
    return trained(image_folder(images=16))


def test_the_views_are_what_they_say() -> None:
    prep = Preprocessing(40, 32)
    canvases = torch.randint(0, 256, (3, 3, 40, 40), dtype=torch.uint8)
    middle = centre(canvases, prep)
    mirror = test_time._Made(Views("mirror"), STRONG, prep)
    assert torch.equal(mirror(canvases, range(3), 0), middle)
    assert torch.equal(mirror(canvases, range(3), 1), middle.flip(-1))
    crops = test_time._Made(Views("crops"), STRONG, prep)
    found = [crops(canvases, range(3), number) for number in range(crops.count)]
    corners = [middle, *(canvases[..., y : y + 32, x : x + 32] for y in (0, 8) for x in (0, 8))]
    assert len(found) == 10
    for place, corner in enumerate(corners):
        assert torch.equal(found[2 * place], corner)
        assert torch.equal(found[2 * place + 1], corner.flip(-1))
    draws = test_time._Made(Views("draws", 2, seed=5), STRONG, prep)
    assert torch.equal(draws(canvases, (4, 2, 9), 0), middle)
    augmenter = Augmenter(STRONG, 32)
    lots = drawn(5, 1, np.array([4, 2, 9]), augmenter.numbers)
    assert torch.equal(draws(canvases, (4, 2, 9), 2), augmenter(canvases, lots))


def test_the_first_view_is_what_the_run_is_judged_by(run: Run) -> None:
    judged = recorded(run)["test"]
    found = average_views(run, Views("draws", 3), most=0, device="cpu")
    assert found.accuracies[0] == pytest.approx(judged.scores.accuracy)
    assert found.log_losses[0] == pytest.approx(judged.scores.log_loss, abs=1e-5)
    assert len(found.accuracies) == found.views == 4
    assert average_views(run, Views("draws", 3), most=0, device="cpu") == found
    assert average_views(run, Views("draws", 3, seed=1), most=0, device="cpu").log_losses != found.log_losses


def test_the_mean_is_of_softmaxes(run: Run) -> None:
    from core import settings
    from core.data.images import normalise
    from core.workflows.checkpoints import network_at
    from core.workflows.images import reopen

    network, dataset = network_at(run), reopen(run)
    dataset = dataset.subset(dataset.positions("test"))
    with PixelStore(dataset, network.preprocessing, max_bytes=settings.pixel_cache_limit()) as store:
        images = store.batch(range(len(dataset)))
    with torch.no_grad():
        both = [network.model(normalise(x, network.preprocessing)).softmax(1) for x in (images, images.flip(-1))]
    labels = torch.tensor([item.label for item in dataset.items])
    mean = (both[0] + both[1]) / 2
    found = average_views(run, Views("mirror"), most=0, device="cpu")
    assert found.accuracies[1] == pytest.approx(float((mean.argmax(1) == labels).float().mean()))
    loss = torch.nn.functional.nll_loss(mean.log(), labels)
    assert found.log_losses[1] == pytest.approx(float(loss), abs=1e-5)


def test_the_difference_is_tested_on_the_same_pictures() -> None:
    found = TestTime("test", 100, "mirror", 2, (0.8, 0.9), 100, 10, 0, (0.5, 0.4))
    assert found.difference[0] == pytest.approx(0.1)
    assert found.difference[1][0] > 0
    assert found.p_value == pytest.approx(2 * 0.5**10)  # exact: ten of ten fall one way
    assert TestTime.from_record(found.as_record()) == found
    with pytest.raises(KeyError):
        TestTime.from_record({})


def test_over_groups_the_difference_is_one_of_groups() -> None:
    """Ten pictures gained in one group say next to nothing; in ten groups they say as much as ten pictures alone."""
    alone = TestTime("test", 100, "mirror", 2, (0.8, 0.9), 100, 10, 0, (0.5, 0.4))
    one = replace(alone, groups=((10, 0, 10), *(((10, 10, 10),) * 8), (10, 0, 0)))
    ten = replace(alone, groups=(((10, 8, 9),) * 10))
    assert one.difference[0] == ten.difference[0] == pytest.approx(0.1)
    assert one.difference[1][0] < 0 < ten.difference[1][0]
    assert one.p_value == 1
    assert ten.p_value == pytest.approx(alone.p_value)
    assert one.without[0] == 0.8
    low, high = one.without[1]
    assert high - low > 1.5 * (alone.without[1][1] - alone.without[1][0])
    assert TestTime.from_record(one.as_record()) == one


def test_what_has_no_views_is_refused_in_words(image_folder: Callable[..., Path]) -> None:
    run = trained(image_folder(images=16), AugmentSpec())
    with pytest.raises(InputError, match="without augmentation"):
        average_views(run, Views("draws"))
    whole = problem(run, Preprocessing(32, 32), "crops")
    assert whole is not None
    assert "whole" in str(whole)
    for views in ({"way": "corners"}, {"way": "draws", "draws": 0}, {"way": "draws", "draws": 65}):
        with pytest.raises(InputError):
            Views(**views)


def test_the_job_leaves_what_it_found(run: Run) -> None:
    request = ViewsRequest(run.id, "1", "val", 0, "mirror", 8)
    job = JobStore("views").create(request.as_record())
    assert job_process.work(job).state == "finished"
    found = result(job)
    assert found is not None
    assert (found.split, found.views) == ("val", 2)
    (job.path / "result.json").write_text('{"split": "val"}')
    assert result(job) is None
