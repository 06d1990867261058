"""Where things lie and what is allowed, read from the environment.

=========================== =============================================== ====================
variable                    meaning                                         default
=========================== =============================================== ====================
``BACKBONE_LAB_RUNS``       folder of the runs                              ``<project>/runs``
``BACKBONE_LAB_DATA``       folders whose contents the pages may read,      ``<project>/data``
                            separated as in ``PATH``; uploads are unpacked
                            under the first
``BACKBONE_LAB_UPLOAD_MB``  largest upload, in MB                           ``500``
``BACKBONE_LAB_QUOTA_MB``   room for all uploads together, in MB            ``5000``
``BACKBONE_LAB_CACHE``      folder of what was derived or measured here and ``~/.cache/backbone-lab``
                            can be made again                               (or under
                                                                            ``XDG_CACHE_HOME``)
``BACKBONE_LAB_CACHE_MB``   memory for decoded images of one run, in MB     ``4000``
``BACKBONE_LAB_FEATURES_MB`` memory for a run's features of the frozen part, ``4000``
                            in MB
``BACKBONE_LAB_FEATURE_FILES_MB`` room for files of such features, which    ``10000``
                            runs share, in MB
=========================== =============================================== ====================
"""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import InputError

PROJECT = Path(__file__).resolve().parent.parent


def runs_dir() -> Path:
    """Returns the folder that holds the run folders (it need not exist yet)."""
    return Path(os.environ.get("BACKBONE_LAB_RUNS") or PROJECT / "runs").expanduser().absolute()


def data_roots() -> tuple[Path, ...]:
    """Returns the folders under which the pages may read images, resolved."""
    listed = os.environ.get("BACKBONE_LAB_DATA")
    roots = [Path(part) for part in listed.split(os.pathsep) if part] if listed else [PROJECT / "data"]
    return tuple(root.expanduser().resolve() for root in roots)


def uploads_dir() -> Path:
    """Returns the folder under which uploaded archives are unpacked."""
    return data_roots()[0] / "uploads"


def lab_dirs() -> tuple[Path, ...]:
    """Returns the folders with the shortcut lab's pictures: the one that is written, and that of earlier versions."""
    return data_roots()[0] / ".shortcut", data_roots()[0] / "shortcut"


def revisions_dir() -> Path:
    """Returns the folder of what people changed of data sources; the sources' own files stay as they are."""
    return data_roots()[0] / ".revisions"


def weight_uploads_dir() -> Path:
    """Returns the folder that uploaded files of weights are kept in."""
    return data_roots()[0] / "weights"


def cache_dir() -> Path:
    """Returns the folder for what can be derived or measured again (it need not exist yet)."""
    own = os.environ.get("BACKBONE_LAB_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(own or Path(base) / "backbone-lab").expanduser().absolute()


def upload_limit() -> int:
    """Returns the size of the largest accepted upload, in bytes."""
    return _megabytes("BACKBONE_LAB_UPLOAD_MB", 500)


def upload_quota() -> int:
    """Returns the room for all uploads together, in bytes."""
    return _megabytes("BACKBONE_LAB_QUOTA_MB", 5000)


def pixel_cache_limit() -> int:
    """Returns how many bytes of decoded images one run may keep in memory."""
    return _megabytes("BACKBONE_LAB_CACHE_MB", 4000)


def feature_memory_limit() -> int:
    """Returns how many bytes of features one run may keep in memory."""
    return _megabytes("BACKBONE_LAB_FEATURES_MB", 4000)


def feature_files_limit() -> int:
    """Returns the room for all files of features together, in bytes."""
    return _megabytes("BACKBONE_LAB_FEATURE_FILES_MB", 10_000)


def _megabytes(variable: str, default: int) -> int:
    text = os.environ.get(variable)
    try:
        value = float(text) if text else float(default)
    except ValueError:
        value = -1.0
    if not value > 0:
        raise InputError("{variable} must be a number of megabytes above 0, not {text}.", variable=variable, text=text)
    return int(value * 1_000_000)
