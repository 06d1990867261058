"""What a study says: the sentence, the figures, one of its charts, and the table of its settings."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.runs.jobs import Job
from core.specs.study import Factor, Study
from core.workflows.studies.analysis import Analysis, Row, analyse, measures
from core.workflows.studies.members import Standing, planned
from core.workflows.studies.ready import READY
from pages.studies import charts as drawn
from pages.studies import words
from pages.ui.kit import charts, components, form_fields, nav
from pages.ui.kit.components import Figure
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n, language, translate_error

VIEWS = {
    "means": N_("Means"),
    "heatmap": N_("Heatmap"),
    "parallel": N_("Parallel coordinates"),
    "importance": N_("What matters"),
}
ROW_PX, TALLEST_PX = 38, 420
_MEASURE = "bl-study-measure"


def draw(job: Job, study: Study, found: Sequence[Standing]) -> Analysis | None:
    """Draws what has been found so far, and returns it; ``None`` before a run has finished."""
    offered = measures(found)
    done = sum(one.finished for one in found)
    if not offered:
        components.note(_("The first figures stand here once a run has finished."))
        return None
    bound = form_fields.kept(_MEASURE)
    said = _analysis(job, study, found, bound.among(offered, offered[0]))
    _answer(said, done, planned(job))
    ready = READY.get(study.ready)
    if ready is not None and ready.remark:
        components.note(_(ready.remark))
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-study-views"):
        view = _view(study, said) if study.factors else ""
        st.selectbox(
            _("Compared by"),
            offered,
            format_func=lambda name: _(words.MEASURES[name]),
            width=240,
            **bound.widget(_MEASURE, offered, offered[0]),
        )
    if view:
        _chart(study, said, view)
    if study.factors:
        _table(study, said)
    else:
        _runs(said.rows[0], said.measure)
    return said


def _analysis(job: Job, study: Study, found: Sequence[Standing], measure: str) -> Analysis:
    stamp = tuple((one.run.id if one.run else "", one.state) for one in found)
    return caches.remember(
        "studies",
        (job.id, stamp, measure, language()),
        lambda: analyse(study, found, measure, words.setting),
        entries=16,
    )


def _answer(said: Analysis, done: int, total: int) -> None:
    """Draws the sentence, the best setting and how many runs it is from."""
    for place, sentence in enumerate(said.sentences):
        text = components.plain(translate_error(sentence))
        st.markdown(f"**{text}**" if not place else text)
    best = said.best
    figures = [Figure(_("Runs"), number_format.exact(done), _("of {n} finished").format(n=total))]
    if best is not None:
        interval = _reference(best, said.measure)
        several = len(said.rows) > 1 or best.label
        label = _("Best: {setting}").format(setting=best.label) if several else _(words.MEASURES[said.measure])
        figures.insert(0, Figure(label, words.measured(best.mean, said.measure), interval))
    components.metrics(figures, compact=True)


def _interval(row: Row, measure: str) -> str:
    """Returns a mean's interval in words; nothing where it has none."""
    if row.interval is None:
        return ""
    low, high = (words.measured(end, measure) for end in row.interval)
    return _("{low} to {high}").format(low=low, high=high)


def _reference(row: Row, measure: str) -> str:
    """Returns what stands under the best mean: its interval, or of how many seeds it is."""
    if row.interval is None:
        return _n("{n} seed", "{n} seeds", len(row.measured)).format(n=len(row.measured))
    return _("95 %: {interval}").format(interval=_interval(row, measure))


def _view(study: Study, said: Analysis) -> str:
    """Draws which chart is shown; returns it."""
    several = len(study.factors) > 1
    views = [name for name in VIEWS if several or name in ("means", "importance")]
    if not said.importance:
        views.remove("importance")
    return form_fields.choice(_("Chart"), {name: VIEWS[name] for name in views}, "bl-study-view", default="means")


