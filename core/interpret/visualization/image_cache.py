"""Grown pictures, kept on disk: one PNG file each, named by all that it depends on."""

from __future__ import annotations

import hashlib
import io
import json
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from torch import Tensor, nn

from core.disk_cache import DiskCache, name_of
from core.interpret.probe import lock_of, model_of

if TYPE_CHECKING:
    from core.models.network import Network

CACHE = DiskCache("dreams", ".png", max_bytes=200_000_000)
"""One file has about 40 kB."""
FORMAT = 1
"""Of the files, and of how pictures are grown."""
_TEXT = "backbone-lab"
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
    """Returns a kept picture; ``None`` where there is none, or its file is damaged."""
    return CACHE.read(name_of(key), _load)


def write(rows: Sequence[tuple[str, CachedImage]]) -> None:
    """Keeps pictures. What cannot be written is not kept: it can be grown again."""
    CACHE.write({name_of(key): _file(key, cached) for key, cached in rows})


def _load(path: Path) -> CachedImage:
    with Image.open(path) as file:
        return CachedImage(np.array(file.convert("RGB")), json.loads(file.info[_TEXT])["figures"])


def _file(key: str, cached: CachedImage) -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text(_TEXT, json.dumps({"key": key, "figures": cached.figures}))
    stream = io.BytesIO()
    Image.fromarray(cached.image).save(stream, "PNG", pnginfo=text)
    return stream.getvalue()


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
