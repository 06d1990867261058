"""Divides images where relatives stay together, look-alikes among them."""

from __future__ import annotations

from core.data.dataset import Dataset
from core.data.division.relatives import joined
from core.data.health import inspect
from core.data.splits import split
from core.specs import DataSpec


def divide(dataset: Dataset, spec: DataSpec) -> Dataset:
    """Puts every image into a split; see :func:`core.data.splits.split`. Look-alikes are found where they count.

    Raises:
        InputError: As there.
    """
    return split(dataset, spec, look_alikes(dataset) if spec.group_by == "near" else None)


def look_alikes(dataset: Dataset) -> tuple[tuple[str, ...], ...]:
    """Returns the keys of images that show the same picture, in groups."""
    return joined((twin.first, twin.second) for twin in inspect(dataset).twins)
