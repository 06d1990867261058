"""The learning rate over all epochs, drawn before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.specs import Experiment, Phase
from pages.ui.kit import charts
from pages.ui.text import display_names
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from core.models.anatomy.records import Anatomy

WIDE = 20.0
"""Ratio of the largest to the smallest peak from which the rate is drawn on a logarithmic scale."""
DEPTH = 1000.0
"""On a logarithmic scale, rates below this part of the smallest peak lie on the lower edge."""
STEPS = 24
"""Optimizer steps an epoch that are drawn where the batch size is not known yet."""
POINTS, LEAST_POINTS = 400, 60
"""Points of a line that are shared among the phases, and what each gets at least."""
LETTERS = 60
"""Letters of a label that the chart is wide."""
AUTOMATIC = 32
"""Images a batch that the chart is drawn for where the batch size is found at the start."""
SHOWN = 8
"""Phases whose course is told under the chart."""


@dataclass(frozen=True, slots=True)
class Line:
    """One of the lines of a phase.

    Attributes:
        group: ``head``, ``backbone``, or its ``last`` and ``first`` learning stage where their rates differ.
        epochs: Epochs of the whole training done, rising.
        rates: The learning rate there.
    """

    group: str
    epochs: list[float]
    rates: list[float]


def lines(experiment: Experiment, anatomy: Anatomy, steps: int = STEPS) -> list[list[Line]]:
    """Returns for each phase the lines of its head and of what of the backbone learns.

    Args:
        experiment: Phases and freeze plans.
        anatomy: Of the network; its stages.
        steps: Optimizer steps an epoch.

    Raises:
        InputError: A plan or a rate names a part that the network has not.
    """
    from core.training.optim.schedules import curve

    found, start = [], 0
    for phase in experiment.training.phases:
        epochs, rates = curve(phase, steps, max(LEAST_POINTS, POINTS // len(experiment.training.phases)))
        # What a step begins with holds until the next, and the phase's last until its end.
        x = [start + epoch for epoch in epochs] + [float(start + phase.epochs)]
        y = [*rates, rates[-1]]
        share = groups(experiment, phase, anatomy)
        found.append([Line(group, x, [rate * part for rate in y]) for group, part in share.items()])
        start += phase.epochs
    return found


def groups(experiment: Experiment, phase: Phase, anatomy: Anatomy) -> dict[str, float]:
    """Returns what learns in a phase, and its rate as a multiple of the head's."""
    from core.models.freeze import trainable_stage_names
    from core.training.optim.optimizers import stage_factors

    factors = stage_factors(phase, anatomy)
    learning = set(trainable_stage_names(anatomy, experiment.plan(phase)))
    stages = [stage.name for stage in anatomy.backbone_stages if stage.name in learning]
    found = {"head": 1.0}
    if not stages:
        return found
    first, last = factors[stages[0]], factors[stages[-1]]
    if abs(first - last) < 1e-9:
        return found | {"backbone": last}
    return found | {"last": last, "first": first}


def draw(experiment: Experiment, anatomy: Anatomy, images: int) -> None:
    """Draws the chart and the line under it.

    Args:
        experiment: What is to be trained.
        anatomy: Of its network.
        images: That an epoch draws.
    """
    training = experiment.training
    usual = training if training.batch_size != "auto" else replace(training, batch_size=AUTOMATIC)
    drawn = lines(experiment, anatomy, usual.steps(images) or 1)
    charts.show(_figure(experiment, drawn), key="bl-schedule", alt=words(experiment, drawn))


def _titles() -> dict[str, str]:
    return {
        "head": _("Head"),
        "backbone": _("Backbone"),
        "last": _("Last stage"),
        "first": _("First stage that learns"),
    }


_DASHES = {"head": "solid", "backbone": "dash", "last": "dash", "first": "dot"}


