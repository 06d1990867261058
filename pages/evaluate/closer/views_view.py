"""Several views: what the mean answer to a picture, its mirror image, crops or draws is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.runs.jobs import latest_job
from core.workflows.jobs.heatmap_study import weights_stamp
from core.workflows.jobs.judging.test_time import ViewsRequest
from pages.evaluate.closer import pictures
from pages.ui.kit import charts, clicks, components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.runs import job_panel
from pages.ui.text import glossary, number_format
from pages.ui.text.i18n import N_, _, translate_error
from pages.ui.text.number_format import percent

if TYPE_CHECKING:
    from core.errors import InputError
    from core.runs.store import Run
    from core.workflows.judging.test_time import TestTime

DISPLAY = job_panel.JobDisplay(
    failed=N_("The views could not be judged"),
    interrupted=N_("Judging the views was interrupted"),
    doing={"judging views": N_("Judging the views")},
    progress=pictures.answers_done,
)
WAYS = {"mirror": N_("Mirror image"), "crops": N_("Ten crops"), "draws": N_("The run's own augmentation")}
ABOUT = {
    "mirror": N_("Each picture and its mirror image. Where left and right matter, as in digits, it does harm."),
    "crops": N_("The centre and the four corners, each mirrored, too (Krizhevsky et al. 2012)."),
    "draws": N_("Each picture and as many draws of what its training images went through, the same draws each time."),
}
_SEED = 0


def draw(run: Run) -> None:
    """Draws the choices, the work and what it found."""
    from core.workflows.judging.test_time import DRAWS, MOST_DRAWS, Views

    components.note(
        _("The network looks at several views of each picture, and the mean of its probabilities is the answer."),
        term="test-time augmentation",
    )
    with st.container(key="bl-wrap-views"):
        left, right = st.columns([1, 1.6], gap="large")
    with left:
        chosen = pictures.choose(run, "bl-views-of")
    if chosen is None:
        return
    problems = _problems(run)
    with right:
        way = form_fields.choice(
            _("Views"),
            [name for name in WAYS if not problems[name]],
            "bl-views-way",
            names=WAYS,
            default="mirror",
            wrap=True,
        )
        draws = DRAWS
        if way == "draws":
            draws = st.slider(
                _("Draws of each picture"), 1, MOST_DRAWS, **form_fields.number("bl-views-draws", DRAWS, 1, MOST_DRAWS)
            )
        components.note(_(ABOUT[way]))
        for error in problems.values():
            if error is not None:
                components.note(translate_error(error))
    request = ViewsRequest(run.id, weights_stamp(run), chosen.split, chosen.most, way, draws, _SEED)
    job = latest_job(request)
    if job_panel.draw(job, DISPLAY, key="bl-views-job"):
        return
    found: TestTime | None = job_panel.result(job)
    if found is not None:
        _answer(found)
        return
    views = Views(way, draws).count
    if clicks.button(
        _("Judge {n} views of each picture").format(n=views),
        type="primary",
        icon=":material/filter_none:",
        key="bl-views-start",
        help=_("{n} answers, in a process of its own.").format(n=number_format.exact(views * chosen.total)),
    ):
        pictures.start(request)


def _problems(run: Run) -> dict[str, InputError | None]:
    """Returns for each way why it cannot be had."""
    from core.models.catalog.catalog import prepared
    from core.workflows.judging.test_time import problem

    prep = prepared(run.experiment.model)
    return {way: problem(run, prep, way) for way in WAYS}


def _answer(found: TestTime) -> None:
    (alone, (low, high)), (mean, (low_mean, high_mean)) = found.without, found.with_views
    difference, (least, most) = found.difference
    before, after = found.log_losses
    components.metrics(
        [
            Figure(
                _("Each picture alone"),
                percent(alone),
                pictures.interval(
                    percent(low), percent(high), found.pictures, None if found.groups is None else len(found.groups)
                ),
                glossary.explain("accuracy"),
            ),
            Figure(
                _("Mean of {n} views").format(n=found.views),
                percent(mean),
                _("{low} to {high}").format(low=percent(low_mean), high=percent(high_mean)),
                glossary.explain("test-time augmentation"),
            ),
            Figure(
                _("Difference"),
                _("{n} points").format(n=_points(difference)),
                _("{low} to {high}, same pictures").format(low=_points(least), high=_points(most)),
                glossary.explain("mcnemar"),
            ),
            Figure(
                glossary.title("log loss"),
                number_format.number(after),
                _("{before} of each picture alone").format(before=number_format.number(before)),
                glossary.explain("log loss"),
            ),
        ]
    )
    p_value = number_format.number(found.p_value, 2)
    test = _("McNemar's test") if found.groups is None else _("Obuchowski's test over groups")
    changed = _("Right only with the views: {gained}. Right only without: {lost}. {test}: p = {p}.").format(
        gained=found.gained, lost=found.lost, test=test, p=p_value
    )
    verdict = (
        _("More than chance alone gives: for this network the views are worth their time.")
        if found.p_value < 0.05 and difference > 0
        else _("More than chance alone gives, but for the worse.")
        if found.p_value < 0.05
        else _("No more than chance gives on so many pictures.")
    )
    components.note(f"{changed} {verdict}", term="mcnemar")
    if found.views > 2:
        _course(found)


def _course(found: TestTime) -> None:
    go = charts.plotly()
    chart = charts.figure(260)
    counts = list(range(1, found.views + 1))
    chart.update_xaxes(title_text=_("Views"), range=[0.5, found.views + 0.5], tickformat="d")
    chart.update_yaxes(title_text=_("Accuracy"), tickformat="$.1%")
    chart.add_trace(
        go.Scatter(
            x=counts,
            y=list(found.accuracies),
            name=_("Mean of the first views"),
            mode="lines+markers",
            line={"color": charts.ACCENT, "width": 2},
            hovertemplate="%{y:$.1%}",
        )
    )
    charts.show(
        chart,
        key="bl-views-course",
        alt=_("Accuracy of the mean answer over the first views: {first} with one, {last} with {n}.").format(
            first=percent(found.accuracies[0]), last=percent(found.accuracies[-1]), n=found.views
        ),
    )


def _points(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")
