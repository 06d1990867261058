"""Whether compared runs differ by more than chance: two networks on the same pictures, or recipes over their seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.workflows.comparing import seeds
from core.workflows.comparing.recipe import recipe_key
from pages.compare import pick
from pages.ui.comparing import answers
from pages.ui.kit import components, form_fields, nav, one_shot_button
from pages.ui.kit.components import Figure
from pages.ui.runs import queue_panel
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n, translate_error
from pages.ui.text.number_format import percent

if TYPE_CHECKING:
    from core.runs.store import Run
    from core.workflows.comparison import Comparison

QUESTIONS = {"networks": N_("Two networks"), "recipes": N_("Recipes, over seeds")}
SURE = 0.05
"""p-value below which a difference is called larger than chance."""
MOST_PAIRS = 45
"""Pairs of recipes that are compared at most."""


def draw(runs: Sequence[Run], everything: Sequence[Run], labels: Mapping[str, str]) -> None:
    """Draws the choice of the question, and its answer.

    Args:
        runs: The compared runs.
        everything: All runs that can be compared: other seeds of a recipe are looked for among them.
        labels: What each is called.
    """
    one_shot_button.refusal()
    question = form_fields.choice(
        _("Question"), list(QUESTIONS), "bl-question", names=QUESTIONS, default="networks", label_visibility="collapsed"
    )
    if question == "recipes":
        _recipes(runs, everything, labels)
    else:
        _networks(runs, labels)


# --- two networks -----------------------------------------------------------------------------------------------------


def _networks(runs: Sequence[Run], labels: Mapping[str, str]) -> None:
    components.section(
        _("Do these two networks differ on new pictures?"),
        _("Both answer the same pictures. What is said holds for these two trainings, not for their recipes."),
    )
    first, second = pick.two(runs, labels)
    try:
        found = _compared(first, second)
    except InputError as error:
        components.note(translate_error(error))
        return
    low, high = found.interval
    components.metrics(
        [
            Figure(_("First"), percent(found.accuracies[0]), exact=labels[first.id]),
            Figure(_("Second"), percent(found.accuracies[1]), exact=labels[second.id]),
            Figure(_("Difference"), points(found.difference), _("95 %: {ends}").format(ends=_ends(low, high))),
            Figure(
                _("Answered differently"),
                number_format.exact(found.disagree or 0),
                _("of {n} pictures, one right and one wrong").format(n=number_format.exact(found.counts[0])),
            ),
            Figure(_("p-value"), p_words(found.p_value), _(found.test)),
        ]
    )
    _verdict(found)
    if found.groups is not None:
        components.note(
            _("Related pictures were kept together, so the test rests on {n} groups, not on pictures.").format(
                n=number_format.exact(found.groups)
            )
        )
    if _same_recipe(first, second):
        st.info(
            _(
                "Both follow one recipe and differ in their seed alone. Two such runs differ by this test in about a "
                "third of cases, so it says nothing of recipes: ask that over seeds."
            ),
            icon=":material/casino:",
        )
    components.why(
        _(
            "McNemar's test looks only at the pictures that one network gets right and the other wrong: if both were "
            "equally good, each of them would be as likely to go to either. Below 25 such pictures it is exact. Where "
            "the division keeps related pictures together, whole groups are what goes to either side."
        ),
        paper=("McNemar 1947", "https://doi.org/10.1007/BF02295996"),
    )
    nav.link("compare", _("See these pictures"), icon=":material/image_search:", runs=_ids(runs), view="pictures")


def _ids(runs: Sequence[Run]) -> str:
    return ",".join(run.id for run in runs)


def _compared(first: Run, second: Run) -> Comparison:
    """Returns the comparison of two networks on the pictures that both were judged on, over groups where there are."""
    a, b = answers.common(first, second)
    key = (first.id, second.id, a.split, len(a.predictions.keys), len(b.predictions.keys))

    def made() -> Comparison:
        from core.workflows.comparison import groups_of, of_networks

        try:
            related = groups_of(first, a, roots=caches.roots())
        except InputError as error:
            related = None
            message = _("The groups of these images cannot be formed any more, so each counts as one of its own: {why}")
            components.note(message.format(why=translate_error(error)))
        return of_networks((first, a.predictions), (second, b.predictions), related)

    return caches.remember("compared networks", key, made, entries=48)


def _verdict(found: Comparison) -> None:
    """Says in a sentence what follows."""
    if found.p_value < SURE:
        text = _("They differ by more than chance: on new pictures the {which} network is better.").format(
            which=_("second") if found.difference > 0 else _("first")
        )
        st.success(text, icon=":material/check_circle:")
    else:
        st.info(_("The difference is no larger than chance alone gives: nothing can be said."), icon=":material/help:")


def _same_recipe(first: Run, second: Run) -> bool:
    return recipe_of(first) == recipe_of(second)


# --- recipes ----------------------------------------------------------------------------------------------------------


def _recipes(runs: Sequence[Run], everything: Sequence[Run], labels: Mapping[str, str]) -> None:
    components.section(
        _("Do these recipes differ, whatever the seed?"),
        _("A recipe is all that was set but the seed. Its runs with other seeds are found among all runs."),
    )
    known = _seeds(runs, everything)
    if len(known) < 2:
        components.note(_("These runs follow one recipe. Choose a run of another one, too."))
    _table(known, labels)
    _offer(known, labels)
    ready = [one for one in known if len(one.finished) >= seeds.LEAST]
    if len(ready) > 1:
        _pairs(ready, labels)
    elif len(known) > 1:
        components.note(
            _(
                "At least {n} seeds of two recipes are needed: with fewer, chance cannot be told from the recipe."
            ).format(n=seeds.LEAST)
        )
    components.why(
        _(
            "Another seed moves the accuracy, too. Welch's test holds the difference of two recipes against how far "
            "their own runs lie apart. Of several comparisons one often looks large by chance: Holm's correction "
            "counts how many were made."
        ),
        paper=("Welch 1947", "https://doi.org/10.1093/biomet/34.1-2.28"),
    )


def recipe_of(run: Run) -> str:
    """Returns what runs of one recipe have in common; the run's own id where its settings cannot be read."""
    try:
        experiment = caches.experiment(run)
    except InputError:
        return run.id
    return caches.remember("recipe keys", (run.id, id(experiment)), lambda: recipe_key(experiment), entries=2048)


