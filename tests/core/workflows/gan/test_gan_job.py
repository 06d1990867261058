"""A generator as a job: what its folder holds, its walk, a cancel, refusals; its networks and helpers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from core.errors import InputError
from core.runs.jobs import Job, JobStore
from core.specs import DataSpec
from core.training.gan.pictures import Generator, Recipe, between, generate, make_pair, nearest, train
from core.workflows.gan.job import COUNTED, KEPT, GanResult, result
from core.workflows.gan.request import GanRequest
from core.workflows.jobs import job_process

ASKED = GanRequest(DataSpec("mnist"), epochs=2, images=128, device="cpu")


def made(request: GanRequest = ASKED) -> Job:
    return JobStore("gans").create(request.as_record())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> GanResult:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKBONE_LAB_DATA", str(folder / "data"))
        job = JobStore("gans", folder).create(ASKED.as_record())
        status = job_process.work(job)
        assert (status.state, status.done, status.total) == ("finished", 4, 4)
        found = result(job)
    assert found is not None
    return found


def test_the_same_noise_is_painted_after_every_epoch(finished: GanResult) -> None:
    assert [row["epoch"] for row in finished.rows] == [1, 2]
    pictures = [finished.pictures(epoch) for epoch in (0, 1, 2)]
    assert {part.shape for part in pictures} == {(KEPT, 28, 28, 3)}
    assert not np.array_equal(pictures[0], pictures[2])
    assert all(0 < row[name] < 1 for row in finished.rows for name in ("real", "generated"))
    with pytest.raises(InputError, match="epoch-00009"):
        finished.pictures(9)


def test_what_it_makes_is_counted_and_compared(finished: GanResult) -> None:
    assert finished.whole
    assert sum(finished.counts.values()) == COUNTED
    assert list(finished.counts) == [str(digit) for digit in range(10)]
    assert finished.nearest().shape == (KEPT, 28, 28, 3)
    assert finished.parameters == (58_721, 10_097)  # by hand: 50,176 + 64 + 8,192 + 32 + 257; 272 + 8,192 + 64 + 1,569


def test_a_walk_begins_and_ends_at_the_kept_pictures(finished: GanResult) -> None:
    walked, last = finished.walk(3, 7, 5), finished.pictures(2)
    assert walked.shape == (5, 28, 28, 3)
    for step, place in ((0, 3), (4, 7)):
        assert np.abs(walked[step].astype(int) - last[place].astype(int)).max() <= 1
    assert not np.array_equal(walked[2], walked[0])


def test_it_can_be_cancelled_and_keeps_what_it_has() -> None:
    job = made(dataclasses.replace(ASKED, epochs=50))

    def cancel(record: dict[str, object]) -> None:
        if record["doing"] == "training" and record["done"] == 3:
            job.request_stop()

    assert job_process.work(job, cancel).state == "stopped"
    found = result(job)
    assert found is not None
    assert [row["epoch"] for row in found.rows] == [1]
    assert not found.whole


def test_the_discriminator_learns_to_tell_and_the_same_seed_does_the_same() -> None:
    pictures = torch.zeros(64, 1, 28, 28)
    pictures[:, :, 8:20, 8:20] = 1.0
    rows = [train(make_pair(8, 1, 28, 0), pictures, 8, Recipe(epochs=3, batch_size=16)) for _ in range(2)]
    assert rows[0] == rows[1]
    assert rows[0][0].real > rows[0][0].generated


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32), (1, 64)])
def test_pictures_have_the_size_that_is_asked_for(channels: int, side: int) -> None:
    generator, discriminator = make_pair(5, channels, side, 0)
    pictures = generate(generator, torch.randn(3, 5))
    assert pictures.shape == (3, channels, side, side)
    assert float(pictures.min()) >= 0
    assert float(pictures.max()) <= 1
    assert discriminator(pictures).shape == (3,)
    assert isinstance(generator, Generator)


def test_the_way_between_two_noises_keeps_their_length() -> None:
    first, last = torch.nn.functional.normalize(torch.randn(2, 32), dim=1) * 5
    way = between(first, last, 7)
    assert torch.allclose(way[0], first, atol=1e-5)
    assert torch.allclose(way[-1], last, atol=1e-5)
    assert torch.allclose(way.norm(dim=1), torch.full((7,), 5.0), atol=1e-4)
    assert torch.allclose(between(first, first, 3), first.expand(3, 32))


def test_the_nearest_is_the_one_with_the_least_difference() -> None:
    among = torch.rand(6, 1, 4, 4)
    assert nearest(among[[4, 1]] + 0.001, among).tolist() == [4, 1]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"channels": 2}, "channels is 2"),
        ({"side": 30}, "side is 30"),
        ({"noise": 1}, "noise is 1"),
        ({"epochs": 0}, "epochs is 0"),
        ({"generator_steps": 11}, "generator_steps is 11"),
        ({"discriminator_rate": float("nan")}, "discriminator_rate is nan"),
        ({"images": 1}, "images is 1"),
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        dataclasses.replace(ASKED, **values)  # type: ignore[arg-type]
