"""Robustness: how the accuracy falls when pictures are spoilt, strength by strength."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from core.errors import InputError
from core.runs.jobs import latest_job
from core.workflows.jobs.heatmap_study import weights_stamp
from core.workflows.jobs.judging.robustness import RobustnessRequest
from pages.evaluate.closer import picture_strip, pictures
from pages.evaluate.closer.words import GROUPS, ORIGINS, TITLES
from pages.ui.kit import charts, clicks, components
from pages.ui.kit.components import Figure
from pages.ui.runs import job_panel
from pages.ui.session import address, caches
from pages.ui.text import glossary, number_format
from pages.ui.text.i18n import N_, _, _n
from pages.ui.text.number_format import percent

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as Chart

    from core.runs.store import Run
    from core.workflows.judging.robustness import Robustness

DISPLAY = job_panel.JobDisplay(
    failed=N_("It could not be measured"),
    interrupted=N_("The measurement was interrupted"),
    doing=TITLES,
    progress=pictures.answers_done,
)
USUAL = ("gaussian-noise", "gaussian-blur", "fog", "contrast", "jpeg", "rotation", "occlusion", "fgsm")
"""What is measured unless somebody chooses."""
_NAMES = address.Bound("corruptions", kept="bl.robust.corruptions")
_KEY = "bl-robust-names"
_HEIGHT = 290
_FAINT = 0.12


def draw(run: Run) -> None:
    """Draws the choices, the measurement and its curves."""
    components.note(
        _(
            "The pictures stay the same and are spoilt step by step. What the network still gets right then is how "
            "far it can be trusted with poor light, a shaking hand or a smudged lens."
        ),
        term="corruption accuracy",
    )
    with st.container(key="bl-wrap-robust"):
        left, right = st.columns([1, 1.6], gap="large")
    with right:
        names = _names()
    with left:
        chosen = pictures.choose(run, "bl-robust")
    if chosen is None:
        return
    request = RobustnessRequest(run.id, weights_stamp(run), chosen.split, chosen.most, tuple(names))
    job = latest_job(request)

    def known() -> None:
        found = _measured(run, chosen)
        if found is not None:
            _curves(found, [name for name in names if name in found.answers])

    if job_panel.at_work(job, DISPLAY, key="bl-robust-job", below=known):
        return
    job_panel.ended(job, DISPLAY, kept=_("Corruptions that were measured to the end."))
    found = _measured(run, chosen)
    missing = [name for name in names if found is None or name not in found.answers]
    if missing:
        _offer(request, missing, chosen.total)
    shown = [name for name in names if name not in missing]
    if found is not None and shown:
        _answer(found, shown)
        _curves(found, shown)
        _table(found, shown)
    picture_strip.draw(run, names)


def _names() -> list[str]:
    """Draws the choice of corruptions and attacks."""
    from core.workflows.judging.robustness import named

    usual = list(USUAL)
    try:
        names = list(named(asked)) if (asked := _NAMES.asked()) is not None else usual
    except InputError as error:
        address.refuse(_NAMES.param, error)
        _NAMES.choose(None)
        names = usual
    st.session_state[_KEY] = sorted(names, key=list(TITLES).index)

    def remember() -> None:
        picked = st.session_state[_KEY]
        _NAMES.choose(",".join(picked) if picked and set(picked) != set(usual) else None)

    picked: list[str] = st.multiselect(
        _("What is done to them"),
        list(TITLES),
        format_func=lambda name: _(TITLES[name]),
        key=_KEY,
        on_change=remember,
        help=_("Each in five strengths. What was measured once is kept with the run."),
    )
    return picked


def _measured(run: Run, chosen: pictures.Chosen) -> Robustness | None:
    from core.workflows.judging.robustness import FOLDER, measured

    folder = run.path / FOLDER
    try:
        stamps = tuple(sorted((file.name, file.stat().st_mtime_ns) for file in folder.iterdir()))
    except OSError:
        return None
    key = (run.id, weights_stamp(run), chosen.split, chosen.most, stamps)
    return caches.remember("robustness", key, lambda: measured(run, chosen.split, most=chosen.most), entries=8)


def _offer(request: RobustnessRequest, missing: list[str], count: int) -> None:
    words = ", ".join(_(TITLES[name]) for name in missing)
    components.note(_("Not measured yet: {names}.").format(names=words))
    text = _n("Measure {n} of them", "Measure {n} of them", len(missing)).format(n=len(missing))
    if clicks.button(
        text,
        type="primary",
        icon=":material/blur_on:",
        key="bl-robust-start",
        help=_("{n} answers, in a process of its own; what was done is kept if you cancel.").format(
            n=number_format.exact(5 * count * len(missing))
        ),
    ):
        pictures.start(request)


def _answer(found: Robustness, names: list[str]) -> None:
    from core.data.corruptions.table import CORRUPTIONS

    clean, (low, high) = found.curve(names[0])[0]
    kept = {name: found.curve(name)[-1][0] for name in names}
    worst = min(kept, key=kept.__getitem__)
    rows = [
        Figure(
            _("As they are"),
            percent(clean),
            pictures.interval(percent(low), percent(high), len(found.keys), _groups_of(found)),
            glossary.explain("accuracy"),
        )
    ]
    corruptions = [name for name in names if name in CORRUPTIONS]
    if corruptions:
        value, (low, high) = found.mean(corruptions)
        rows.append(
            Figure(
                glossary.title("corruption accuracy"),
                percent(value),
                _("{low} to {high}, over {n} corruptions and five strengths").format(
                    low=percent(low), high=percent(high), n=len(corruptions)
                )
                if len(corruptions) > 1
                else _("{low} to {high}, over five strengths").format(low=percent(low), high=percent(high)),
                glossary.explain("corruption accuracy"),
            )
        )
    rows.append(
        Figure(
            _("Falls most"),
            percent(kept[worst]),
            _("{name}, strength 5").format(name=_(TITLES[worst])),
            _("The corruption or attack after which the fewest pictures are right."),
        )
    )
    components.metrics(rows)


def _curves(found: Robustness, names: list[str]) -> None:
    """Draws a chart a group, two side by side."""
    groups = {group: [name for name in names if _group(name) == group] for group in GROUPS}
    drawn = [(group, members) for group, members in groups.items() if members]
    baseline = max(found.labels.count(label) for label in set(found.labels)) / len(found.labels)
    for row in range(0, len(drawn), 2):
        with st.container(key=f"bl-wrap-robust-{row}"):
            places = st.columns(2, gap="large")
        for place, (group, members) in zip(places, drawn[row : row + 2], strict=False):
            with place:
                components.section(_(GROUPS[group]))
                charts.show(_chart(found, members, baseline), key=f"bl-robust-{group}", alt=_falls(found, members))


def _group(name: str) -> str:
    from core.data.corruptions.table import CORRUPTIONS

    return CORRUPTIONS[name].group if name in CORRUPTIONS else "attack"


def _falls(found: Robustness, members: list[str]) -> str:
    parts = []
    for name in members:
        curve = found.curve(name)
        parts.append(
            _("{name}: {before} at strength 0, {after} at strength 5").format(
                name=_(TITLES[name]), before=percent(curve[0][0]), after=percent(curve[-1][0])
            )
        )
    shaded = (
        _("Shaded: 95 % Wilson intervals. Dotted: always naming the largest class.")
        if found.groups is None
        else _("Shaded: 95 %\u00a0intervals over groups. Dotted: always naming the largest class.")
    )
    return "; ".join(parts) + ". " + shaded


def _groups_of(found: Robustness) -> int | None:
    return None if found.groups is None else len(set(found.groups))


def _chart(found: Robustness, members: list[str], baseline: float) -> Chart:
    go = charts.plotly()
    chart = charts.figure(_HEIGHT)
    chart.update_xaxes(title_text=_("Strength"), range=[-0.1, 5.1], dtick=1)
    chart.update_yaxes(title_text=_("Accuracy"), range=[-0.01, 1.02], tickformat="$.0%")
    chart.add_shape(type="line", x0=0, x1=5, y0=baseline, y1=baseline, line={"color": charts.HAIR, "dash": "dot"})
    steps = list(range(6))
    for place, name in enumerate(members):
        curve = found.curve(name)
        lows, highs = [low for _, (low, _high) in curve], [high for _, (_low, high) in curve]
        colour = charts.OTHERS[place % len(charts.OTHERS)]
        band: dict[str, Any] = {"hoverinfo": "skip", "showlegend": False, "mode": "lines", "line": {"width": 0}}
        chart.add_trace(go.Scatter(x=steps, y=highs, **band))
        chart.add_trace(go.Scatter(x=steps, y=lows, fill="tonexty", fillcolor=_faint(colour), **band))
        chart.add_trace(
            go.Scatter(
                x=steps,
                y=[value for value, _interval in curve],
                name=charts.text(_(TITLES[name]), 24),
                mode="lines+markers",
                line={"color": colour, "width": 2},
                marker={"size": 6},
                customdata=[
                    _("{value} ({low} to {high})").format(value=percent(value), low=percent(low), high=percent(high))
                    for value, (low, high) in curve
                ],
                hovertemplate="%{customdata}",
            )
        )
    return chart


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{_FAINT})"


def _table(found: Robustness, names: list[str]) -> None:
    from core.data.corruptions.table import CORRUPTIONS

    with st.expander(_("All figures"), icon=":material/table:", key="bl-robust-figures"):
        columns: dict[str, list[object]] = {
            _("What is done"): [_(TITLES[name]) for name in names],
            _("From"): [_(ORIGINS[CORRUPTIONS[name].origin if name in CORRUPTIONS else "attack"]) for name in names],
        }
        for strength in range(6):
            columns[str(strength)] = [100 * found.curve(name)[strength][0] for name in names]
        form = {str(n): st.column_config.NumberColumn(format="%.1f %%") for n in range(6)}
        st.dataframe(columns, hide_index=True, key="bl-robust-table", column_config=form)
        components.why(
            _(
                "Noise, blur, weather and digital loss have the formulae and constants of ImageNet-C, for pictures of "
                "224 pixels; on others lengths grow with the side. Motion blur is close to the published one, which "
                "needs ImageMagick. Its files were also written as JPEG, which is left out here. The mean counts every "
                "corruption and strength the same and is not divided by AlexNet's, as the published error is."
            ),
            paper=("Hendrycks & Dietterich 2019", "https://arxiv.org/abs/1903.12261"),
            key="bl-robust-why",
        )
