"""Trust in a heatmap: its figures beside those of random maps and of a network that has learned nothing.

:mod:`core.workflows.inspection.trust_verdict` puts them into words.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from core.interpret.attribution.explain import METHODS, Heatmap, explain
from core.interpret.explanation_metrics.baselines import (
    Similarity,
    random_maps,
    randomised,
    rank_correlation,
    similarity,
)
from core.interpret.explanation_metrics.faithfulness import METRICS, Metric, Scores, Settings, measure
from core.interpret.explanation_metrics.localisation import OTSU, Placement, Region, placement, region
from core.interpret.explanation_metrics.sensitivity import distance_by_chance, sensitivity
from core.messages import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from core.models.network import Network

LEVEL = 0.05
"""How often a random map may pass for clearly better than random ones in one test: the level of a rank test."""
_LEAST = 0.005
"""Smallest deviation of random maps that is believed, in probability; a 25th of its square for infidelity."""
SLOW = 60
"""Passes from which a method is too slow to be asked again and again."""


@dataclass(frozen=True, slots=True)
class Options:
    """How much is done to find out.

    Attributes:
        look: How closely each map is tested.
        randoms: Random maps. With fewer than 19 no test can be won at :data:`LEVEL`.
        unlearned: Draws of random weights; 0 to leave the sanity check out.
        jitters: Slightly changed pictures that are explained for the sensitivity; 0 to leave it out.
        seed: Seed of all draws.
        threshold: How the map is cut, see :func:`core.interpret.explanation_metrics.localisation.region`.
    """

    look: Settings = field(default_factory=Settings)
    randoms: int = 19
    unlearned: int = 1
    jitters: int = 4
    seed: int = 0
    threshold: str | float = OTSU

    @classmethod
    def affordable(cls, method: str) -> Options:
        """Returns usual options for a method: one that takes many passes is not asked again for its sensitivity."""
        return cls(jitters=4 if METHODS[method].passes < SLOW else 0)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure beside its references.

    Attributes:
        metric: Which figure.
        value: The map's own.
        random: Mean of the random maps.
        deviation: Their standard deviation.
        beaten: Share of the random maps that the map is better than, 0 to 1; ties count half.
        chance: How probable it is that a random map does as well as this one among so many: the share of maps that
            are at least as good as it, itself among them.
        unlearned: Mean of the maps made with random weights; ``None`` if there are none.
        advantage: How far the map is better than the random ones, in their deviations; below zero if it is worse.
    """

    metric: Metric
    value: float
    random: float
    deviation: float
    beaten: float
    chance: float
    unlearned: float | None
    advantage: float

    @property
    def clear(self) -> bool:
        """Whether the map is clearly better than random ones.

        A map that is a random one itself takes any place among them with the same probability, whatever the figure's
        distribution (Monte Carlo test, Barnard 1963).
        """
        return self.chance <= LEVEL


