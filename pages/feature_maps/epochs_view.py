"""Feature maps over the epochs: the snapshots that a run kept of its pinned images, with the time scrubber."""

from __future__ import annotations

import streamlit as st

from pages.ui.kit import components, nav, style
from pages.ui.runs import epoch_scrubber
from pages.ui.selection.subjects import Subject
from pages.ui.text.i18n import _


def offered(subject: Subject) -> bool:
    """Whether there is anything to show: a run that kept snapshots."""
    run = subject.target.run
    if run is None:
        return False
    from core.runs import snapshots

    return bool(snapshots.epochs(run.path))


def draw(subject: Subject) -> None:
    """Draws the scrubber over the run's snapshots."""
    from core.workflows.checkpoints import epochs_of

    run = subject.target.run
    style.send("watching.css")
    components.section(
        _("Over the epochs"),
        _(
            "What the network saw in a few pinned images after each epoch. Any other picture can be looked at in the "
            "epochs whose weights were kept: choose one at the top."
        )
        if epochs_of(run)
        else _(
            "What the network saw in a few pinned images after each epoch. This run kept no weights of single epochs, "
            "so other pictures can be looked at before training, at the best and at the last epoch only."
        ),
    )
    epoch_scrubber.draw(run, run.status(), key="bl-maps-time", parts=("maps",))
    with st.container(horizontal=True):
        nav.link("heatmaps", _("Where it looked after each epoch"), run=run.id, view="epochs")
        nav.link("filters", _("The filters after each epoch"), run=run.id, view="epochs")
