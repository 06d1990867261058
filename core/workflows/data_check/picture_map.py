"""A map of all images: each a point, so that those that the packaged network finds alike lie near each other."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.errors import InputError
from core.messages import StagedProgress

TSNE_MOST = 2000
"""Up to so many images t-SNE takes a few seconds; beyond it, PCA draws the map where PaCMAP is not installed."""
_COMPONENTS = 50
_EQUAL = 1e-6
METHODS = ("pacmap", "t-sne", "pca")


@dataclass(frozen=True, slots=True)
class PictureMap:
    """Where each image lies.

    Attributes:
        keys: The images that could be read, ``N``.
        points: ``N x 2``, each axis between 0 and 1.
        method: One of :data:`METHODS`.
    """

    keys: tuple[str, ...]
    points: NDArray[np.float32]
    method: str

    def as_record(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return {"keys": list(self.keys), "points": self.points.round(4).tolist(), "method": self.method}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> PictureMap:
        """Reads what :meth:`as_record` returned.

        Raises:
            KeyError, TypeError, ValueError: It is none.
        """
        keys = tuple(str(key) for key in record["keys"])
        points = np.asarray(record["points"], dtype=np.float32).reshape(len(keys), 2)
        return cls(keys, points, str(record["method"]))


def draw_map(dataset: Dataset, progress: StagedProgress | None = None) -> PictureMap:
    """Looks at all images with the packaged network and lays them out; what cannot be read has no place.

    Args:
        dataset: The images.
        progress: Called with what goes on, what is done and what there is to do.

    Raises:
        InputError: A picture went away meanwhile.
    """
    from core.data.scan.looks import look_at
    from core.workflows.data_check.features import Eye, features_of

    def staged(doing: str) -> Any:  # noqa: ANN401 - a progress or none
        return None if progress is None else lambda done, total: progress(doing, done, total)

    looks = look_at(dataset, staged("reading images"))
    if not len(looks):
        raise InputError("None of the images of {title} can be read.", title=dataset.title)
    images = (dataset.load(int(position)) for position in looks.positions)
    features = features_of(images, looks.digests, Eye(), staged("looking with the network"))
    if progress is not None:
        progress("laying out", 0, 0)
    points, method = project(features)
    return PictureMap(tuple(dataset.items[int(position)].key for position in looks.positions), points, method)


def project(features: NDArray[np.float32], *, seed: int = 0) -> tuple[NDArray[np.float32], str]:
    """Lays features out in a plane.

    PaCMAP (Wang et al. 2021, arXiv:2012.04456) where it is installed, else t-SNE (van der Maaten and Hinton 2008) up to
    :data:`TSNE_MOST` images, else the first two principal components. The same features and seed give the same map.

    Args:
        features: ``N x D``.
        seed: Of the start.

    Returns:
        Points ``N x 2``, each axis between 0 and 1, and the method.
    """
    count = len(features)
    if count < 4 or float(features.std(axis=0).max()) < _EQUAL:  # nothing to lay out: t-SNE has no answer to that
        return np.linspace(0, 1, 2 * count, dtype=np.float32).reshape(count, 2), "pca"
    reduced = _components(features, _COMPONENTS)
    if importlib.util.find_spec("pacmap") is not None and count > 10:
        import pacmap

        points = pacmap.PaCMAP(n_components=2, random_state=seed).fit_transform(reduced, init="pca")
        return _scaled(points), "pacmap"
    if count <= TSNE_MOST:
        from sklearn.manifold import TSNE

        layout = TSNE(init="pca", perplexity=min(30.0, (count - 1) / 3), random_state=seed, max_iter=500)
        return _scaled(layout.fit_transform(reduced)), "t-sne"
    return _scaled(reduced[:, :2]), "pca"


def _components(features: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """Returns the principal components, ``N x most`` or fewer, the largest first."""
    centred = features - features.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return np.ascontiguousarray(centred @ axes[:, ::-1][:, :most], dtype=np.float32)


def _scaled(points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Returns the points with each axis between 0 and 1."""
    low, high = points.min(axis=0), points.max(axis=0)
    return ((points - low) / np.maximum(high - low, 1e-12)).astype(np.float32)
