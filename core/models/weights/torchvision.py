"""Pretrained weights of torchvision's networks: whether they are here, fetching them, and loading them in peace."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import nn
from torchvision import models

from core.errors import WeightsUnavailable
from core.models.architectures.build_modes import Seeded, Uninitialised
from core.models.architectures.records import AVAILABLE, DOWNLOAD, WeightsEntry
from core.models.weights import download

_IMAGENET = "ImageNet-1K"
_LINK = re.compile(r"`([^`<]+?)\s*<[^>]+>`_+")
_MIB = 1.048576


def default(name: str) -> models.WeightsEnum:
    """Returns torchvision's default weights entry of network ``name``."""
    return models.get_model_weights(name).DEFAULT


def find(name: str, entry: str = "") -> models.WeightsEnum:
    """Returns torchvision's weights entry of that name, the default one for an empty name."""
    return models.get_model_weights(name)[entry] if entry else default(name)


def checkpoint(name: str, entry: str = "") -> Path:
    """Returns where torch.hub keeps, or would put, a weight file of torchvision's ``name``."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(find(name, entry).url).path).name


def entries(name: str) -> tuple[WeightsEntry, ...]:
    """Returns the weights that torchvision publishes for ``name``, the default first."""
    chosen = default(name)
    listed = sorted(models.get_model_weights(name), key=lambda entry: entry is not chosen)
    return tuple(_entry(name, entry, entry is chosen) for entry in listed)


def _entry(name: str, entry: models.WeightsEnum, is_default: bool) -> WeightsEntry:
    meta = entry.meta
    metrics = meta["_metrics"].get(_IMAGENET, {})
    known = meta["categories"] or ()
    return WeightsEntry(
        name=entry.name,
        title=entry.name.replace("IMAGENET1K", _IMAGENET).replace("_", " "),
        top1=metrics.get("acc@1") if known else None,
        top5=metrics.get("acc@5") if known else None,
        size_mb=round(meta["_file_size"] * _MIB, 1),  # the registry counts in MiB
        classes=len(known),
        input_size=entry.transforms().crop_size[0],
        gflops=meta["_ops"],
        note=" ".join(_LINK.sub(r"\1", meta.get("_docs", "")).split()),
        recipe=meta.get("recipe", ""),
        state=AVAILABLE if checkpoint(name, entry.name).is_file() else DOWNLOAD,
        default=is_default,
    )


def fetch(name: str, entry: str = "", report: download.Report | None = None) -> Path:
    """Downloads a weight file into torch.hub's cache, unless it is there.

    See :func:`core.models.weights.download.fetch`.

    Raises:
        WeightsUnavailable: It cannot be had.
    """
    file = checkpoint(name, entry)
    if file.is_file():
        return file
    found = find(name, entry)
    size = int(found.meta["_file_size"] * _MIB * 1e6)
    return download.fetch(found.url, file, title=f"{name} ({file.name})", size=size, report=report)


def pretrained(name: str, entry: str = "", report: download.Report | None = None, **options: Any) -> nn.Module:
    """Builds torchvision's ``name`` with pretrained weights, downloading them where they are not here yet.

    Args:
        name: Name in torchvision's registry.
        entry: Name of the weights entry; empty for the default.
        report: Hears of the download's progress.
        **options: Passed on to the builder.

    Raises:
        WeightsUnavailable: They cannot be downloaded from here, or the file is damaged.
    """
    file = checkpoint(name, entry)
    if file.is_file() and not download.intact(file):
        raise _damaged(name, file)
    fetch(name, entry, report)
    try:
        with Uninitialised():
            model = models.get_model(name, weights=find(name, entry), progress=False, **options)
    except (OSError, RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise _damaged(name, file) from error
    if not find(name, entry).meta["categories"]:
        _fill_undefined(model)
    return model


def _fill_undefined(model: nn.Module) -> None:
    """Draws the layers anew that a file of features alone leaves undefined, always the same way."""
    with Seeded(0):
        for module in model.modules():
            values = list(module.parameters(recurse=False))
            if isinstance(module, nn.Linear | nn.Conv2d) and not all(bool(value.isfinite().all()) for value in values):
                module.reset_parameters()


def _damaged(name: str, file: Path) -> WeightsUnavailable:
    return WeightsUnavailable(
        "The weight file {file} of {name} is damaged. Choose random weights, or delete it from the folder {folder} "
        "and try again.",
        name=name,
        file=file.name,
        folder=str(file.parent),
    )
