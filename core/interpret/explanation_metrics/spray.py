"""Spectral relevance analysis: the few ways in which a network decides, found among the heatmaps of many pictures.

A network that looks at the object in most pictures and at a watermark in some gives two groups of maps. They are found
without knowing what to look for (Lapuschkin et al. 2019, arXiv:1902.10178).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError

MAX_CLUSTERS = 6
"""Groups at most."""
LEAST = 12
"""Maps from which they are divided at all."""
_NEIGHBOURS = 10
_NEAR_ZERO = 0.05
"""Parts of the graph that hang together by less than this share of their links are groups of their own."""
_SIDE = 16


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Groups of alike maps.

    Attributes:
        labels: Each map's group, N, the largest group first (0).
        eigenvalues: Smallest eigenvalues of the neighbourhood graph's normalised Laplacian; as many of them lie near
            zero as there are groups, and a wide gap follows.
        places: Each map's place in two dimensions (the second and third eigenvector), Nx2.
    """

    labels: NDArray[np.int64]
    eigenvalues: NDArray[np.float64]
    places: NDArray[np.float64]

    @property
    def count(self) -> int:
        """Number of groups."""
        return int(self.labels.max(initial=-1)) + 1


def clusters(maps: NDArray[np.floating], *, count: int | None = None, seed: int = 0) -> Clusters:
    """Divides maps into groups by spectral clustering on their nearest neighbours.

    Args:
        maps: NxHxW, best as small as 16 x 16; each is brought to length one first.
        count: Number of groups; ``None`` for as many as hang together by next to nothing.
        seed: Seed of the search.

    Raises:
        InputError: There are more groups than maps, or none.
    """
    number = len(maps)
    if count is not None and not 1 <= count <= max(number, 1):
        raise InputError("{count} groups of {maps} maps cannot be made.", count=count, maps=number)
    if number < LEAST:
        return Clusters(np.zeros(number, np.int64), np.zeros(0), np.zeros((number, 2)))
    affinity = _affinity(_unit(maps))
    values, vectors = _spectrum(affinity)
    chosen = count or _gap(values)
    labels = np.zeros(number, np.int64)
    if chosen > 1:
        from sklearn.cluster import SpectralClustering

        model = SpectralClustering(
            chosen, affinity="precomputed", assign_labels="cluster_qr", random_state=seed, eigen_solver="arpack"
        )
        labels = _by_size(np.asarray(model.fit_predict(affinity)))
    places = vectors[:, 1:3] if vectors.shape[1] >= 3 else np.zeros((number, 2))
    return Clusters(labels, values, places)


def shrunk(heat: NDArray[np.floating], side: int = _SIDE) -> NDArray[np.float32]:
    """Averages a map, HxW, down to ``side`` x ``side`` values, by area."""
    import torch
    from torch.nn import functional as F

    tensor = torch.from_numpy(np.ascontiguousarray(heat, np.float32))[None, None]
    return F.interpolate(tensor, (side, side), mode="area")[0, 0].numpy()


def _unit(maps: NDArray[np.floating]) -> NDArray[np.float64]:
    flat = np.asarray(maps, np.float64).reshape(len(maps), -1)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)


def _affinity(flat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Joins each map with its nearest ones, both ways; maps far from everything hang on by a thread."""
    from sklearn.neighbors import kneighbors_graph

    near = min(_NEIGHBOURS, len(flat) - 1)
    graph = kneighbors_graph(flat, near, include_self=False).toarray()
    return np.asarray(0.5 * (graph + graph.T) + 1e-4 * (1 - np.eye(len(flat))))


def _spectrum(affinity: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.linalg import eigh

    scale = 1 / np.sqrt(affinity.sum(1))
    laplacian = np.eye(len(affinity)) - scale[:, None] * affinity * scale[None]
    last = min(MAX_CLUSTERS + 2, len(affinity)) - 1
    values, vectors = eigh(laplacian, subset_by_index=(0, last))
    return np.clip(values, 0, None), vectors


def _gap(values: NDArray[np.float64]) -> int:
    """Returns after how many eigenvalues near zero the widest gap lies; 1 where even the second is far from it."""
    gaps = np.diff(values[: MAX_CLUSTERS + 1])
    gaps[values[: len(gaps)] > _NEAR_ZERO] = 0
    return int(gaps.argmax()) + 1


def _by_size(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers groups from the largest."""
    names, sizes = np.unique(labels, return_counts=True)
    order = names[np.argsort(-sizes, kind="stable")]
    return np.array([int(np.flatnonzero(order == label)[0]) for label in labels], np.int64)
