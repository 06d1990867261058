"""Trust in heatmaps as it was measured, on disk: whoever asks again finds it, also after the server's restart."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Hashable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from core.disk_cache import DiskCache, name_of
from core.interpret.explanation_metrics.baselines import Similarity
from core.interpret.explanation_metrics.localisation import Placement, Region
from core.interpret.explanation_metrics.metrics import Curve, Scores
from core.workflows.inspection.trust import Trust

CACHE = DiskCache("trust", ".json", max_bytes=64e6, max_files=1024)
VERSION = 1
"""Raised when the same map would be measured otherwise."""
_RECORDS: dict[str, type[Any]] = {
    record.__name__: record for record in (Trust, Scores, Curve, Similarity, Region, Placement)
}


def load(key: tuple[Hashable, ...]) -> Trust | None:
    """Returns what was measured for a key; ``None`` where nothing was, or it is damaged.

    Args:
        key: All that it depends on: network, picture, map and settings, each of which ``repr`` writes alike in
            every process.
    """

    def read(path: Path) -> Trust:
        found = json.loads(path.read_bytes(), object_hook=_made)
        if not isinstance(found, Trust):
            raise TypeError(path.name)
        return found

    return CACHE.read(_name(key), read)


def save(key: tuple[Hashable, ...], found: Trust) -> None:
    """Writes what was measured for a key."""
    CACHE.write({_name(key): json.dumps(found, default=_plain).encode()})


def _name(key: tuple[Hashable, ...]) -> str:
    return name_of(repr((VERSION, *key)))


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        packed = b64encode(zlib.compress(value.tobytes())).decode()
        return {"dtype": value.dtype.str, "shape": value.shape, "zlib": packed}
    if isinstance(value, np.generic):
        return value.item()
    record = _RECORDS[type(value).__name__]
    return {"record": record.__name__, **{part.name: getattr(value, part.name) for part in fields(record)}}


def _made(found: dict[str, Any]) -> object:
    if "zlib" in found:
        values = np.frombuffer(zlib.decompress(b64decode(found["zlib"])), found["dtype"])
        return values.reshape(found["shape"]).copy()
    record = _RECORDS[found.pop("record")]
    return record(**{name: tuple(value) if isinstance(value, list) else value for name, value in found.items()})
