"""Mode collapse: a generator that makes one thing only, what brings it about, and what mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.learn.duel import drawing, moves
from pages.learn.lesson import Lesson, Question, Why
from pages.ui.kit import components, form_fields
from pages.ui.session.address import Bound
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _

if TYPE_CHECKING:
    from core.training.gan.plane import Scores

MOVES = Bound("rounds", kept="bl.learn.collapse.moves")
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "even": (N_("One step each"), {}),
    "often": (N_("Generator: three steps for one"), {"generator_steps": 3}),
    "fast": (N_("Generator: five times the rate"), {"generator_rate": 1e-2}),
    "both": (N_("Three steps each"), {"generator_steps": 3, "discriminator_steps": 3}),
    "slow": (N_("Three for one, at a quarter of the rate"), {"generator_steps": 3, "generator_rate": 5e-4}),
    "keen": (
        N_("Three for one, discriminator at three times the rate"),
        {"generator_steps": 3, "discriminator_rate": 6e-3},
    ),
}
"""By name in a link: what it is called, and how it differs from one step each at the same rate."""
_TRIED = "bl.learn.collapse.tried"
"""For each way that was tried in this session: the rounds, and how the pair stood after them."""


def _ask() -> Question:
    from core.training.gan.losses import optimal
    from core.training.gan.plane import MODES

    said = optimal(real=1 / MODES, generated=1.0)
    options = {"half": (0.5, "1/2"), "ninth": (1 / 9, "1/9"), "zero": (0.0, "0")}
    answer = min(options, key=lambda name: abs(options[name][0] - said))
    return Question(
        _(
            "Real samples lie at eight clouds. A generator makes flawless samples of one of them and none of the "
            "others. What does the best D say at that cloud?"
        ),
        {name: text for name, (_value, text) in options.items()},
        answer,
        _(
            "An eighth of the real samples fall there and all generated ones: "
            "1/8\u00a0:\u00a0(1/8\u00a0+\u00a01). At the other seven D is 1, so every sample is pulled "
            "there at once, to the next cloud: the collapse wanders on."
        ),
        {
            "half": _("That would need as many generated samples there as real ones: an eighth."),
            "zero": _("Real samples fall there, too, so D cannot rule it out."),
        },
    )


def _play() -> None:
    moves.play(_bench)


def _bench() -> bool:
    from core.training.gan.plane import Rules

    def anew() -> None:
        MOVES.choose(None)

    way = form_fields.choice(
        _("How the two are trained"),
        {name: title for name, (title, _changed) in WAYS.items()},
        "bl-learn-collapse-way",
        default="often",
        on_change=anew,
        wrap=True,
    )
    moves.buttons(MOVES, moves.ROUNDS)
    duel = moves.duel("mode-collapse", Rules(real="ring", **WAYS[way][1]), MOVES)
    with st.container(key="bl-wrap-learn-collapse"):
        left, right = st.columns([1, 1.25], gap="large")
    with left:
        drawing.generators_turn(duel.view(), "bl-learn-collapse-plane")
    with right:
        drawing.shares(duel, "bl-learn-collapse-shares")
    if duel.moves:
        tried = st.session_state.setdefault(_TRIED, {})
        tried[way] = (len(duel.moves), duel.history[-1])
        _table(tried)
    else:
        components.note(_("Train some 600 rounds, then another way: what was tried is compared below."))
    return len(duel.moves) < len(moves.read(MOVES))


def _table(tried: dict[str, tuple[int, Scores]]) -> None:
    """Draws what was tried in this session."""
    from core.training.gan.plane import LEAST, MODES

    heads = (_("What was tried"), _("Rounds"), _("Clouds covered"), _("Samples at a cloud"))
    head = "".join(f"<th>{word}</th>" for word in heads)
    body = ""
    for way in (name for name in WAYS if name in tried):
        rounds, scores = tried[way]
        cells = (number_format.exact(rounds), f"{scores.covered} / {MODES}", number_format.percent(sum(scores.shares)))
        body += f"<tr><td>{_(WAYS[way][0])}</td>" + "".join(f"<td><bdi>{cell}</bdi></td>" for cell in cells) + "</tr>"
    st.html(f'<table class="bl-ladder bl-even"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')
    components.note(
        _(
            "A sample lies at a cloud within three of its deviations; a cloud is covered from {least} of the samples "
            "on. One pair of first weights each: another may need more rounds."
        ).format(least=number_format.percent(LEAST))
    )


def _why() -> Why:
    return Why(
        _(
            "Against a discriminator that stands still the best that a generator can do is to put every sample where D "
            "is highest: nothing in its loss asks for variety. Only because D learns and marks that place down does it "
            "spread. So a generator that is trained more often, or at a higher rate, than D can answer runs after one "
            "cloud and then the next. The discriminator must keep up: as many steps, or a higher rate for it than for "
            "the generator. Letting the generator look some of D's steps ahead (unrolling), or letting D see several "
            "samples at once (packing), help likewise."
        ),
        r"\min_G\;-\mathbb{E}_{z}\ln D(G(z))\;\text{ for a fixed }D:\qquad G(z)=\arg\max_x D(x)\;\text{ for every }z",
        ("Metz et al. 2017, Unrolled generative adversarial networks", "https://arxiv.org/abs/1611.02163"),
    )


LESSON = Lesson(
    "mode-collapse",
    N_("Mode collapse"),
    N_("Why does a generator make one thing over and over?"),
    7,
    "blur_circular",
    _ask,
    _play,
    _why,
    (("gan", N_("GAN: which digits it writes, and what becomes of them with a generator trained too often")),),
)
