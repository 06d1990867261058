"""The folder of an autoencoder: figures, pictures, map and weights, written by its process, read by the pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.runs.files import read_arrays
from core.runs.jobs import Job
from core.workflows.autoencoder.request import AutoencoderRequest

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from core.training.autoencoder.training import Autoencoder

WEIGHTS, ENCODER, SHOWN, MAP = "autoencoder.safetensors", "encoder.safetensors", "shown.npz", "map.npz"


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
        return read_arrays(self.job.path / epoch_file(epoch))["given"]

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

        found = self.map()
        values = places.astype("float32") @ found["axes"].astype("float32") + found["mean"].astype("float32")
        model = _loaded(self.job.path / WEIGHTS, self.request)
        with torch.no_grad():
            return as_bytes(model.decode(torch.from_numpy(values)))


def result(job: Job) -> AutoencoderResult | None:
    """Returns what a job has so far; ``None`` where there is nothing yet, or it is damaged."""
    record = job.result
    try:
        request = job.read_request()
        if not isinstance(request, AutoencoderRequest) or not record["rows"]:
            return None
        rows = tuple({name: float(value) for name, value in row.items()} for row in record["rows"])
        names = ("latents", "out_side", "parameters", "pca_mse", "copy_mse", "encoder_file", "seconds")
        return AutoencoderResult(request, rows, **{name: record[name] for name in names}, job=job)
    except (InputError, KeyError, TypeError, ValueError, AttributeError):
        return None


def as_bytes(pictures: torch.Tensor) -> NDArray[np.uint8]:
    """Returns pictures B x C x H x W as B x H x W x 3 with 256 levels; what leaves 0..1 is cut off."""
    from core.interpret.visualization.fourier_image import to_bytes

    return to_bytes(pictures)


def epoch_file(epoch: int) -> str:
    """Returns what the file with the pictures after an epoch is called."""
    return f"epoch-{epoch:05d}.npz"


def _loaded(path: Path, request: AutoencoderRequest) -> Autoencoder:
    try:
        return _model(path, path.stat().st_mtime_ns, request)
    except OSError as error:
        raise InputError("The file {file} of the autoencoder is not there any more.", file=path.name) from error


@lru_cache(maxsize=4)
def _model(path: Path, _stamp: int, request: AutoencoderRequest) -> Autoencoder:
    from core.models.network import load_into
    from core.training.autoencoder.training import Autoencoder

    model = Autoencoder(request.encoder, request.decoder, request.channels, request.side)
    load_into(model, path)
    return model.eval()
