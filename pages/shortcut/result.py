"""What the shortcut lab shows once its runs have ended: accuracies in each case, where the heat lies, and in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError, RunMissing
from pages.ui.kit import charts, components, nav, tiles
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import broken
from pages.ui.kit.tiles import Tile
from pages.ui.runs import finding_cards
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as PlotlyFigure

    from core.runs.store import Run
    from core.workflows.shortcut.experiment import Plan, Prepared
    from core.workflows.shortcut.judge import ShortcutResult

CASE_NAMES = {
    "marked": N_("Mark where it was learned"),
    "plain": N_("Mark removed"),
    "moved": N_("Mark on the other classes"),
}
COLOURS = dict(zip(("marked", "plain", "moved"), charts.OTHERS, strict=False))


def trained(runs: Mapping[str, Run], titles: Mapping[str, str]) -> None:
    """Draws what the runs say of themselves: the accuracies that would have been believed."""
    rows = []
    for arm, run in runs.items():
        status = run.status()
        test = status.test_accuracy
        leak = " · " + _("leaky") if status.leaks and status.leaks.groups else ""
        rows.append(
            Figure(
                _(titles[arm]),
                number_format.percent(test),
                _("test accuracy") + " · " + number_format.duration(status.seconds) + leak,
                _("On its own test pictures, divided off by chance as usual."),
            )
        )
    components.metrics(rows, compact=True)
    components.note(_("Where each of them looks:"))
    with st.container(horizontal=True):
        for arm, run in runs.items():
            nav.link("heatmaps", _(titles[arm]), icon=":material/local_fire_department:", run=run.id)


def draw(
    plan: Plan, prepared: Prepared, runs: Mapping[str, Run], titles: Mapping[str, str], *, leave: Callable[[], None]
) -> None:
    """Judges the runs, once, and draws what came out."""
    found = _judged(plan, prepared, runs, leave)
    if found is None:
        return
    first = found.outcomes["with-mark"]
    components.section(
        _("3 · See where it looks"),
        _("The evidence for class {name} in test pictures: with the mark, and the same pictures without it.").format(
            name=found.marked
        ),
    )
    _examples(found)
    components.metrics(
        [
            Figure(
                _("Heat at the mark"),
                number_format.percent(first.heat),
                _("{area} of the picture").format(area=number_format.percent(found.area)),
                _("Mean share of the heat, with half a cell of the map around it."),
            ),
            Figure(
                _("Trained without marks"),
                number_format.percent(found.outcomes["without-mark"].heat),
                _("same pictures, same place"),
            ),
        ],
        compact=True,
    )
    components.section(
        _("4 · Take the mark away"),
        _("The same networks, judged on {n} test pictures in three ways.").format(n=found.images),
    )
    charts.show(chart(found, titles), key="bl-shortcut-chart", alt=sentence(found))
    from core.workflows.shortcut.judge import findings

    components.section(_("What happened"))
    finding_cards.draw(findings(found), key="bl-shortcut")


def _judged(
    plan: Plan, prepared: Prepared, runs: Mapping[str, Run], leave: Callable[[], None]
) -> ShortcutResult | None:
    try:
        key = (plan, *((run.id, run.checkpoint.stat().st_mtime_ns) for run in runs.values()))
    except OSError as error:  # deleted at this very moment
        raise RunMissing("A run of this lab is gone. Start the lab again.") from error
    place, progress = st.empty(), None
    if not caches.known("shortcut", key, entries=8):
        with place.container(horizontal=True, vertical_alignment="center"):
            bar = st.progress(0.0, text=_("Judging the networks …"), width="stretch")
            st.button(_("Cancel"), icon=":material/close:", key="bl-shortcut-leave", on_click=leave)

        def progress(done: int, total: int) -> None:
            bar.progress(
                done / max(total, 1), text=_("Judging the networks: {done} of {total}").format(done=done, total=total)
            )

    def make() -> ShortcutResult:
        from core.workflows.shortcut.judge import judge

        return judge(prepared, runs, roots=caches.roots(), progress=progress)

    try:
        found = caches.remember("shortcut", key, make, entries=8)
    except InputError as error:
        place.empty()
        broken(_("The runs cannot be judged"), translate_error(error), icon="report", tone="warn")
        return None
    place.empty()
    return found


def _examples(found: ShortcutResult) -> None:
    from core.interpret.drawing.overlay import overlay

    with st.container(key="bl-wrap-shortcut-examples"):
        columns = st.columns(2, gap="medium")
    for column, case, name in zip(columns, ("marked", "plain"), (_("with mark"), _("without mark")), strict=True):
        cells = []
        for number, example in enumerate(found.examples):
            picture = overlay(example.pictures[case], example.heats[case], opacity=0.5)
            right = example.answers[case] == found.marked
            cells.append(
                Tile(
                    picture.resize((192, 192)),
                    _("called {name}").format(name=example.answers[case]),
                    f"{name} · {found.marked}: {number_format.percent(example.probabilities[case])}",
                    _("Test picture {n}, {case}: heat for {name}").format(n=number + 1, case=name, name=found.marked),
                    "" if right else "bad",
                )
            )
        with column:
            tiles.grid(cells, size=100)


def chart(found: ShortcutResult, titles: Mapping[str, str]) -> PlotlyFigure:
    """Returns the accuracy of each network in each case, as bars in groups."""
    go = charts.plotly()
    drawn = charts.figure(320, barmode="group", bargap=0.25, hovermode="closest")
    arms = list(found.outcomes)
    names = [_(titles[arm]).replace(", ", ",<br>") for arm in arms]
    for case, title in CASE_NAMES.items():
        drawn.add_trace(
            go.Bar(
                name=_(title),
                x=names,
                marker={"color": COLOURS[case]},
                y=[found.outcomes[arm].accuracy[case] for arm in arms],
                texttemplate="%{y:$.0%}",
                textposition="outside",
                cliponaxis=False,
                hovertemplate="%{x}<br>" + _(title) + ": %{y:$.1%}<extra></extra>",
            )
        )
    drawn.add_hline(y=found.guess, line={"color": charts.HAIR, "width": 1, "dash": "dot"})
    drawn.update_xaxes(showgrid=False, type="category")
    drawn.update_yaxes(title_text=_("Accuracy"), range=[0, 1.1], tickformat="$.0%", tickvals=[0, 0.25, 0.5, 0.75, 1])
    return drawn


def sentence(found: ShortcutResult) -> str:
    """Returns the line of text under the chart."""
    first = found.outcomes["with-mark"]
    return _(
        "Accuracy of the small network trained with marks: {marked} with the mark in place, {plain} with it removed, "
        "{moved} with it on the other classes. Dotted: guessing, {chance}."
    ).format(
        marked=number_format.percent(first.accuracy["marked"], 0),
        plain=number_format.percent(first.accuracy["plain"], 0),
        moved=number_format.percent(first.accuracy["moved"], 0),
        chance=number_format.percent(found.guess, 0),
    )
