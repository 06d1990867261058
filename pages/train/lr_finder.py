"""Finding a learning rate on the Train page: a range test beside the page, its curve, and a button that takes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from core.runs.jobs import latest_job
from core.runs.launch import start_job
from core.runs.status import JobStatus
from core.specs import Experiment
from core.workflows.jobs.lr_finder import RateRequest, rate_request
from pages.ui.kit import charts, clicks, components
from pages.ui.runs import job_panel, queue_panel
from pages.ui.session import caches, choices
from pages.ui.text import display_names, number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from core.training.lr_finder import RateCurve

PAPER = ("Smith 2017", "https://arxiv.org/abs/1506.01186")
Take = Callable[[int, float], None]


def draw(experiment: Experiment, take: Take | None = None) -> None:
    """Draws the panel "Find a learning rate": start, progress, cancel, the curve, and the button that uses the rate.

    Call it wherever the choices make a whole experiment. A test is kept by what it depends on, so the newest one for
    the same data, network, freezing, optimizer and batch shows again whenever they are chosen again, also after its
    rate was taken. Where phases are chosen one by one, the person says which of them is tried.

    Args:
        experiment: What the choices make so far.
        take: Called with the phase's place and the rate when the person uses it; by default the rate goes into
            :func:`pages.ui.session.choices.train_choice`, and the page is drawn again.
    """
    experiment = replace(experiment, name="")
    with st.expander(_("Find a learning rate"), icon=":material/query_stats:", key="bl-finder"):
        phase = _phase(experiment)
        request = rate_request(experiment, phase)
        job = latest_job(request)
        if job_panel.draw(job, DISPLAY, key="bl-finder"):
            return
        curve: RateCurve | None = job_panel.result(job)
        if curve is not None:
            _curve(curve, phase, take or _take)
        else:
            components.note(
                _(
                    "About a hundred steps on a copy of the network, the rate rising at each. Where the loss falls "
                    "fastest, the rate is good; a run goes on as it would without the test."
                )
            )
        _start(request, again=curve is not None)


def _phase(experiment: Experiment) -> int:
    """Returns the phase to try: the first, or the one chosen where the phases are the person's own."""
    phases = experiment.training.phases
    if len(phases) == 1 or not choices.train_choice().by_phase:
        return 0
    chosen = st.selectbox(
        _("Phase"),
        range(len(phases)),
        key="bl-finder-phase",
        format_func=lambda index: (
            f"{index + 1}. {display_names.phase(phases[index].name) if index < len(phases) else ''}"
        ),
        help=_("The test starts from the weights that the run starts from, not from those the phases before leave."),
    )
    return min(int(chosen or 0), len(phases) - 1)


def _start(request: RateRequest, *, again: bool) -> None:
    label = _("Find it again") if again else _("Find a rate")
    if clicks.button(
        label, icon=":material/query_stats:", key="bl-finder-start", type="tertiary" if again else "secondary"
    ):
        start_job(request, roots=caches.roots(), owner=queue_panel.owner())
        st.rerun()


def _progress(status: JobStatus, text: str) -> str:
    done, total = status.done, status.total
    if total and status.doing == "trying rates":
        step = _("step {done} of {total}, rate {rate}, loss {loss}")
        rate, loss = _rate(status.rate), number_format.number(status.loss)
        return f"{text} · " + step.format(done=done, total=total, rate=rate, loss=loss)
    if total and status.doing == "downloading the weights":
        sizes = _("{done} of {total}").format(done=number_format.size(done), total=number_format.size(total))
        return f"{text} · {sizes}"
    return job_panel.images_done(status, text)


DISPLAY = job_panel.JobDisplay(
    failed=N_("No rate could be looked for"),
    interrupted=N_("The search was interrupted"),
    doing={"trying rates": N_("Trying rates")},
    progress=_progress,
)


def _curve(curve: RateCurve, phase: int, take: Take) -> None:
    charts.show(figure(curve), key="bl-finder-curve", alt=sentence(curve))
    if curve.suggested is not None:
        label = _("Use {rate}").format(rate=_rate(curve.suggested))
        if clicks.button(label, icon=":material/check:", key="bl-finder-use"):
            take(phase, float(curve.suggested))
    components.why(
        _(
            "Too small a rate changes nothing, too large a one throws the network about. In between the loss falls "
            "within a few steps. The suggestion is the middle one of three readings: where the curve is steepest "
            "({steepest}), the middle of the fall ({valley}), and a tenth of where it ends ({tenth})."
        ).format(steepest=_rate(curve.steepest), valley=_rate(curve.valley), tenth=_rate(curve.tenth)),
        paper=PAPER,
        key="bl-finder-why",
    )


def figure(curve: RateCurve) -> Figure:
    """Returns the chart of a :class:`core.training.lr_finder.RateCurve`: loss over rate, the suggestion marked."""
    chart = charts.figure(260)
    faint = {"color": charts.TRAIN, "width": 1}
    high = 1.6 * max(curve.smoothed[: max(3, len(curve.smoothed) // 10)])
    low = min(curve.smoothed)
    chart.add_scatter(
        x=curve.rates, y=curve.losses, mode="lines", line=faint, opacity=0.35, hoverinfo="skip", name=_("Each step")
    )
    chart.add_scatter(
        x=curve.rates,
        y=curve.smoothed,
        mode="lines",
        line={"color": charts.TRAIN, "width": 2.5},
        name=_("Smoothed"),
        hovertemplate=_("loss {value}").replace("{value}", "%{y:.3f}") + "<extra></extra>",
    )
    suggested = curve.suggested
    if suggested is not None:
        place = min(range(len(curve.rates)), key=lambda index: abs(curve.rates[index] / suggested - 1))
        chart.add_vline(x=suggested, line={"color": charts.HAIR, "width": 1, "dash": "dot"})
        chart.add_scatter(
            x=[suggested],
            y=[curve.smoothed[place]],
            mode="markers",
            name=_("Suggested"),
            hoverinfo="skip",
            marker={"size": 12, "color": charts.ACCENT},
            cliponaxis=False,
        )
    chart.update_xaxes(title_text=_("Learning rate of the head"), type="log", exponentformat="power", dtick=1)
    chart.update_yaxes(title_text=_("Loss"), range=[low - 0.05 * (high - low), high])
    return chart


def sentence(curve: RateCurve) -> str:
    """Returns the line of text under the chart."""
    text = _("Training loss while the rate rose from {first} to {last} in {count} steps.").format(
        first=_rate(curve.rates[0]), last=_rate(curve.rates[-1]), count=len(curve.rates)
    )
    if curve.exploded:
        text += " " + _("There the loss exploded.")
    if curve.suggested is None:
        return f"{text} {_(curve.reason)}"
    return text + " " + _("Suggested: {rate}.").format(rate=_rate(curve.suggested))


def _rate(value: float | None) -> str:
    return number_format.DASH if value is None else f"{float(value):.2g}"


def _take(phase: int, rate: float) -> None:
    """Puts a rate into the training choices, and draws the page again."""
    choice = choices.train_choice()
    if choice.by_phase:
        phases = tuple(replace(row, lr=rate) if index == phase else row for index, row in enumerate(choice.phases))
        choice = replace(choice, phases=phases)
    else:
        choice = replace(choice, lr=rate)
    choices.set_train_choice(choice)
    st.rerun()
