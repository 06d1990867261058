"""The coach: what a run shows, in words, each with its figures and what to do about it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.runs.status import RunStatus
from pages.ui.kit import components, style
from pages.ui.runs import stage_health
from pages.ui.runs.finding_cards import ICONS, card, translated
from pages.ui.session import caches
from pages.ui.text.i18n import N_, _, _n

if TYPE_CHECKING:
    from core.runs.journal import Journal
    from core.runs.store import Run
    from core.workflows.findings import Finding

COLUMNS = (
    "epoch",
    "phase_index",
    "train_loss",
    "val_loss",
    "train_accuracy",
    "val_accuracy",
    "val_balanced_accuracy",
    "val_f1",
    "lr",
)
BATCHNORM = ("Ioffe & Szegedy 2015", "https://arxiv.org/abs/1502.03167")
GLOROT = ("Glorot & Bengio 2010", "https://proceedings.mlr.press/v9/glorot10a.html")
CLIPPING = ("Pascanu et al. 2013", "https://arxiv.org/abs/1211.5063")
CYCLES = ("Smith 2017", "https://arxiv.org/abs/1506.01186")
WHY: dict[str, tuple[str, str | None, tuple[str, str] | None]] = {
    "overfitting": (
        N_(
            "A network with many values can store its training images one by one. Then the training loss falls on "
            "while the validation loss rises: what was learned is true of these images alone."
        ),
        None,
        ("Zhang et al. 2017", "https://arxiv.org/abs/1611.03530"),
    ),
    "underfitting": (
        N_(
            "What learns is too little, or was given too little time, to tell the classes apart. More of it, or more "
            "epochs, comes before anything against overfitting."
        ),
        None,
        None,
    ),
    "nothing-learned": (
        N_(
            "Where all weights start equal, all units of a layer get the same gradient and stay equal for ever. A rate "
            "far too high or far too low looks the same from outside."
        ),
        None,
        GLOROT,
    ),
    "rate-too-high": (
        N_(
            "A step goes against the gradient as far as the rate says. If that is farther than the valley is wide, the "
            "next step starts on the other side, higher up."
        ),
        r"w \leftarrow w - \eta\,\nabla L(w)",
        CYCLES,
    ),
    "rate-kept": (
        N_(
            "A new head's first errors are large, and so are its first steps. Layers that were trained on millions of "
            "pictures need small ones: at the head's rate they forget what they knew in a few batches."
        ),
        None,
        ("Howard and Ruder 2018", "https://arxiv.org/abs/1801.06146"),
    ),
    "few-pictures": (
        N_(
            "An accuracy is a number of right answers divided by the number of pictures. From 100 pictures it is a "
            "whole percent, whatever a report prints behind the point."
        ),
        r"a \in \{0, \tfrac1n, \tfrac2n, \dots, 1\}",
        None,
    ),
    "rate-too-low": (
        N_("Each step goes in the right direction, but not far enough for the epochs that there are."),
        r"w \leftarrow w - \eta\,\nabla L(w)",
        CYCLES,
    ),
    "diverged": (
        N_(
            "One step that is much too large makes the next gradient larger still. After a few of them a number is too "
            "large for the computer, and everything computed from it is no number either."
        ),
        None,
        CLIPPING,
    ),
    "large-steps": (
        N_(
            "The length of a step against the length of the weights says how fast a stage changes, whatever the scale "
            "of its weights. Around one part in a thousand is a common rule of thumb."
        ),
        r"\frac{\lVert \Delta w \rVert}{\lVert w \rVert} \approx 10^{-3}",
        None,
    ),
    "tiny-steps": (
        N_("The weights move so little that it would take thousands of epochs to get anywhere."),
        r"\frac{\lVert \Delta w \rVert}{\lVert w \rVert} \approx 10^{-3}",
        None,
    ),
    "exploding-gradients": (
        N_(
            "On the way back each layer multiplies the gradient. Where these factors are above one, their product "
            "grows with the depth. Clipping keeps the direction and shortens the step."
        ),
        r"g \leftarrow g \cdot \min\left(1, \frac{c}{\lVert g \rVert}\right)",
        CLIPPING,
    ),
    "vanishing-gradients": (
        N_(
            "On the way back each layer multiplies the gradient. Where these factors are below one, as with sigmoids, "
            "nothing is left of it in the first layers of a deep network."
        ),
        r"\frac{\partial L}{\partial w_1} = \frac{\partial L}{\partial a_n}\prod_{i} \frac{\partial a_{i+1}}"
        r"{\partial a_i}\,\frac{\partial a_1}{\partial w_1}",
        GLOROT,
    ),
    "dead-relus": (
        N_(
            "A ReLU gives zero for everything below zero, and its slope there is zero, too. A unit that is below zero "
            "for every image gets no gradient and never comes back."
        ),
        r"\mathrm{ReLU}(x) = \max(0, x)",
        None,
    ),
    "norm-drift": (
        N_(
            "In training mode a BatchNorm layer normalises by the batch it sees and updates its running statistics, "
            "whether its own weights are frozen or not. Frozen stages then give other features than before, and "
            "features that were computed once would no longer be right."
        ),
        r"\hat{x} = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}",
        BATCHNORM,
    ),
    "imbalance": (
        N_(
            "With nine images of one class for each of another, always naming the first is right nine times out of "
            "ten. Balanced accuracy, the mean over classes, shows that."
        ),
        None,
        None,
    ),
    "early-watches-training": (
        N_(
            "The training loss nearly always falls on, so stopping by it stops too late or never. Only images that "
            "were not learned from tell when more training no longer helps."
        ),
        None,
        None,
    ),
    "val-better": (
        N_(
            "Training accuracy is counted on images that are augmented, mixed or seen through dropout, by a network "
            "that is still learning; validation comes after the epoch, on plain images, with everything switched on."
        ),
        None,
        None,
    ),
    "leakage": (
        N_(
            "Copies, or augmented versions, of a training image among the validation or test images are recognised, "
            "not understood. Accuracy on them says nothing about new images."
        ),
        None,
        None,
    ),
    "phases": (
        N_(
            "The head learns on features that it can rely on. Where a later phase moves those features faster than the "
            "head can follow, validation drops at once and may never come back. The weights of the best epoch are "
            "kept, so a phase that stays below it leaves no trace in the run's result."
        ),
        None,
        ("Kumar et al. 2022", "https://arxiv.org/abs/2202.10054"),
    ),
    "plateau": (
        N_("Near a minimum large steps only go to and fro over it. A tenth of the rate often lets it fall again."),
        None,
        None,
    ),
}
"""Behind a remark: a paragraph, a formula, and where to read on."""


def draw(run: Run, status: RunStatus, *, key: str) -> None:
    """Draws what the coach has to say of a run, the gravest first.

    Args:
        run: The :class:`core.runs.store.Run`.
        status: Its status.
        key: Stable start of the keys.
    """
    style.send("watching.css")
    remarks = of(run, status)
    if not remarks:
        components.note(_("The coach needs three epochs before it can say anything."))
        return
    for remark in remarks:
        _card(remark, key)


def first_line(run: Run, status: RunStatus) -> None:
    """Draws the gravest of what the coach has to say in one line; it keeps its place before there is anything.

    Args:
        run: The run.
        status: Its status.
    """
    style.send("watching.css")
    remarks = of(run, status)
    if not remarks:
        tone, icon, text = "", "sports", escape(_("The coach speaks after three epochs."))
    else:
        first, more = remarks[0], len(remarks) - 1
        rest = _n("{n} more under Coach.", "{n} more under Coach.", more).format(n=more) if more else ""
        tone, icon = f" bl-{first.tone}", ICONS[first.tone]
        said, advised = (components.phrase(translated(words)) for words in (first.sentence, first.advice))
        text = f"<b>{said}</b> {advised} <i>{escape(rest)}</i>"
    st.html(
        f'<p class="bl-coach-line{tone}"><span class="bl-symbol" aria-hidden="true">{icon}</span>'
        f"<span>{text}</span></p>"
    )


def of(run: Run, status: RunStatus) -> tuple[Finding, ...]:
    """Returns the ``Finding`` rows of a run, worked out once for each state of its files."""
    book = caches.journal(run)
    found = caches.found(caches.experiment(run).data)
    copies = found.groups if found is not None else ()
    key = (
        str(run.path),
        book.look(),
        stage_health.stamp(run.path / "health.jsonl"),
        stage_health.stamp(run.path / "experiment.json"),
        status.state,
        status.epochs,
        status.best_epoch,
        status.message,
        hash(copies),
    )
    return tuple(caches.remember("coach", key, lambda: _advise(run, status, book, copies), entries=32))


def _advise(run: Run, status: RunStatus, book: Journal, copies: tuple[tuple[str, ...], ...]) -> tuple[Finding, ...]:
    from core.workflows.coach.diagnose import advise_run

    experiment = caches.experiment(run)
    columns = {name: book.epochs.column(name).tolist() for name in COLUMNS}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    split = run.split_rows()
    counts: dict[str, dict[str, int]] = {name: dict.fromkeys(run.classes(), 0) for name in ("train", "val")}
    for row in split:
        per_class = counts.setdefault(row["split"], {})
        per_class[row["label"]] = per_class.get(row["label"], 0) + 1
    splits = {row["key"]: row["split"] for row in split}
    inside = stage_health.rows_of(run)
    return advise_run(rows, inside, status, experiment, counts, copies=copies, splits=splits)


def _card(remark: Finding, key: str) -> None:
    def why() -> None:
        topic = "phases" if remark.id.startswith("phase-") else remark.id
        if topic in WHY:
            text, formula, paper = WHY[topic]
            components.why(_(text), formula=formula, paper=paper, key=f"{key}-why-{remark.id}")

    card(remark, key, why)
