"""How a network's activations change with depth, over the person's own images, and what the notes say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.ui.kit import charts, components, nav
from pages.ui.kit.page_states import guarded
from pages.ui.selection import subjects, user_images
from pages.ui.selection.subjects import Subject
from pages.ui.selection.user_images import Own
from pages.ui.session import caches
from pages.ui.text import layer_names, number_format
from pages.ui.text.i18n import N_, _, _n, translate_error

if TYPE_CHECKING:
    from core.interpret.features.depth_profile import LayerDepth
    from core.messages import StagedProgress
    from core.models.anatomy.records import Anatomy
    from core.workflows.inspection.channel_survey import DepthProfile

MAX_IMAGES = 100
"""Images that the depth profile begins with."""
TICK = 16
"""Letters of a layer's name that fit under an axis."""
VERDICTS = {
    "holds": (N_("It holds here."), "check_circle"),
    "partly": (N_("Only in part here."), "contrast"),
    "fails": (N_("Not here."), "cancel"),
    "unknown": (N_("That cannot be said here."), "help"),
}


def draw(subject: Subject) -> None:
    """Draws the view."""
    user_images.part(_view)(subject)


@guarded
def _view(subject: Subject) -> None:
    own = user_images.choose(subject, "bl-depth", most=MAX_IMAGES)
    if own is None:
        return
    profile = _profile(subject, own)
    if profile is None:
        return
    subjects.warn_random(subject.target)
    broken = sum(row.broken for row in profile.rows)
    if broken:
        subjects.callout(
            _("{n} values of these layers are no finite numbers; they count as zeros.").format(
                n=number_format.exact(broken)
            ),
            icon="error",
        )
    named = _named(profile, subject.network.anatomy)
    _claims(named)
    _charts(named)
    looked = _n("{n} image", "{n} images", profile.images).format(n=number_format.exact(profile.images))
    text = _("Measured on {images} of {title}.").format(images=looked, title=own.title)
    if profile.images < profile.asked:
        text += " " + _("Time ran out for {n} more.").format(n=number_format.exact(profile.asked - profile.images))
    components.note(text)
    _why()


def _profile(subject: Subject, own: Own) -> DepthProfile | None:
    """Returns the figures of each layer; ``None`` before it was asked for, and where it cannot be had."""
    from core.workflows.inspection.channel_survey import depth_known, measure_depth

    key = (*subject.target.key, *own.key)
    prints = user_images.prints(subject, own)

    def measured(progress: StagedProgress | None = None) -> DepthProfile:
        return caches.remember(
            "stories",
            key,
            lambda: measure_depth(subject.network, own.images, progress=progress, fingerprints=prints),
            entries=8,
        )

    if caches.known("stories", key, entries=8) or depth_known(subject.network, prints):
        return measured()
    text = _("Runs {n} of your images through the network once and measures what each layer does with them.")
    return user_images.on_request(
        key,
        measured,
        text.format(n=number_format.exact(len(own.images.items))),
        _("Measure the layers"),
        icon=":material/stacked_line_chart:",
        key="bl-depth",
        primary=True,
    )


def _named(profile: DepthProfile, anatomy: Anatomy) -> DepthProfile:
    """Returns the figures with what the layers are called in place of their module paths."""
    rows = [replace(row, layer=layer_names.layer(anatomy, row.layer)) for row in profile.rows]
    return replace(profile, rows=tuple(rows))


def _claims(profile: DepthProfile) -> None:
    from core.interpret.features.depth_claims import verdicts

    components.section(_("What the notes say, checked on this network"))
    nav.link("about", _("Which notes these are"))
    try:
        found = verdicts(profile.rows)
    except InputError as error:
        components.note(translate_error(error))
        return
    for row in found:
        words, icon = VERDICTS[row.verdict]
        figures_ = _(row.template).format(**row.values)
        subjects.callout(f"“{_(row.claim)}” {_(words)} {figures_}", icon=icon, good=row.verdict == "holds")


def _charts(profile: DepthProfile) -> None:
    from core.interpret.features.depth_claims import quietable

    rows = [row for row in profile.rows if row.compared]
    quiet = quietable(profile.rows)
    with st.container(key="bl-wrap-depth"):
        left, right = st.columns(2, gap="large")
    with left:
        components.section(_("Sparsity"))
        lines = [
            (_("exactly zero"), [row.zeros for row in quiet]),
            (_("sparseness (Hoyer)"), [row.hoyer for row in quiet]),
        ]
        if any(row.sparsity != row.zeros for row in quiet):  # else one line would lie exactly on the other
            lines.insert(0, (_("at or below zero"), [row.sparsity for row in quiet]))
        _lines(
            quiet,
            lines,
            key="sparsity",
            share=True,
            alt=_("Share of values at or below zero: {first} in the first of these layers, {last} in the last.").format(
                first=number_format.percent(quiet[0].sparsity), last=number_format.percent(quiet[-1].sparsity)
            ),
        )
        components.section(_("Effective rank"))
        _lines(
            rows,
            [(_("effective rank"), [row.rank for row in rows]), (_("at most"), [float(row.most) for row in rows])],
            key="rank",
            alt=_(
                "How many directions the images' activations spread over: {first} in {one}, {last} in {other}."
            ).format(
                first=number_format.number(rows[0].rank),
                one=rows[0].layer,
                last=number_format.number(rows[-1].rank),
                other=rows[-1].layer,
            ),
        )
        components.section(_("Mean and spread"))
        _lines(
            rows,
            [(_("mean"), [row.mean for row in rows]), (_("deviation"), [row.variance**0.5 for row in rows])],
            key="spread",
            alt=_("Mean and standard deviation of each layer's values; the variance ends at {last}.").format(
                last=number_format.number(rows[-1].variance)
            ),
        )
    with right:
        _classes(profile, rows)
        _picture(rows)
        dead = sum(row.dead for row in rows)
        if dead:
            components.note(
                _("{n} of {all} channels of these layers never rise above zero on these images.").format(
                    n=number_format.exact(dead), all=number_format.exact(sum(row.channels for row in rows))
                )
            )


