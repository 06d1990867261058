"""Ranking backbones before training: one pass of the training images through each, frozen, and scores from that."""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from core import settings
from core.data.dataset import Dataset, shuffle_key
from core.data.images import Unreadable, normalise
from core.data.pixel_store import PixelStore, iterate
from core.data.sources import open_spec
from core.device import resolve_device, reuse_freed_memory
from core.errors import Cancelled, InputError
from core.evaluation.transferability import assess
from core.messages import Sentence
from core.models.catalog.catalog import prepared
from core.models.network import Network, bare
from core.specs import DataSpec, ModelSpec, Preprocessing
from core.training.optim.precision import autocast, choose_precision
from core.workflows.advisor.ranking import IMAGES, Ranked, Ranking, candidate, without_head
from core.workflows.data_check.dividing import divide
from core.workflows.network_loading import FILE, RUN, build_network

BATCH = 32
_TRIAL = 8  # images of the passes that choose the precision


class RankingProgress(NamedTuple):
    """How far a ranking has come.

    Attributes:
        doing: ``reading images``, ``building the network``, ``computing features`` or ``comparing``.
        backbone: The network it is at; empty while images are read for several.
        number: Networks that are done.
        networks: Networks altogether.
        done: Images done of this step.
        total: Images of this step; 0 where it has none.
    """

    doing: str
    backbone: str
    number: int
    networks: int
    done: int
    total: int


@dataclass(slots=True)
class _Work:
    """What all parts of one ranking share."""

    classes: tuple[str, ...]
    device: torch.device
    networks: int
    emit: Callable[[RankingProgress], None]
    stop: Callable[[], bool]
    runs_dir: Path | None
    roots: Sequence[Path] | None
    number: int = 0

    def report(self, doing: str, backbone: str = "", done: int = 0, total: int = 0) -> None:
        if self.stop():
            raise Cancelled
        self.emit(RankingProgress(doing, backbone, self.number, self.networks, done, total))


