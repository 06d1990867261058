"""The figures by which a heatmap is judged, and how closely it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.specs.checks import whole


@dataclass(frozen=True, slots=True)
class Settings:
    """How closely a map is tested.

    Attributes:
        steps: Steps of the deletion and insertion curves.
        deletion_fill: What stands in for deleted pixels, see
        :data:`core.interpret.explanation_metrics.imputation.FILLS`. insertion_fill: What insertion starts from,
        likewise. road: Shares of the pixels that ROAD takes away, each from both ends of the map.
        windows: Random rectangles that infidelity covers.
        seed: Seed of the rectangles and of ROAD's noise.
        batch: Images a forward pass; ``None`` for what suits device and image size.
    """

    steps: int = 8
    deletion_fill: str = "mean"
    insertion_fill: str = "blur"
    road: tuple[float, ...] = (0.3, 0.6)
    windows: int = 32
    seed: int = 0
    batch: int | None = None

    def __post_init__(self) -> None:
        for name, low, high in (("steps", 2, 1000), ("windows", 2, 10_000)):
            whole(name, getattr(self, name), low=low, high=high)
        if not self.road or not all(0 < share < 1 for share in self.road):
            raise InputError("road is {value}. It must be shares between 0 and 1, such as 0.2.", value=self.road)

    def images(self, maps: int) -> int:
        """Returns how many images go through the network for so many maps."""
        return 3 + self.windows + maps * (2 * (self.steps - 1) + 2 * len(self.road) + 1)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The class's probability while pixels go or come in the order of the map, the strongest first.

    Attributes:
        shares: Share of the pixels that were changed, from 0 to 1.
        probabilities: The class's probability then.
    """

    shares: NDArray[np.float64]
    probabilities: NDArray[np.float64]

    @property
    def auc(self) -> float:
        """Area under the curve, 0 to 1 (trapezoids)."""
        return float(np.trapezoid(self.probabilities, self.shares))


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What one map reached.

    Attributes:
        deletion: Strongest pixels go first; the lower, the better (Petsiuk et al. 2018).
        insertion: Strongest pixels come first; the higher, the better (ibid.).
        road: Probability without the weakest pixels less that without the strongest ones, mean over the shares, -1 to
            1; the missing pixels are imputed (Rong et al. 2022).
        drop: Share of the probability that is lost where the map fades the picture out, 0 to 1 (Chattopadhay 2018).
        increase: Whether the probability even rises there.
        infidelity: Mean squared difference of how far the probability falls when rectangles are covered and how far
            the map foretells it, at the map's best scale (Yeh et al. 2019).
    """

    deletion: Curve
    insertion: Curve
    road: float
    drop: float
    increase: bool
    infidelity: float


@dataclass(frozen=True, slots=True)
class Metric:
    """A row of :data:`METRICS`.

    Attributes:
        id: Stable name.
        title: Name as the field writes it.
        description: What it measures, in one sentence.
        paper: Its source.
        higher: Whether more is better.
        value: Takes the figure out of the scores.
    """

    id: str
    title: str
    description: str
    paper: str
    higher: bool
    value: Callable[[Scores], float]


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        row.id: row
        for row in (
            Metric(
                "deletion",
                "Deletion",
                "How slowly the class fades while the strongest places are taken away first.",
                "Petsiuk et al. 2018, arXiv:1806.07421",
                higher=False,
                value=lambda scores: scores.deletion.auc,
            ),
            Metric(
                "insertion",
                "Insertion",
                "How fast the class appears while the strongest places are shown first.",
                "Petsiuk et al. 2018, arXiv:1806.07421",
                higher=True,
                value=lambda scores: scores.insertion.auc,
            ),
            Metric(
                "road",
                "ROAD",
                "How much worse it is to lose the strongest places than the weakest, the gaps filled from their rim.",
                "Rong et al. 2022, arXiv:2202.00449",
                higher=True,
                value=lambda scores: scores.road,
            ),
            Metric(
                "drop",
                "Average drop",
                "Share of the class's probability that is lost when only what the map shows is left.",
                "Chattopadhay et al. 2018, arXiv:1710.11063",
                higher=False,
                value=lambda scores: scores.drop,
            ),
            Metric(
                "increase",
                "Increase in confidence",
                "Whether the class becomes more probable when only what the map shows is left.",
                "Chattopadhay et al. 2018, arXiv:1710.11063",
                higher=True,
                value=lambda scores: float(scores.increase),
            ),
            Metric(
                "infidelity",
                "Infidelity",
                "How far the map misjudges what covering a rectangle costs the class.",
                "Yeh et al. 2019, arXiv:1901.09392",
                higher=False,
                value=lambda scores: scores.infidelity,
            ),
        )
    }
)
"""Every figure of :class:`Scores` by its id."""