def _classes(profile: DepthProfile, rows: Sequence[LayerDepth]) -> None:
    components.section(_("How well the class can be read off"))
    judged = [(row, row.accuracy) for row in rows if row.accuracy is not None]
    if judged:
        chance = 1.0 / max(profile.classes, 1)
        best, share = max(judged, key=lambda pair: pair[1])
        _lines(
            [row for row, _accuracy in judged],
            [
                (_("accuracy of a linear classifier"), [accuracy for _row, accuracy in judged]),
                (_("guessing"), [chance] * len(judged)),
            ],
            key="classes",
            share=True,
            alt=_(
                "A linear classifier on pooled activations, judged on images it was not fitted to: best on {layer} "
                "with {share} ± {deviation}; guessing reaches {chance}."
            ).format(
                layer=best.layer,
                share=number_format.percent(share),
                deviation=number_format.percent(best.deviation),
                chance=number_format.percent(chance),
            ),
        )
    else:
        components.note(_("Too few images of some class were looked at to fit a classifier."))
    apart = [row for row in rows if row.distance is not None and row.distance < float("inf")]
    if apart:
        components.section(_("How far apart the classes lie"))
        _lines(
            apart,
            [(_("distance of class means"), [row.distance for row in apart])],
            key="distance",
            alt=_(
                "Distance of two classes' mean activations, in units of the spread within a class: {first} in {one}, "
                "{last} in {other}."
            ).format(
                first=number_format.number(apart[0].distance),
                one=apart[0].layer,
                last=number_format.number(apart[-1].distance),
                other=apart[-1].layer,
            ),
        )


def _picture(rows: Sequence[LayerDepth]) -> None:
    kept = [row for row in rows if row.picture is not None]
    if not kept:
        return
    components.section(_("What is left of the picture"))
    _lines(
        kept,
        [(_("colours that can be read off"), [row.picture for row in kept])],
        key="picture",
        share=True,
        alt=_(
            "Share of the variance of the picture's colours that a linear map reads off activations at the same place: "
            "{first} in {one}, {last} in {other}."
        ).format(
            first=number_format.percent(kept[0].picture),
            one=kept[0].layer,
            last=number_format.percent(kept[-1].picture),
            other=kept[-1].layer,
        ),
    )


def _lines(
    rows: Sequence[LayerDepth],
    lines: Sequence[tuple[str, Sequence[float | None]]],
    *,
    key: str,
    alt: str,
    share: bool = False,
) -> None:
    """Draws figures over the layers, from the first to the last."""
    go = charts.plotly()
    chart = charts.figure(250)
    names = [row.layer for row in rows]
    for index, (name, values) in enumerate(lines):
        quiet = index > 0 and name in (_("at most"), _("guessing"))
        colour = charts.FROZEN if quiet else (charts.ACCENT, *charts.OTHERS)[index]
        chart.add_trace(
            go.Scatter(
                x=list(range(len(rows))),
                y=values,
                name=name,
                mode="lines" if quiet else "lines+markers",
                line={"color": colour, "width": 1.5 if quiet else 2, "dash": "dot" if quiet else "solid"},
                customdata=names,
                hovertemplate="%{customdata}: " + ("%{y:$.1%}" if share else "%{y:.3g}") + f"<extra>{name}</extra>",
            )
        )
    step = max(1, -(-len(rows) // 8))
    places = list(range(0, len(rows), step))
    chart.update_xaxes(
        tickvals=places,
        ticktext=[_short(names[place]) for place in places],
        tickangle=30,
        tickfont={"size": 12},
        title_text=_("Layer, from the picture on"),
    )
    chart.update_yaxes(rangemode="tozero", tickformat="$.0%" if share else None, range=[0, 1.02] if share else None)
    charts.show(chart, key=f"bl-depth-{key}", alt=alt)


def _short(name: str) -> str:
    """Returns what of a layer's name fits under an axis: its stage, and its block if that fits too."""
    parts = name.split(", ")
    while len(parts) > 1 and len(", ".join(parts)) > TICK:
        parts.pop()
    return ", ".join(parts)


def _why() -> None:
    components.why(
        _(
            "Sparsity counts values at or below zero. The effective rank says over how many directions the images' "
            "pooled activations spread. The linear classifier is judged by cross-validation. The picture's colours "
            "are read off single places by ridge regression, on images kept apart."
        ),
        formula=r"\mathrm{erank}=\exp\Big(-\sum_i p_i\ln p_i\Big),\quad p_i=\frac{\sigma_i}{\sum_j\sigma_j}",
        paper=("Roy and Vetterli 2007", "https://ieeexplore.ieee.org/document/7098875"),
        key="bl-depth-why",
    )
