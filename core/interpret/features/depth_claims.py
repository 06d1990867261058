"""The course's sentences about depth, checked on a person's own network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from core.interpret.features.depth_profile import LayerDepth
from core.messages import N_

SPARSER = N_("Activations grow sparse with depth.")
KEEPS = N_("First layers keep nearly all of the picture; deeper ones do not.")
CLASSES = N_("Deeper layers carry more of the class.")
RECTIFIED = 0.05
"""Share of exact zeros below which a network's activations count as smooth."""
CLEAR = 0.5
"""Rank correlation with depth from which a figure counts as rising or falling."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A sentence of the course, checked on one network.

    Attributes:
        claim: The sentence, as a constant.
        verdict: ``holds``, ``partly``, ``fails``, or ``unknown``.
        template: What was found, as a constant with named places.
        values: What goes there.
    """

    claim: str
    verdict: str
    template: str
    values: Mapping[str, object]


def verdicts(rows: Sequence[LayerDepth]) -> tuple[Verdict, ...]:
    """Checks the course's sentences on one network's layers.

    Args:
        rows: Its layers, in order.

    Raises:
        InputError: There are fewer than three layers.
    """
    compared = [row for row in rows if row.compared]
    if len(compared) < 3:
        raise InputError("{count} layers are too few to say how anything changes with depth.", count=len(compared))
    return (_sparser(quietable(rows)), _keeps(compared), _carries(compared))


def quietable(rows: Sequence[LayerDepth]) -> list[LayerDepth]:
    """Returns the layers whose sparsity can be compared: activations, where there are two or more.

    A pool keeps the largest of several values, so that it has fewer zeros than the activation before it by its nature.
    """
    active = [row for row in rows if row.kind == "activation"]
    return active if len(active) >= 2 else [row for row in rows if row.compared]


def _sparser(rows: Sequence[LayerDepth]) -> Verdict:
    off = float(np.median([row.zeros for row in rows])) >= RECTIFIED
    shares = [row.zeros if off else row.hoyer for row in rows]
    if off:
        template = N_(
            "{first} of the values are switched off in {from_layer}, {last} in {to_layer} (rank correlation with depth "
            "{rho})."
        )
    else:
        template = N_(
            "This network's activations are seldom exactly zero, so sparseness after Hoyer is compared: {first} in "
            "{from_layer}, {last} in {to_layer} (rank correlation with depth {rho})."
        )
    rho = correlation(shares)
    values = {
        "first": _percent(shares[0]) if off else round(shares[0], 3),
        "last": _percent(shares[-1]) if off else round(shares[-1], 3),
        "from_layer": rows[0].layer,
        "to_layer": rows[-1].layer,
        "rho": _signed(rho),
    }
    return Verdict(SPARSER, _result(rho, shares[-1] > shares[0]), template, values)


def _keeps(rows: Sequence[LayerDepth]) -> Verdict:
    measured = [(row.layer, row.picture) for row in rows if row.picture is not None]
    if len(measured) < 3:
        return Verdict(KEEPS, "unknown", N_("Too few images were looked at to tell."), {})
    first, last = measured[0][1], measured[-1][1]
    rho = correlation([share for _, share in measured])
    if first >= 0.8 and last <= first - 0.2:
        result = "holds"
    elif last < first:
        result = "partly"
    else:
        result = "fails"
    template = N_(
        "A linear map reads {first} of the picture's colours off {from_layer} and {last} off {to_layer} (rank "
        "correlation with depth {rho})."
    )
    values = {
        "first": _percent(first),
        "last": _percent(last),
        "from_layer": measured[0][0],
        "to_layer": measured[-1][0],
        "rho": _signed(rho),
    }
    return Verdict(KEEPS, result, template, values)


def _carries(rows: Sequence[LayerDepth]) -> Verdict:
    measured = [(row.layer, row.accuracy) for row in rows if row.accuracy is not None]
    if len(measured) < 3:
        return Verdict(CLASSES, "unknown", N_("Too few images were looked at to tell."), {})
    shares = [share for _, share in measured]
    rho = correlation(shares)
    template = N_(
        "A linear classifier on {from_layer} is right for {first} of the images, on {to_layer} for {last} (rank "
        "correlation with depth {rho})."
    )
    values = {
        "first": _percent(shares[0]),
        "last": _percent(shares[-1]),
        "from_layer": measured[0][0],
        "to_layer": measured[-1][0],
        "rho": _signed(rho),
    }
    return Verdict(CLASSES, _result(rho, shares[-1] > shares[0]), template, values)


def correlation(values: Sequence[float]) -> float:
    """Returns Spearman's rank correlation of some figures with their order; 0 where they are all equal."""
    from scipy.stats import spearmanr

    if len(set(values)) < 2:
        return 0.0
    return float(spearmanr(range(len(values)), values).statistic)


def _result(rho: float, more: bool) -> str:
    if rho >= CLEAR and more:
        return "holds"
    return "partly" if more or rho > 0 else "fails"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
