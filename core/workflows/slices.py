"""What a judged run's images can be sliced by: class, folder, size, looks, the data's own columns, groups, the map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.data.division.relatives import below_class
from core.data.scan.looks import look_at
from core.errors import InputError
from core.evaluation import slices as sliced
from core.evaluation.slices import Slice
from core.messages import N_, Progress
from core.runs.store import Run
from core.workflows.evaluate import Evaluation, grouped
from core.workflows.images import open_source, reopen

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.workflows.data_check.picture_map import PictureMap

Columns = dict[str, list[str | float | None]]

TITLES: Mapping[str, str] = {
    "class": N_("Class"),
    "folder": N_("Folder"),
    "side": N_("Short side, px"),
    "aspect": N_("Width over height"),
    "brightness": N_("Brightness, 0 to 255"),
    "contrast": N_("Contrast"),
    "sharpness": N_("Sharpness"),
    "mode": N_("Colour mode"),
    "format": N_("File format"),
    "group": N_("Pictures of a group"),
    "cluster": N_("Cluster of the map"),
}
"""Columns that are made here, and what each is called; the data's own are called as the data call them."""
CLUSTERS = 8
"""Clusters that a map of pictures is parted into."""


def by_columns(
    run: Run,
    judged: Evaluation,
    *,
    only: Sequence[str] = (),
    chart: PictureMap | None = None,
    roots: Sequence[Path] | None = None,
    progress: Progress | None = None,
) -> tuple[Slice, ...]:
    """Returns the accuracy of a judged run within slices of its own images, the worst first.

    Args:
        run: The run.
        judged: Its answers to images of its own.
        only: Columns to slice by; all for none.
        chart: Where the images lie on the map, if it was drawn.
        roots: Folders that the images must lie under, links resolved; ``None`` for no limit.
        progress: Called with images looked at and all.

    Raises:
        InputError: The images cannot be opened any more, or there is no such column.
    """
    found = columns(run, judged, chart=chart, roots=roots, progress=progress)
    unknown = next((name for name in only if name not in found), None)
    if unknown is not None:
        raise InputError(
            "There is no column {name}. These images have: {known}.", name=unknown, known=", ".join(sorted(found))
        )
    predictions = judged.predictions
    right = np.asarray(predictions.probabilities.argmax(axis=1) == predictions.labels)
    chosen = {name: values for name, values in found.items() if not only or name in only}
    return sliced.slices(chosen, right, grouped(run, judged, roots=roots).groups)


def columns(
    run: Run,
    judged: Evaluation,
    *,
    chart: PictureMap | None = None,
    roots: Sequence[Path] | None = None,
    progress: Progress | None = None,
) -> Columns:
    """Returns what is known of judged images, for each column a value an image; see :func:`by_columns`."""
    keys = judged.predictions.keys
    wanted = set(keys)
    dataset = reopen(run, roots=roots)
    dataset = dataset.subset(place for place, item in enumerate(dataset.items) if item.key in wanted)
    names = judged.predictions.classes
    found: Columns = {"class": [names[label] for label in judged.predictions.labels.tolist()]}
    by_key = {**_folders(dataset), **_looks(dataset, progress), **_own(run, roots)}
    if chart is not None:
        by_key["cluster"] = _clusters(chart)
    groups = grouped(run, judged, roots=roots).groups
    if groups is not None:
        sizes = Counter(groups)
        found["group"] = [float(sizes[group]) for group in groups]
    for name, values in by_key.items():
        if any(key in values for key in keys):
            found[name] = [values.get(key) for key in keys]
    return found


def _folders(dataset: Dataset) -> dict[str, dict[str, str | float]]:
    """Returns the folder below its class in which each image lies, where there are such folders."""
    found: dict[str, str | float] = {}
    for item in dataset.items:
        below = below_class(dataset, item.key, item.label).parent.as_posix()
        if below not in (".", ""):
            found[item.key] = below
    return {"folder": found}


def _looks(dataset: Dataset, progress: Progress | None) -> dict[str, dict[str, str | float]]:
    """Returns size, brightness, contrast, sharpness, mode and format of each image that can be read."""
    seen = look_at(dataset, progress)
    keys = [dataset.items[place].key for place in seen.positions.tolist()]
    width, height = seen.sizes[:, 0].astype(float), seen.sizes[:, 1].astype(float)
    numbers = {
        "side": np.minimum(width, height),
        "aspect": (width / np.maximum(height, 1)).round(2),
        "brightness": seen.figures[:, 0].round(1),
        "contrast": seen.figures[:, 1].round(1),
        "sharpness": seen.figures[:, 2].round(3),
    }
    words = {"mode": seen.modes, "format": seen.formats}
    found: dict[str, dict[str, str | float]] = {}
    for name, values in numbers.items():
        found[name] = dict(zip(keys, map(float, values), strict=True))
    for name, texts in words.items():
        found[name] = {key: str(text) for key, text in zip(keys, texts.tolist(), strict=True) if text}
    return found


def _own(run: Run, roots: Sequence[Path] | None) -> dict[str, dict[str, str | float]]:
    """Returns the columns that the data bring; of numbers alone as numbers."""
    try:
        columns = open_source(run, roots=roots).columns
    except InputError:
        return {}
    return {name: _numbers(values) or dict(values) for name, values in columns.items()}


def _numbers(values: Mapping[str, str]) -> dict[str, str | float] | None:
    try:
        found = {key: float(value) for key, value in values.items() if value.strip()}
    except ValueError:
        return None
    return dict(found) if len(set(found.values())) > sliced.PARTS else None


def _clusters(chart: PictureMap) -> dict[str, str | float]:
    """Returns the cluster of each image on the map, by k-means; numbered from left to right."""
    from sklearn.cluster import KMeans

    count = min(CLUSTERS, len(chart.keys) // 10)
    if count < 2:
        return {}
    fitted = KMeans(count, n_init=4, random_state=0).fit(chart.points)
    order = np.argsort(np.argsort(fitted.cluster_centers_[:, 0]))
    return {key: str(int(order[label]) + 1) for key, label in zip(chart.keys, fitted.labels_.tolist(), strict=True)}
