"""What a packed run may hold, and the list of it that stands beside the run."""

from __future__ import annotations

from pathlib import PurePosixPath

MANIFEST = "manifest.json"
FORMAT, SCHEMA = "backbone-lab-run", 1
EPOCHS = "weights"
"""Folder of the weights of single epochs: they may take far more than all the rest."""
MOST_FILES = 20_000
_DEEPEST = 3
_ENDINGS = frozenset((".json", ".jsonl", ".csv", ".txt", ".parquet", ".safetensors", ".npz", ".png", ".jpg", ".webp"))
"""Endings of files that hold data alone; what can hold code (a pickle, a program) is neither packed nor taken in."""
_OF_ONE_MACHINE = ("queue.json", "control.jsonl")
"""What only the machine that trains understands."""


def belongs(path: PurePosixPath) -> bool:
    """Whether a file of a run's folder, named by its path below it, belongs into the zip."""
    return (
        0 < len(path.parts) <= _DEEPEST
        and path.suffix.lower() in _ENDINGS
        and not any(part.startswith(".") for part in path.parts)
        and str(path) not in (*_OF_ONE_MACHINE, MANIFEST)
    )
