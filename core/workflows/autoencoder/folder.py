"""The folder of an autoencoder: figures, pictures, map and weights, written by its process, read by the pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.runs.files import read_arrays
from core.runs.jobs import Job
from core.workflows import picture_networks
from core.workflows.autoencoder.request import AutoencoderRequest
from core.workflows.picture_networks import SHOWN, Rows, read_result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.training.autoencoder.training import Autoencoder

WEIGHTS, ENCODER, MAP = "autoencoder.safetensors", "encoder.safetensors", "map.npz"


@dataclass(frozen=True, slots=True)
class AutoencoderResult:
    """What a job has so far.

    Attributes:
        request: What was asked for.
        rows: For each epoch, that before the first included: ``epoch``, ``train_loss``, ``val_loss``, ``val_mse``.
        latents: Number of values of the narrow place.
        out_side: Side of what is given back, in pixels.
        parameters: Number of parameters.
        pca_mse: What principal components of equal width leave, over the same pictures; ``None`` where there are
            fewer pictures or pixels than that, or before the end.
        copy_mse: What leaving the spoiled pictures as they are leaves.
        encoder_file: The encoder's weights, to be handed on; empty before the end.
        seconds: Of the training.
        job: The job's folder.
    """

    request: AutoencoderRequest
    rows: tuple[Mapping[str, float], ...]
    latents: int
    out_side: int
    parameters: int
    pca_mse: float | None
    copy_mse: float
    encoder_file: str
    seconds: float
    job: Job

    def shown(self) -> dict[str, NDArray[np.uint8]]:
        """Returns the pictures whose way is kept: ``original`` and ``seen``, N x S x S x 3.

        Raises:
            InputError: They are not there any more.
        """
        return read_arrays(self.job.path / SHOWN)

    def given_back(self, epoch: int) -> NDArray[np.uint8]:
        """Returns what was given back of them after an epoch, N x T x T x 3; 0 is before the first.

        Raises:
            InputError: It is not there any more.
        """
        return picture_networks.of_epoch(self.job, epoch)

    def map(self) -> dict[str, NDArray[Any]]:
        """Returns the map of held-out pictures.

        ``places`` N x 2, ``labels`` N, ``original`` and ``given`` N x S x S x 3, ``mean`` D and ``axes`` 2 x D of the
        plane that is walked through, and ``classes``.

        Raises:
            InputError: It is not there (any more).
        """
        return read_arrays(self.job.path / MAP)

    def decode(self, places: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
        """Returns the pictures at places of the map, N x T x T x 3.

        Raises:
            InputError: The weights are not there any more.
        """
        import torch

        from core.interpret.visualization.fourier_image import to_bytes

        found = self.map()
        values = places.astype("float32") @ found["axes"].astype("float32") + found["mean"].astype("float32")
        model = picture_networks.loaded(self.job.path / WEIGHTS, self.request, _autoencoder)
        with torch.no_grad():
            return to_bytes(model.decode(torch.from_numpy(values)))


def result(job: Job) -> AutoencoderResult | None:
    """Returns what a job has so far; ``None`` where there is nothing yet, or it is damaged."""

    def made(request: AutoencoderRequest, rows: Rows, record: Mapping[str, Any]) -> AutoencoderResult | None:
        names = ("latents", "out_side", "parameters", "pca_mse", "copy_mse", "encoder_file", "seconds")
        return AutoencoderResult(request, rows, **{name: record[name] for name in names}, job=job) if rows else None

    return read_result(job, AutoencoderRequest, made)


def _autoencoder(request: AutoencoderRequest) -> Autoencoder:
    from core.training.autoencoder.training import Autoencoder

    return Autoencoder(request.encoder, request.decoder, request.channels, request.side)
