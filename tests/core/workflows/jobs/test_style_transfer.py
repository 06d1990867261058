"""Style transfer as a job: pictures on the way, losses, Gram matrices, a cancel, and what is refused."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from core.data.encoding import from_text, to_text
from core.data.images import open_image
from core.errors import InputError
from core.models.network import bare
from core.runs.jobs import Job, JobStore
from core.workflows.jobs import job_process
from core.workflows.jobs.style_transfer import StyleRequest, precision_for, result

CONTENT = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
LOOK = Image.new("RGB", (70, 50), (200, 40, 20))
ASKED = StyleRequest(
    "mnist_cnn",
    to_text(CONTENT, 64),
    to_text(LOOK, 64),
    "none",
    "conv1",
    ("conv1", "conv2"),
    size=64,
    steps=8,
    device="cpu",
)


def made(request: StyleRequest = ASKED) -> Job:
    return JobStore("styles").create(request.as_record())


def test_pictures_losses_and_gram_matrices_are_kept() -> None:
    job = made()
    assert result(job) is None
    status = job_process.work(job)
    assert (status.state, status.done, status.total) == ("finished", 8, 8)
    found = result(job)
    assert found is not None
    assert found.frames == tuple(range(1, 9))
    assert {len(values) for values in found.losses.values()} == {8}
    pictures = [np.array(Image.open(io.BytesIO(found.frame(step)))) for step in (1, 8)]
    assert pictures[0].shape == (64, 64, 3)
    assert not np.array_equal(*pictures)
    grams = found.grams()
    assert list(grams) == ["conv1", "conv2"]
    assert grams["conv2"]["result"].shape == (20, 20)
    with pytest.raises(InputError, match="after step 99 is not there"):
        found.frame(99)


def test_a_long_one_keeps_some_pictures_and_the_last() -> None:
    job = made(replace(ASKED, steps=101))
    job_process.work(job)
    found = result(job)
    assert found is not None
    assert found.frames[:3] == (1, 2, 4)
    assert found.frames[-1] == 101
    assert len(found.frames) < 32


def test_what_was_painted_before_a_cancel_is_kept() -> None:
    job = made(replace(ASKED, steps=200))

    def cancel(record: dict[str, object]) -> None:
        if record["done"] == 5:
            job.request_stop()

    assert job_process.work(job, cancel).state == "stopped"
    found = result(job)
    assert found is not None
    assert found.frames
    assert found.grams() == {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"content": "no picture"}, "damaged"),
        ({"look": "aGFsbG8="}, "image"),
        ({"style_layers": ("nowhere",)}, "nowhere"),
        ({"size": 4}, "size is 4"),
        ({"reference": "no-such"}, "no-such"),
    ],
)
def test_what_cannot_be_is_said(change: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        job_process.work(made(replace(ASKED, **change)))  # type: ignore[arg-type]


def test_pictures_go_into_a_request_and_out_again() -> None:
    assert open_image(from_text(to_text(LOOK, 32))).size == (32, 23)


def test_the_faster_number_format_is_tried_where_it_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[str, str]] = []

    def choose(wanted, _device, work, of):
        work()
        tried.append((wanted, of))
        return "bf16"

    monkeypatch.setattr("core.training.optim.precision.choose_precision", choose)
    network = bare("mnist_cnn", "none")
    plan = ASKED.plan()
    assert precision_for(network, CONTENT, LOOK, plan) == "fp32"
    assert not tried
    assert precision_for(network, CONTENT, LOOK, replace(plan, steps=200, size=128)) == "bf16"
    assert tried == [("auto", "style mnist_cnn 64 conv1 ('conv1', 'conv2')")]
