"""What a study will cost, said before it starts, and the button that starts it."""

from __future__ import annotations

import statistics

import streamlit as st

from core.errors import InputError
from core.runs.store import RunStore
from core.specs import Experiment
from core.specs.study import Study
from core.workflows.studies.design import count, preview
from pages.studies import words
from pages.ui.kit import clicks, components, nav
from pages.ui.kit.page_states import broken
from pages.ui.runs import queue_panel
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import _, _n, translate_error

ALIKE = 40
"""Runs that are looked through for one like the members."""


def draw(study: Study, *, key: str, seconds: float | None = None) -> None:
    """Draws how many runs there will be, how long they may take, and the button.

    Args:
        study: What would be trained.
        key: The button's key.
        seconds: What one run is expected to take; ``None`` where that was not worked out.
    """
    try:
        members = preview(study)
    except InputError as error:
        broken(_("This is no study yet"), translate_error(error), icon="report", tone="warn")
        return
    searched = study.design == "optuna"
    total = count(study) if searched else len(members)
    settings = study.samples if searched else len({member.setting for member in members})
    runs = _n("{n} run", "{n} runs", total).format(n=total)
    text = _n("{n} setting", "{n} settings", settings).format(n=settings) + " × "
    text += words.repeats(study) + " = " + runs
    each = seconds or _seconds_of_like(members[0].experiment)
    if each is not None:
        text += " · " + _("about {time}").format(time=number_format.duration(each * total))
    else:
        text += " · " + _("how long it takes is known once the first run has ended")
    with st.container(horizontal=True, vertical_alignment="center", key=f"{key}-row"):
        started = clicks.button(_("Start the study"), type="primary", icon=":material/play_arrow:", key=key)
        st.html(f'<p class="bl-note" data-study-size="{total}">{text}</p>')
    if len(study.seeds) * max(1, study.folds) < 3:
        components.note(_("With fewer than three seeds no difference can be told from chance."))
    if started:
        start(study)


def start(study: Study, *, adopts: str = "") -> None:
    """Starts a study and shows it."""
    from core.workflows.studies import members

    try:
        job = members.start(study, adopts=adopts, roots=caches.roots(), owner=queue_panel.owner())
    except InputError as error:
        broken(_("The study was not started"), translate_error(error), icon="report", tone="warn")
        return
    nav.go("studies", study=job.id)


def _seconds_of_like(wanted: Experiment) -> float | None:
    """Returns what runs of the same network on the same pictures took; ``None`` where there are none."""
    found = []
    for run in RunStore().list()[:ALIKE]:
        try:
            known, status = caches.experiment(run), run.recorded
        except InputError:
            continue
        same = (known.data.source, known.model.backbone) == (wanted.data.source, wanted.model.backbone)
        if same and status.seconds and status.epochs_done:
            found.append(status.seconds / status.epochs_done * wanted.training.epochs)
    return statistics.median(found) if found else None