def _figure(experiment: Experiment, drawn: list[list[Line]]) -> Figure:
    go = charts.plotly()

    chart, titles = charts.figure(230), _titles()
    logarithmic, low = _scale(drawn)
    for group in titles:
        x: list[float | None] = []
        y: list[float | None] = []
        for line in (line for phase in drawn for line in phase if line.group == group):
            x += [*line.epochs, None]
            y += [*(max(rate, low) for rate in line.rates), None]
        if x:
            chart.add_trace(
                go.Scatter(
                    x=x,
                    y=y,
                    name=titles[group],
                    mode="lines",
                    connectgaps=False,
                    hovertemplate="%{y:.3g}",
                    line={"color": charts.ACCENT, "width": 2.5 if group == "head" else 2, "dash": _DASHES[group]},
                )
            )
    total = experiment.training.epochs
    chart.update_xaxes(title_text=_("Epochs"), range=[0, total], dtick=_tick(total), tick0=0)
    chart.update_yaxes(
        title_text=_("Learning rate"),
        type="log" if logarithmic else "linear",
        **({"dtick": 1, "tickformat": "~e"} if logarithmic else {"rangemode": "tozero", "tickformat": "~g"}),
    )
    _boundaries(chart, experiment.training.phases)
    return chart


def _tick(total: int) -> int:
    """Returns the epochs between two ticks, at most ten of them."""
    size = 1
    while True:
        for step in (size, 2 * size, 5 * size):
            if total / step <= 10:
                return step
        size *= 10


def _scale(drawn: list[list[Line]]) -> tuple[bool, float]:
    """Returns whether the rates need a logarithmic scale, and the least rate that is drawn on it."""
    peaks = [max(line.rates) for phase in drawn for line in phase]
    logarithmic = max(peaks) / min(peaks) > WIDE
    return logarithmic, min(peaks) / DEPTH if logarithmic else 0.0


def _boundaries(chart: Figure, phases: tuple[Phase, ...]) -> None:
    """Draws a labelled hairline where a phase begins, if there is more than one, and a band where it warms up."""
    start, total = 0, sum(phase.epochs for phase in phases)
    for number, phase in enumerate(phases, start=1):
        if phase.schedule.warmup:
            chart.add_vrect(
                x0=start, x1=start + phase.schedule.warmup, fillcolor=charts.GRID, line={"width": 0}, layer="below"
            )
        if len(phases) > 1:
            if start:
                chart.add_vline(x=start, line={"color": charts.HAIR, "width": 1, "dash": "dot"})
            name = _fitting(display_names.phase(phase.name), number, phase.epochs / total)
            if name:
                chart.add_annotation(
                    x=start,
                    y=1,
                    yref="paper",
                    text=name,
                    showarrow=False,
                    xanchor="left",
                    yanchor="bottom",
                    font={"size": 12},
                    xshift=2,
                )
        start += phase.epochs
    if len(phases) > 1:
        chart.update_layout(legend={"y": 1.14}, margin={"t": 54})


def _fitting(name: str, number: int, share: float) -> str:
    """Returns a phase's name where its share of the width holds it, else its number; nothing where not even that."""
    if len(name) <= share * LETTERS:
        return name
    return str(number) if share * LETTERS >= 3 else ""


def words(experiment: Experiment, drawn: list[list[Line]]) -> str:
    """Returns the chart in words."""
    lines = []
    for phase, found in zip(experiment.training.phases[:SHOWN], drawn, strict=False):
        rates = found[0].rates
        if max(rates) == min(rates):
            text = _("{phase}: {rate} throughout").format(phase=display_names.phase(phase.name), rate=_number(rates[0]))
        elif max(rates) > max(rates[0], rates[-1]):
            text = _("{phase}: from {first} up to {most} and down to {last}").format(
                phase=display_names.phase(phase.name),
                first=_number(rates[0]),
                most=_number(max(rates)),
                last=_number(rates[-1], max(rates)),
            )
        else:
            text = _("{phase}: from {first} to {last}").format(
                phase=display_names.phase(phase.name), first=_number(rates[0]), last=_number(rates[-1], max(rates))
            )
        lines.append(text + ".")
    if len(drawn) > SHOWN:
        lines.append(_("And so on, {n} phases in all.").format(n=len(drawn)))
    lines.insert(0, _("The head's learning rate."))
    if any(phase.schedule.name == "plateau" for phase in experiment.training.phases):
        lines.append(_("On a plateau it is drawn flat: when it drops shows only in training."))
    if any(phase.schedule.warmup for phase in experiment.training.phases):
        lines.append(_("The shaded part is the warm-up."))
    if _scale(drawn)[0]:
        lines.append(_("The scale is logarithmic."))
    return " ".join(lines)


def _number(rate: float, most: float = 0.0) -> str:
    return _("nearly 0") if rate < most / 200 else f"{rate:.2g}"