def _chart(study: Study, said: Analysis, view: str) -> None:
    """Draws the chosen chart."""
    if view == "importance":
        alt = _("Share of the variance of all runs that each field has, several together, and other seeds.")
        charts.show(drawn.importance(said.importance), key="bl-study-importance", alt=alt)
    elif view == "parallel":
        alt = _("A line for each setting, from its values to its mean; its colour is the mean.")
        charts.show(drawn.parallel(study.factors, said.rows, said.measure), key="bl-study-parallel", alt=alt)
    else:
        across, other = _two(study.factors, said)
        if view == "heatmap" and other is not None:
            figure = drawn.heatmap(study.factors, said.rows, said.measure, across, other)
            alt = _("Mean over seeds for each pair of values; over further fields, too, where there are any.")
            charts.show(figure, key="bl-study-heatmap", alt=alt)
        else:
            figure = drawn.means(study.factors, said.rows, said.measure, across, other)
            alt = _("Mean over seeds of each setting, with its 95 %\u00a0interval where it has two seeds or more.")
            charts.show(figure, key="bl-study-means", alt=alt)


def _two(factors: Sequence[Factor], said: Analysis) -> tuple[int, int | None]:
    """Draws which fields the axes are where there is a choice; returns their places."""
    places = list(range(len(factors)))
    longest = max(places, key=lambda place: len({row.values[place] for row in said.rows}))
    if len(places) == 1:
        return 0, None
    if len(places) == 2:
        return longest, 1 - longest
    with st.container(horizontal=True, key="bl-study-axes"):
        first, second = "bl-study-across", "bl-study-by"
        across = st.selectbox(
            _("Across"),
            places,
            format_func=lambda place: words.field(factors[place].name),
            width=260,
            **form_fields.kept(first).widget(first, places, longest),
        )
        rest = [place for place in places if place != across]
        other = st.selectbox(
            _("Beside it"),
            rest,
            format_func=lambda place: words.field(factors[place].name),
            width=260,
            **form_fields.kept(second).widget(second, rest, rest[0]),
        )
    return across, other


def _table(study: Study, said: Analysis) -> None:
    """Draws a row for each setting; a chosen row opens its runs."""
    import pandas as pd

    ready = READY.get(study.ready)
    noted = ready.noted if ready is not None and said.measure == "test_accuracy" else {}
    columns: dict[str, list[object]] = {
        words.field(factor.name): [words.value(factor.name, row.values[place]) for row in said.rows]
        for place, factor in enumerate(study.factors)
    }
    measure = _(words.MEASURES[said.measure])
    columns[measure] = [words.measured(row.mean, said.measure) for row in said.rows]
    columns[_("95 %\u00a0interval")] = [_interval(row, said.measure) for row in said.rows]
    columns[_("Seeds")] = [
        _("pruned") if row.pruned else _("{n} of {total}").format(n=len(row.measured), total=row.members)
        for row in said.rows
    ]
    if noted:
        columns[_("The notes")] = [number_format.percent(noted.get(row.values)) for row in said.rows]
    event = st.dataframe(
        pd.DataFrame(columns),
        hide_index=True,
        key="bl-study-table",
        on_select="rerun",
        selection_mode="single-row",
        height=min(ROW_PX * (len(said.rows) + 1) + 2, TALLEST_PX),
        row_height=ROW_PX,
        alt=_("Table of the settings with mean, interval and how many seeds have finished."),
    )
    picked = event["selection"]["rows"]
    if not picked or picked[0] >= len(said.rows):
        components.note(_("Choose a row to open its runs."))
        return
    _runs(said.rows[picked[0]], said.measure)


def _runs(row: Row, measure: str) -> None:
    """Draws the way to each run of a setting."""
    with st.container(horizontal=True, key="bl-study-runs"):
        for run, value in zip(row.runs, row.measured, strict=True):
            text = " · ".join(filter(None, (row.label, words.measured(value, measure))))
            nav.link("runs", components.plain(text), icon=":material/check_circle:", run=run)
    if not row.runs:
        components.note(_("No run of it has finished yet."))
