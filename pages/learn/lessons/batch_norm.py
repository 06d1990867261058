"""Batch norm: by the batch while training, by kept figures afterwards, and what moves in a layer that is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.messages import Progress
from pages.learn import number_grid, own_network, typed_grid
from pages.learn.lesson import Lesson, Question, Why
from pages.learn.number_grid import Grid, signed, written
from pages.ui.kit import components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import broken, guarded
from pages.ui.selection import background_work
from pages.ui.selection.subjects import Subject
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from core.lessons.batch_norm import Moved, Normed

VALUES = "2,4,4,6"
PASSES = 5


def _ask() -> Question:
    from core.lessons.batch_norm import norm

    moved = norm([2.0, 4.0, 4.0, 6.0]).running_mean != 0
    return Question(
        _("All weights of a network are frozen, and pictures go through it in training mode. Does it stay the same?"),
        {"same": _("Yes: without gradients nothing changes"), "moves": _("No: batch norm's kept figures move")},
        "moves" if moved else "same",
        _("The kept mean and variance are no parameters: each batch moves them, gradient or not, until eval mode."),
        {"same": _("That is the trap: freezing stops the gradients, not the counting.")},
    )


def _play() -> None:
    st.fragment(_bench)()


@guarded
def _bench() -> None:
    from core.lessons.batch_norm import norm

    with st.container(key="bl-learn-norm-row", horizontal=True, vertical_alignment="bottom"):
        values = typed_grid.grid(
            _("A channel's values in the batch"), "bl-learn-norm", VALUES, rows=1, columns=12, what=N_("The batch")
        )
        scale = float(
            st.number_input("γ", step=0.5, width=120, **form_fields.number("bl-learn-gamma", 1.0, -100.0, 100.0))
        )
        shift = float(
            st.number_input("β", step=0.5, width=120, **form_fields.number("bl-learn-beta", 0.0, -100.0, 100.0))
        )
    batches = int(
        st.slider(_("Batches seen while training"), 1, 60, **form_fields.number("bl-learn-batches", 1, 1, 60))
    )
    if values is None:
        return
    try:
        found = norm(values[0].tolist(), scale=scale, shift=shift, batches=batches)
    except InputError as error:
        broken(_("This cannot be normed"), translate_error(error), icon="report", tone="warn")
        return
    number_grid.show(
        Grid(values.tolist(), _("What comes in")),
        "→",
        Grid([list(found.training)], _("While training, by the batch")),
        Grid([list(found.evaluating)], _("Afterwards, by the kept figures")),
    )
    _first(found, float(values[0, 0]), scale, shift)
    components.metrics(
        [
            Figure(_("Mean of the batch"), written(found.mean), _("used while training")),
            Figure(_("Variance of the batch"), written(found.variance), _("over n")),
            Figure(_("Kept mean"), written(found.running_mean), _("a tenth of each batch, from 0")),
            Figure(_("Kept variance"), written(found.running_variance), _("a tenth of each, over n − 1, from 1")),
        ],
        compact=True,
    )
    components.note(_("See more batches: the kept figures come to the batch's own, and both answers come together."))


def _first(found: Normed, value: float, scale: float, shift: float) -> None:
    st.html(
        f'<p class="bl-learn-terms"><bdi>({written(value)} − {signed(found.mean)}) / √({written(found.variance)} + '
        f"0.00001) · {signed(scale)} + {signed(shift)} = <b>{written(found.training[0])}</b></bdi></p>"
    )


@own_network.on_subject
def _own(subject: Subject) -> None:
    try:
        moved = background_work.by_itself(
            "learn-traps",
            subject.key,
            lambda progress: _measure(subject, progress),
            label=_("Spring the trap"),
            doing=_("Sending your picture through a frozen copy in training mode …"),
        )
    except InputError as error:
        broken(_("There is no such trap here"), translate_error(error), icon="info", tone="warn")
        return
    if moved is None:
        return
    name = subject.network.classes[int(subject.probabilities().argmax())]
    components.metrics(
        [
            Figure(_("Weights that changed"), _("some") if moved.weights else _("none"), _("all are frozen")),
            Figure(
                _("Kept means moved by up to"),
                written(moved.statistics[-1], 3),
                _("of their deviation, in {n} layers").format(n=moved.layers),
            ),
            Figure(
                _("Probability of {name}").format(name=name),
                f"{number_format.percent(moved.before)} → {number_format.percent(moved.after)}",
                _("after {n} batches").format(n=PASSES)
                if moved.agreement
                else _("after {n} batches; it names another class now").format(n=PASSES),
            ),
            Figure(
                _("Copied without its kept figures"),
                number_format.percent(moved.left_behind),
                _("the same class, all parameters copied but no buffers; it names {name}").format(
                    name=subject.network.classes[moved.renamed]
                ),
            ),
        ],
        compact=True,
    )
    number_grid.show(
        Grid([list(moved.statistics)], _("Largest move of a kept mean after each batch, in its deviations"))
    )
    components.note(
        _(
            "Your picture, mirrored and shifted to a batch of four, went {n} times through a copy with every weight "
            "frozen, in training mode. Your network is as it was. This app keeps frozen norms in eval mode, unless the "
            "freeze plan says otherwise."
        ).format(n=PASSES)
    )


def _measure(subject: Subject, progress: Progress) -> Moved:
    import torch

    from core.lessons.batch_norm import train_mode

    x = subject.input().cpu()
    batch = torch.cat([x, x.flip(3), x.roll(8, 2), x.roll(8, 3)])
    return train_mode(subject.network, batch, batches=PASSES, progress=progress)


def _why() -> Why:
    return Why(
        _(
            "While training, each channel is set to mean 0 and deviation 1 by what the batch itself has, then scaled "
            "and shifted by two learned numbers. A single picture has no such figures, so the layer keeps a moving "
            "mean of them and uses that afterwards. They are buffers, not parameters: freezing does not stop them, and "
            "copying named_parameters() leaves them behind, as the notes did."
        ),
        r"y=\gamma\,\frac{x-\mu_B}{\sqrt{\sigma_B^2+\epsilon}}+\beta,\qquad"
        r"\bar\mu\leftarrow(1-m)\,\bar\mu+m\,\mu_B",
        ("Ioffe and Szegedy 2015, Batch normalization", "https://arxiv.org/abs/1502.03167"),
    )


LESSON = Lesson(
    "batch-norm",
    N_("Batch norm, and its trap"),
    N_("What changes in a network that is frozen?"),
    5,
    "equalizer",
    _ask,
    _play,
    _why,
    (("anatomy", N_("Anatomy: the freeze plan says how frozen norms behave")),),
    own=_own,
)
