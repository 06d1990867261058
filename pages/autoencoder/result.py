"""What an autoencoder gives back: original, what it saw, what came out, over the epochs, and its loss beside others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import png
from pages.ui.kit import charts, components
from pages.ui.kit.components import Figure
from pages.ui.selection import learned_from, subjects
from pages.ui.session import caches
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.workflows.autoencoder.folder import AutoencoderResult


def growing(found: AutoencoderResult) -> None:
    """Draws what there is while it trains."""
    epoch = int(found.rows[-1]["epoch"])
    _sheet(found, epoch)
    _curve(found, "bl-auto-growing")


def draw(found: AutoencoderResult) -> None:
    """Draws what was learned."""
    epochs = [int(row["epoch"]) for row in found.rows]
    components.section(
        _("What comes back"),
        _("Held-out pictures, which it did not learn from: as they were, as it saw them, and as it gave them back."),
    )
    epoch = learned_from.epoch("bl-auto-epoch", epochs)
    with st.container(key="bl-wrap-auto"):
        left, right = st.columns([1.5, 1], gap="large")
    with left:
        _sheet(found, epoch)
    with right:
        _curve(found, "bl-auto-curve")
    _figures(found, epoch)


def _sheet(found: AutoencoderResult, epoch: int) -> None:
    """Draws three rows of pictures: original, seen, given back."""
    from core.interpret.drawing.picture_strips import strip

    shown = caches.remember("auto-shown", (str(found.job.path), found.rows[0]["epoch"]), found.shown, entries=4)
    given = caches.remember("auto-given", (str(found.job.path), epoch), lambda: found.given_back(epoch), entries=24)
    spoiled = found.request.corruption != "none"
    rows = [(_("As they were"), shown["original"])]
    if spoiled:
        rows.append((_("What it saw"), shown["seen"]))
    rows.append((_("What it gave back ({n} px)").format(n=found.out_side), given))
    for title, pictures in rows:
        subjects.picture(png(strip(pictures), repeats=True), alt=title, title=title)


def _curve(found: AutoencoderResult, key: str) -> None:
    """Draws the loss over the epochs."""
    go = charts.plotly()
    chart = charts.figure(280)
    epochs = [row["epoch"] for row in found.rows]
    for name, split in (("train_loss", "train"), ("val_loss", "val")):
        chart.add_trace(
            go.Scatter(
                x=epochs, y=[row[name] for row in found.rows], name=charts.split_label(split), mode="lines+markers"
            )
        )
    chart.update_xaxes(title=_("Epoch"))
    chart.update_yaxes(title=_("Loss"))
    charts.show(
        chart,
        key=key,
        alt=_("The loss of held-out pictures went from {first} to {last} in {n} epochs.").format(
            first=subjects.number(found.rows[0]["val_loss"]),
            last=subjects.number(found.rows[-1]["val_loss"]),
            n=len(found.rows) - 1,
        ),
    )


def _figures(found: AutoencoderResult, epoch: int) -> None:
    """Draws the squared difference beside what doing nothing, and what principal components, leave."""
    row = found.rows[epoch] if epoch < len(found.rows) else found.rows[-1]
    figures = [
        Figure(
            _("Squared difference"),
            subjects.number(row["val_mse"]),
            _("mean over the pixels of held-out pictures, after epoch {n}").format(n=int(row["epoch"])),
        )
    ]
    if found.copy_mse:
        text = _("of the spoiled pictures, left as they are")
        figures.append(Figure(_("Doing nothing"), subjects.number(found.copy_mse), text))
    if found.pca_mse is not None:
        text = _("what as many principal components leave: the best that straight lines can do")
        figures.append(Figure(_("PCA of equal width"), subjects.number(found.pca_mse), text))
    if found.seconds:
        figures.append(Figure(_("Training"), _("{n} s").format(n=f"{found.seconds:.0f}"), _("for all epochs")))
    components.metrics(figures, compact=True)
