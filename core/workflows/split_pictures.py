"""Pictures of a data set as tensors from 0 to 1, for networks that give pictures back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import InputError
from core.specs import DataSpec

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Pictures of one split.

    Attributes:
        values: N x C x S x S, from 0 to 1.
        labels: Of each, the number of its class.
        classes: What these are called.
    """

    values: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]


def read(
    data: DataSpec,
    most: Mapping[str, int],
    *,
    channels: int,
    side: int,
    seed: int,
    roots: Sequence[Path] | None,
    progress: Callable[[int, int], None],
) -> dict[str, Pictures]:
    """Reads some pictures of each split, drawn by lot.

    Args:
        data: The pictures, and how they are divided.
        most: Of each split that is wanted, how many at most.
        channels: 1 for gray, 3 for RGB.
        side: Their side, in pixels.
        seed: Of the lot.
        roots: Folders that may be read; ``None`` for no limit.
        progress: Called with pictures read and in all.

    Raises:
        InputError: The data are not there, or a picture cannot be read.
    """
    import torch

    from core import settings
    from core.data.pixel_store import PixelStore
    from core.data.sources import open_spec
    from core.models.architectures.small_networks import preprocessing
    from core.workflows.data_check.dividing import divide

    dataset = divide(open_spec(data, roots=roots), data)
    generator = torch.Generator().manual_seed(seed)
    chosen = {}
    for split, count in most.items():
        positions = torch.tensor(dataset.positions(split))
        chosen[split] = positions[torch.randperm(len(positions), generator=generator)[:count]]
    with PixelStore(dataset, preprocessing(side, channels), max_bytes=settings.pixel_cache_limit()) as store:
        failed = store.fill(torch.cat([*chosen.values()]).tolist(), progress)
        if failed:
            raise failed[0].error or InputError("{name} cannot be read.", name=failed[0].key)
        found = {}
        for split, positions in chosen.items():
            pixels = store.batch(positions).float() / 255
            values = (pixels.mean(1, keepdim=True) if channels == 1 else pixels).contiguous()
            found[split] = Pictures(values, torch.as_tensor(store.labels[positions]), tuple(dataset.classes))
    return found
