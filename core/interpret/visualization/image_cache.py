"""Grown pictures, kept on disk: one PNG file each, named by all that it depends on."""

from __future__ import annotations

import hashlib
import json
import os
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from torch import Tensor, nn

from core import settings
from core.interpret.probe import lock_of, model_of

if TYPE_CHECKING:
    from core.models.network import Network

FOLDER = "dreams"
LIMIT = 200_000_000
"""Bytes that all files together may take; beyond it, those unused for longest are removed. One has about 40 kB."""
FORMAT = 1
"""Of the files, and of how pictures are grown."""
_TEXT = "backbone-lab"
_DAMAGED = (OSError, ValueError, KeyError, TypeError, SyntaxError, EOFError)
"""What reading a missing or damaged file raises."""
_DIGESTS: weakref.WeakKeyDictionary[nn.Module, dict[str, tuple[tuple[int, ...], str]]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True, eq=False)
class CachedImage:
    """A picture with its figures.

    Attributes:
        image: HxWx3, uint8.
        figures: What was noted of it, JSON-ready.
    """

    image: NDArray[np.uint8]
    figures: dict[str, Any]


def digest(network: Network, layer: str) -> str:
    """Returns a digest of the weights that a layer's output can depend on.

    What comes after the layer is left out, so that runs that trained only their heads share pictures with the backbone
    that they began with.
    """
    model = model_of(network)
    with lock_of(network):
        names = _before(network, layer)
        tensors = {name: value for name, value in model.state_dict().items() if name in names}
        stamp = tuple(value._version for value in tensors.values())
        known = _DIGESTS.setdefault(model, {})
        if layer not in known or known[layer][0] != stamp:
            known[layer] = (stamp, _digest(tensors))
        return known[layer][1]


def keys_of(network: Network, layer: str, channels: Sequence[int], **parts: Any) -> dict[int, str]:
    """Returns the names of pictures, channel by channel: what each depends on, as text.

    Args:
        network: Its weights up to the layer and its preprocessing count.
        layer: The layer.
        channels: Numbers of channels.
        parts: All else: size, steps, seed ...
    """
    prep = network.preprocessing
    seen = (prep.mean, prep.std, prep.channels, prep.crop)
    common = {"format": FORMAT, "weights": digest(network, layer), "layer": layer, "seen": seen, **parts}
    return {channel: json.dumps({**common, "channel": channel}, sort_keys=True) for channel in channels}


def read(key: str) -> CachedImage | None:
    """Returns a kept picture; ``None`` where there is none, or its file is damaged or another's."""
    path = _path(key)
    try:
        with Image.open(path) as file:
            record = json.loads(file.info[_TEXT])
            if record["key"] != key:
                return None
            image = np.array(file.convert("RGB"))
    except _DAMAGED:
        return None
    with suppress(OSError):  # so that it counts as used
        os.utime(path)
    return CachedImage(image, record["figures"])


def write(rows: Sequence[tuple[str, CachedImage]]) -> None:
    """Keeps pictures, each in one step. What cannot be written is not kept: it can be grown again."""
    for key, kept in rows:
        path = _path(key)
        temporary = path.with_name(f".{path.name}.{uuid4().hex}")
        text = PngImagePlugin.PngInfo()
        text.add_text(_TEXT, json.dumps({"key": key, "figures": kept.figures}))
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                Image.fromarray(kept.image).save(temporary, "PNG", pnginfo=text)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
    prune()


def prune(limit: int = LIMIT) -> None:
    """Removes the pictures that were unused for longest until the rest take at most ``limit`` bytes."""
    found = []
    for path in _folder().glob("*.png"):
        with suppress(OSError):
            state = path.stat()
            found.append((state.st_mtime, state.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= limit:
            return
        with suppress(OSError):
            path.unlink()
            total -= size


def _folder() -> Path:
    return settings.cache_dir() / FOLDER


def _path(key: str) -> Path:
    return _folder() / f"{hashlib.blake2b(key.encode(), digest_size=20).hexdigest()}.png"


def _before(network: Network, layer: str) -> set[str]:
    """Returns the names of parameters and buffers but for those of modules that run only after the layer."""
    rows = network.anatomy.layers
    at = next((index for index, row in enumerate(rows) if row.name == layer), len(rows))
    after = tuple(f"{row.name}." for row in rows[at + 1 :] if row.leaf and row.calls == 1)
    return {name for name in model_of(network).state_dict() if not (after and name.startswith(after))}


def _digest(tensors: dict[str, Tensor]) -> str:
    found = hashlib.blake2b(digest_size=20)
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        found.update(memoryview(value.flatten().view(torch.uint8).numpy()))  # type: ignore[arg-type]
    return found.hexdigest()
