"""The room that uploads share, whatever they hold: archives of images are unpacked here, files of weights are kept."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from core import settings
from core.errors import InputError


def usage(root: Path | None = None) -> int:
    """Returns the bytes that all uploads take up together, or those in one folder."""
    total = 0
    for top in (root,) if root is not None else (settings.uploads_dir(), settings.weight_uploads_dir()):
        for folder, _, files in os.walk(top):
            for file in files:
                try:
                    total += (Path(folder) / file).lstat().st_size
                except FileNotFoundError:  # deleted while it was being counted
                    continue
    return total


def check_size(size: int, name: str) -> None:
    """Makes sure that an upload is neither empty nor too large.

    Raises:
        InputError: It is.
    """
    if size == 0:
        raise InputError("{name} is empty: it holds no bytes.", name=name)
    if size > settings.upload_limit():
        raise InputError(
            "{name} has {size} MB; an upload may have {limit} MB.",
            name=name,
            size=round(size / 1e6),
            limit=round(settings.upload_limit() / 1e6),
        )


def check_room(needed: int, name: str, root: Path, used: int) -> None:
    """Makes sure that an upload fits beside the others, and on the disk.

    Args:
        needed: Bytes that it takes.
        name: What it is called.
        root: The folder that it goes into, which exists.
        used: Bytes that the others take, see :func:`usage`.

    Raises:
        InputError: It does not fit.
    """
    if used + needed > settings.upload_quota():
        raise InputError(
            "{name} needs {needed} MB, and all uploads together may take {quota} MB. Delete an older upload first.",
            name=name,
            needed=round(needed / 1e6, 1),
            quota=round(settings.upload_quota() / 1e6),
        )
    if needed > shutil.disk_usage(root).free:
        raise InputError(
            "The disk is too full for {name}: it needs {needed} MB.", name=name, needed=round(needed / 1e6)
        )


def delete(path: Path, root: Path) -> None:
    """Deletes one upload with all that it holds.

    Args:
        path: A folder or file that lies directly in ``root``.
        root: The folder of uploads of its kind.

    Raises:
        InputError: The path is no upload, or is gone.
    """
    path, root = Path(path), root.resolve()
    if path.is_symlink() or path.resolve().parent != root:
        raise InputError("{name} is not an upload, so it is not deleted.", name=path.name)
    if not path.exists():
        raise InputError("The upload {name} is not there any more.", name=path.name)
    try:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    except OSError as error:
        raise InputError(
            "The upload {name} could not be deleted: {reason}.", name=path.name, reason=error.strerror or str(error)
        ) from error
