"""A classifier that begins with an autoencoder's encoder, and one that begins with random weights. Loads no torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.errors import InputError
from core.specs import Experiment, FreezePlan, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.autoencoder.folder import AutoencoderResult

RATE, BATCH = 3e-3, 16
"""So that some two hundred pictures are enough to learn from: in larger steps neither start leaves guessing."""


def classifiers(result: AutoencoderResult, epochs: int = 40, per_class: int | None = None) -> tuple[Experiment, ...]:
    """Returns two trainings of the encoder as a classifier: from the autoencoder's weights, and from random ones.

    Args:
        result: A finished autoencoder.
        epochs: Of each.
        per_class: Pictures of each class to learn from at most; few labels are where handed-on weights help.

    Raises:
        InputError: It has kept no encoder.
    """
    if not result.encoder_file or not Path(result.encoder_file).is_file():
        raise InputError("The encoder's weights are not there any more. Train the autoencoder again.")
    request = result.request
    data = request.data if per_class is None else replace(request.data, images_per_class=per_class)
    phases = make_recipe("scratch", epochs=epochs, lr=RATE).phases
    made = []
    for weights, title in ((f"file:{result.encoder_file}", "encoder handed on"), ("none", "encoder from random")):
        model = ModelSpec(
            "own", weights, image_size=request.side, channels=request.channels, design=request.encoder, fit="squeeze"
        )
        training = TrainingSpec("full", phases, seed=request.seed, batch_size=BATCH, device=request.device)
        made.append(Experiment(data, model, training, FreezePlan("all"), name=f"{title} {result.job.id[-4:]}"))
    return tuple(made)
