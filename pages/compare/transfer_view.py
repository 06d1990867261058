"""What transfer gained: start, slope and asymptote of pretrained runs against the same network from scratch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.runs.launch import start
from core.runs.status import LIVE
from core.workflows.comparing import seeds, transfer
from core.workflows.comparing.curves import Curve, band
from pages.compare import curves
from pages.compare.chance_view import points, recipe_of
from pages.compare.looks import Look
from pages.ui.kit import charts, components, form_fields, one_shot_button
from pages.ui.kit.components import Figure
from pages.ui.runs import queue_panel
from pages.ui.session import caches
from pages.ui.session.address import Bound
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n, translate_error
from pages.ui.text.number_format import percent

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as Chart

    from core.runs.store import Run

PRETRAINED, SCRATCH = Bound("pretrained", kept="bl.compare.pretrained"), Bound("scratch", kept="bl.compare.scratch")
GAINS = {"start": N_("Higher start"), "slope": N_("Higher slope"), "asymptote": N_("Higher asymptote")}
LOSSES = {"start": N_("Lower start"), "slope": N_("Lower slope"), "asymptote": N_("Lower asymptote")}
MEANT = {
    "start": N_("Accuracy after the first epoch. Before it a new head is at chance, whatever lies below."),
    "slope": N_("Accuracy gained an epoch over the first three, from before training where that was judged."),
    "asymptote": N_("Mean accuracy of the last fifth of the epochs."),
}
SCRATCH_COLOUR, PRETRAINED_COLOUR = charts.FROZEN, charts.ACCENT
MEASURE = "val_accuracy"
_LEVEL = "bl-transfer-level"


@dataclass(frozen=True, slots=True)
class Side:
    """Runs of one recipe, and their validation accuracy over epochs."""

    known: seeds.Seeds
    runs: tuple[Run, ...]
    lines: tuple[Curve, ...]


def draw(runs: Sequence[Run], everything: Sequence[Run], labels: Mapping[str, str]) -> None:
    """Draws what the pretrained runs among the compared ones gained.

    Args:
        runs: The compared runs.
        everything: All runs that can be compared: the runs from scratch are found among them.
        labels: What each is called.
    """
    one_shot_button.refusal()
    offered = _pretrained(runs)
    if not offered:
        components.note(
            _(
                "None of these runs starts from pretrained weights. Choose one that does: it is held against the same "
                "network from scratch."
            )
        )
        return
    by_id = {run.id: run for run in offered}
    left, right = st.columns(2, gap="medium")
    asked = left.selectbox(
        _("Pretrained"),
        list(by_id),
        format_func=lambda name: labels[name],
        **PRETRAINED.widget("bl-compare-pretrained", by_id, offered[0].id),
    )
    run = by_id[str(asked)]
    mine = _side(run, everything)
    rivals = transfer.counterparts(run, everything)
    if not rivals:
        _launch(run)
        return
    with right:
        theirs = _rival(run, rivals, everything, labels)
    components.note(_("Both have the same images, divided alike, and the same network; one began with random weights."))
    if not mine.lines or not theirs.lines:
        components.note(_("The comparison is drawn here once both have an epoch."))
        return
    try:
        found = transfer.gains(theirs.lines, mine.lines)
    except InputError as error:
        components.note(translate_error(error))
        return
    st.markdown(components.plain(verdict(found)))
    _figures(found)
    level = _level(found)
    charts.show(_chart(theirs, mine, found, level), key="bl-compare-transfer", alt=_sentence(theirs, mine, found))
    _when(theirs, mine, level)
    _offer(mine, theirs)


def _pretrained(runs: Sequence[Run]) -> list[Run]:
    found = []
    for run in runs:
        try:
            if transfer.is_pretrained(caches.experiment(run)):
                found.append(run)
        except InputError:
            continue
    return found


def _rival(run: Run, rivals: Sequence[Run], everything: Sequence[Run], labels: Mapping[str, str]) -> Side:
    """Draws the choice of the recipe from scratch, and returns it: at first one of as many epochs, with most seeds."""
    sides = {recipe_of(other): _side(other, everything) for other in reversed(rivals)}
    wanted = _epochs(run)
    order = sorted(sides.values(), key=lambda side: (_epochs(side.known.first) != wanted, -len(side.known.finished)))
    by_id = {side.known.first.id: side for side in order}
    asked = st.selectbox(
        _("From scratch"),
        list(by_id),
        format_func=lambda name: labels[name].partition(" · seed ")[0],
        **SCRATCH.widget("bl-compare-from-scratch", by_id, order[0].known.first.id),
    )
    return by_id[str(asked)]


def _epochs(run: Run) -> int:
    return sum(phase.epochs for phase in caches.experiment(run).training.phases)


def _side(first: Run, everything: Sequence[Run]) -> Side:
    """Returns the runs of one recipe with their curves: the finished ones, or the one that is at work."""
    alike = [run for run in everything if recipe_of(run) == recipe_of(first)]
    known = seeds.of_recipe(first, alike)
    runs = known.finished or (first,)
    lines = [(run, curves.of(run, MEASURE, "epoch")) for run in runs]
    lines = [(run, line) for run, line in lines if transfer.course(line) is not None]
    return Side(known, tuple(run for run, _line in lines), tuple(line for _run, line in lines))


def _launch(run: Run) -> None:
    """Offers to train the counterpart that is missing."""
    components.note(
        _(
            "There is no run of this network from random weights on the same images yet, so nothing says what its "
            "weights gained."
        )
    )
    needs = run.recorded.seconds
    st.button(
        _("Train it from scratch"),
        type="primary",
        icon=":material/restart_alt:",
        key="bl-compare-scratch",
        help=_("The same images, network, epochs and seed; everything learns from random weights.")
        + (
            " " + _("With everything learning it takes longer than {time}.").format(time=number_format.duration(needs))
            if needs
            else ""
        ),
        on_click=lambda: one_shot_button.attempt(lambda: _start(run)),
    )


def _start(run: Run) -> None:
    start(transfer.from_scratch(run.experiment), roots=caches.roots(), owner=queue_panel.owner())


def verdict(found: Sequence[transfer.Gain]) -> str:
    """Says whether the weights helped, made no difference that can be told, or hindered."""
    known = transfer.beyond_chance(found)
    if known is None:
        return _untested(found)
    higher = ", ".join(_(GAINS[name]).lower() for name, sign in known.items() if sign > 0)
    lower = ", ".join(_(LOSSES[name]).lower() for name, sign in known.items() if sign < 0)
    worse = [name for name, sign in known.items() if sign < 0 and name != "slope"]
    if worse and higher:
        text = _("More than chance in both directions: {higher}, but {lower}. What is lower is negative transfer.")
    elif worse:
        text = _(
            "Negative transfer, by more than chance: {lower}. From these weights the network learns these images "
            "worse than from scratch: what was learned before does not serve them."
        )
    elif higher and lower:
        text = _("More than chance: {higher}. The slope is lower because less was left to gain, which is no harm.")
    elif higher:
        text = _("The weights helped, by more than chance: {higher}.")
    elif lower:
        text = _(
            "The pretrained network learns more slowly than from scratch, by more than chance: that speaks for "
            "negative transfer, though start and asymptote cannot be told apart."
        )
    else:
        text = _(
            "None of the three differs by more than chance: of these runs nobody can say that the pretrained "
            "weights helped, nor that they hindered."
        )
    return text.format(higher=higher, lower=lower)


def _untested(found: Sequence[transfer.Gain]) -> str:
    """Says what single runs show, and what they do not."""
    end = next(gain for gain in found if gain.name == "asymptote")
    if end.difference > 0:
        text = _("The pretrained run ends higher; with one run on a side that may be chance.")
    elif end.difference < 0:
        text = _(
            "The pretrained run is no better: it ends lower than the one from scratch. With one run on a side "
            "that may be chance; if more seeds confirm it, it is negative transfer."
        )
    else:
        text = _("Both end at the same accuracy: here the weights brought no higher asymptote.")
    return text


def _figures(found: Sequence[transfer.Gain]) -> None:
    """Draws the three gains, each with its interval over seeds."""
    shown = []
    for gain in found:
        if gain.contrast is None:
            around = _("one run on a side: no interval")
        else:
            low, high = gain.contrast.interval
            around = _("95 %: {low} to {high}").format(low=points(low), high=points(high))
        each = _("pretrained {a}, from scratch {b}").format(
            a=", ".join(map(percent, gain.pretrained)), b=", ".join(map(percent, gain.scratch))
        )
        value = points(gain.difference) + (_(" an epoch") if gain.name == "slope" else "")
        name = (GAINS if gain.difference >= 0 else LOSSES)[gain.name]
        shown.append(Figure(_(name), value, around, _(MEANT[gain.name]), exact=each))
    components.metrics(shown)


def _level(found: Sequence[transfer.Gain]) -> float:
    """Draws the choice of the accuracy that both are to reach, and returns it as a share."""
    least = min((*found[2].scratch, *found[2].pretrained))
    usual = max(5, min(100, int(100 * least)))
    level = st.slider(
        _("Accuracy to reach"),
        5,
        100,
        format="%d %%",
        width=320,
        help=_("How many epochs, images and seconds each takes to this accuracy on the validation images."),
        **form_fields.number(_LEVEL, usual, 5, 100),
    )
    return int(level) / 100


def _chart(theirs: Side, mine: Side, found: Sequence[transfer.Gain], level: float) -> Chart:
    """Returns both curves with their bands, and what is measured of them."""
    import numpy as np

    go = charts.plotly()
    chart = charts.figure(400, hovermode="closest")
    for side, colour, name in ((theirs, SCRATCH_COLOUR, _("From scratch")), (mine, PRETRAINED_COLOUR, _("Pretrained"))):
        together = band(side.lines)
        look = Look(colour, "solid")
        if together is not None:
            curves.add_band(chart, together, name, look, share=True)
        else:
            line = side.lines[0]
            rows = line.drawn()
            curves.add_line(chart, line.x[rows], line.y[rows], name, look, share=True)
        gain = found[2].pretrained if side is mine else found[2].scratch
        height = float(np.mean(gain))
        chart.add_hline(y=height, line={"color": colour, "width": 1, "dash": "dot"})
    starts = [float(np.mean(values)) for values in (found[0].scratch, found[0].pretrained)]
    chart.add_trace(
        go.Scatter(
            x=[1, 1],
            y=starts,
            mode="lines+markers",
            line={"color": charts.VAL, "width": 2},
            marker={"size": 9},
            name=_("Start: {gain}").format(gain=points(found[0].difference)),
            hoverinfo="name",
        )
    )
    chart.add_hline(
        y=level, line={"color": charts.HAIR, "width": 1}, annotation_text=percent(level), annotation_position="top left"
    )
    last = max((float(max(trace.x)) for trace in chart.data if trace.x is not None and len(trace.x)), default=0.0)
    chart.update_xaxes(title_text=_("Epochs"), rangemode="tozero", **charts.whole_ticks(last))
    chart.update_yaxes(title_text=_("Validation accuracy"), tickformat="$.0%")
    for trace in chart.data:
        trace.showlegend = bool(trace.name)
    return chart


def _sentence(theirs: Side, mine: Side, found: Sequence[transfer.Gain]) -> str:
    text = _(
        "Validation accuracy of pretrained runs (mean of {a}) and of runs from scratch (mean of {b}); dotted: their "
        "asymptotes, {high} and {low}."
    )
    import numpy as np

    return text.format(
        a=_n("{n} seed", "{n} seeds", len(mine.runs)).format(n=len(mine.runs)),
        b=_n("{n} seed", "{n} seeds", len(theirs.runs)).format(n=len(theirs.runs)),
        high=percent(float(np.mean(found[2].pretrained))),
        low=percent(float(np.mean(found[2].scratch))),
    )


def _when(theirs: Side, mine: Side, level: float) -> None:
    """Draws a table of what it takes each to reach the accuracy."""
    rows = {_("Pretrained"): mine, _("From scratch"): theirs}
    cells = {
        name: [_reached(run, line, level) for run, line in zip(side.runs, side.lines, strict=True)]
        for name, side in rows.items()
    }
    components.section(
        _("To reach {level}").format(level=percent(level)),
        _("Mean over the seeds that reach it; seconds are those of its epochs here, on this machine."),
    )
    st.dataframe(
        {
            "what": list(cells),
            "reached": [
                _("{n} of {total}").format(n=sum(one.epoch is not None for one in found), total=len(found))
                for found in cells.values()
            ],
            "epochs": [_mean([one.epoch for one in found]) for found in cells.values()],
            "images": [_mean([one.images for one in found]) for found in cells.values()],
            "seconds": [_mean([one.seconds for one in found]) for found in cells.values()],
            "whole": [
                _mean([run.recorded.seconds or run.recorded.spent_seconds or None for run in side.runs])
                for side in rows.values()
            ],
        },
        hide_index=True,
        key="bl-compare-reached",
        placeholder=number_format.DASH,
        column_config={
            "what": st.column_config.TextColumn(_("Training")),
            "reached": st.column_config.TextColumn(_("Runs that reach it")),
            "epochs": st.column_config.NumberColumn(_("Epochs"), format="%.1f"),
            "images": st.column_config.NumberColumn(_("Images"), format="localized"),
            "seconds": st.column_config.NumberColumn(_("Seconds"), format="%.1f"),
            "whole": st.column_config.NumberColumn(_("Whole training, s"), format="%.1f"),
        },
        alt=_("Epochs, images and seconds that each training takes to reach the accuracy."),
    )


def _reached(run: Run, line: Curve, level: float) -> transfer.Reached:
    return transfer.reached(line, curves.of(run, MEASURE, "images").x, curves.of(run, MEASURE, "seconds").x, level)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _offer(mine: Side, theirs: Side) -> None:
    """Offers the seeds that are missing for an interval, and says what is at work."""
    for side, label in ((mine, N_("Train {n} more pretrained")), (theirs, N_("Train {n} more from scratch"))):
        missing = side.known.missing
        if missing:
            st.button(
                _(label).format(n=len(missing)),
                icon=":material/casino:",
                key=f"bl-compare-more-{side.known.first.id}",
                help=_("With three seeds on each side every gain has an interval."),
                on_click=lambda known=side.known: one_shot_button.attempt(lambda: _more(known)),
            )
    live = sum(len(side.known.live) for side in (mine, theirs))
    if live or theirs.known.first.state in LIVE:
        components.note(_("Runs of these recipes are at work; what they reach is counted here once they have ended."))


def _more(known: seeds.Seeds) -> None:
    seeds.start_missing(known, roots=caches.roots(), owner=queue_panel.owner())
