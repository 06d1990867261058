"""One study: how far it is, what it says in a sentence, its charts and its table, and what became of its members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape

import streamlit as st

from core.runs.jobs import Job
from core.runs.launch import restart_job
from core.runs.status import LIVE, JobStatus
from core.specs.study import Study
from core.workflows.studies.members import Standing
from pages.studies import launching, result_view, words
from pages.ui.kit import clicks, components, nav, one_shot_button
from pages.ui.kit.page_states import guarded
from pages.ui.runs import job_panel
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n, translate_error

LISTED = 5
SEEDS, MOST_SEEDS = 3, 30
"""Seeds that a setting should have at least, and up to which a click trains those that its difference would take."""


def _progress(status: JobStatus, text: str) -> str:
    done = _n("{done} of {n} run", "{done} of {n} runs", status.total).format(done=status.done, n=status.total)
    left = f" · {number_format.duration(status.eta_seconds)}" if status.eta_seconds else ""
    return f"{text} · {done}{left}" if status.total else text


DISPLAY = job_panel.JobDisplay(
    failed=N_("The study could not be trained"),
    interrupted=N_("The study was interrupted"),
    doing={"training": N_("Training"), "training the first run": N_("Training what is handed on")},
    progress=_progress,
)


def draw(job: Job) -> None:
    """Draws a study."""
    from core.workflows.studies import members

    study = members.study_of(job)
    nav.link("studies", _("All studies"), icon=":material/arrow_back:")
    with st.container(horizontal=True, vertical_alignment="center", key="bl-study-title"):
        st.html(f"<h2>{escape(words.title(study))}</h2>", width="content")
        st.html(components.badge(job.state), width="content")
    components.note(_what(study))
    alive = job_panel.at_work(job, DISPLAY, key="bl-study-job")
    if not alive:
        kept = _("Every run that has finished is kept; Go on trains the others.")
        job_panel.ended(job, DISPLAY, kept=kept)
    st.fragment(_found, run_every=3.0 if alive else None)(job, study)


def _what(study: Study) -> str:
    if not study.factors:
        return _("One recipe, {seeds}.").format(seeds=words.repeats(study))
    varied = ", ".join(words.field(factor.name) for factor in study.factors)
    return _("{design} over {fields}, {seeds}.").format(
        design=_(words.DESIGNS[study.design]), fields=varied, seeds=words.repeats(study)
    )


@guarded
def _found(job: Job, study: Study) -> None:
    from core.workflows.studies import members

    found = members.standings(job)
    at_work = next((one.run for one in found if one.run is not None and one.state in LIVE), None)
    if at_work is not None:
        nav.link("train", _("Watch the run at work"), icon=":material/play_circle:", run=at_work.id)
    _failures(found)
    said = result_view.draw(job, study, found)
    _actions(job, study, found, None if said is None else said.wanted)


def _failures(found: Sequence[Standing]) -> None:
    """Says which members failed and why."""
    failed = [one for one in found if one.failed or one.state == "paused"]
    if not failed:
        return
    title = _n("{n} run ended without finishing", "{n} runs ended without finishing", len(failed)).format(n=len(failed))
    with st.container(border=True, key="bl-study-failed"):
        st.markdown(f":material/report: **{title}**")
        for one in failed[:LISTED]:
            state = _(components.STATES[one.state][0])
            reason = translate_error(one.failure) if one.failure else state
            with st.container(horizontal=True, vertical_alignment="center"):
                if one.run is not None:
                    nav.link("runs", components.plain(_label(one)), run=one.run.id)
                components.note(reason)
        if len(failed) > LISTED:
            components.note(_("… and {n} more").format(n=len(failed) - LISTED))


def _label(one: Standing) -> str:
    return one.member.experiment.name.partition(" · ")[2] or one.member.experiment.name


def _actions(job: Job, study: Study, found: Sequence[Standing], needed: int | None) -> None:
    """Draws what can be done with a study that is not at work, and the file to take along.

    Args:
        job: The study's.
        study: What it varies.
        found: How its members stand.
        needed: Seeds a setting that would show its largest difference; ``None`` where that is not known.
    """
    left = sum(not one.finished and not one.pruned for one in found)
    left = left or (study.design == "optuna" and job.state != "finished")
    alive = job.state in LIVE
    with st.container(horizontal=True, key="bl-study-acts"):
        if left and not alive:
            failed = any(one.failed and one.state == "failed" for one in found)
            label = _("Try again") if failed else _("Go on")
            one_shot_button.button(
                label,
                lambda: restart_job(job, roots=caches.roots()),
                key="bl-study-resume",
                type="primary",
                icon=":material/replay:" if failed else ":material/resume:",
                help=_("Trains what is missing; runs that have finished stay."),
            )
        if not left and not alive and study.design != "optuna":
            usual = max(SEEDS, len(study.seeds) + 2)
            wanted = needed if needed is not None and len(study.seeds) < needed <= MOST_SEEDS else usual
            text = _("Train {n} seeds").format(n=wanted)
            if clicks.button(text, icon=":material/add:", key="bl-study-seeds", help=_more_seeds()):
                launching.start(_seeded(study, wanted), adopts=job.id)
        components.download(
            _("As a file"),
            study.to_json,
            f"study-{job.id}.json",
            "bl-study-file",
            help=_("The study as JSON: python -m core study FILE trains it anywhere."),
        )


def _more_seeds() -> str:
    return _("Makes a larger study: what has finished counts, and only the new seeds are trained.")


def _seeded(study: Study, count: int) -> Study:
    """Returns a study with more seeds, those that it had first."""
    new = (seed for seed in range(count * 2) if seed not in study.seeds)
    seeds = [*study.seeds]
    while len(seeds) < count:
        seeds.append(next(new))
    return replace(study, seeds=tuple(seeds))
