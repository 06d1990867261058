"""All studies, and two ways to start one: a table of the notes, or a design of one's own."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.errors import InputError
from core.runs.jobs import Job, JobStore
from pages.studies import builder, ready_panel, words
from pages.ui.kit import components, form_fields, nav
from pages.ui.text.i18n import N_, _, _n

SHOWN = 6
WAYS = {"notes": N_("Of the notes"), "own": N_("Of your own")}


def draw() -> None:
    """Draws them."""
    _list(JobStore("studies").list())
    components.section(
        _("A new study"),
        _("Settings are varied, each is trained with several seeds, and the page says what is larger than chance."),
    )
    if form_fields.choice(_("Which study"), WAYS, "bl-studies-way", default="notes") == "notes":
        ready_panel.draw()
    else:
        builder.draw()


def _list(jobs: list[Job]) -> None:
    if not jobs:
        return
    components.section(_("Your studies"))
    for job in jobs[:SHOWN]:
        _row(job)
    if len(jobs) > SHOWN:
        rest = len(jobs) - SHOWN
        title = _n("{n} earlier study", "{n} earlier studies", rest).format(n=rest)
        with st.expander(title, key="bl-studies-earlier"):
            for job in jobs[SHOWN:]:
                _row(job, looked_at=False)


def _row(job: Job, *, looked_at: bool = True) -> None:
    """Draws a study's line.

    Args:
        job: The study.
        looked_at: Whether its runs are counted, or what its process counted last is said.
    """
    from core.workflows.studies import members

    with st.container(horizontal=True, vertical_alignment="center", key=f"bl-study-{job.id}"):
        try:
            study, status = members.study_of(job), job.recorded
            found = members.standings(job) if looked_at else ()
        except InputError:
            components.note(_("The study {name} cannot be read.").format(name=job.id))
            return
        nav.link("studies", components.plain(words.title(study)), study=job.id)
        done, total = status.done, status.total
        if looked_at:
            done, total = sum(one.finished for one in found), members.planned(job)
        count = _n("{done} of {n} run finished", "{done} of {n} runs finished", total)
        text = escape(count.format(done=done, n=total))
        st.html(f"{components.badge(job.state)} <span class='bl-note'>{text}</span>")
