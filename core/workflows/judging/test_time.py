"""Test-time augmentation: the mean answer to several views of each picture, against that to the picture alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data.augment import Augmenter
from core.data.images import margin, normalise
from core.data.operations.draws import drawn
from core.data.pixel_store import centre
from core.device import resolve_device
from core.errors import InputError
from core.evaluation.intervals import Interval, share_interval, wilson_interval
from core.evaluation.paired import grouped_interval, grouped_p
from core.evaluation.predictions import BATCH_SIZE
from core.messages import StagedProgress
from core.models.network import Network
from core.runs.store import Run
from core.specs import AugmentSpec, Preprocessing
from core.specs.checks import one_of, whole
from core.workflows.checkpoints import network_at
from core.workflows.comparison import mcnemar_p, paired_interval
from core.workflows.judging.held_out import PICTURES, HeldOut, held_out, related

WAYS = ("mirror", "crops", "draws")
"""The picture and its mirror image; the centre and the four corners, each mirrored, too (Krizhevsky et al. 2012); the
picture and draws of the augmentation that the run was trained with."""
DRAWS = 8
MOST_DRAWS = 64
_FLOOR = 1e-7  # least probability of the log loss


@dataclass(frozen=True, slots=True)
class Views:
    """Which views of each picture are looked at.

    Attributes:
        way: One of :data:`WAYS`.
        draws: Views beside the picture itself, where they are drawn.
        seed: Seed of the draws.
    """

    way: str = "mirror"
    draws: int = DRAWS
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("views", self.way, WAYS)
        whole("draws", self.draws, low=1, high=MOST_DRAWS)

    @property
    def count(self) -> int:
        """Views of each picture, itself among them."""
        return {"mirror": 2, "crops": 10}.get(self.way, 1 + self.draws)


@dataclass(frozen=True, slots=True)
class TestTime:
    """What several views were worth.

    Attributes:
        split: Where the pictures stand.
        of: How many pictures the split has.
        way: One of :data:`WAYS`.
        views: Views of each picture, itself among them.
        accuracies: Accuracy of the mean answer over the first 1, 2, ... views; the first is without.
        pictures: How many pictures were judged.
        gained: Pictures that only the mean answer gets right.
        lost: Pictures that only the answer to the picture alone gets right.
        log_losses: Log loss in nats without and with all views.
        groups: For each group of related pictures how many it has, how many of them the picture alone gets right, how
            many the mean answer; ``None`` where the run's division keeps none together.
    """

    __test__ = False  # no test, whatever its name says

    split: str
    of: int
    way: str
    views: int
    accuracies: tuple[float, ...]
    pictures: int
    gained: int
    lost: int
    log_losses: tuple[float, float]
    groups: tuple[tuple[int, int, int], ...] | None = None

    @property
    def without(self) -> tuple[float, Interval]:
        """The accuracy of the picture alone, with its 95 % interval: Wilson's, or over groups."""
        return self._share(self.accuracies[0], 1)

    @property
    def with_views(self) -> tuple[float, Interval]:
        """The accuracy of the mean answer, with its 95 % interval: Wilson's, or over groups."""
        return self._share(self.accuracies[-1], 2)

    @property
    def difference(self) -> tuple[float, Interval]:
        """By how much the accuracy rises, with the 95 % interval of paired shares, over groups where there are any."""
        if self.groups is not None:
            sizes, before, after = np.array(self.groups, dtype=np.int64).T
            return float((after - before).sum() / sizes.sum()), grouped_interval(after - before, sizes)
        return (self.gained - self.lost) / self.pictures, paired_interval(self.lost, self.gained, self.pictures)

    @property
    def p_value(self) -> float:
        """McNemar's, or Obuchowski's over groups: how often chance alone parts the two as far on these pictures."""
        if self.groups is not None:
            _sizes, before, after = np.array(self.groups, dtype=np.int64).T
            return grouped_p(after - before)
        return mcnemar_p(self.lost, self.gained)

    def as_record(self) -> dict[str, Any]:
        """Returns it as JSON-ready data, with what follows from it."""
        rows = {"without": self.without, "with": self.with_views, "difference": self.difference}
        return {
            **{name: getattr(self, name) for name in ("split", "of", "way", "views", "pictures", "gained", "lost")},
            "accuracies": list(self.accuracies),
            "log_losses": list(self.log_losses),
            **{name: value for name, (value, _) in rows.items()},
            "intervals": {name: list(interval) for name, (_, interval) in rows.items()},
            "p_value": self.p_value,
            "groups": None if self.groups is None else [list(row) for row in self.groups],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> TestTime:
        """Reads what :meth:`as_record` returned.

        Raises:
            KeyError: It is damaged.
            TypeError: Likewise.
            ValueError: Likewise.
        """
        before, after = map(float, record["log_losses"])
        return cls(
            str(record["split"]),
            int(record["of"]),
            str(record["way"]),
            int(record["views"]),
            tuple(map(float, record["accuracies"])),
            int(record["pictures"]),
            int(record["gained"]),
            int(record["lost"]),
            (before, after),
            None
            if record.get("groups") is None
            else tuple((int(size), int(alone), int(mean)) for size, alone, mean in record["groups"]),
        )

    def _share(self, value: float, column: int) -> tuple[float, Interval]:
        if self.groups is None:
            return value, wilson_interval(round(value * self.pictures), self.pictures)
        right, of = [row[column] for row in self.groups], [row[0] for row in self.groups]
        hit = np.concatenate([np.arange(size) < count for size, count in zip(of, right, strict=True)])
        return value, share_interval(hit, np.repeat(np.arange(len(of)), of))


def augmentation_of(run: Run) -> AugmentSpec:
    """Returns how a run's training images were changed: in its last phase that changed them."""
    task = run.experiment
    specs = [task.augmentation(phase) for phase in task.training.phases]
    return next((spec for spec in reversed(specs) if spec.active), AugmentSpec())


def problem(run: Run, prep: Preprocessing, way: str) -> InputError | None:
    """Returns why a way has no views of a run's pictures; ``None`` where it has."""
    if way == "draws" and not augmentation_of(run).active:
        return InputError(
            "{run} was trained without augmentation, so there is nothing to draw from. Take mirror or crops.",
            run=run.name,
        )
    if way == "crops" and not margin(prep):
        return InputError(
            "The network of {run} sees its pictures whole, so there are no other crops. Take mirror or draws.",
            run=run.name,
        )
    return None


def average_views(
    run: Run,
    views: Views,
    *,
    split: str = "",
    most: int = PICTURES,
    checkpoint: str = "best",
    device: str = "auto",
    roots: Sequence[Path] | None = None,
    progress: StagedProgress = lambda *_: None,
) -> TestTime:
    """Judges a run by the mean of its softmax over several views of each picture, and by the picture alone.

    Args:
        run: With weights.
        views: Which views.
        split: ``test``, ``val`` or ``train``; by default the first of them that the run has.
        most: Pictures at most, drawn by lot, the same each time; 0 for all.
        checkpoint: As for :func:`core.workflows.checkpoints.network_at`.
        device: What to compute on.
        roots: Folders that the images must lie under, links resolved; ``None`` for no limit.
        progress: Called with what is done, views done and views altogether; what it raises ends the work.

    Raises:
        InputError: There are no such weights, images or views.
    """
    network = network_at(run, checkpoint, roots=roots)
    wrong = problem(run, network.preprocessing, views.way)
    if wrong is not None:
        raise wrong
    network.model.to(resolve_device(device))
    progress("reading images", 0, 0)
    with held_out(run, network, split=split, most=most, canvas=True, roots=roots) as pictures:
        made = _Made(views, augmentation_of(run), network.preprocessing)
        answers = _answers(network, pictures, made, progress)
    labels = pictures.labels
    means = answers.cumsum(0) / np.arange(1, len(answers) + 1)[:, None, None]
    right = means.argmax(2) == labels
    sure = means[[0, -1]][:, np.arange(len(labels)), labels]
    before, after = (-np.log(np.maximum(sure, _FLOOR)).mean(1)).tolist()
    return TestTime(
        pictures.split,
        pictures.of,
        views.way,
        len(answers),
        tuple(right.mean(1).tolist()),
        len(labels),
        int((right[-1] & ~right[0]).sum()),
        int((right[0] & ~right[-1]).sum()),
        (before, after),
        _by_group(related(run, pictures.keys, roots=roots), right),
    )


def _by_group(groups: Sequence[int] | None, right: NDArray[np.bool_]) -> tuple[tuple[int, int, int], ...] | None:
    """Returns for each group its pictures, and how many of them are right with one view and with all."""
    if groups is None:
        return None
    of = np.unique(groups, return_inverse=True)[1]
    columns = [np.bincount(of), *(np.bincount(of, weights=row) for row in (right[0], right[-1]))]
    return tuple((int(size), int(alone), int(mean)) for size, alone, mean in zip(*columns, strict=True))


class _Made:
    """Makes the views of pictures, the first being the picture as it is always judged."""

    def __init__(self, views: Views, augment: AugmentSpec, prep: Preprocessing) -> None:
        self._way, self._prep, self._seed = views.way, prep, views.seed
        self._augmenter = Augmenter(augment, prep.crop)
        self.count = views.count

    def __call__(self, canvases: Tensor, positions: Sequence[int], number: int) -> Tensor:
        """Returns one view of each picture, uint8 ``B x 3 x S x S``.

        Args:
            canvases: uint8 ``B x 3 x R x R``.
            positions: The pictures' places, by which draws fall.
            number: Which view, from 0.
        """
        if self._way == "draws" and number:
            places = np.asarray(positions, dtype=np.int64)
            return self._augmenter(canvases, drawn(self._seed, number - 1, places, self._augmenter.numbers))
        place, mirrored = divmod(number, 2)
        view = centre(canvases, self._prep) if not place else self._corner(canvases, place - 1)
        return view.flip(-1) if mirrored else view

    def _corner(self, canvases: Tensor, number: int) -> Tensor:
        size, end = self._prep.crop, canvases.shape[-1] - self._prep.crop
        top, left = (part * end for part in divmod(number, 2))
        return canvases[..., top : top + size, left : left + size]


@torch.no_grad()
def _answers(network: Network, pictures: HeldOut, views: _Made, progress: StagedProgress) -> NDArray[np.float64]:
    """Returns the probabilities of every view, ``V x N x K``."""
    device = next(network.model.parameters()).device
    count = len(pictures.keys)
    found = np.empty((views.count, count, len(network.classes)))
    for start in range(0, count, BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        positions = pictures.positions[part]
        canvases = pictures.store.batch(positions).contiguous()
        for number in range(views.count):
            inputs = normalise(views(canvases, positions, number).to(device), network.preprocessing)
            found[number, part] = network.model(inputs).float().softmax(1).cpu().numpy()
            progress("judging views", start * views.count + (number + 1) * len(positions), count * views.count)
    return found
