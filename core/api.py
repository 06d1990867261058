"""Backbone Lab as a library: what ``import core`` offers, one function a step from images to heatmaps.

The functions join what the sub-packages do, with settings that suit most; for the rest there are the sub-packages.
Each name is loaded when it is first used, so that ``import core`` itself loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.data.images import fit, open_image, to_tensor
from core.data.sources import absolute_source
from core.evaluation.predictions import predict_images
from core.interpret.attribution import explain as attribution
from core.interpret.attribution.heatmap import Explanation
from core.interpret.drawing.overlay import draw_heatmap
from core.interpret.features.similarity import LayerChange
from core.interpret.target import class_index
from core.models.catalog import catalog
from core.models.network import Network
from core.runs.store import Run, RunStore
from core.specs import DataSpec, Experiment, ModelSpec, TrainingSpec
from core.training.recipes import make_recipe
from core.workflows.checkpoints import network_named
from core.workflows.inspection.network_comparison import moved
from core.workflows.network_loading import network_of_run
from core.workflows.trainer_process.worker import work

Picture = str | Path | Image.Image
"""An image's file, or the image itself."""


def plan(
    data: str | Path,
    backbone: str = "efficientnet_lite0",
    *,
    preset: str = "linear-probe",
    epochs: int | None = None,
    seed: int = 0,
    device: str = "auto",
    name: str = "",
) -> Experiment:
    """Describes a training without starting it; any other setting is a field of the record that comes back.

    Args:
        data: A folder with one sub-folder a class (or ``train``, ``val`` and ``test`` above them), or the name of an
            embedded data set, such as ``digits``. A fifth of the images validates where the data bring no split.
        backbone: A name in :data:`core.BACKBONES`, with its weights where they are not the usual ones:
            ``resnet18@none`` starts from random weights.
        preset: One of :data:`core.specs.PRESETS` that stand for a recipe, such as ``linear-probe``, ``two-phase`` or
            ``scratch``; see :func:`core.training.recipes.make_recipe`.
        epochs: Epochs in all; ``None`` for the preset's own number.
        seed: Seed of the split, the new weights and the order of the images.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ...
        name: What the run is called.

    Returns:
        The experiment; ``dataclasses.replace`` changes it.

    Raises:
        InputError: The backbone or the preset is unknown, or a value is out of range.
    """
    backbone, _, weights = backbone.partition("@")
    recipe = make_recipe(preset, epochs=epochs, weights=weights or None)
    pretrained = bool(catalog.entries(backbone)) or bool(weights)
    return Experiment(
        DataSpec(absolute_source(str(data)), seed=seed),
        ModelSpec(backbone, recipe.weights if pretrained else "none"),
        TrainingSpec(preset, recipe.phases, seed=seed, device=device),
        recipe.freeze,
        name=name,
    )


def train(
    experiment: Experiment,
    *,
    runs_dir: str | Path | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> Run:
    """Trains in this process, and returns when the run has ended.

    The run waits for its device behind those that are queued for it, and its folder grows as README describes.

    Args:
        experiment: What to do, from :func:`plan`.
        runs_dir: Folder of the runs; by default :func:`core.settings.runs_dir`.
        progress: Receives each event as a plain record; ``event`` names its kind, such as ``epochend``.

    Returns:
        The run. ``run.status()`` has its results, ``run.metrics()`` its epochs, :func:`load` its network.

    Raises:
        InputError: The images, the weights or the device are not to be had, or the training diverged; the run's
            status says so, too.
    """
    run = RunStore(runs_dir).create(experiment, foreground=True)
    work(run, progress or (lambda _: None))
    return run


def load(reference: str | Path | Run, *, runs_dir: str | Path | None = None) -> Network:
    """Loads a network, in eval mode on the CPU.

    Args:
        reference: A run, its id or its folder, for its best weights; ``RUN@start``, ``RUN@last`` or ``RUN@12`` for
            those before training, of the last epoch or of epoch 12; or a backbone with the head and the classes of
            its weights, ``resnet18`` or ``resnet18@none``.
        runs_dir: Where run ids are looked up; by default :func:`core.settings.runs_dir`.

    Raises:
        InputError: There is neither a run nor a backbone of that name, or its weights are not to be had.
    """
    return network_of_run(reference) if isinstance(reference, Run) else network_named(str(reference), runs_dir=runs_dir)


def predict(network: Network, images: Sequence[Picture]) -> NDArray[np.float32]:
    """Classifies images.

    Args:
        network: From :func:`load`.
        images: N images of any size; each is resized and normalised as the network's weights ask for.

    Returns:
        Probabilities, N x classes in the order of ``network.classes``; each row adds up to 1.

    Raises:
        InputError: An image cannot be read.
    """
    return predict_images(network, [_opened(image) for image in images])


def explain(
    network: Network,
    image: Picture,
    method: str = "grad-cam",
    *,
    target: str | int | None = None,
    against: str | int | None = None,
    layer: str | None = None,
    settings: Mapping[str, int] | None = None,
) -> Explanation:
    """Makes a heatmap: which pixels speak for a class.

    Args:
        network: From :func:`load`.
        image: An image of any size.
        method: Id of a row of :data:`core.METHODS`.
        target: Name or index of a class; ``None`` for the predicted one.
        against: Another class: the map is about how far the target's score leads over its.
        layer: Name of the layer to look at, for methods that look at one; ``None`` for the last with a map.
        settings: Values for the method's own settings; the usual ones for those left out.

    Returns:
        The heatmap, H x W of the network's input, 0 to 1 (or -1 to 1 where the method is signed), beside the
        network's probabilities.

    Raises:
        InputError: The image cannot be read; the method, class, layer or setting does not exist; or the method does
            not work on this network.
    """
    return attribution.explain(
        network,
        to_tensor(_opened(image), network.preprocessing),
        method,
        target=None if target is None else class_index(target, network.classes),
        against=None if against is None else class_index(against, network.classes),
        layer=layer,
        settings=settings,
    )


def overlay(network: Network, image: Picture, explanation: Explanation, *, opacity: float = 0.5) -> Image.Image:
    """Lays a heatmap over its image, cropped and resized as the network saw it.

    Args:
        network: As for :func:`explain`.
        image: Likewise.
        explanation: From :func:`explain`.
        opacity: How much of the heatmap's colours is laid on, 0 to 1.
    """
    return draw_heatmap(fit(_opened(image), network.preprocessing), explanation.heatmap, opacity=opacity)


def compare(before: Network, after: Network) -> tuple[LayerChange, ...]:
    """Says how far training moved each layer, from the input to the head.

    Args:
        before: A network, such as ``load(f"{run.id}@start")``.
        after: The same network with other weights.

    Returns:
        One row a layer with weights: the length of the change relative to the weights before, and more.

    Raises:
        InputError: They are not the same network.
    """
    return moved(before, after)


def _opened(image: Picture) -> Image.Image:
    return image.convert("RGB") if isinstance(image, Image.Image) else open_image(Path(image))