def rank(
    data: DataSpec,
    backbones: Sequence[ModelSpec | str],
    *,
    device: str = "auto",
    images_limit: int = IMAGES,
    roots: Sequence[Path] | None = None,
    runs_dir: Path | None = None,
    progress: Callable[[RankingProgress], None] = lambda _: None,
    found: Callable[[Ranking], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> Ranking:
    """Scores backbones by how well their frozen features separate the classes.

    Only images of the split ``train`` are opened, the images of each class being drawn from those that lie farthest
    from the held-out ones: even if damaged files shift the division, no test image is among them.

    Networks whose images are prepared alike share the decoded pixels. One that cannot be had (no weights, too small
    an image) is left out with the reason, and the others go on.

    Args:
        data: The images and their division.
        backbones: Networks with their weights, or their names (``resnet18``, ``resnet18@none``).
        device: ``auto``, ``cpu``, ``cuda``, ...
        images_limit: Training images to look at, at most; every class keeps its share and at least one image.
        roots: Folders that the images must lie under, links resolved; ``None`` for no limit.
        runs_dir: Where ``run:ID`` weights are looked up.
        progress: Called now and then.
        found: Called with the ranking so far after each backbone.
        stop: Called now and then; ``True`` ends the work with what has been found.

    Raises:
        InputError: The images or the device are not to be had, or too few images are left.
    """
    begin = time.perf_counter()
    reuse_freed_memory()
    models = list(dict.fromkeys(without_head(candidate(one) if isinstance(one, str) else one) for one in backbones))
    if not models:
        raise InputError("No backbone is named. Name at least one to rank.")
    place = resolve_device(device)
    dataset = divide(open_spec(data, roots=roots), data)
    training = dataset.positions("train")
    sample = training_sample(dataset, images_limit, data.seed)
    work = _Work(dataset.classes, place, len(models), progress, stop, runs_dir, roots)
    rows: dict[ModelSpec, Ranked] = {}
    images = 0

    def so_far(*, complete: bool = False) -> Ranking:
        finished = tuple(rows[model] for model in models if model in rows)
        seconds = time.perf_counter() - begin
        return Ranking(data, finished, images, len(training), len(dataset.classes), seconds, str(place), complete)

    try:
        for row in _rows(models, sample, work):
            rows[row.model] = row
            images = row.scores.images if row.scores else images
            work.number += 1
            found(so_far())
    except Cancelled:
        return so_far()
    return so_far(complete=True)


def training_sample(dataset: Dataset, limit: int, seed: int = 0) -> Dataset:
    """Returns at most ``limit`` images of the split ``train``, every class with its share and at least one image.

    Within a class the images are taken from the end of the shuffled order by which :func:`core.data.splits.split`
    holds images out from the front.
    """
    of_class: dict[int, list[int]] = defaultdict(list)
    for position in dataset.positions("train"):
        of_class[dataset.items[position].label].append(position)
    ordered = []
    for positions in of_class.values():
        positions.sort(key=lambda position: shuffle_key(seed, dataset.items[position].key), reverse=True)
        ordered += [(rank / len(positions), position) for rank, position in enumerate(positions)]
    chosen = sorted(ordered)[: max(limit, len(of_class))]
    return dataset.subset(sorted(position for _, position in chosen))


def _rows(models: Sequence[ModelSpec], sample: Dataset, work: _Work) -> Iterator[Ranked]:
    """Goes through the networks, those whose images are prepared alike one after the other."""
    groups: dict[tuple[object, ...], list[tuple[ModelSpec, Preprocessing]]] = {}
    for model in models:
        try:
            prep = prepared(model)
        except InputError as error:
            yield Ranked(model, problem=Sentence(error.template, error.values))
            continue
        groups.setdefault((prep.resize, prep.crop, prep.interpolation, prep.fit), []).append((model, prep))
    bad: tuple[Unreadable, ...] = ()
    for members in groups.values():
        readable = sample.without(image.key for image in bad)
        with PixelStore(readable, members[0][1], max_bytes=settings.pixel_cache_limit()) as store:
            bad += store.fill(progress=lambda done, total: work.report("reading images", done=done, total=total))
            left_out = {image.key for image in bad}
            good = [place for place, item in enumerate(readable.items) if item.key not in left_out]
            for model, prep in members:
                yield _one(model, prep, store, torch.tensor(good, dtype=torch.long), work)


def _one(model: ModelSpec, prep: Preprocessing, store: PixelStore, positions: Tensor, work: _Work) -> Ranked:
    """Scores one network; what keeps it from being scored is its problem alone."""
    begin, device = time.perf_counter(), str(work.device)
    work.report("building the network", model.backbone)
    try:
        network, own_classes = _network(model, work)
        network = dataclasses.replace(network, preprocessing=prep)
        features, answers, precision = _features(network, store, positions, work)
        work.report("comparing", model.backbone)
        labels = store.labels[positions].numpy()
        scores = assess(features, labels, answers if own_classes else None)
    except InputError as error:
        return Ranked(model, seconds=time.perf_counter() - begin, problem=Sentence(error.template, error.values))
    except torch.OutOfMemoryError:
        return Ranked(model, problem=Sentence("Its images do not fit into the memory of {device}.", {"device": device}))
    except (RuntimeError, OSError) as error:
        problem = Sentence("It cannot be run on these images: {reason}", {"reason": str(error)[:200]})
        return Ranked(model, seconds=time.perf_counter() - begin, problem=problem)
    return Ranked(model, scores, time.perf_counter() - begin, precision)


def _network(model: ModelSpec, work: _Work) -> tuple[Network, bool]:
    """Builds a network, and returns whether its head answers in the classes it was pretrained on."""
    handed_on = model.weights.startswith((RUN, FILE))
    if model.weights != "none" and not handed_on and not model.design and model.channels in (None, 3):
        return bare(model.backbone, model.weights, model.image_size), True
    return build_network(model, work.classes, seed=0, runs_dir=work.runs_dir, roots=work.roots), False


@torch.no_grad()
def _features(
    network: Network, store: PixelStore, positions: Tensor, work: _Work
) -> tuple[np.ndarray, np.ndarray, str]:
    """Sends each image through the network once.

    Returns:
        What enters the head, ``N x D`` float32 (maps averaged over their places); the probabilities behind it,
        ``N x Z`` float32; and the precision of the arithmetic.
    """
    model = network.model.to(work.device).to(memory_format=torch.channels_last).eval()
    entered: list[Tensor] = []

    def forward(pixels: Tensor) -> Tensor:
        inputs = normalise(pixels.to(work.device, non_blocking=True), network.preprocessing)
        return torch.as_tensor(model(inputs.contiguous(memory_format=torch.channels_last)))

    few = store.batch(positions[:_TRIAL])
    precision = choose_precision("auto", work.device, lambda: forward(few), repr((str(model), tuple(few.shape))))
    hook = model.get_submodule(network.anatomy.head).register_forward_pre_hook(lambda _, args: entered.append(args[0]))
    features, answers = [], []
    try:
        parts = torch.as_tensor(positions, dtype=torch.long).split(BATCH)
        for done, (pixels, _, _) in enumerate(iterate(store, parts)):
            work.report("computing features", network.name, done * BATCH, len(positions))
            with autocast(work.device, precision):
                logits = forward(pixels)
            inputs = entered.pop().float()
            features.append((inputs.flatten(2).mean(2) if inputs.ndim > 2 else inputs).cpu().numpy())
            answers.append(logits.float().flatten(1).softmax(1).cpu().numpy())
    finally:
        hook.remove()
    return np.concatenate(features), np.concatenate(answers), precision
