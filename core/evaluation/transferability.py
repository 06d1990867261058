"""How well features that were never trained on a task would serve it: scores from frozen features and labels.

All scores are computed from ``N x D`` features and ``N`` labels in closed form, nothing is trained by steps. They
share one singular value decomposition each of the raw and of the centred features, so that a hundred candidates cost
little beside the forward passes that made the features.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from core.errors import InputError

NEIGHBOURS = 5
"""Neighbours that vote in :meth:`Frozen.knn_accuracy`."""
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Strengths of the linear probe's penalty that are tried, as multiples of the features' mean squared singular value."""
_FLOOR = 1e-10
"""Least noise variance, relative to the targets' own: labels predicted without error have finite evidence."""
_GRID = np.linspace(-30.0, 30.0, 241)
"""Logarithms of the ratio of prior to noise precision, over the largest eigenvalue, among which LogME starts."""
_ZOOMS = 4
"""Times that LogME looks closer around the best of them; the last grid's points lie less than 1/1000 apart."""


@dataclass(frozen=True, slots=True)
class Transferability:
    """Scores of one network's frozen features on one task; the higher, the better they predict the task.

    Attributes:
        log_me: Logarithm of the maximum evidence, per image and averaged over the classes, in nats.
        regularised_h_score: H-score with a shrunk covariance, between 0 and the number of classes less one.
        h_score: H-score; ``None`` where there are not more images than features, because it is then the number of
            classes less one whatever the features are.
        leep: Log expected empirical prediction, in nats, at most 0; ``None`` without source classes.
        knn_accuracy: Share of the images whose nearest neighbours by cosine (the image itself left out) name its class.
        probe_accuracy: Share of the images that a ridge classifier fitted on all the others classifies right.
        baseline: Share of the largest class: what always naming it would reach.
        entropy: Entropy of the labels, in nats: what LEEP is short of 0 where the source classes predict nothing.
        images: Number of images the scores rest on.
        features: Length of the feature vectors.
        classes: Classes that occur.
    """

    log_me: float
    regularised_h_score: float
    h_score: float | None
    leep: float | None
    knn_accuracy: float
    probe_accuracy: float
    baseline: float
    entropy: float
    images: int
    features: int
    classes: int

    def as_record(self) -> dict[str, Any]:
        """Returns the scores as JSON-ready data."""
        return dataclasses.asdict(self)


def assess(features: np.ndarray, labels: np.ndarray, source: np.ndarray | None = None) -> Transferability:
    """Computes every score.

    Args:
        features: What a frozen network's head receives, ``N x D``; further axes are flattened.
        labels: Class of each image, ``N`` whole numbers.
        source: Probabilities that the network gives its own, source classes, ``N x Z``; ``None`` where it has none.

    Raises:
        InputError: There are fewer than two classes or three images, or the features are not all finite.
    """
    frozen = Frozen(features, labels)
    shares = frozen.sizes / len(frozen.labels)
    return Transferability(
        log_me=frozen.log_me(),
        regularised_h_score=frozen.regularised_h_score(),
        h_score=frozen.h_score() if len(frozen.labels) > frozen.features.shape[1] + 1 else None,
        leep=None if source is None else leep(source, labels),
        knn_accuracy=frozen.knn_accuracy(),
        probe_accuracy=frozen.probe_accuracy(),
        baseline=float(shares.max()),
        entropy=float(-(shares * np.log(shares)).sum()),
        images=len(frozen.labels),
        features=frozen.features.shape[1],
        classes=len(frozen.sizes),
    )


