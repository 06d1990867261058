"""Several runs in one go: the same recipe with several seeds, over several folds, or both."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core.specs import Experiment
from core.specs.study import Study
from core.workflows.remedies import COMPARED
from pages.ui.kit import components, nav
from pages.ui.kit.form_fields import whole
from pages.ui.plan import folds
from pages.ui.runs import queue_panel
from pages.ui.session import caches
from pages.ui.session.train_form import MOST_RUNS, TrainChoice
from pages.ui.text.i18n import _, _n


def draw(choice: TrainChoice) -> TrainChoice:
    """Draws how many seeds and folds; returns the choice with them."""
    first, second = st.columns(2, vertical_alignment="bottom")
    seeds = whole(
        first,
        _("Seeds in one go"),
        "bl-seeds",
        choice.seeds,
        1,
        MOST_RUNS,
        _("So many runs, each with the next seed: they say how much of a difference is chance."),
    )
    every = folds.choose(
        "bl-folds",
        choice.folds,
        _(
            "Cross-validation: the images outside the test are dealt into so many folds, and in each run another "
            "one validates."
        ),
        second,
    )
    choice = replace(choice, seeds=seeds, folds=every)
    if count(choice) > 1:
        components.note(words(choice))
    return choice


def count(choice: TrainChoice) -> int:
    """Returns how many runs are started."""
    return choice.seeds * max(1, choice.folds) * (len(COMPARED) if choice.remedies else 1)


def words(choice: TrainChoice) -> str:
    """Says what a series consists of."""
    runs = _n("{n} run, one after the other.", "{n} runs, one after the other.", count(choice)).format(n=count(choice))
    parts = [runs]
    if choice.seeds > 1:
        parts.append(_("Seeds {first} to {last}.").format(first=choice.seed, last=choice.seed + choice.seeds - 1))
    if choice.folds:
        parts.append(_("Each of {n} folds validates once; the test images are the same in all.").format(n=choice.folds))
    if choice.remedies:
        parts.append(_("Each without a remedy, with class weights and with the weighted sampler."))
    return " ".join(parts)


def check(choice: TrainChoice, experiment: Experiment) -> None:
    """Finds out before the launch whether the series can be made.

    Raises:
        InputError: It would be too large, or the images cannot be dealt out into folds.
    """
    if count(choice) < 2:
        return
    from core.workflows.studies.design import expand

    first = expand(_study(choice, experiment))[0].experiment
    if choice.folds:
        caches.divided(first.data)


def launch(choice: TrainChoice, experiment: Experiment) -> None:
    """Starts a series, a study that repeats one recipe, and shows it.

    Args:
        choice: What the page asks.
        experiment: What the runs have in common.
    """
    from core.workflows.studies import members

    study = _study(choice, experiment)
    job = members.start(study, roots=caches.roots(), owner=queue_panel.owner())
    nav.go("studies", study=job.id)


def _study(choice: TrainChoice, experiment: Experiment) -> Study:
    from core.workflows.studies.series import series_study

    return series_study(experiment, _seeds(choice), choice.folds, remedies=_remedies(choice))


def _seeds(choice: TrainChoice) -> tuple[int, ...]:
    return tuple(range(choice.seed, choice.seed + choice.seeds))


def _remedies(choice: TrainChoice) -> tuple[str, ...]:
    return COMPARED if choice.remedies else ()
