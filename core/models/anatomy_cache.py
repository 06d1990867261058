"""The anatomy of a network that a specification describes, kept in memory and on disk.

Nothing is downloaded, and reading a kept anatomy neither builds a network nor loads torch.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import importlib.metadata
import importlib.util
import json
from functools import lru_cache
from pathlib import Path

from core import specs
from core.disk_cache import DiskCache, name_of
from core.models.anatomy.records import Anatomy
from core.specs import HeadSpec, ModelSpec

CACHE = DiskCache("anatomies", ".json.gz", max_files=400)
"""One file has 3 to 60 kB."""


def blueprint(spec: ModelSpec, num_classes: int | None = None) -> Anatomy:
    """Returns the anatomy of the network that :func:`core.models.network.assemble` would build for ``spec``.

    Args:
        spec: Backbone, image size, channels, design and head. Weights matter only for the image size where none is
            given; initialisation does not matter.
        num_classes: Classes of a new head, as in ``spec.head``; ``None`` for the network's own head.

    Raises:
        InputError: The backbone is unknown, cannot take such images, or cannot have such a head.
    """
    return _blueprint(_essence(spec, num_classes), num_classes, CACHE.folder)


def _essence(spec: ModelSpec, num_classes: int | None) -> ModelSpec:
    """Returns ``spec`` without what does not change the anatomy."""
    usual = spec.image_size or spec.weights == "none" or spec.weights.startswith(("run:", "file:"))
    return ModelSpec(
        spec.backbone,
        weights="default" if usual else spec.weights,
        image_size=spec.image_size,
        channels=spec.channels,
        head=spec.head if num_classes is not None else HeadSpec(),
        design=spec.design,
    )


@lru_cache(maxsize=128)
def _blueprint(spec: ModelSpec, num_classes: int | None, folder: Path) -> Anatomy:  # noqa: ARG001 (a part of the key)
    name = name_of(_key(spec, num_classes))
    kept = CACHE.read(name, _load)
    if kept is not None:
        return kept
    found = _examine(spec, num_classes)
    text = json.dumps(found.to_dict(), separators=(",", ":"))
    CACHE.write({name: gzip.compress(text.encode(), compresslevel=5, mtime=0)})
    return found


def _load(path: Path) -> Anatomy:
    return Anatomy.from_dict(json.loads(gzip.decompress(path.read_bytes())))


def _examine(spec: ModelSpec, num_classes: int | None) -> Anatomy:
    from core.models.anatomy.examine import anatomy_of, examine
    from core.models.catalog import catalog
    from core.models.heads import build_head

    known, size = catalog.backbone(spec.backbone), catalog.input_size(spec)
    usual = not spec.design and spec.channels in (None, known.channels)
    if usual and num_classes is None:
        return anatomy_of(spec.backbone, size)
    model = catalog.skeleton(spec.backbone, size, channels=spec.channels, design=spec.design)
    if usual:
        own = anatomy_of(spec.backbone, size)
    else:
        like = None if spec.design else anatomy_of(spec.backbone)
        own = examine(model, num_classes=known.num_classes, image_size=size, like=like)
    return own if num_classes is None else build_head(model, own, num_classes, spec.head)


def _key(spec: ModelSpec, num_classes: int | None) -> str:
    """Writes down everything that the anatomy depends on."""
    return json.dumps(
        {
            "spec": dataclasses.asdict(spec),
            "classes": num_classes,
            "versions": [_version(name) for name in ("torch", "torchvision", "timm")],
            "sources": _sources(),
        },
        sort_keys=True,
    )


@lru_cache(maxsize=8)
def _version(package: str) -> str:
    """Returns what distinguishes a package's versions, without importing it; empty where it is not installed."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        return ""
    try:
        return hashlib.sha256(Path(found.origin).with_name("version.py").read_bytes()).hexdigest()[:16]
    except OSError:
        return importlib.metadata.version(package)  # takes ten times as long


@lru_cache(maxsize=1)
def _sources() -> str:
    """Returns a fingerprint of the code that makes anatomies."""
    found = hashlib.sha256()
    for folder in (Path(__file__).parent, Path(specs.__file__).parent):
        for path in sorted(folder.rglob("*.py")):
            found.update(path.name.encode())
            found.update(path.read_bytes())
    return found.hexdigest()
