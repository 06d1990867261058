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
                _row(job)


def _row(job: Job) -> None:
    from core.workflows.studies import members

    with st.container(horizontal=True, vertical_alignment="center", key=f"bl-study-{job.id}"):
        try:
            study, found = members.study_of(job), members.standings(job)
        except InputError:
            components.note(_("The study {name} cannot be read.").format(name=job.id))
            return
        nav.link("studies", components.plain(words.title(study)), study=job.id)
        done = sum(one.finished for one in found)
        count = _n("{done} of {n} run finished", "{done} of {n} runs finished", len(found))
        text = escape(count.format(done=done, n=len(found)))
        st.html(f"{components.badge(job.state)} <span class='bl-note'>{text}</span>")
