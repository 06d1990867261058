"""Transfer, fit and unfit: three curves each, from letters to digits, from digits and from circles to clothes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.learn.lesson import Lesson, Question, Why
from pages.ui.kit import charts, components, form_fields, nav
from pages.ui.kit.page_states import busy, guarded
from pages.ui.selection import background_work
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from core.lessons.trained.transfer import Transferred

SHELF = "learn-transfer"
COLOURS = {"random": charts.FROZEN, "tuned": charts.ACCENT, "frozen": charts.VAL}


def _ask() -> Question:
    found = _asked()
    random, frozen = (round(100 * found.mean(way, -1)) for way in ("random", "frozen"))
    answer = "worse" if frozen < random - 5 else "better" if frozen > random + 5 else "same"
    return Question(
        _(
            "A network has learned to tell narrow circles from wide ones. Its weights are frozen, and a new last layer "
            "learns six kinds of clothes. And beside it the same network from random weights, all learning?"
        ),
        {
            "better": _("The copied one ends higher: any features are better than none"),
            "same": _("Both end about alike"),
            "worse": _("The copied one ends lower"),
        },
        answer,
        _("{frozen} %\u00a0against {random} %: what tells circles apart is blind to what tells clothes apart.").format(
            frozen=frozen, random=random
        ),
        {
            "better": _("Digits do teach something for clothes. Circles differ in their width alone."),
            "same": _("From digits they nearly do: try that pair."),
        },
    )


def _asked() -> Transferred:
    from core.lessons.trained.transfer import run

    def made() -> Transferred:
        return run("circles-clothes", seeds=(0,), ways=("random", "frozen"))

    if caches.known(f"{SHELF}-asked", ()):
        return caches.remember(f"{SHELF}-asked", (), made)
    with busy(_("Training two small networks for the question …"), 180):
        return caches.remember(f"{SHELF}-asked", (), made)


def _play() -> None:
    st.fragment(_bench)()


@guarded
def _bench() -> None:
    from core.lessons.trained.transfer import EPOCHS, PAIRS, SEEDS, run
    from core.workflows.studies.ready import READY

    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-learn-transfer-row"):
        pair = form_fields.choice(_("What teaches what"), PAIRS, "bl-learn-pair", default="letters-digits", wrap=True)
        left_behind = st.toggle(
            _("Leave batch norm's figures behind"),
            help=_("As copying named_parameters() does, and as the notes did: kept figures are no parameters."),
            **form_fields.flag("bl-learn-behind"),
        )
    found = background_work.by_click(
        SHELF,
        (pair, left_behind),
        lambda progress: run(pair, statistics=not left_behind, progress=progress),
        label=_("Train all three, {n} times each").format(n=len(SEEDS)),
        doing=_("Training the first network, then three ways from it …"),
    )
    if found is None:
        components.note(
            _("Ten small networks of {epochs} epochs or fewer: some seconds. The curves will stand here.").format(
                epochs=EPOCHS
            )
        )
    else:
        _show(found)
    nav.link(
        "studies",
        _("The same as a study, with runs that can be opened: {title}").format(title=_(READY[pair].title)),
        icon=":material/science:",
        **{"studies-ready": pair},
    )


def _show(found: Transferred) -> None:
    from core.lessons.trained.transfer import WAYS

    charts.show(
        _chart(found),
        key="bl-learn-transfer-chart",
        alt=_(
            "Accuracy on {held} held-out pictures of the new set by epoch, learned from {n}: means of three seeds, and "
            "each seed as a thin line"
        ).format(held=found.held, n=found.pictures),
    )
    heads = (_("Way"), _("Weights that learn"), _("After one epoch"), _("At the end"), _("Lowest and highest"))
    head = "".join(f"<th>{word}</th>" for word in heads)
    body = "".join(
        f"<tr><td>{_(title)}</td><td><bdi>{number_format.exact(found.learning[way])}</bdi></td>"
        f"<td><bdi>{number_format.percent(found.mean(way, 1))}</bdi></td>"
        f"<td><bdi>{number_format.percent(found.mean(way, -1))}</bdi></td><td><bdi>{_range(found, way)}</bdi></td></tr>"
        for way, title in WAYS.items()
    )
    st.html(f'<table class="bl-ladder bl-even"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')
    components.note(_verdict(found))


def _range(found: Transferred, way: str) -> str:
    ends = [course[-1] for course in found.courses[way]]
    return f"{number_format.percent(min(ends))} – {number_format.percent(max(ends))}"


def _verdict(found: Transferred) -> str:
    """Says whether the copied weights fit: by the mean accuracy over the epochs, and by the last layer alone."""
    random, tuned = (
        sum(found.mean(way, epoch) for epoch in range(1, len(found.courses[way][0]))) for way in ("random", "tuned")
    )
    short = found.mean("frozen", -1) - found.mean("random", -1)
    text = (
        _("Copied weights helped when all learn: higher over the epochs than random ones.")
        if tuned > random
        else _("Copied weights harmed even when all learn: lower over the epochs than random ones.")
    )
    return (
        text
        + " "
        + _("With the last layer alone, {points} points at the end against random weights that all learn.").format(
            points=f"{100 * short:+.1f}".replace("-", "\N{MINUS SIGN}")
        )
    )


def _chart(found: Transferred) -> Figure:
    from core.lessons.trained.transfer import WAYS

    go = charts.plotly()
    chart = charts.figure(360)
    for way, title in WAYS.items():
        courses = found.courses[way]
        for course in courses:
            chart.add_trace(
                go.Scatter(
                    y=course,
                    mode="lines",
                    line={"color": COLOURS[way], "width": 1},
                    opacity=0.35,
                    showlegend=False,
                    hoverinfo="skip",
                )
            )
        chart.add_trace(
            go.Scatter(
                y=[found.mean(way, epoch) for epoch in range(len(courses[0]))],
                name=_(title),
                mode="lines+markers",
                line={"color": COLOURS[way], "width": 2.5},
            )
        )
    chart.update_xaxes(title_text=_("Epoch"))
    chart.update_yaxes(title_text=_("Held-out accuracy"), tickformat="$.0%", range=[0, 1.02])
    return chart


def _why() -> Why:
    return Why(
        _(
            "Copied weights are a starting point, and a good one only where the first set had to learn what the second "
            "needs. Strokes of letters make digits, edges of digits outline clothes; circles ask for a width and for "
            "nothing else. Three gains to look for: a higher start, a steeper rise, a higher end. Frozen features show "
            "the fit most honestly, as nothing can be mended; with all learning a bad start costs epochs, not the end. "
            "The last layer is never copied: its 26 outputs mean letters. Batch norm's kept figures belong to the "
            "weights, though they are no parameters."
        ),
        r"\theta^{(0)}_{\text{new}}=\big(\theta_{\text{body}}^{\text{first}},\;\theta_{\text{head}}\sim"
        r"\text{random}\big)",
        (
            "Yosinski et al. 2014, How transferable are features in deep neural networks?",
            "https://arxiv.org/abs/1411.1792",
        ),
    )


LESSON = Lesson(
    "transfer",
    N_("Transfer, fit and unfit"),
    N_("When does what was learned on one set help on another?"),
    7,
    "swap_horiz",
    _ask,
    _play,
    _why,
    (
        ("backbone", N_("Backbone: weights of ImageNet, of a run of yours, or random; the ranking says what fits")),
        ("studies", N_("Studies: the same three curves as whole runs, over seeds")),
        ("compare", N_("Compare: higher start, higher slope, higher end of your own runs")),
    ),
)