class Frozen:
    """Features and labels, checked, with the decompositions that the scores share.

    Args:
        features: ``N x D``; further axes are flattened.
        labels: ``N`` whole numbers.

    Attributes:
        features: ``N x D`` float64.
        labels: ``N``, renumbered from 0 so that every class occurs.
        sizes: Images of each class, ``K``.
        targets: ``N x K``, 1 where an image has the class.

    Raises:
        InputError: As :func:`assess`.
    """

    def __init__(self, features: np.ndarray, labels: np.ndarray) -> None:
        self.labels, self.sizes = _checked(labels, len(features))
        self.features = np.asarray(features, dtype=np.float64).reshape(len(features), -1)
        if not self.features.shape[1] or not np.isfinite(self.features).all():
            raise InputError(
                "The network's features are not finite numbers on these images, so nothing can be told from them."
            )
        self.targets = np.eye(len(self.sizes))[self.labels]

    @cached_property
    def _raw(self) -> tuple[np.ndarray, np.ndarray]:
        return _decomposed(self.features)

    @cached_property
    def _centred(self) -> tuple[np.ndarray, np.ndarray]:
        return _decomposed(self.features - self.features.mean(axis=0))

    def log_me(self) -> float:
        """Returns LogME (You et al. 2021, arXiv:2102.11005): the evidence of a linear model of the labels.

        For each class a Gaussian linear model ``y = F w + e`` with ``w ~ N(0, 1/alpha)`` and ``e ~ N(0, 1/beta)``
        explains its column of :attr:`targets`. For a fixed ratio ``t = alpha/beta`` the best ``beta`` is known, so the
        evidence is a function of ``t`` alone and its maximum is found on a line, where the paper's fixed-point
        iteration may circle. With the singular values ``s`` of ``F`` and the targets ``z`` turned by its left vectors:
        ``log p = -1/2 sum log(1 + s^2/t) - N/2 (log(2 pi q/N) + 1)``, ``q = |y|^2 - sum z^2 s^2/(s^2 + t)``.

        Returns:
            The maximum log evidence per image, in nats, averaged over the classes.
        """
        left, singular = self._raw
        power = singular**2
        rotated = (left.T @ self.targets) ** 2
        total = self.targets.sum(axis=0)  # the targets are 0 and 1: their squares add up to the same
        rest = np.maximum(total - rotated.sum(axis=0), 0.0)
        found = [_best_evidence(power, rotated[:, k], rest[k], total[k], len(self.labels)) for k in range(len(total))]
        return float(np.mean(found)) / len(self.labels)

    def h_score(self) -> float:
        """Returns the H-score (Bao et al. 2019, doi:10.1109/ICIP.2019.8803726).

        It is ``trace(cov(F)^+ cov(E[F|y]))``: the part of the features' variance, whitened, that lies between the
        classes. With no more images than features it is the number of classes less one, whatever they are.
        """
        left, _ = self._centred
        return float(self._between(left).sum())

    def regularised_h_score(self) -> float:
        """Returns the H-score with a shrunk covariance (Ibrahim et al. 2021, arXiv:2110.06893).

        The covariance is pulled towards a multiple of the identity by Ledoit and Wolf's (2004) share, so that the
        score also means something with fewer images than features.
        """
        left, singular = self._centred
        if not len(singular):
            return 0.0
        count, width = self.features.shape
        variance = singular**2 / count
        kept = 1.0 - self.shrinkage()
        shrunk = kept * variance + (1.0 - kept) * variance.sum() / width
        return float(kept * (variance / shrunk * self._between(left)).sum())

    def shrinkage(self) -> float:
        """Returns the Ledoit-Wolf share by which the covariance is pulled towards the identity, 0 to 1."""
        count, width = self.features.shape
        _, singular = self._centred
        norms = ((self.features - self.features.mean(axis=0)) ** 2).sum(axis=1)
        squared, mean = (singular**4).sum() / count**2, norms.sum() / (count * width)
        spread = squared / width - mean**2
        noise = min(((norms**2).sum() / count - squared) / (width * count), spread)
        return float(min(max(noise / spread, 0.0), 1.0)) if spread > 0 and noise > 0 else 0.0

    def _between(self, left: np.ndarray) -> np.ndarray:
        """Returns for each direction the share of its variance that lies between the classes."""
        means = self.targets.T @ left / self.sizes[:, None]
        return np.asarray((self.sizes[:, None] * means**2).sum(axis=0))

    def knn_accuracy(self, neighbours: int = NEIGHBOURS) -> float:
        """Returns the leave-one-out accuracy of the nearest neighbours by cosine, the nearer ones weighing more.

        Args:
            neighbours: How many vote; at most all the others.
        """
        count = len(self.labels)
        lengths = np.linalg.norm(self.features, axis=1, keepdims=True)
        unit = self.features / np.where(lengths > 0, lengths, 1.0)
        cosines = unit @ unit.T
        np.fill_diagonal(cosines, -np.inf)
        found = np.argsort(-cosines, axis=1, kind="stable")[:, : min(neighbours, count - 1)]
        votes = np.zeros((count, len(self.sizes)))
        np.add.at(
            votes, (np.arange(count)[:, None], self.labels[found]), 1.0 + np.take_along_axis(cosines, found, axis=1)
        )
        return float((votes.argmax(axis=1) == self.labels).mean())

    def probe_accuracy(self, ridges: tuple[float, ...] = RIDGES) -> float:
        """Returns the leave-one-out accuracy of a linear probe; see :meth:`left_out_answers`."""
        return float((self.left_out_answers(ridges).argmax(axis=1) == self.labels).mean())

    def left_out_answers(self, ridges: tuple[float, ...] = RIDGES) -> np.ndarray:
        """Returns what a linear probe, a ridge regression on the classes with an intercept, answers to each image.

        Every image is judged by a probe fitted on all the others, which a linear smoother gives without fitting again:
        ``y - y_without = (y - y_fitted)/(1 - h)`` with the smoother's diagonal ``h``. The penalty is the one of
        ``ridges`` with the least error so measured.

        Args:
            ridges: Penalties to try, as multiples of the mean squared singular value.

        Returns:
            ``N x K``, near 1 for the class that the probe names and near 0 for the others.
        """
        left, singular = self._centred
        power = singular**2
        best, least = self.targets, np.inf
        for ridge in ridges:
            answers = self._left_out(left, power / (power + ridge * power.sum() / max(len(power), 1)))
            error = float(((answers - self.targets) ** 2).mean())
            if error < least:
                best, least = answers, error
        return best

    def _left_out(self, left: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Returns for each image, ``N x K``, what the smoother that keeps these shares answers without having it."""
        mean = self.targets.mean(axis=0)
        fitted = mean + (left * kept) @ (left.T @ (self.targets - mean))
        weight = 1.0 / len(self.labels) + (left**2 * kept).sum(axis=1)
        residual = (self.targets - fitted) / np.maximum(1.0 - weight, 1e-12)[:, None]
        return np.asarray(self.targets - residual)


def leep(source: np.ndarray, labels: np.ndarray) -> float:
    """Returns LEEP (Nguyen et al. 2020, arXiv:2002.12462): how well the source classes alone predict the labels.

    The network's answers ``P(z|x)`` in its own classes and the labels give ``P(y|z)``; the score is the mean of
    ``log sum_z P(y|z) P(z|x)``, in nats: 0 where the source classes predict every label, minus the labels' entropy
    where they predict nothing.

    Args:
        source: Probabilities ``N x Z``, each row adding up to 1.
        labels: ``N`` whole numbers.

    Raises:
        InputError: There are fewer than two classes or three images, or ``source`` holds no probabilities.
    """
    numbered, sizes = _checked(labels, len(source))
    answers = np.asarray(source, dtype=np.float64)
    if answers.ndim != 2 or not np.isfinite(answers).all() or (answers < 0).any():
        raise InputError("The network's answers in its own classes are not probabilities, so LEEP cannot be told.")
    joint = np.eye(len(sizes))[numbered].T @ answers  # K x Z
    given = joint / np.maximum(joint.sum(axis=0), np.finfo(np.float64).tiny)
    likelihood = (answers * given.T[:, numbered].T).sum(axis=1)
    return float(np.log(np.maximum(likelihood, np.finfo(np.float64).tiny)).mean())


def _checked(labels: np.ndarray, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the labels renumbered from 0 without gaps, and the number of images of each class."""
    given = np.asarray(labels)
    if given.shape != (images,):
        raise InputError("There are {images} images but labels of shape {shape}.", images=images, shape=given.shape)
    found, numbered, sizes = np.unique(given, return_inverse=True, return_counts=True)
    if len(found) < 2 or images < 3:
        raise InputError(
            "So few images tell nothing of a network. Take at least 3 images, of at least 2 classes; images given: "
            "{images}, of classes: {classes}.",
            images=images,
            classes=len(found),
        )
    return numbered.reshape(-1), sizes


def _decomposed(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the left singular vectors and the singular values that are not rounding errors."""
    left, singular, _ = np.linalg.svd(matrix, full_matrices=False)
    scale = max(singular.max(initial=0.0), np.finfo(np.float64).tiny)
    real = singular > scale * max(matrix.shape) * np.finfo(np.float64).eps
    return left[:, real], singular[real]


def _best_evidence(power: np.ndarray, rotated: np.ndarray, rest: float, total: float, count: int) -> float:
    """Maximises the log evidence of one column of targets over the ratio of the precisions.

    Args:
        power: Squared singular values of the features, ``R``.
        rotated: Squares of the targets along the left singular vectors, ``R``.
        rest: Squared length of the targets outside of the features' span.
        total: Squared length of the targets.
        count: Number of images.
    """
    scale = power.max(initial=1e-300)
    relative = power / scale

    def evidence(log_ratio: np.ndarray) -> np.ndarray:
        ratio = np.exp(np.atleast_1d(log_ratio))[:, None]
        left_over = np.maximum(rest + (rotated * ratio / (relative + ratio)).sum(axis=1), _FLOOR * total)
        complexity = np.log1p(relative / ratio).sum(axis=1)
        return np.asarray(-0.5 * complexity - 0.5 * count * (np.log(2 * np.pi * left_over / count) + 1.0))

    best, points = -np.inf, _GRID
    for _ in range(_ZOOMS):
        values = evidence(points)
        place = int(np.argmax(values))
        best = max(best, float(values[place]))
        points = np.linspace(points[max(place - 1, 0)], points[min(place + 1, len(points) - 1)], 17)
    return best
