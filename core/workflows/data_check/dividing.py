"""Divides images where relatives stay together, look-alikes among them."""

from __future__ import annotations

from core.data.dataset import Dataset
from core.data.splits import split
from core.specs import DataSpec


def divide(dataset: Dataset, spec: DataSpec) -> Dataset:
    """Puts every image into a split; see :func:`core.data.splits.split`. Look-alikes are found where they count.

    Raises:
        InputError: As there.
    """
    if spec.group_by != "near":
        return split(dataset, spec)
    from core.workflows.data_check.check import look_alikes

    return split(dataset, spec, look_alikes(dataset))
