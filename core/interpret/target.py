"""Which class a heatmap is about, and against which other."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from core.errors import InputError

_NAMED = 12


@dataclass(frozen=True, slots=True)
class ScoreTarget:
    """The score that is explained.

    Attributes:
        target: Index of the class.
        against: Index of another class whose score is taken off; ``None`` for the class alone.
        probability: Whether a class's score is its probability (softmax), 0 to 1, rather than its logit.
    """

    target: int
    against: int | None = None
    probability: bool = False

    def scores(self, logits: Tensor) -> Tensor:
        """Returns the class's score, or its lead over the other's: BxN to B."""
        each = logits.softmax(1) if self.probability else logits
        return each[:, self.target] if self.against is None else each[:, self.target] - each[:, self.against]


def class_index(name: str | int, classes: Sequence[str]) -> int:
    """Returns the index of a class that is given by its name, or by its index.

    Whether there is a class of that index is found out where the network's scores are at hand.

    Raises:
        InputError: There is no class of that name.
    """
    if isinstance(name, int):
        return name
    if name in classes:
        return classes.index(name)
    if name.isascii() and name.isdecimal():
        return int(name)
    raise InputError(
        "There is no class {name}. There are {count}: {some}.",
        name=name,
        count=len(classes),
        some=", ".join(classes[:10]) + (", …" if len(classes) > 10 else ""),
    )


def resolve_score_target(
    target: int | None, against: int | None, logits: Tensor, classes: Sequence[str]
) -> ScoreTarget:
    """Returns what is to be explained.

    Args:
        target: Class index from 0; ``None`` for the class with the highest score (other than ``against``).
        against: Class index from 0; ``None`` for no other class.
        logits: Class scores, 1xN.
        classes: The classes' names, in order; may be empty.

    Raises:
        InputError: There is no such class, or both are the same.
    """
    if against is None:
        return ScoreTarget(resolve_target(target, logits, classes))
    other = resolve_target(against, logits, classes)
    if target is None:
        ranked = logits[0].argsort(descending=True).tolist()
        return ScoreTarget(next((index for index in ranked if index != other), other), other)
    chosen = resolve_target(target, logits, classes)
    if chosen == other:
        raise InputError(
            "Class {target} cannot be explained against itself. Choose another class to hold it against.",
            target=classes[chosen] if chosen < len(classes) else chosen,
        )
    return ScoreTarget(chosen, other)


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