def _seeds(runs: Sequence[Run], everything: Sequence[Run]) -> list[seeds.Seeds]:
    """Returns the recipes of the chosen runs, each with all its runs."""
    alike: dict[str, list[Run]] = {}
    for run in everything:
        alike.setdefault(recipe_of(run), []).append(run)
    firsts = {recipe_of(run): run for run in reversed(runs)}
    order = list(dict.fromkeys(recipe_of(run) for run in runs))
    return [seeds.of_recipe(firsts[key], alike.get(key, [])) for key in order if firsts[key].id != key]


def _accuracies(one: seeds.Seeds) -> list[float]:
    found = (run.recorded for run in one.finished)
    shares = [s.test_accuracy if s.test_accuracy is not None else s.val_accuracy or s.best_val_accuracy for s in found]
    return [share for share in shares if share is not None]


def _table(known: Sequence[seeds.Seeds], labels: Mapping[str, str]) -> None:
    """Draws a row a recipe: how many seeds it has, and what they reached."""
    from statistics import fmean, stdev

    rows = [(one, _accuracies(one)) for one in known]
    st.dataframe(
        {
            "recipe": [title(one, labels) for one, _values in rows],
            "seeds": [len(one.finished) for one, _values in rows],
            "live": [len(one.live) for one, _values in rows],
            "mean": [100 * fmean(values) if values else None for _one, values in rows],
            "deviation": [100 * stdev(values) if len(values) > 1 else None for _one, values in rows],
            "each": [", ".join(map(percent, values)) for _one, values in rows],
        },
        hide_index=True,
        key="bl-compare-recipes",
        placeholder=number_format.DASH,
        column_config={
            "recipe": st.column_config.TextColumn(_("Recipe"), width="medium"),
            "seeds": st.column_config.NumberColumn(_("Seeds"), help=_("Finished runs, one a seed.")),
            "live": st.column_config.NumberColumn(_("At work")) if any(one.live for one in known) else None,
            "mean": st.column_config.NumberColumn(
                _("Mean accuracy"), format="%.1f %%", help=_("On test images where there are any, else on validation.")
            ),
            "deviation": st.column_config.NumberColumn(_("± points"), format="%.1f"),
            "each": st.column_config.TextColumn(_("Each seed"), width="medium"),
        },
        alt=_("Recipes with their seeds, mean accuracy and deviation."),
    )


