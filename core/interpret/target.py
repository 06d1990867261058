"""Which class a heatmap is about."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from torch import Tensor

from core.errors import InputError

_NAMED = 12


def resolve_target(target: int | None, logits: Tensor, classes: Sequence[str]) -> int:
    """Returns the index of the class to explain.

    Args:
        target: Class index from 0; ``None`` for the class with the highest score.
        logits: Class scores, 1xN.
        classes: The classes' names, in order; may be empty.

    Raises:
        InputError: There is no such class.
    """
    count = logits.shape[1]
    if target is None:
        return int(logits[0].argmax())
    try:
        index = -1 if isinstance(target, bool) else operator.index(target)
    except TypeError:
        index = -1
    if 0 <= index < count:
        return index
    names = [f"{i} {name}" for i, name in enumerate(classes[:count])] or [str(i) for i in range(count)]
    listed = names if len(names) <= _NAMED else [*names[: _NAMED - 2], "…", names[-1]]
    raise InputError(
        "There is no class {target}. This network knows {count} classes: {classes}.",
        target=repr(target),
        count=count,
        classes=", ".join(listed),
    )
