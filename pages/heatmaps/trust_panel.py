"""Trust: how far a heatmap can be believed, in figures beside those of random maps, as curves and in words."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from html import escape
from typing import TYPE_CHECKING, Literal

import streamlit as st

from core.errors import InputError
from core.messages import Progress
from pages.heatmaps import region_panel
from pages.ui.explaining import trust_word
from pages.ui.kit import charts, components, nav
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import broken
from pages.ui.runs import finding_cards
from pages.ui.selection.subjects import Subject
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as ChartFigure
    from streamlit.delta_generator import DeltaGenerator

    from core.interpret.attribution.heatmap import Heatmap
    from core.workflows.inspection.trust import Trust

ASKED = "bl.trust.asked"
KEY = "bl-trust"
TITLES = {
    "deletion": N_("Deletion"),
    "insertion": N_("Insertion"),
    "road": N_("ROAD"),
    "drop": N_("Drop"),
    "increase": N_("Increase"),
    "infidelity": N_("Infidelity"),
}
HELP = {
    "deletion": N_("Area under the curve while the strongest places are taken away first. The lower, the better."),
    "insertion": N_("Area under the curve while the strongest places are shown first. The higher, the better."),
    "road": N_(
        "How much worse it is to lose the strongest places than the weakest, the gaps filled from their rim. The "
        "higher, the better."
    ),
    "drop": N_("Share of the class's probability that is lost when only what the map shows is left."),
    "increase": N_("Whether the class becomes more probable when only what the map shows is left."),
    "infidelity": N_("How far the map misjudges what covering a rectangle costs the class. The lower, the better."),
}


def word(
    subject: Subject, heat: Heatmap, *, settings: Mapping[str, int] | None = None, method: str = ""
) -> Trust | None:
    """Draws whether a heatmap can be trusted, in one word and a sentence; it is tested when asked for, and kept.

    Args:
        subject: What was explained.
        heat: Its heatmap.
        settings: The method's settings that it was made with.
        method: What the map is called where it is one of several.

    Returns:
        What was found; ``None`` before it was asked for, and where it cannot be tested.
    """
    if heat.empty:
        return None
    known = (*subject.key, *trust_word.identity(heat, settings))
    question = _("Can this map be trusted?") if not method else _("Can {method} be trusted here?").format(method=method)
    asked = f'<p class="bl-trust-question">{escape(question)}</p>'
    place = st.empty()
    place.html(asked)
    found = _tested(subject, heat, settings, known)
    if found is None:
        return None
    from core.workflows.inspection.trust_verdict import verdict

    place.html(asked + trust_word.said(verdict(found)))  # together: beside the answer there is little height
    return found


def more(subject: Subject, heat: Heatmap, found: Trust | None) -> None:
    """Draws what is behind the word: the figures, where the map points, and where trust can be learned."""
    if heat.empty:
        return
    if found is not None:
        with st.expander(_("Figures"), icon=":material/query_stats:", key=f"{KEY}-figures"):
            _result(subject, found)
    nav.link("shortcut", _("Would a heatmap notice a shortcut?"))
    region_panel.draw(subject, heat, key=KEY)


def _tested(
    subject: Subject, heat: Heatmap, settings: Mapping[str, int] | None, known: tuple[Hashable, ...]
) -> Trust | None:
    """Returns what was found, made once when it is asked for; ``None`` before."""
    there = trust_word.there(known)
    if not there and st.session_state.get(ASKED) != known:
        st.button(
            _("Test this map"),
            icon=":material/science:",
            key=f"{KEY}-start",
            help=_("About {n} passes through the network; you see how far it is and can cancel.").format(
                n=number_format.exact(_passes(heat))
            ),
            on_click=_ask,
            args=(known,),
        )
        return None
    place = st.empty()
    progress = None if there else _bar(place)

    def make() -> Trust:
        from core.workflows.inspection.trust import trust

        return trust(
            subject.network,
            subject.input(),
            heat,
            settings=settings,
            mask=region_panel.mask_of(subject),
            progress=progress,
        )

    try:
        return trust_word.tested(known, make)
    except InputError as error:
        broken(_("This map cannot be tested"), translate_error(error), icon="report", tone="warn")
        return None
    finally:
        place.empty()


def _passes(heat: Heatmap) -> int:
    from core.interpret.attribution.explain import METHODS
    from core.workflows.inspection.trust import Options

    options = Options.affordable(heat.method)
    images = options.look.images(1 + options.randoms + options.unlearned)
    return int(images + METHODS[heat.method].passes * (options.unlearned + options.jitters))


def _bar(place: DeltaGenerator) -> Progress:
    with place.container():
        bar = st.progress(0.0, text=_("Asking the network …"), width="stretch")
        st.button(_("Cancel"), icon=":material/close:", key=f"{KEY}-cancel", on_click=_give_up)

    def progress(done: int, total: int) -> None:
        text = _("Asking the network: {done} of {total} passes").format(done=done, total=total)
        bar.progress(min(done / max(total, 1), 1.0), text=text)

    return progress


def _ask(known: tuple[Hashable, ...]) -> None:
    st.session_state[ASKED] = known


def _give_up() -> None:
    st.session_state[ASKED] = None


def _result(subject: Subject, found: Trust) -> None:
    from core.workflows.inspection.trust_verdict import trust_verdict

    components.note(
        _("A heatmap always looks convincing. These tests ask the network, and compare with maps drawn at random.")
    )
    finding_cards.draw(trust_verdict(found), key=KEY)
    with st.container(key=f"bl-wrap-{KEY}"):
        left, right = st.columns([1.15, 1], gap="large")
    with left:
        charts.show(curves(found), key=f"{KEY}-curves", alt=sentence(found, subject.network.classes[found.target]))
    with right:
        components.metrics(_rows(found), compact=True)
    _how(len(found.random))


def curves(found: Trust) -> ChartFigure:
    """Returns the chart of deletion and insertion, with what random maps do as a band behind each."""
    chart = charts.figure(300)
    bands: tuple[tuple[Literal["insertion", "deletion"], str, str, str], ...] = (
        ("insertion", _("Insertion"), charts.OTHERS[0], "rgba(204,121,167,.2)"),
        ("deletion", _("Deletion"), charts.OTHERS[3], "rgba(138,143,0,.2)"),
    )
    for name, label, colour, band in bands:
        own = getattr(found.scores, name)
        random = found.band(name)
        if random is not None:
            low, high = random
            chart.add_scatter(
                x=[*own.shares.tolist(), *own.shares[::-1].tolist()],
                y=[*high.tolist(), *low[::-1].tolist()],
                fill="toself",
                fillcolor=band,
                line={"width": 0},
                mode="lines",
                hoverinfo="skip",
                name=_("{what}, random maps").format(what=label),
            )
        chart.add_scatter(
            x=own.shares.tolist(),
            y=own.probabilities.tolist(),
            mode="lines+markers",
            name=label,
            line={"color": colour, "width": 2.5},
            marker={"size": 5},
            hovertemplate=f"{label}: %{{y:$.1%}}<extra></extra>",
        )
    chart.update_xaxes(title_text=_("Share of the picture changed"), range=[0, 1], tickformat="$.0%")
    chart.update_yaxes(title_text=_("Probability"), range=[0, 1.02], tickformat="$.0%")
    return chart


def sentence(found: Trust, name: str) -> str:
    """Returns the line of text under the chart."""
    half = len(found.scores.deletion.shares) // 2
    return _(
        "Probability of {name} while the strongest places of the map are taken away (deletion: {left} is left at half "
        "of the picture) or shown first (insertion: {shown}). Bands: {n} random maps, mean ± deviation."
    ).format(
        name=name,
        left=number_format.percent(float(found.scores.deletion.probabilities[half])),
        shown=number_format.percent(float(found.scores.insertion.probabilities[half])),
        n=len(found.random),
    )


def _rounded(name: str, value: float) -> float:
    return value if name == "infidelity" else round(value, 3)


def _rows(found: Trust) -> list[Figure]:
    from core.workflows.inspection.trust_verdict import VOTES

    rows = []
    for row in found.compared():
        name = row.metric.id
        if name == "increase":
            value, note = (
                (_("yes") if row.value else _("no")),
                _("random: {share}").format(share=number_format.percent(row.random)),
            )
        else:
            value = number_format.number(_rounded(name, row.value))
            note = _("random {mean} ± {spread}").format(
                mean=number_format.number(_rounded(name, row.random)), spread=number_format.number(row.deviation, 2)
            )
            if name in VOTES:
                total = len(found.random)
                beaten = round((1 - row.chance) * (total + 1))
                note += ", " + _("better than {count} of {all}").format(count=beaten, all=total)
        if row.unlearned is not None and name != "increase":
            note += " · " + _("random weights {value}").format(
                value=number_format.number(_rounded(name, row.unlearned))
            )
        rows.append(Figure(_(TITLES[name]), value, note, f"{_(HELP[name])} {row.metric.paper}"))
    if found.sensitivity is not None:
        rows.append(
            Figure(
                _("Sensitivity"),
                number_format.number(found.sensitivity),
                _("unrelated maps {value}").format(value=number_format.number(found.unrelated)),
                _("Largest change of the map when every pixel changes by at most five of 255 levels. Yeh et al. 2019."),
            )
        )
    if found.likeness is not None:
        rows.append(
            Figure(
                _("Same as untrained"),
                number_format.number(found.likeness.spearman, 2),
                _("SSIM {ssim} · random maps at most {chance}").format(
                    ssim=number_format.number(found.likeness.ssim, 2),
                    chance=number_format.number(found.chance_likeness, 2),
                ),
                _("Rank correlation with the map of the same network with random weights. Adebayo et al. 2018."),
            )
        )
    return rows


def _how(maps: int) -> None:
    from core.workflows.inspection.trust_verdict import MIN_WINS, VOTES

    components.why(
        _(
            "Places are taken away in the order of the map, and the network is asked each time how probable the class "
            "still is. Random maps are as coarse as this one and hold the very same values, only elsewhere: what they "
            "reach is luck. The same method on the same network with random weights shows what the picture alone "
            "brings about. A map wins a test when it beats all random maps, which a random map does once in {n} times; "
            "it is called better when it wins at least {part} of {all}: deletion, insertion, ROAD, infidelity."
        ).format(n=maps + 1, part=MIN_WINS, all=len(VOTES)),
        formula=r"\mathrm{AUC} = \int_0^1 p_c\big(x_{\text{changed to share } s}\big)\,ds",
        paper=("Adebayo et al. 2018", "https://arxiv.org/abs/1810.03292"),
        key=f"{KEY}-why",
    )
