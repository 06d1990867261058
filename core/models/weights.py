"""Pretrained weights of torchvision's networks: whether they are here, and loading them in peace."""

from __future__ import annotations

import hashlib
import pickle
import re
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import nn
from torchvision import models

from core.errors import WeightsUnavailable
from core.models.construct import Uninitialised

_DIGEST = re.compile(r"-([0-9a-f]{8,})\.")


def default(name: str) -> Any:
    """Returns torchvision's default weights entry of network ``name``."""
    return models.get_model_weights(name).DEFAULT


def checkpoint(name: str) -> Path:
    """Returns where torch.hub keeps, or would put, the weight file of torchvision's ``name``."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(default(name).url).path).name


def pretrained(name: str, **options: Any) -> nn.Module:
    """Builds torchvision's ``name`` with its default weights, downloading them where they are not here yet.

    Args:
        name: Name in torchvision's registry.
        **options: Passed on to the builder.

    Raises:
        WeightsUnavailable: They cannot be downloaded from here, or the file is damaged.
    """
    file = checkpoint(name)
    if file.is_file() and not _intact(file):
        raise _damaged(name, file)
    try:
        with Uninitialised():
            return models.get_model(name, weights=default(name), progress=False, **options)
    except (OSError, HTTPException) as error:  # URLError is an OSError
        raise _out_of_reach(name, file) from error
    except (RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        # a download with a wrong digest is refused and not kept
        raise (_damaged(name, file) if file.is_file() else _out_of_reach(name, file)) from error


def _out_of_reach(name: str, file: Path) -> WeightsUnavailable:
    return WeightsUnavailable(
        "The weights of {name} are not on this machine and could not be downloaded. Choose random weights, or put "
        "the file {file} into the folder {folder}.",
        name=name,
        file=file.name,
        folder=str(file.parent),
    )


def _damaged(name: str, file: Path) -> WeightsUnavailable:
    return WeightsUnavailable(
        "The weight file {file} of {name} is damaged. Choose random weights, or delete it from the folder {folder} "
        "and try again.",
        name=name,
        file=file.name,
        folder=str(file.parent),
    )


def _intact(file: Path) -> bool:
    """Whether the file has the digest that its publisher wrote into its name."""
    promised = _DIGEST.search(file.name)
    if promised is None:
        return True
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest().startswith(promised[1])
