"""An autoencoder as a job: figures and pictures over the epochs, its map, its encoder for a classifier, refusals."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.models.network import assemble
from core.runs.jobs import Job, JobStore
from core.specs import DataSpec, Piece
from core.training.autoencoder.designs import DESIGNS
from core.workflows.autoencoder.classifier import classifiers
from core.workflows.autoencoder.folder import AutoencoderResult, result
from core.workflows.autoencoder.request import AutoencoderRequest
from core.workflows.jobs import job_process
from core.workflows.network_loading import build_network

NOTES = DESIGNS["notes"].make(1, 28, 0)
ASKED = AutoencoderRequest(
    DataSpec("digits", val_share=0.3), *NOTES, epochs=2, images=96, corruption="noise", device="cpu"
)


def made(request: AutoencoderRequest = ASKED) -> Job:
    return JobStore("autoencoders").create(request.as_record())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> AutoencoderResult:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKBONE_LAB_DATA", str(folder / "data"))
        job = JobStore("autoencoders", folder).create(ASKED.as_record())
        status = job_process.work(job)
        assert (status.state, status.done, status.total) == ("finished", 6, 6)
        found = result(job)
    assert found is not None
    return found


def test_the_notes_network_has_557_parameters_and_gives_31_px_of_28(finished: AutoencoderResult) -> None:
    assert (finished.parameters, finished.latents, finished.out_side) == (557, 196, 31)
    assert finished.given_back(0).shape == (8, 31, 31, 3)


def test_its_way_over_the_epochs_is_kept(finished: AutoencoderResult) -> None:
    assert [row["epoch"] for row in finished.rows] == [0, 1, 2]
    assert finished.rows[2]["val_mse"] < finished.rows[0]["val_mse"]
    shown = finished.shown()
    assert shown["original"].shape == shown["seen"].shape == (8, 28, 28, 3)
    assert not np.array_equal(shown["original"], shown["seen"])  # with noise
    assert not np.array_equal(finished.given_back(0), finished.given_back(2))
    assert finished.copy_mse > 0
    with pytest.raises(InputError, match="epoch-00009"):
        finished.given_back(9)


def test_the_map_lays_pictures_out_and_can_be_walked(finished: AutoencoderResult) -> None:
    found = finished.map()
    count = len(found["labels"])
    assert found["places"].shape == (count, 2)
    assert found["axes"].shape == (2, 196)
    assert np.allclose(found["axes"] @ found["axes"].T, np.eye(2), atol=1e-4)
    walked = finished.decode(np.array([[0.0, 0.0], [3.0, -2.0]]))
    assert walked.shape == (2, 31, 31, 3)
    assert not np.array_equal(*walked)


def test_a_plane_of_two_values_is_its_own_map() -> None:
    request = dataclasses.replace(ASKED, epochs=1)
    encoder, decoder = DESIGNS["plane"].make(1, 28, 2)
    job = made(dataclasses.replace(request, encoder=encoder, decoder=decoder, corruption="none"))
    job_process.work(job)
    found = result(job)
    assert found is not None
    assert (found.latents, found.out_side) == (2, 28)
    assert found.pca_mse is not None
    laid = found.map()
    again = found.decode(laid["places"][:5])
    assert np.abs(again.astype(int) - laid["given"][:5].astype(int)).max() <= 1


def test_its_encoder_starts_a_classifier(finished: AutoencoderResult) -> None:
    handed_on, random = classifiers(finished, epochs=3, per_class=5)
    assert handed_on.model.weights == f"file:{finished.encoder_file}"
    assert random.model == dataclasses.replace(handed_on.model, weights="none")
    assert (handed_on.training, handed_on.freeze, handed_on.data) == (random.training, random.freeze, random.data)
    assert handed_on.data.images_per_class == 5
    network = build_network(handed_on.model, ("0", "1", "2"), seed=0)
    assert network.transferred is not None
    assert {name.rpartition(".")[0] for name in network.transferred.copied} == {"conv1", "conv2"}
    fresh = assemble(random.model, ("0", "1", "2"), seed=0)
    assert not np.array_equal(
        fresh.model.state_dict()["conv1.weight"].numpy(), network.model.state_dict()["conv1.weight"].numpy()
    )
    gone = dataclasses.replace(finished, encoder_file=str(Path(finished.encoder_file).with_name("gone.safetensors")))
    with pytest.raises(InputError, match="not there any more"):
        classifiers(gone)


def test_it_can_be_cancelled_and_keeps_what_it_has() -> None:
    job = made(dataclasses.replace(ASKED, epochs=50))

    def cancel(record: dict[str, object]) -> None:
        if record["doing"] == "training" and record["done"] == 4:
            job.request_stop()

    assert job_process.work(job, cancel).state == "stopped"
    found = result(job)
    assert found is not None
    assert [row["epoch"] for row in found.rows] == [0, 1]
    assert found.encoder_file == ""


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"channels": 2}, "channels is 2"),
        ({"side": 4}, "side is 4"),
        ({"loss": "hinge"}, "loss is hinge"),
        ({"corruption": "rain"}, "corruption is rain"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"epochs": 0}, "epochs is 0"),
        ({"lr": 0.0}, "lr is 0"),
        ({"images": 1}, "images is 1"),
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        dataclasses.replace(ASKED, **values)  # type: ignore[arg-type]


def test_a_decoder_that_gives_no_picture_fails_with_a_sentence() -> None:
    job = made(dataclasses.replace(ASKED, decoder=(Piece("conv", size=3, kernel=1),)))
    with pytest.raises(InputError, match="The decoder gives 3 x 7 x 7"):
        job_process.work(job)
    assert job.state == "failed"
