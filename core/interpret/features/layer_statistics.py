"""Figures of a layer's answers to many images: effective rank, separability, how much of the picture is left."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

FOLDS = 5


def effective_rank(values: NDArray[np.floating]) -> float:
    """Returns the effective rank of centred values: exp of the Shannon entropy of the normalised singular values.

    Args:
        values: Images x channels.

    Returns:
        Between 1 and the rank; 0 where all rows are equal. (Roy and Vetterli 2007,
        https://ieeexplore.ieee.org/document/7098875.)
    """
    centred = np.asarray(values, np.float64) - np.mean(values, 0, dtype=np.float64)
    singular = np.linalg.svd(centred, compute_uv=False)
    scale = np.abs(values).max() if len(values) else 0.0
    singular = singular[singular > 1e-10 * max(float(scale), 1e-30) * max(centred.shape) ** 0.5]
    if not len(singular):
        return 0.0
    shares = singular / singular.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def probe_accuracy(
    values: NDArray[np.floating], labels: NDArray[np.integer], *, folds: int = FOLDS, seed: int = 0
) -> tuple[float, float] | None:
    """Returns how well a linear classifier tells classes by some values, by stratified cross-validation.

    A ridge classifier on standardised values, its penalty chosen within each fold's training part alone.

    Args:
        values: Images x channels.
        labels: Classes of the images.
        folds: Number of folds; fewer where the smallest class has fewer images.
        seed: Seed of the division.

    Returns:
        Mean and standard deviation of the folds' accuracies; ``None`` where some class has fewer than two images, or
        there is only one.
    """
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) < 2 or counts.min() < 2:
        return None
    rows = []
    division = StratifiedKFold(min(folds, int(counts.min())), shuffle=True, random_state=seed)
    for train, test in division.split(values, labels):
        classifier = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=np.logspace(0, 5, 6)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a channel that never answers
            classifier.fit(values[train], labels[train])
        rows.append(float((classifier.predict(values[test]) == labels[test]).mean()))
    return float(np.mean(rows)), float(np.std(rows))


def class_distance(values: NDArray[np.floating], labels: NDArray[np.integer], classes: int) -> float | None:
    """Returns the mean distance of two class means, over the root mean square distance of images from their own.

    Args:
        values: Images x channels.
        labels: Classes of the images.
        classes: Number of classes.
    """
    present = [label for label in range(classes) if (labels == label).any()]
    if len(present) < 2:
        return None
    values = np.asarray(values, np.float64)
    means = np.stack([values[labels == label].mean(0) for label in present])
    place = np.searchsorted(present, labels)
    within = float(np.sqrt(np.square(values - means[place]).sum(1).mean()))
    apart = [float(np.linalg.norm(a - b)) for i, a in enumerate(means) for b in means[i + 1 :]]
    return float(np.mean(apart)) / within if within > 0 else (float("inf") if max(apart) > 0 else 0.0)


def picture_r2(cells: NDArray[np.floating], colours: NDArray[np.floating]) -> float | None:
    """Returns how much of the picture's colours can be read off answers at the same place, by a linear map.

    Ridge regression is fitted to the cells of four images in five and judged on those of the fifth.

    Args:
        cells: Images x cells x channels.
        colours: Images x cells x colours.

    Returns:
        R squared over all colours, at least 0; ``None`` where there are no cells, fewer than ten images, or images of
        one colour.
    """
    images, count, channels = cells.shape
    if not count or images < 10:
        return None
    cut = images - images // 5
    x = cells.reshape(images * count, channels).astype(np.float64)
    y = colours.reshape(images * count, -1).astype(np.float64)
    train, test = slice(0, cut * count), slice(cut * count, None)
    mean, deviation = x[train].mean(0), x[train].std(0)
    x = (x - mean) / np.where(deviation > 1e-12, deviation, 1.0)
    level = y[train].mean(0)
    rest = float(np.square(y[test] - level).sum())
    if rest <= 1e-12:
        return None
    predicted, _penalty = ridge(x[train], y[train], x[test])
    return max(1.0 - float(np.square(y[test] - predicted).sum()) / rest, 0.0)


def ridge(
    x: NDArray[np.float64], y: NDArray[np.float64], new: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Predicts by ridge regression, its penalty chosen by generalised cross-validation on the rows it is fitted to.

    Args:
        x: Rows x columns, each column with mean 0.
        y: Rows x targets.
        new: Rows to predict x columns.

    Returns:
        The predictions, and the penalty.
    """
    level = y.mean(0)
    if x.shape[1] <= x.shape[0]:
        power, basis = np.linalg.eigh(x.T @ x)
        power = np.maximum(power, 0.0)
        shadow = basis.T @ (x.T @ (y - level))
        left = None
    else:
        power, left = np.linalg.eigh(x @ x.T)
        power = np.maximum(power, 0.0)
        shadow = left.T @ (y - level)
    scores = []
    whole = float(np.square(y - level).sum())
    for penalty in np.logspace(-1, 5, 7):
        shrunk = power / (power + penalty)
        if left is None:
            coordinates = shadow / (power + penalty)[:, None]
            explained = float((2 * coordinates * shadow - coordinates**2 * power[:, None]).sum())
            residual = whole - explained
        else:
            residual = float(np.square(shadow * (1 - shrunk)[:, None]).sum())
        freedom = max(1.0 - float(shrunk.sum()) / len(x), 1e-3)
        scores.append((residual / freedom**2, float(penalty)))
    penalty = min(scores)[1]
    if left is None:
        weights = basis @ (shadow / (power + penalty)[:, None])
    else:
        weights = x.T @ (left @ (shadow / (power + penalty)[:, None]))
    return new @ weights + level, penalty
