"""The plain loop's training in other people's software, where it is installed: Lightning, and Keras on torch.

Neither is a requirement of the project. Each gets the same files, transforms, batches, optimizer and plan as the plain
loop, and is asked for one epoch at a time.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from core.models.network import Network

KERAS_NETWORKS = {"mobilenet_v2": "MobileNetV2", "resnet50": "ResNet50", "vgg16": "VGG16", "densenet121": "DenseNet121"}
"""Backbones that Keras has too, and what it calls them."""


def installed(backbone: str) -> dict[str, Callable[[Network, dict[str, DataLoader[Any]]], Iterator[float]]]:
    """Returns the peers that are here and know this backbone: name -> maker of an iterator over seconds an epoch."""
    found = {}
    if importlib.util.find_spec("lightning"):
        found["lightning"] = lightning_epochs
    if importlib.util.find_spec("keras") and backbone in KERAS_NETWORKS:
        found["keras"] = lambda network, loaders: keras_epochs(backbone, network, loaders)
    return found


def lightning_epochs(network: Network, loaders: dict[str, DataLoader[Any]]) -> Iterator[float]:
    """Trains with ``lightning.Trainer`` and yields the seconds of each epoch."""
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = network.model

        def training_step(self, batch: Any, _index: int) -> torch.Tensor:
            return F.cross_entropy(self.model(batch[0]), batch[1])

        def validation_step(self, batch: Any, _index: int) -> None:
            logits = self.model(batch[0])
            self.log("loss", F.cross_entropy(logits, batch[1]))
            self.log("accuracy", (logits.argmax(1) == batch[1]).float().mean())

        def configure_optimizers(self) -> torch.optim.Optimizer:
            learning = [p for p in self.parameters() if p.requires_grad]
            return torch.optim.SGD(learning, lr=1e-3, momentum=0.9)

    module = Module()
    while True:
        trainer = lightning.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        begin = time.perf_counter()
        trainer.fit(module, loaders["train"], loaders["val"])
        yield time.perf_counter() - begin


def keras_epochs(backbone: str, network: Network, loaders: dict[str, DataLoader[Any]]) -> Iterator[float]:
    """Trains Keras' network of the same name on torch and yields the seconds of each epoch.

    What learns is either everything or the new head alone.
    """
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    size = network.preprocessing.crop
    body = getattr(keras.applications, KERAS_NETWORKS[backbone])(
        weights=None, include_top=False, pooling="avg", input_shape=(size, size, 3)
    )
    body.trainable = all(parameter.requires_grad for parameter in network.model.parameters())
    colours_last = keras.layers.Permute((2, 3, 1), input_shape=(3, size, size))
    model = keras.Sequential([colours_last, body, keras.layers.Dense(len(network.classes))])
    model.compile(
        keras.optimizers.SGD(1e-3, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

    while True:
        begin = time.perf_counter()
        model.fit(loaders["train"], verbose=0, validation_data=loaders["val"])
        yield time.perf_counter() - begin
