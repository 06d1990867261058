"""Dropout: what is dropped while training, why the rest is scaled, and why nothing is dropped afterwards."""

from __future__ import annotations

import streamlit as st

from core.errors import InputError
from pages.learn import number_grid, typed_grid
from pages.learn.lesson import Lesson, Question, Why
from pages.learn.number_grid import Grid, written
from pages.learn.own import dropping
from pages.ui.kit import clicks, components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import broken, guarded
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

VALUES = "1,2,3,4,5,6,7,8"
DRAWS = 2000


def _ask() -> Question:
    from core.lessons.batch_norm import drop

    kept = drop([3.0] * 40, 0.5)
    value = max(kept.training)
    return Question(
        _("Half of the units are dropped while training. A unit that stays had the value 3. What does it hand on?"),
        {"3": "3", "6": "6", "1.5": "1.5"},
        f"{value:g}",
        _(
            "3 / (1 − 0.5) = {value}: so the sum that the next layer sees is, on average, as large as without dropout."
        ).format(value=f"{value:g}"),
        {
            "3": _("Then the next layer would see half as much while training as afterwards."),
            "1.5": _("The older way scaled afterwards; torch does it while training."),
        },
    )


def _play() -> None:
    st.fragment(_bench)()


@guarded
def _bench() -> None:
    from core.lessons.batch_norm import drop

    with st.container(key="bl-learn-drop-row", horizontal=True, vertical_alignment="bottom"):
        values = typed_grid.grid(
            _("Values of the units"), "bl-learn-drop", VALUES, rows=1, columns=12, what=N_("The values")
        )
        share = st.slider(
            _("Share that is dropped, in percent"),
            0,
            90,
            step=5,
            width=280,
            **form_fields.number("bl-learn-drop-share", 50, 0, 90),
        )
        seed = form_fields.kept("bl-learn-drop-seed")
        number = int(seed.asked() or 0) if (seed.asked() or "0").isdecimal() else 0
        if clicks.button(_("Draw anew"), icon=":material/casino:", key="bl-learn-drop-again"):
            seed.choose(str((number + 1) % 1000))
            st.rerun(scope="fragment")
    if values is None:
        return
    try:
        found = drop(values[0].tolist(), int(share) / 100, seed=number % 1000, draws=DRAWS)
    except InputError as error:
        broken(_("Nothing can be dropped here"), translate_error(error), icon="report", tone="warn")
        return
    number_grid.show(
        Grid(values.tolist(), _("Units")),
        "×",
        Grid([list(map(float, found.mask))], _("Mask of this draw")),
        "→",
        Grid([list(found.training)], _("While training, over 1 − p")),
    )
    number_grid.show(
        Grid([list(found.mean)], _("Mean of {n} draws").format(n=number_format.exact(DRAWS))),
        "≈",
        Grid([list(found.evaluating)], _("Afterwards: nothing is dropped")),
    )
    components.metrics(
        [
            Figure(_("Sum, this draw"), written(sum(found.training))),
            Figure(_("Sum, afterwards"), written(sum(found.evaluating))),
            Figure(
                _("Spread of the sum"),
                written(found.spread, 4),
                _("deviation over {n} draws").format(n=number_format.exact(DRAWS)),
            ),
        ],
        compact=True,
    )
    components.note(
        _(
            "In convolutions 10 to 25 %\u00a0are usual, since neighbours in a map say nearly the same; in dense "
            "layers half. The spread is the noise that training has to live with: it grows with the share."
        )
    )


def _why() -> Why:
    return Why(
        _(
            "A unit that may be missing cannot be relied on, so others learn to do without it: each mask trains "
            "another thinned network, and all share their weights. Afterwards the whole network answers, which is "
            "about the mean of all of them. Left on by mistake, the same picture gets another answer each time."
        ),
        r"y_i=\frac{m_i}{1-p}\,x_i,\quad m_i\sim\text{Bernoulli}(1-p),\qquad"
        r"E[y_i]=x_i,\quad\operatorname{Var}(y_i)=\frac{p}{1-p}\,x_i^2",
        ("Srivastava et al. 2014, Dropout", "https://jmlr.org/papers/v15/srivastava14a.html"),
    )


LESSON = Lesson(
    "dropout",
    N_("Dropout"),
    N_("Why does leaving units out help, and where do they go afterwards?"),
    4,
    "blur_linear",
    _ask,
    _play,
    _why,
    (
        ("anatomy", N_("Anatomy: a head of your own, with dropout")),
        ("backbone", N_("Backbone: dropout between the layers of a network of your own")),
    ),
    own=dropping.draw,
)