@dataclass(frozen=True, slots=True, eq=False)
class Trust:
    """All that was found out about one heatmap.

    Attributes:
        method: The method's id.
        layer: The layer looked at; ``None`` for methods that look at the input.
        target: Class explained.
        probability: Its probability for the whole picture.
        blank: Its probability where everything was taken away.
        scores: What the map reached.
        random: What random maps reached.
        unlearned: What the maps of networks with random weights reached.
        likeness: How alike the map is to those that are not empty, on average; ``None`` if there are none.
        chance_likeness: How alike it is to the random map that is most like it, by the size of the correlation.
        sensitivity: Largest change of the map under changes that cannot be seen; ``None`` if it was left out.
        unrelated: How far two random maps lie apart, on the same scale.
        region: The part of the picture that the map shows.
        placement: How well it finds the object; ``None`` where the object is not known.
        seconds: Time it took.
    """

    method: str
    layer: str | None
    target: int
    probability: float
    blank: float
    scores: Scores
    random: tuple[Scores, ...]
    unlearned: tuple[Scores, ...]
    likeness: Similarity | None
    chance_likeness: float
    sensitivity: float | None
    unrelated: float
    region: Region
    placement: Placement | None
    seconds: float

    def band(self, curve: Literal["deletion", "insertion"]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Returns the random maps' mean curve less and plus a deviation, within 0 to 1; ``None`` without such maps."""
        if not self.random:
            return None
        others = np.array([getattr(scores, curve).probabilities for scores in self.random], np.float64)
        mean, spread = others.mean(0), others.std(0)
        return (mean - spread).clip(0, 1), (mean + spread).clip(0, 1)

    def compared(self) -> list[Comparison]:
        """Returns every figure beside its references."""
        return [_comparison(row, self) for row in METRICS.values()]


def trust(
    network: Network,
    x: Tensor,
    heat: Heatmap,
    *,
    settings: Mapping[str, int] | None = None,
    mask: NDArray[np.bool_] | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Trust:
    """Finds out how far a heatmap can be trusted.

    Args:
        network: The network; it is left as it was.
        x: The image that was explained, 1xCxHxW.
        heat: Its heatmap.
        settings: The method's settings, as the heatmap was made with.
        mask: Where the object is in the picture as the network sees it, HxW; ``None`` where that is not known.
        options: How much is done; by default :meth:`Options.affordable`.
        progress: Called with work done and in all, in passes of one image; what it raises ends the work.

    Raises:
        InputError: Image, map and mask do not fit together.
    """
    begun = time.perf_counter()
    todo = options or Options.affordable(heat.method)
    steps = _Steps(heat, todo, progress)
    randoms = random_maps(heat.values, todo.randoms, seed=todo.seed)
    given = dict(settings or {}) if heat.steps is None else {**(settings or {}), "steps": heat.steps}

    def again(other: Network, image: Tensor) -> Heatmap:
        found = explain(
            other,
            image,
            heat.method,
            target=heat.target,
            against=heat.against,
            layer=heat.layer,
            settings=given,
            progress=steps.within(),
        )
        steps.close()
        return found.heatmap

    drawn = [again(randomised(network, seed=todo.seed + draw), x) for draw in range(todo.unlearned)]
    untaught = [other.values for other in drawn]
    moved = None
    if todo.jitters and not heat.empty:
        moved = sensitivity(
            lambda image: again(network, image).values,
            x,
            heat.values,
            network.preprocessing,
            draws=todo.jitters,
            seed=todo.seed,
        )
    found = measure(network, x, [heat.values, *randoms, *untaught], heat.target, todo.look, progress=steps.last())
    own, others = found[0], found[1:]
    return Trust(
        method=heat.method,
        layer=heat.layer,
        target=heat.target,
        probability=float(own.deletion.probabilities[0]),
        blank=float(own.deletion.probabilities[-1]),
        scores=own,
        random=tuple(others[: todo.randoms]),
        unlearned=tuple(others[todo.randoms :]),
        likeness=_mean_likeness([similarity(heat.values, other.values) for other in drawn if not other.empty]),
        chance_likeness=max((abs(rank_correlation(heat.values, other)) for other in randoms), default=0.0),
        sensitivity=moved,
        unrelated=distance_by_chance(list(randoms)),
        region=region(heat.values, todo.threshold),
        placement=None if mask is None else placement(heat.values, mask, todo.threshold),
        seconds=time.perf_counter() - begun,
    )


class _Steps:
    """Makes one progress of several works one after the other."""

    def __init__(self, heat: Heatmap, options: Options, progress: Progress | None) -> None:
        self.passes = max(1, METHODS[heat.method].passes)
        explained = options.unlearned + (0 if heat.empty else options.jitters)
        self.images = options.look.images(1 + options.randoms + options.unlearned)
        self.total, self.done, self.progress = explained * self.passes + self.images, 0, progress

    def within(self) -> Progress:
        def report(done: int, total: int) -> None:
            if self.progress is not None:
                self.progress(self.done + round(self.passes * done / max(total, 1)), self.total)

        return report

    def close(self) -> None:
        self.done += self.passes
        if self.progress is not None:
            self.progress(self.done, self.total)

    def last(self) -> Progress:
        def report(done: int, _total: int) -> None:
            if self.progress is not None:
                self.progress(min(self.done + done, self.total), self.total)

        return report


def _mean_likeness(found: list[Similarity]) -> Similarity | None:
    if not found:
        return None
    return Similarity(*(float(np.mean([getattr(one, name) for one in found])) for name in ("spearman", "ssim")))


def _comparison(row: Metric, found: Trust) -> Comparison:
    own = row.value(found.scores)
    others = np.array([row.value(scores) for scores in found.random])
    if not len(others):
        return Comparison(row, own, float("nan"), float("nan"), 0.0, 1.0, None, 0.0)
    sign = 1 if row.higher else -1
    least = _LEAST**2 / 25 if row.id == "infidelity" else _LEAST
    chance = (1 + int(np.count_nonzero(sign * others >= sign * own))) / (1 + len(others))
    deviation = float(others.std(ddof=1)) if len(others) > 1 else 0.0
    beaten = float(np.mean(np.where(sign * own > sign * others, 1.0, np.where(own == others, 0.5, 0.0))))
    unlearned = [row.value(scores) for scores in found.unlearned]
    return Comparison(
        row,
        own,
        float(others.mean()),
        deviation,
        beaten,
        chance,
        float(np.mean(unlearned)) if unlearned else None,
        float(sign * (own - others.mean()) / max(deviation, least)),
    )
