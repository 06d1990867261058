"""Training an autoencoder in a process of its own, and keeping what is to be seen.

This module loads no torch before the work begins.
"""

from __future__ import annotations

import math
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.runs.files import write_arrays
from core.runs.jobs import Job
from core.workflows import picture_networks, split_pictures
from core.workflows.autoencoder.folder import ENCODER, MAP, WEIGHTS, result
from core.workflows.autoencoder.request import AutoencoderRequest
from core.workflows.jobs.job_process import JobContext
from core.workflows.picture_networks import SHOWN

if TYPE_CHECKING:
    import torch

    from core.training.autoencoder.training import Autoencoder, EpochResult

__all__ = ["AutoencoderRequest", "result", "work"]

KEPT, MAPPED = 8, 500
"""Held-out pictures whose way is kept over the epochs; those that the map shows at most."""
_COMPARED = 256
"""Most latent values for which principal components of equal width are worked out."""


def work(request: AutoencoderRequest, context: JobContext) -> None:
    """Trains it and keeps what is to be seen."""
    import torch

    from core.device import resolve_device
    from core.training.autoencoder.training import Autoencoder, pca_mse, spoil, train

    device = resolve_device(request.device)
    model = Autoencoder(request.encoder, request.decoder, request.channels, request.side, request.seed).to(device)
    context.step("reading images")
    found = split_pictures.read(
        request.data,
        {"train": request.images, "val": max(MAPPED, request.images // 4)},
        channels=request.channels,
        side=request.side,
        seed=request.seed,
        roots=context.roots,
        progress=partial(context.step, "reading images"),
    )
    pictures, held_out = found["train"].values.to(device), found["val"].values.to(device)
    labels, classes = found["val"].labels.tolist(), found["val"].classes
    recipe = request.recipe()
    spoiled = spoil(held_out, recipe)
    keeper = _Keeper(request, context, model, spoiled[:KEPT], held_out[:KEPT])
    begin = time.monotonic()
    train(model, pictures, held_out, recipe, on_epoch=keeper, on_step=partial(context.step, "training"))
    keeper.record["seconds"] = round(time.monotonic() - begin, 2)
    width = keeper.record["latents"]
    keeper.record["copy_mse"] = float(torch.nn.functional.mse_loss(spoiled, held_out))
    steps = request.epochs * -(-len(pictures) // request.batch_size)
    context.progress("comparing", steps, steps)
    if width <= _COMPARED:
        keeper.record["pca_mse"] = pca_mse(pictures, spoiled, held_out, width)
    _keep_map(context.job, model, spoiled[:MAPPED], held_out[:MAPPED], labels[:MAPPED], classes)
    keeper.record["encoder_file"] = _keep_weights(context.job, model)
    keeper.write()


class _Keeper:
    """Keeps figures and pictures of a job as its epochs come."""

    def __init__(
        self,
        request: AutoencoderRequest,
        context: JobContext,
        model: Autoencoder,
        spoiled: torch.Tensor,
        originals: torch.Tensor,
    ) -> None:
        from core.interpret.visualization.fourier_image import to_bytes
        from core.training.autoencoder.designs import sizes

        down, up = sizes(request.encoder, request.decoder, request.channels, request.side)
        self._job, self._model, self._spoiled = context.job, model, spoiled
        self.record: dict[str, Any] = {
            "rows": [],
            "latents": math.prod(down[-1].shape),
            "out_side": up[-1].shape[1],
            "parameters": sum(step.parameters for step in (*down, *up)),
            "pca_mse": None,
            "copy_mse": 0.0,
            "encoder_file": "",
            "seconds": 0.0,
        }
        write_arrays(self._job.path / SHOWN, original=to_bytes(originals), seen=to_bytes(spoiled))

    def __call__(self, row: EpochResult) -> None:
        from core.training.autoencoder.training import give_back

        picture_networks.keep_epoch(self._job, row.epoch, give_back(self._model, self._spoiled))
        self.record["rows"].append(
            {"epoch": row.epoch, "train_loss": row.train_loss, "val_loss": row.val_loss, "val_mse": row.val_mse}
        )
        self.write()

    def write(self) -> None:
        """Writes down what there is so far."""
        self._job.write_result(self.record)


def _keep_map(
    job: Job,
    model: Autoencoder,
    spoiled: torch.Tensor,
    held_out: torch.Tensor,
    labels: list[int],
    classes: tuple[str, ...],
) -> None:
    """Lays held-out pictures out by their latent values: themselves where these are two, else their two main axes."""
    import numpy as np
    import torch

    from core.interpret.visualization.fourier_image import to_bytes
    from core.training.autoencoder.training import give_back, latents_of

    values = latents_of(model, spoiled).cpu()
    if values.shape[1] == 2:
        mean, axes = torch.zeros(2), torch.eye(2)
    else:
        mean = values.mean(0)
        count = min(2, *values.shape)
        _u, _s, found = torch.svd_lowrank(values - mean, q=min(count + 4, *values.shape), niter=4)
        axes = torch.zeros(2, values.shape[1])
        axes[:count] = found[:, :count].T
    write_arrays(
        job.path / MAP,
        places=((values - mean) @ axes.T).numpy(),
        labels=np.array(labels, np.int64),
        classes=np.array(classes),
        original=to_bytes(held_out),
        given=to_bytes(give_back(model, spoiled)),
        mean=mean.numpy(),
        axes=axes.numpy(),
    )


def _keep_weights(job: Job, model: Autoencoder) -> str:
    """Keeps all weights in the job's folder, and the encoder's among the uploads, whence any network can take them."""
    from core.models.network import save_state
    from core.models.weights import uploads

    save_state(model.state_dict(), job.path / WEIGHTS)
    path = job.path / ENCODER
    save_state(model.encoder.state_dict(), path)
    try:
        return str(uploads.keep(f"autoencoder-{job.id}.safetensors", path.read_bytes()))
    except InputError:  # no room among the uploads: it is still in the job's folder
        return str(path)
