"""Finding a folder that may be read, and loading the images below it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from core.data.decoding import SetDepth
from core.data.images import Decoded, read_image
from core.errors import InputError


@dataclass(frozen=True, slots=True)
class FolderReader:
    """Loads images below a folder.

    Attributes:
        root: The folder that keys are relative to.
        roots: Folders that every file must really lie under; None for no limit.
        depth: The bits in use of the images; None for those of each.
    """

    root: Path
    roots: tuple[Path, ...] | None = None
    depth: SetDepth | None = field(default=None, compare=False)

    def load(self, key: str) -> Image.Image:
        """Opens the image; see :func:`core.data.images.open_image`."""
        return self.read(key).image

    def read(self, key: str, least: int | None = None) -> Decoded:
        """Opens the image with what its file records; see :func:`core.data.images.read_image`."""
        return read_image(self.path(key), name=key, least=least, depth=self.depth)

    def mask(self, key: str) -> np.ndarray | None:  # noqa: ARG002 - photographs bring no masks
        """Returns None: folders bring no masks."""
        return None

    def path(self, key: str) -> Path:
        """Returns the image's file, checked anew to lie under the allowed roots."""
        path = self.root / key
        if self.roots is not None and not is_under(Path(os.path.realpath(path)), self.roots):
            raise InputError("{name} leads outside the folders that may be read here.", name=key)
        return path


def is_under(path: Path, roots: Sequence[Path]) -> bool:
    """Tells whether a resolved path is one of the resolved roots or lies under one."""
    return any(path == root or root in path.parents for root in roots)


def locate(source: str, roots: Sequence[Path] | None) -> Path:
    """Finds the folder that is meant, links resolved.

    Args:
        source: A path; a relative one is looked for under each root, or in the working folder without roots.
        roots: Where it must lie; None for anywhere.

    Raises:
        InputError: It lies outside the roots, does not exist, or is no folder.
    """
    try:
        given = Path(source)
        if roots is None:
            candidates = [given.expanduser().resolve()]
        else:
            limits = [Path(root).resolve() for root in roots]
            candidates = [(root / given).resolve() for root in limits]
            candidates = [path for path in dict.fromkeys(candidates) if is_under(path, limits)]
            if not candidates:
                raise InputError(
                    "{path} lies outside the folders that may be read here. Put the images under {root}.",
                    path=source,
                    root=str(limits[0]) if limits else "",
                )
        for path in candidates:
            if path.is_dir():
                return path
        exists = any(path.exists() for path in candidates)
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("{path} is not a path that can be read here.", path=repr(source)) from error
    if exists:
        raise InputError(
            "{path} is a file, not a folder. Give a folder that holds one folder a class (unpack an archive first).",
            path=source,
        )
    raise InputError(
        "There is no folder {path}, nor an embedded data set of that name. Embedded: {known}.",
        path=source,
        known="mnist, digits, shapes, letters, circles, clothes, brains, textures",
    )
