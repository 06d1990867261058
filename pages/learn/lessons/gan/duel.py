"""A generator against a discriminator, in the plane: each one's next step seen before it is taken."""

from __future__ import annotations

import streamlit as st

from pages.learn.duel import drawing, moves
from pages.learn.lesson import Lesson, Question, Why
from pages.learn.number_grid import written
from pages.ui.kit import components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.session.address import Bound
from pages.ui.text.glossary import explain
from pages.ui.text.i18n import N_, _

MOVES = Bound("moves", kept="bl.learn.duel.moves")
LOSSES = {"usual": N_("−ln D(G(z))"), "saturating": N_("ln(1 − D(G(z)))")}


def _ask() -> Question:
    from core.training.gan.losses import optimal

    said = {"0": 0.0, "half": 0.5, "1": 1.0}
    answer = next(name for name, value in said.items() if value == optimal(real=0.3, generated=0.3))
    return Question(
        _("The generator has become perfect: its samples fall exactly as the real ones do. What does the best D say?"),
        {
            "0": _("0 of all: it has been fooled"),
            "half": _("1/2 of each sample, whichever it is"),
            "1": _("1 of the real ones and 0 of the generated"),
        },
        answer,
        _(
            "At every place as many real as generated samples fall: "
            "D\u00a0=\u00a0p/(p\u00a0+\u00a0q)\u00a0=\u00a0{half}, and its loss is 2 ln 2\u00a0=\u00a01.386. Nothing "
            "is left to pull a sample anywhere."
        ).format(half=written(optimal(1.0, 1.0))),
        {
            "0": _("Then it would be wrong about each real one, and its loss would have no bound."),
            "1": _("It would have to know which is which, but it only sees where a sample lies."),
        },
    )


def _play() -> None:
    moves.play(_bench)


def _bench() -> bool:
    from core.training.gan.plane import REAL, Rules

    def anew() -> None:
        MOVES.choose(None)

    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-learn-duel-row", gap="medium"):
        real = form_fields.choice(
            _("What is real"),
            {name: title for name, (title, _draw) in REAL.items()},
            "bl-learn-duel-real",
            default="cloud",
            on_change=anew,
        )
        loss = form_fields.choice(
            _("Loss of the generator"),
            LOSSES,
            "bl-learn-duel-loss",
            default="usual",
            on_change=anew,
            help=_(
                "The game of two has the second; its gradient vanishes while D is sure, so all train with the first."
            ),
        )
    moves.buttons(MOVES, moves.BUTTONS)
    duel = moves.duel("gan", Rules(real=real, saturating=loss == "saturating"), MOVES)
    view, scores = duel.view(), duel.history[-1]
    with st.container(key="bl-wrap-learn-duel"):
        left, right = st.columns(2, gap="medium")
    with left:
        components.section(_("The generator's turn"), _("Where each of its samples is pulled to."))
        drawing.generators_turn(view, "bl-learn-duel-generator")
    with right:
        components.section(_("The discriminator's turn"), _("Where it would say “real” more, and where less."))
        drawing.discriminators_turn(view, "bl-learn-duel-discriminator")
    with st.container(key="bl-wrap-learn-duel-course"):
        left, right = st.columns([1.3, 1], gap="large")
    with left:
        drawing.opinions(duel, "bl-learn-duel-course")
    with right:
        components.metrics(
            [
                Figure(
                    _("Loss of the discriminator"), written(scores.discriminator, 4), _("2 ln 2 = 1.386 at the end")
                ),
                Figure(
                    _("Loss of the generator"),
                    written(scores.generator, 4),
                    _("ln 2 = 0.6931 at the end") if loss == "usual" else _("−ln 2 = −0.6931 at the end"),
                ),
                Figure(
                    _("Moves"),
                    str(len(duel.moves)),
                    _("of {n}").format(n=asked) if (asked := len(moves.read(MOVES))) else _("none yet"),
                    explain("generative adversarial network"),
                ),
            ],
            compact=True,
        )
    return len(duel.moves) < len(moves.read(MOVES))


def _why() -> Why:
    return Why(
        _(
            "Two networks, two losses. The discriminator D sorts samples into real and generated; its step raises D "
            "where real ones fall and lowers it where generated ones do. The generator G makes samples out of noise "
            "and never sees a real one: all it has is D's slope at its own samples, and it moves them uphill. The game "
            "ends where D is 1/2 everywhere. Here the loss of neither says how good the samples are: each is measured "
            "against the other."
        ),
        r"\min_G\max_D\;\mathbb{E}_{x}\ln D(x)+\mathbb{E}_{z}\ln\bigl(1-D(G(z))\bigr),\qquad"
        r"D^*(x)=\frac{p(x)}{p(x)+q(x)}",
        ("Goodfellow et al. 2014, Generative adversarial nets", "https://arxiv.org/abs/1406.2661"),
    )


LESSON = Lesson(
    "gan",
    N_("Generator against discriminator"),
    N_("How does a network learn to make what it never saw?"),
    7,
    "swords",
    _ask,
    _play,
    _why,
    (
        ("gan", N_("GAN: a convolutional pair that learns to write digits, epoch by epoch")),
        ("autoencoder", N_("Autoencoder: another network that gives pictures, out of a narrow place")),
    ),
)
