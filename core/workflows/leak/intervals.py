"""How far an accuracy over several divisions of the same pictures may lie from that on new ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from core.evaluation.intervals import CONFIDENCE, Interval, wilson_interval

_LEAST_LOTS = 3
_NOTHING = 1e-9


def interval(
    folds: Sequence[Sequence[float]], right: Sequence[NDArray[np.bool_]], groups: NDArray[np.int64], *, anew: bool
) -> Interval:
    """Returns the 95 % interval of an accuracy.

    Pictures whose nearest relatives are each other are right or wrong together, and so are the folds that share what
    was learned; an interval over the judged groups alone is too narrow. Where labels were drawn anew for each division,
    the divisions are independent and Student's interval is over them. Else the spread of the folds is widened by the
    correction for folds that share what was learned (Nadeau and Bengio 2003, Machine Learning 52, 239-281,
    doi:10.1023/A:1024068626366). Where nothing spreads, as where all is right, it is Wilson's over the
    groups.

    Args:
        folds: Accuracy of each fold, by division.
        right: Which of the judged pictures are right, by division.
        groups: Group of relatives of each of them.
        anew: Whether each division has labels of its own, drawn by lot.
    """
    table = np.array(folds)
    independent = anew and len(table) >= _LEAST_LOTS
    values = table.mean(axis=1) if independent else table.ravel()
    spread = float(values.std(ddof=1))
    middle = float(np.mean([part.mean() for part in right]))
    if spread < _NOTHING:
        units = len(np.unique(groups))
        return wilson_interval(round(middle * units), units)
    shared = 0.0 if independent else 1 / (table.shape[1] - 1)  # pictures held out for each that is learned
    far = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * spread * (1 / len(values) + shared) ** 0.5
    return max(0.0, middle - far), min(1.0, middle + far)
