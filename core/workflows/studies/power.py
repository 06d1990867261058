"""Whether it is the number of seeds that keeps a study from telling its settings apart, and how many would do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.evaluation import differences
from core.messages import N_, Sentence

LIMITED = N_(
    "The number of seeds limits that: with {seeds} a setting (pairs: {pairs}), a difference must be {least} to be "
    "found four times in five. The largest here is {largest}; if it is real, {needed} seeds a setting would find it as "
    "often."
)
OUT_OF_REACH = N_(
    "With {seeds} seeds a setting (pairs: {pairs}), a difference must be {least} to be found four times in five. The "
    "largest here is {largest}: even {most} seeds a setting would not find that."
)


@dataclass(frozen=True, slots=True)
class Reach:
    """What a number of seeds can show.

    Attributes:
        sentence: In words.
        seeds: How many a setting would show the largest difference that was measured; ``None`` for more than
            :data:`core.evaluation.differences.MOST_NEEDED`.
    """

    sentence: Sentence
    seeds: int | None


def reach(
    groups: Sequence[Sequence[float]], largest: float, step: float, written: Callable[[float], str]
) -> Reach | None:
    """Returns what seeds can show where no difference is larger than chance; ``None`` where all are equal.

    Args:
        groups: What each setting with seeds enough measured.
        largest: The largest difference of their means.
        step: Width of the steps that the measure is known in.
        written: Writes a difference of the measure.
    """
    pairs, seeds = len(groups) * (len(groups) - 1) // 2, min(map(len, groups))
    level, spread = 0.05 / pairs, differences.deviation(groups, step)
    if not spread or not largest:
        return None
    found = differences.needed(largest, spread, level)
    said = {
        "seeds": seeds,
        "pairs": pairs,
        "least": written(differences.detectable(spread, seeds, level)),
        "largest": written(largest),
    }
    if found is None:
        return Reach(Sentence(OUT_OF_REACH, {**said, "most": differences.MOST_NEEDED}), None)
    wanted = max(found, seeds + 1)
    return Reach(Sentence(LIMITED, {**said, "needed": wanted}), wanted)
