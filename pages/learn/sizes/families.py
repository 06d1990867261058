"""VGG and ResNet side by side, and ResNet18's total explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.kit import components
from pages.ui.kit.page_states import busy
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.lessons.families import Counted, Explained


def draw() -> None:
    """Draws the tables."""
    if caches.known("learn-families", ()):
        rows, explained = _counted()
    else:
        with busy(_("Building eleven networks without their weights, and counting …"), 320):
            rows, explained = _counted()
    _families(rows)
    _resnet18(explained)


def early() -> None:
    """Has the networks counted before somebody asks for them."""
    caches.later("learn-families-early", (), _counted)


def _counted() -> tuple[list[Counted], Explained]:
    from core.lessons.families import FAMILIES, count, explain_resnet18

    def made() -> tuple[list[Counted], Explained]:
        return [count(name) for names in FAMILIES.values() for name in names], explain_resnet18()

    return caches.remember("learn-families", (), made)


def _families(rows: list[Counted]) -> None:
    from core.lessons.families import VGG_LETTERS

    sides = (224, 112, 56, 28, 14, 7)
    heads = (
        _("Network"),
        *(_("at {n} px").format(n=side) for side in sides),
        _("Parameters"),
        _("Multiply-adds"),
        _("as the paper counts"),
    )
    head = "".join(f"<th>{word}</th>" for word in heads)
    body = ""
    for row in rows:
        letter = f" ({VGG_LETTERS[row.name]})" if row.name in VGG_LETTERS else ""
        cells = "".join(f"<td>{row.stages.get(side, '') or ''}</td>" for side in sides)
        body += (
            f"<tr><td>{row.name.partition('-')[0]}{letter}</td>{cells}<td><bdi>{number_format.exact(row.parameters)}</bdi></td>"
            f"<td><bdi>{row.macs / 1e9:.2f} G</bdi></td><td><bdi>{row.macs_as_published / 1e9:.2f} G</bdi></td></tr>"
        )
    components.section(_("Convolutions by the size of their map"), _("Of a picture of 224 × 224, shortcuts included."))
    st.html(
        f'<div class="bl-wide"><table class="bl-ladder"><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
        "</table></div>"
    )
    components.note(
        _(
            "A-LRN is A with a normalisation over neighbouring channels behind the first convolution, which has no "
            "parameter and did not help. C is D with 1 × 1 in place of the third 3 × 3 of three stages."
        )
    )
    fifty = next(row for row in rows if row.name == "resnet50")
    components.note(
        _(
            "Why the paper's 3.8 became {new}: it halves the map in a block's first 1 × 1, torchvision in its 3 × 3, "
            "so that the 1 × 1 before it works on four times as many places: {old} became {new} G. The parameters are "
            "the same. (The paper's own figures leave some small parts out.)"
        ).format(old=f"{fifty.macs_as_published / 1e9:.2f}", new=f"{fifty.macs / 1e9:.2f}")
    )


def _resnet18(found: Explained) -> None:
    components.section(_("ResNet18: from the notes' total to the right one"))
    rows = (
        (_("The notes' total"), "", found.noted),
        (
            _("Biases of convolutions"),
            _("there are none: a batch norm follows, with a shift of its own"),
            -found.biases,
        ),
        (_("Scale and shift of the batch norms"), _("two for each of their channels"), found.norms),
        (_("Three 1 × 1 shortcuts"), _("64 · 128 + 128 · 256 + 256 · 512, where the map is halved"), found.shortcuts),
        (_("The right total"), "", found.total),
    )
    body = "".join(
        f'<tr class="{"bl-end" if name == rows[-1][0] else ""}"><td>{name}</td><td>{why}</td>'
        f"<td><bdi>{number_format.exact(value).replace('-', '−')}</bdi></td></tr>"
        for name, why, value in rows
    )
    st.html(f'<table class="bl-ladder"><tbody>{body}</tbody></table>')
