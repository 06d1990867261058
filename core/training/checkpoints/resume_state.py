"""The state that a training goes on from, as a file of tensors and JSON: nothing in it can be code.

Tensors stand in a safetensors file, in the order in which they lie in memory; what holds them together (optimizer,
average of the weights, generators, counters) stands in its metadata as JSON. Up to 2026-12 the state was a pickle; one
that such a run kept is still read where it was made, by torch's restricted unpickler.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from core.errors import InputError
from core.models.network import read_state, save_state

STATE, FORMER = "resume.safetensors", "resume.pt"
_FORMAT, _KEY = "1", "state"


def save(state: dict[str, Any], path: Path, stamp: str) -> None:
    """Replaces the file in one step.

    Args:
        state: Tensors and plain values in dictionaries, lists and tuples.
        path: The file.
        stamp: A word by which it is known to belong to the weights of the same step.

    Raises:
        OSError: It cannot be written; the old file stays.
    """
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_packed(state, tensors), separators=(",", ":"))
    save_state(tensors, path, stamp=stamp, about={_KEY: text, "state_format": _FORMAT})


def read(folder: Path) -> dict[str, Any]:
    """Returns the state that a run's folder holds, on the CPU, and its ``stamp``.

    Raises:
        InputError: There is none, or it is damaged.
    """
    if not (folder / STATE).exists() and (folder / FORMER).exists():
        return _unpickled(folder / FORMER)
    path = folder / STATE
    if not path.exists():
        raise InputError("The run kept no state to go on from. Train it again from its best weights.")
    about = metadata(path)
    try:
        if about["state_format"] != _FORMAT:
            raise ValueError("another format")
        state = _unpacked(json.loads(about[_KEY]), read_state(path))
        return {**state, "stamp": about["stamp"]}
    except (InputError, LookupError, ValueError, TypeError, AttributeError, RecursionError, RuntimeError) as error:
        raise _damaged(path) from error


def remove(folder: Path) -> None:
    """Removes the state of a run that needs it no longer."""
    for name in (STATE, FORMER):
        (folder / name).unlink(missing_ok=True)


def metadata(path: Path) -> dict[str, str]:
    """Returns what a safetensors file says beside its tensors; nothing where it cannot be read."""
    with suppress(OSError, SafetensorError), safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})
    return {}


def _packed(value: object, tensors: dict[str, Tensor]) -> object:
    """Returns a value as JSON can say it; its tensors are put beside it, laid out as they lie in memory."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        strides = value.stride()
        order = sorted(range(value.ndim), key=lambda axis: (-strides[axis], axis))
        tensors[name] = value.permute(order)
        return {"tensor": name, "order": order}
    if isinstance(value, dict):
        return {"dict": [[_packed(key, tensors), _packed(inner, tensors)] for key, inner in value.items()]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_packed(inner, tensors) for inner in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a state holds {type(value).__name__}")


def _unpacked(value: object, tensors: dict[str, Tensor]) -> Any:  # noqa: ANN401 (what _packed was given)
    """Returns what :func:`_packed` was given.

    Raises:
        LookupError, ValueError, TypeError, AttributeError, RuntimeError: It is something else.
    """
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise TypeError("a bare list")
        return value
    if "tensor" in value:
        order = value["order"]
        back = [order.index(axis) for axis in range(len(order))]
        return tensors[value["tensor"]].permute(back)
    ((kind, inner),) = value.items()
    if kind == "dict":
        return {_key(key): _unpacked(one, tensors) for key, one in inner}
    found = [_unpacked(one, tensors) for one in inner]
    return {"list": found, "tuple": tuple(found)}[kind]


def _key(value: object) -> str | int:
    if not isinstance(value, str | int):
        raise TypeError("a key of another kind")
    return value


def _unpickled(path: Path) -> dict[str, Any]:
    try:
        state = dict(torch.load(path, map_location="cpu", weights_only=True))
        state["stamp"]
    except Exception as error:
        raise _damaged(path) from error
    return state


def _damaged(path: Path) -> InputError:
    return InputError("The state of the run, {file}, is damaged. Train it again from its best weights.", file=path.name)
