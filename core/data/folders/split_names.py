"""What folders mean a split by their name, and when folders look like divisions although no name shows it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

SPLIT_NAMES = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validate", "validating", "validation", "dev", "devel", "development"),
    "test": ("test", "tests", "testing", "holdout", "heldout"),
}
"""Words that mean each split."""

_EVALUATION = ("eval", "evaluate", "evaluation")
"""Means the test where something else validates, and else the validation."""

_FILLERS = frozenset(
    (
        *("set", "sets", "data", "dataset", "datasets", "split", "splits", "folder", "seg", "ds"),
        *("images", "imgs", "image", "img", "pictures", "pics", "photos", "samples"),
    )
)
_MEANING = {word: split for split, words in SPLIT_NAMES.items() for word in words}


def split_of(name: str) -> str | None:
    """Returns the split that a folder's name means (``train``, ``val``, ``test``, ``eval``), or ``None``.

    What goes with such a name in practice is looked past: ``training_set``, ``seg_train``, ``Test-Images``,
    ``val2017``, ``hold out``.

    Args:
        name: A folder's name.
    """
    words = re.sub(r"\b(hold|held)[\s_-]+out\b", "holdout", unicodedata.normalize("NFKC", name).lower().strip())
    parts = re.findall(r"[^\W\d_]+|\d+", words)
    parts = [part for part in parts if part not in _FILLERS and not re.fullmatch(r"(19|20)\d\d", part)]
    if len(parts) != 1:
        return None
    word = re.sub(r"(?<=.{3})(set|data|images)$", "", parts[0])
    return "eval" if word in _EVALUATION else _MEANING.get(word)


def splits_of(names: Sequence[str]) -> dict[str, str]:
    """Returns the split of each folder whose name means one, seen together: ``eval`` depends on the others."""
    found = {name: split for name in names if (split := split_of(name)) is not None}
    taken = set(found.values())
    return {
        name: split if split != "eval" else "test" if "val" in taken and "test" not in taken else "val"
        for name, split in found.items()
    }


def look_like_divisions(inside: Mapping[str, Sequence[str]]) -> bool:
    """Tells whether folders look like divisions of one set rather than like its classes.

    Args:
        inside: For each folder the names of the folders directly in it.

    Returns:
        Whether there are two folders or more, and each holds the same two folders or more.
    """
    contents = {frozenset(names) for names in inside.values()}
    return len(inside) > 1 and len(contents) == 1 and len(next(iter(contents))) > 1
