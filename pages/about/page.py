"""Notes and terms: the students' notes that the lab grew out of, and every term with its source."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import streamlit as st

from pages.ui.kit import components, nav
from pages.ui.text import glossary
from pages.ui.text.i18n import N_, _


@dataclass(frozen=True, slots=True)
class Notes:
    """One of the notes: what it is about, what was done and found, and where to do it here. Marked for translation."""

    title: str
    done: str
    here: str
    target: str


NOTES = (
    Notes(
        N_("Fruit photos with VGG16 and ResNet18"),
        N_(
            "Twelve kinds of apple, 3,719 photos to learn from. VGG16 frozen with a new last layer: 49,164 of 134 "
            "million weights learn, 83 %\u00a0of the validation photos come out right after 25 epochs. ResNet18 the "
            "same way with a small hidden layer. The folder named as test images was the training folder."
        ),
        N_("Train the same recipe"),
        "train",
    ),
    Notes(
        N_("A course in deep learning"),
        N_(
            "Small convolutional networks on handwritten digits (MNIST) and letters (EMNIST), weights handed from "
            "letters to digits and from digits to clothes, ResNet18 with a new last layer on STL10, an autoencoder, "
            "and the arithmetic of layers by hand."
        ),
        N_("Take a small network apart"),
        "backbone",
    ),
    Notes(
        N_("Slides on pretrained networks and what they learned"),
        N_(
            "Feature extraction and fine-tuning, and how to look inside: every channel of the first layers, the "
            "pattern that a filter looks for, heatmaps of a class. First layers see edges and colours; deep ones are "
            "abstract, and more of their channels stay silent."
        ),
        N_("See whether that holds for your network"),
        "feature_maps",
    ),
    Notes(
        N_("Homework: brain MRI, cats and dogs"),
        N_(
            "965 and 689 slices of brains with a small network: 82 %\u00a0right on 413 test slices. 702 photos of cats "
            "and dogs with VGG16 (90 %) and ResNet50 (70 %). The slices were changed at random and copied before they "
            "were divided, so that copies of one slice stand on both sides: the figures are too good."
        ),
        N_("See how leaks are found"),
        "data",
    ),
    Notes(
        N_("Homework: convolution by hand, five classes"),
        N_(
            "A kernel moved over a 5 × 5 picture with pencil and paper, output sizes and parameters of a small "
            "network, and MobileNetV2 on five classes: 80 %\u00a0in training, far less on new images."
        ),
        N_("See the arithmetic of any layer"),
        "anatomy",
    ),
)


def render() -> None:
    """Draws the page."""
    components.header("about")
    components.section(
        _("The notes this grew out of"),
        _(
            "Five sets of notes by students of deep learning, in Arabic and Persian. Where a page says “the notes”, it "
            "means these: their recipes can be trained here, and where they slip, the slip is shown."
        ),
    )
    with st.container(key="bl-notes"):
        for number, notes in enumerate(NOTES):
            with st.container(border=True, key=f"bl-notes-card-{number}", gap="xxsmall"):
                st.html(f"<h3>{escape(_(notes.title))}</h3><p>{components.phrase(_(notes.done))}</p>")
                nav.link(notes.target, _(notes.here), icon=":material/arrow_forward:")
    components.section(
        _("What the terms mean"), _("What stands behind each “?”, and where to read more."), help=_("Such a sign.")
    )
    rows = "".join(
        f"<div><dt>{escape(_(term.title))}</dt><dd>{components.phrase(_(term.sentence))}{_source(term)}</dd></div>"
        for term in sorted(glossary.TERMS.values(), key=lambda term: _(term.title).casefold())
    )
    st.html(f'<dl class="bl-glossary">{rows}</dl>')


def _source(term: glossary.Term) -> str:
    if not term.source:
        return ""
    if not term.address:
        return f' <span class="bl-quiet">{escape(term.source)}</span>'
    return f' <a href="{escape(term.address)}" target="_blank" rel="noopener">{escape(term.source)}</a>'
