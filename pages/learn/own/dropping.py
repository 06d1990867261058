"""Dropout before the last layer of one's own network: one picture, another answer in every draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.learn import own_network
from pages.learn.number_grid import written
from pages.ui.kit import charts, components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import broken
from pages.ui.selection.subjects import Subject
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as Chart

    from core.lessons.own.dropping import Redrawn

DRAWS = 200


@own_network.on_subject
def draw(subject: Subject) -> None:
    """Draws the choice of network and picture, and the bench."""
    from core.lessons.own.dropping import redraw

    share = int(
        st.slider(
            _("Share that is dropped, in percent"),
            0,
            90,
            step=5,
            width=280,
            **form_fields.number("bl-learn-drop-own", 50, 0, 90),
        )
    )
    try:
        found = caches.remember(
            "learn-drops",
            (*subject.key, share),
            lambda: redraw(subject.network, subject.input(), share / 100, draws=DRAWS),
        )
    except InputError as error:
        broken(_("Nothing can be dropped here"), translate_error(error), icon="report", tone="warn")
        return
    name = subject.network.classes[found.named]
    charts.show(
        _chart(found),
        key="bl-learn-drop-chart",
        alt=_(
            "Probability of {name} in {n} draws, from {low} to {high}; the line is the answer afterwards: {p}"
        ).format(
            name=name,
            n=DRAWS,
            low=number_format.percent(min(found.draws)),
            high=number_format.percent(max(found.draws)),
            p=number_format.percent(found.whole),
        ),
    )
    components.metrics(
        [
            Figure(
                _("Afterwards: {name}").format(name=name),
                number_format.percent(found.whole),
                _("nothing is dropped, always the same"),
            ),
            Figure(
                _("While training"),
                number_format.percent(sum(found.draws) / DRAWS),
                _("mean of {n} draws").format(n=DRAWS),
            ),
            Figure(_("Another class named"), f"{found.elsewhere} / {DRAWS}", _("draws")),
            Figure(
                _("Its logit"),
                f"{written(found.mean_logit, 4)} ≈ {written(found.logit, 4)}",
                _("mean of the draws ≈ afterwards"),
            ),
        ],
        compact=True,
    )
    components.note(
        _(
            "Of the {n} values that reach your network's last layer, each draw drops another share and scales the rest "
            "by 1/(1 − p). The logits keep their mean; the probabilities need not. A network that was not trained with "
            "dropout there has not learned to do without."
        ).format(n=number_format.exact(found.values))
    )


def _chart(found: Redrawn) -> Chart:
    go = charts.plotly()
    chart = charts.figure(280, showlegend=False)
    chart.add_trace(
        go.Histogram(
            x=found.draws,
            xbins={"start": 0.0, "end": 1.0001, "size": 0.04},
            marker={"color": charts.VAL},
            hovertemplate="%{x}: %{y}<extra></extra>",
        )
    )
    chart.add_vline(x=found.whole, line={"color": charts.ACCENT, "width": 3})
    chart.update_xaxes(title_text=_("Probability"), tickformat="$.0%", range=[0, 1])
    chart.update_yaxes(title_text=_("Draws"))
    return chart
