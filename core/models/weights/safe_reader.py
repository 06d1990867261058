"""Files of weights from anywhere, read without running anything that they hold.

Safetensors files are tensors and nothing else. A ``.pth`` is a pickle, which could run any code, so it is read by
torch's restricted unpickler alone (``weights_only=True``), after a look at its size from outside.
"""

from __future__ import annotations

import json
import math
import pickle
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from core.errors import InputError

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
"""Endings of files that are opened."""
MAX_BYTES = 8 * 2**30
"""Largest file that is opened."""
MAX_TENSORS = 20_000
_MAX_PICKLE = 64 * 2**20
_MAX_DEPTH = 4
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "params", "weights")
"""Keys under which training scripts put a network's tensors, beside the optimizer's and others."""
_BROKEN = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    EOFError,
    RuntimeError,
    AssertionError,
    MemoryError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    OverflowError,
    NotImplementedError,
)
"""What torch's reader is known to raise on damaged files."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A tensor in a file, as in its header.

    Attributes:
        shape: Its shape.
        floating: Whether its values are floating-point numbers.
    """

    shape: Shape
    floating: bool


@dataclass(frozen=True, slots=True)
class TensorFile:
    """A file of named tensors.

    Attributes:
        path: The file.
        entries: What it holds, by name.
        aliases: Names of tensors that are stored under another one.
    """

    path: Path
    entries: Mapping[str, Entry]
    aliases: Mapping[str, str]

    def load(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Reads tensors to the CPU.

        Raises:
            InputError: The file was changed or damaged meanwhile.
        """
        wanted = list(names)
        if self.path.suffix == ".safetensors":
            try:
                with safe_open(self.path, framework="pt") as file:
                    return {name: file.get_tensor(self.aliases.get(name, name)) for name in wanted}
            except (SafetensorError, *_BROKEN) as error:
                raise _damaged(self.path) from error
        tensors = _unpickled(self.path, "cpu")
        try:
            return {name: tensors[name] for name in wanted}
        except KeyError as error:
            raise _damaged(self.path) from error


def open_tensors(path: Path) -> TensorFile:
    """Looks into a file of weights; of the tensors only names, shapes and types are read.

    Args:
        path: A safetensors file, or what ``torch.save(model.state_dict())`` wrote, also wrapped in a training
            script's dictionary.

    Raises:
        InputError: There is no such file, it is too large, damaged or no file of tensors, or it holds code.
    """
    path = Path(path)
    _check(path)
    if path.suffix == ".safetensors":
        return _open_safetensors(path)
    found = _unpickled(path, "meta")
    return TensorFile(path, {name: Entry(tuple(t.shape), t.is_floating_point()) for name, t in found.items()}, {})


def _check(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise InputError(
            "{file} is no file of weights that can be read here. Give one that ends in {suffixes}.",
            file=path.name,
            suffixes=", ".join(SUFFIXES),
        )
    try:
        if not path.is_file():
            raise InputError("The weight file {file} does not exist.", file=str(path))
        size = path.stat().st_size
    except OSError as error:
        raise InputError("The weight file {file} cannot be opened.", file=str(path)) from error
    if size > MAX_BYTES:
        raise InputError(
            "The weight file {file} has {size} GB; at most {limit} GB are read.",
            file=path.name,
            size=round(size / 2**30, 1),
            limit=MAX_BYTES // 2**30,
        )


def _open_safetensors(path: Path) -> TensorFile:
    entries: dict[str, Entry] = {}
    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                part = file.get_slice(name)
                entries[name] = Entry(tuple(part.get_shape()), part.get_dtype().startswith(("F", "BF")))
            aliases = json.loads((file.metadata() or {}).get("aliases", "{}"))
        entries.update({name: entries[target] for name, target in aliases.items()})
    except PermissionError as error:
        raise _forbidden(path) from error
    except (SafetensorError, *_BROKEN) as error:
        raise _damaged(path) from error
    _count(path, len(entries))
    return TensorFile(path, entries, aliases)


def _unpickled(path: Path, place: str) -> dict[str, Tensor]:
    """Returns the tensors of a pickle; on ``meta`` without their values."""
    try:
        zipped = zipfile.is_zipfile(path)
        if zipped:
            _check_zip(path)
        record = torch.load(path, map_location=place, weights_only=True, mmap=zipped and place == "cpu")
    except PermissionError as error:
        raise _forbidden(path) from error
    except InputError:
        raise
    except pickle.UnpicklingError as error:
        culprit = re.search(r"GLOBAL ([\w.]+)", str(error))
        if culprit is None:
            raise _damaged(path) from error
        raise InputError(
            "The weight file {file} holds Python objects beside tensors ({what}), and opening such a file can run any "
            "code, so nothing of it was opened. Save the tensors alone: torch.save(model.state_dict(), …), or as "
            "safetensors.",
            file=path.name,
            what=culprit[1].rstrip("."),
        ) from error
    except _BROKEN as error:
        raise _damaged(path) from error
    return _tensors(path, record)


def _check_zip(path: Path) -> None:
    """Refuses archives that are larger inside than outside; torch itself never compresses."""
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
    _count(path, len(parts) - 10)
    packed = any(part.compress_type != zipfile.ZIP_STORED for part in parts)
    pickled = max((part.file_size for part in parts if part.filename.endswith("data.pkl")), default=0)
    if packed or sum(part.file_size for part in parts) > size or pickled > _MAX_PICKLE:
        raise InputError(
            "The weight file {file} unpacks to more than it is: torch.save does not write such files. It was not "
            "opened.",
            file=path.name,
        )


def _count(path: Path, count: int) -> None:
    if count > MAX_TENSORS:
        raise InputError(
            "The weight file {file} names {count} tensors; at most {limit} are read.",
            file=path.name,
            count=count,
            limit=MAX_TENSORS,
        )


def _tensors(path: Path, record: object) -> dict[str, Tensor]:
    """Finds the dictionary of tensors in what a training script saved."""
    for _ in range(_MAX_DEPTH):
        if not isinstance(record, Mapping):
            break
        found = {str(name): value for name, value in record.items() if isinstance(value, Tensor)}
        inner = next((record[key] for key in _WRAPPERS if isinstance(record.get(key), Mapping)), None)
        if inner is None:
            usable = {name: value for name, value in found.items() if _plain(value)}
            if usable:
                _count(path, len(usable))
                return usable
            break
        record = inner
    raise InputError(
        "The weight file {file} holds no dictionary of named tensors but {kind}. Save the network's state_dict.",
        file=path.name,
        kind=type(record).__name__,
    )


def _plain(value: Tensor) -> bool:
    return value.layout is torch.strided and not value.is_quantized and math.prod(value.shape) < 2**40


def _damaged(path: Path) -> InputError:
    return InputError("The weight file {file} is damaged and cannot be read.", file=str(path))


def _forbidden(path: Path) -> InputError:
    return InputError("The weight file {file} may not be read: permission is denied.", file=str(path))
