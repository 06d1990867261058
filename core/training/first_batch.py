"""The first batch of a training, exactly as its network gets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from core.data.augment import Augmenter
from core.data.images import normalise
from core.data.operations.draws import drawn
from core.data.pixel_store import PixelStore, centre
from core.specs import Experiment
from core.training.loop.batching import EpochBatching
from core.training.loop.distributed import ALONE
from core.training.loop.phase_setup import draws_by_image
from core.training.loop.rng_state import RngState

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.specs import Preprocessing


@dataclass(frozen=True, slots=True)
class FirstBatch:
    """A batch.

    Attributes:
        inputs: Normalised images, ``B x C x H x W``, mixed where the training mixes.
        shares: Shares of the classes in each, ``B x K``.
        positions: Places of the images in the data set, ``B``.
    """

    inputs: Tensor
    shares: Tensor
    positions: Tensor


def first_batch(dataset: Dataset, prep: Preprocessing, experiment: Experiment) -> FirstBatch:
    """Makes the first batch of the first epoch, on the CPU: order, augmentation and mixing are the loop's own.

    Args:
        dataset: The images, divided; at least two are for training.
        prep: Fit and normalisation.
        experiment: Its batch size is a number.

    Raises:
        InputError: An image cannot be read.
    """
    training, device = experiment.training, torch.device("cpu")
    classes = len(dataset.classes)
    rng = RngState(training, classes, device, ALONE)
    batching = EpochBatching(training.images, training.accumulate, ALONE)
    spec = experiment.augmentation(training.phases[0])
    with PixelStore(dataset, prep, canvas=spec.active, max_bytes=0) as store:
        train = torch.tensor(dataset.positions("train"))
        order = rng.order(train, store.labels[train])
        positions = batching.micro_batches(order[: batching.images(len(order))], 1)[0][0]
        pixels, labels = store.batch(positions), store.labels[positions]
    if spec.active:
        augmenter = Augmenter(spec, prep.crop)
        own = training.views or draws_by_image(training, spec)
        chance = drawn(training.seed, 0, positions.numpy(), augmenter.numbers) if own else rng.augmenting
        pixels = augmenter(pixels, chance)
    inputs = normalise(centre(pixels, prep), prep).contiguous(memory_format=torch.channels_last)
    shares = torch.nn.functional.one_hot(labels, classes).float()
    if rng.mixer is not None:
        inputs, shares = rng.mixer(inputs, labels)
    return FirstBatch(inputs, shares, positions)


def in_colours(inputs: Tensor, prep: Preprocessing) -> Tensor:
    """Turns normalised images back into bytes, ``B x 3 x H x W``; gray ones are given three equal colours.

    Args:
        inputs: ``B x C x H x W``.
        prep: By what they were normalised.
    """
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (prep.mean, prep.std))
    if inputs.shape[1] == 1:  # the mean of three normalised colours
        mean, std = mean.mean(1, keepdim=True), std.mean(1, keepdim=True)
    pixels = (inputs * std + mean).mul_(255).round_().clamp_(0, 255).to(torch.uint8)
    return pixels.expand(-1, 3, -1, -1)
