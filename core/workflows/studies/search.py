"""Settings that are searched for: each is picked after what those before it reached, by Optuna's samplers and pruners.

The next setting is drawn by a tree-structured Parzen estimator (Bergstra et al. 2011, Algorithms for Hyper-Parameter
Optimization, NIPS) that sees the validation accuracy of the settings before; test images have no say. A median pruner
ends a setting early whose accuracy after an epoch lies below the median of those before (Golovin et al. 2017, Google
Vizier, doi:10.1145/3097983.3098043). Nothing is kept but the study's own record: from it the search is made anew for
each setting. Needs the optional package optuna (``requirements-optuna.txt``). Loads no torch.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.specs.study import Factor, Level, Study
from core.workflows.studies.design import level_at, level_called

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

PACKAGE = "optuna"
WARM_EPOCHS = 1
"""Epochs of a setting before it can be pruned."""
BY_LOT = 4
"""Settings that are drawn by lot first, at least, and before which none is pruned."""
ATTEMPTS = 30
"""Settings that may be drawn again in a row before the search counts as exhausted."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a setting reached.

    Attributes:
        picked: Label of its value of each factor.
        value: Its mean validation accuracy over seeds; ``None`` where none has finished.
        course: Validation accuracy of its first seed after each epoch, by the epoch's number.
        pruned: Whether it was ended early.
    """

    picked: tuple[str, ...]
    value: float | None
    course: Mapping[int, float]
    pruned: bool = False


def available() -> bool:
    """Whether the optional package is installed."""
    return importlib.util.find_spec(PACKAGE) is not None


def check() -> None:
    """Finds out whether settings can be searched for.

    Raises:
        InputError: The optional package is not installed.
    """
    if not available():
        raise InputError(
            "The design optuna needs {package}, which is not installed. Install it: pip install -r {file}",
            package=PACKAGE,
            file="requirements-optuna.txt",
        )


class Search:
    """The search for a study's next setting.

    Args:
        study: A study of the design ``optuna``.
        before: What its settings have reached so far, in the order in which they were picked.

    Attributes:
        levels: The next setting: its value of each factor; ``None`` where all that were drawn had been picked before.

    Raises:
        InputError: The optional package is not installed.
    """

    def __init__(self, study: Study, before: Sequence[Told]) -> None:
        check()
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.study = study
        by_lot = max(BY_LOT, study.samples // 4)
        sampler = optuna.samplers.TPESampler(seed=study.seeds[0] + len(before), n_startup_trials=by_lot)
        medians = optuna.pruners.MedianPruner(n_startup_trials=by_lot, n_warmup_steps=WARM_EPOCHS + 1)
        pruner = medians if study.pruner == "median" else optuna.pruners.NopPruner()
        self._ranges = {factor.name: _distribution(factor) for factor in study.factors}
        self._search = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
        self._search.add_trials([self._trial(one) for one in before])
        self.levels = self._next({one.picked: one for one in before})

    def prunes(self, epoch: int, accuracy: float) -> bool:
        """Returns whether the setting ends here.

        Args:
            epoch: Number of the epoch that its first seed has finished.
            accuracy: Validation accuracy after it.
        """
        self._asked.report(accuracy, epoch)
        return bool(self._asked.should_prune())

    def _next(self, known: Mapping[tuple[str, ...], Told]) -> tuple[Level, ...] | None:
        for _ in range(ATTEMPTS):
            self._asked = self._search.ask(self._ranges)
            params = self._asked.params
            levels = tuple(level_at(factor, params[factor.name]) for factor in self.study.factors)
            before = known.get(tuple(level.label for level in levels))
            if before is None:
                return levels
            self._search.tell(self._asked, state=_state(before), values=before.value if _counts(before) else None)
        return None

    def _trial(self, one: Told) -> FrozenTrial:
        from optuna.trial import create_trial

        levels = [level_called(factor, label) for factor, label in zip(self.study.factors, one.picked, strict=True)]
        params = {
            factor.name: level.settings[0][1] if factor.ranged else level.label
            for factor, level in zip(self.study.factors, levels, strict=True)
        }
        return create_trial(
            state=_state(one),
            value=one.value if _counts(one) else None,
            params=params,
            distributions=self._ranges,
            intermediate_values=dict(one.course),
        )


def _counts(one: Told) -> bool:
    return one.value is not None and not one.pruned


def _state(one: Told) -> Any:  # noqa: ANN401 - a member of optuna's enumeration
    from optuna.trial import TrialState

    return TrialState.PRUNED if one.pruned else TrialState.COMPLETE if one.value is not None else TrialState.FAIL


def _distribution(factor: Factor) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not factor.ranged:
        return CategoricalDistribution([level.label for level in factor.levels])
    assert factor.low is not None
    assert factor.high is not None
    if factor.whole:
        return IntDistribution(int(factor.low), int(factor.high), log=factor.log)
    return FloatDistribution(factor.low, factor.high, log=factor.log)