def title(one: seeds.Seeds, labels: Mapping[str, str]) -> str:
    """Returns what a recipe is called: as its run, without the seed."""
    return labels.get(one.first.id, one.first.name).partition(" · seed ")[0]


def _offer(known: Sequence[seeds.Seeds], labels: Mapping[str, str]) -> None:
    """Offers to train the seeds that a recipe lacks."""
    for one in known:
        missing = one.missing
        if not missing:
            continue
        needs = one.seconds
        about = _("About {time} each, as before.").format(time=number_format.duration(needs)) if needs else None
        label = _n("Train the missing seed of {name}", "Train the {n} missing seeds of {name}", len(missing))
        st.button(
            label.format(n=len(missing), name=components.plain(title(one, labels))),
            icon=":material/casino:",
            key=f"bl-compare-seeds-{one.first.id}",
            help=about,
            on_click=lambda one=one: one_shot_button.attempt(lambda: _start(one)),
        )


def _start(one: seeds.Seeds) -> None:
    seeds.start_missing(one, roots=caches.roots(), owner=queue_panel.owner())


def _pairs(ready: Sequence[seeds.Seeds], labels: Mapping[str, str]) -> None:
    """Draws a row a pair of recipes: the difference with its interval, and p after Holm."""
    from core.evaluation.differences import holm

    pairs = list(combinations(ready, 2))[:MOST_PAIRS]
    found: list[tuple[str, Comparison]] = []
    for first, second in pairs:
        name = _("{second} less {first}").format(second=title(second, labels), first=title(first, labels))
        try:
            found.append((name, _over_seeds(first, second)))
        except InputError as error:
            components.note(f"{name}: {translate_error(error)}")
    corrected = holm([one.p_value for _name, one in found])
    st.dataframe(
        {
            "pair": [name for name, _one in found],
            "difference": [100 * one.difference for _name, one in found],
            "interval": [_ends(*one.interval) for _name, one in found],
            "p": [p_words(one.p_value) for _name, one in found],
            "holm": [p_words(value) for value in corrected],
            "verdict": [_("more than chance") if p < SURE else _("no more than chance") for p in corrected],
        },
        hide_index=True,
        key="bl-compare-pairs",
        column_config={
            "pair": st.column_config.TextColumn(_("Pair"), width="medium"),
            "difference": st.column_config.NumberColumn(_("Points"), format="%+.1f"),
            "interval": st.column_config.TextColumn(_("95 %\u00a0interval")),
            "p": st.column_config.TextColumn(_("p (Welch)")),
            "holm": st.column_config.TextColumn(_("p after Holm")),
            "verdict": st.column_config.TextColumn(_("Verdict")),
        },
        alt=_("Pairs of recipes with their difference, its interval and p-values."),
    )
    components.note(
        _n(
            "{n} comparison, by Welch's test over seeds.",
            "{n} comparisons, by Welch's test over seeds, corrected by Holm for being so many.",
            len(found),
        ).format(n=len(found))
    )


def _over_seeds(first: seeds.Seeds, second: seeds.Seeds) -> Comparison:
    from core.workflows.comparison import of_recipes

    key = tuple(tuple(run.id for run in one.finished) for one in (first, second))
    return caches.remember("compared recipes", key, lambda: of_recipes(first.finished, second.finished), entries=96)


# --- words ------------------------------------------------------------------------------------------------------------


def points(difference: float) -> str:
    """Returns a difference of shares in points, with its sign."""
    return _("{n} points").format(n=f"{100 * difference:+.1f}".replace("-", "−"))


def _ends(low: float, high: float) -> str:
    return _("{low} to {high}").format(
        low=f"{100 * low:+.1f}".replace("-", "−"), high=f"{100 * high:+.1f}".replace("-", "−")
    )


def p_words(value: float) -> str:
    """Returns a p-value as it is written."""
    return "–" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"
