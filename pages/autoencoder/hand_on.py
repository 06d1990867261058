"""The encoder as a start for a classifier: two trainings, from its weights and from random ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.runs import launch
from core.workflows.autoencoder.classifier import classifiers
from pages.ui.kit import clicks, components, form_fields, nav
from pages.ui.runs import queue_panel
from pages.ui.session import caches, choices
from pages.ui.text.i18n import _, translate_error

if TYPE_CHECKING:
    from core.workflows.autoencoder.folder import AutoencoderResult

STARTED = "bl.auto.started"
"""The first of the two runs that were started last."""
LABELS = (5, 10, 20, 50, 100)


def draw(found: AutoencoderResult) -> None:
    """Draws the button that starts both trainings, and what can be taken along."""
    components.section(
        _("Hand the encoder on"),
        _("It learned without a single label. Does a classifier that begins with it need fewer of them?"),
    )
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-auto-hand"):
        labels = st.select_slider(
            _("Pictures with a label, of each class"),
            LABELS,
            **form_fields.kept("bl-auto-labels").widget("bl-auto-labels", LABELS, 20, begun=True),
            width=280,
            help=_("Validation and test take their shares of them, as your images are divided."),
        )
        if clicks.button(
            _("Train both"),
            icon=":material/compare_arrows:",
            key="bl-auto-both",
            help=_("The encoder with a new last layer, from its weights and from random ones: all else is the same."),
        ):
            try:
                pair = classifiers(found, per_class=int(labels))
                runs = [launch.start(one, roots=caches.roots(), owner=queue_panel.owner()) for one in pair]
            except InputError as error:
                components.note(translate_error(error))
                return
            choices.choose_run(runs[0].id)
            st.session_state[STARTED] = runs[0].id
        components.download(
            _("The encoder's weights"),
            (found.job.path / "encoder.safetensors").read_bytes,
            "encoder.safetensors",
            "bl-auto-download",
        )
        started = st.session_state.get(STARTED)
        if started:
            nav.link("runs", _("See both in Runs"), icon=":material/arrow_forward:", run=started)
    components.why(
        _(
            "Denoising autoencoders were once how deep networks were started: the encoder has to find what pictures "
            "have in common before anybody says what they show. With many labels a random start catches up."
        ),
        paper=(
            "Vincent et al. 2010, Stacked denoising autoencoders",
            "https://www.jmlr.org/papers/v11/vincent10a.html",
        ),
        key="bl-auto-why",
    )
