"""What the folders of jobs share that train networks which give pictures back: pictures of epochs, figures, weights.

This module loads no torch by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from core.errors import InputError
from core.runs.files import read_arrays, write_arrays
from core.runs.jobs import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

Made = TypeVar("Made")
Asked = TypeVar("Asked")
Network = TypeVar("Network", bound="nn.Module")
Rows = tuple[Mapping[str, float], ...]
SHOWN = "shown.npz"


def keep_epoch(job: Job, epoch: int, made: Tensor) -> None:
    """Keeps the pictures after an epoch, N x C x S x S from 0 to 1; 0 is before the first."""
    from core.interpret.visualization.fourier_image import to_bytes

    write_arrays(job.path / _epoch_file(epoch), made=to_bytes(made))


def of_epoch(job: Job, epoch: int) -> NDArray[np.uint8]:
    """Returns the pictures after an epoch, N x S x S x 3; 0 is before the first.

    Raises:
        InputError: They are not there any more.
    """
    (found,) = read_arrays(job.path / _epoch_file(epoch)).values()
    return found


def _epoch_file(epoch: int) -> str:
    return f"epoch-{epoch:05d}.npz"


def read_result(
    job: Job, kind: type[Asked], make: Callable[[Asked, Rows, Mapping[str, Any]], Made | None]
) -> Made | None:
    """Returns what a job has so far; ``None`` where there is nothing yet, or it is damaged.

    Args:
        job: The job.
        kind: What its request has to be.
        make: Makes the result of the request, the rows of the epochs and the whole record.
    """
    record = job.result
    try:
        request = job.read_request()
        if not isinstance(request, kind):
            return None
        rows = tuple({name: float(value) for name, value in row.items()} for row in record["rows"])
        return make(request, rows, record)
    except (InputError, KeyError, TypeError, ValueError, AttributeError):
        return None


def loaded(path: Path, request: Hashable, build: Callable[..., Network]) -> Network:
    """Returns a network in eval mode with the weights of a job's file; the last few are kept.

    Args:
        path: The file.
        request: What the network is built after.
        build: A function of a module, which builds it of the request.

    Raises:
        InputError: The file is not there any more, or damaged.
    """
    try:
        return cast("Network", _loaded(path, path.stat().st_mtime_ns, request, build))
    except OSError as error:
        raise InputError("The file {file} is not there any more, or damaged.", file=path.name) from error


@lru_cache(maxsize=8)
def _loaded(path: Path, _stamp: int, request: Hashable, build: Callable[..., nn.Module]) -> nn.Module:
    from core.models.network import load_into

    network = build(request)
    load_into(network, path)
    return network.eval()
