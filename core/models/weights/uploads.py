"""Files of weights that people upload: kept beside the uploaded images, in the same room."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from core import settings, uploads
from core.disk_cache import LEFTOVERS, remove_leftovers, replacing
from core.errors import InputError
from core.models.weights.safe_reader import open_tensors


def keep(name: str, data: bytes) -> Path:
    """Keeps an uploaded file under a harmless name that tells different contents apart.

    Args:
        name: As the person's machine calls it.
        data: Its bytes.

    Returns:
        Where it is kept. The same contents under the same name are kept once.

    Raises:
        InputError: It is too large, does not fit beside the other uploads, cannot be written, or is no file of
            tensors. Nothing of it is left behind then.
    """
    path = settings.weight_uploads_dir() / _harmless(name, data)
    if path.is_file():
        return path
    uploads.check_size(len(data), name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent, older_than=LEFTOVERS)
        uploads.check_room(len(data), name, path.parent, uploads.usage())
        with replacing(path) as part:
            part.write_bytes(data)
    except OSError as error:
        raise InputError(
            "The file {file} could not be kept in the folder {folder}: {reason}. Make room, or set BACKBONE_LAB_DATA "
            "to a folder that can be written.",
            file=name,
            folder=str(path.parent),
            reason=error.strerror or str(error),
        ) from error
    try:
        open_tensors(path)
    except InputError:
        path.unlink(missing_ok=True)
        raise
    return path


def kept_files() -> list[Path]:
    """Returns the files that are kept, in the order of their names."""
    folder = settings.weight_uploads_dir()
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _harmless(name: str, data: bytes) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name.replace("\\", "/").rpartition("/")[2]).strip("-.") or "weights"
    stem, dot, ending = plain.rpartition(".")
    return f"{(stem or plain)[:60]}-{hashlib.sha256(data).hexdigest()[:8]}{dot}{ending if dot else ''}"
