"""What the network says of the pictures that were given: figures, a grid with the least sure first, and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.runs.jobs import latest_job
from core.runs.launch import start_job
from core.runs.status import LIVE
from core.workflows.jobs.leaving.answers import AnswersRequest
from pages.try_it import grid, limits
from pages.ui.kit import clicks, components, form_fields, page_states
from pages.ui.kit.components import Figure
from pages.ui.runs import job_panel, queue_panel
from pages.ui.selection.checkpoint_picker import MomentTarget
from pages.ui.selection.network_picker import Target
from pages.ui.session import caches
from pages.ui.text import glossary, number_format
from pages.ui.text.i18n import N_, _, _n, translate_error

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from core.workflows.new_images.answers import Answers
    from core.workflows.new_images.lots import Lot

AT_ONCE = 32
"""Pictures up to which the page itself asks; more are a job."""
SHELF = "tried"
SHOWN = {"all": N_("All"), "unsure": N_("I don't know"), "sure": N_("Answered"), "wrong": N_("Wrong")}
MOST_NAMED = 12
DISPLAY = job_panel.JobDisplay(
    failed=N_("These pictures could not be predicted"),
    interrupted=N_("The predictions were interrupted"),
    doing={"predicting": N_("Asking the network")},
)


def draw(target: Target, lot: Lot) -> None:
    """Draws the answers, or the work that finds them."""
    found = _answers(target, lot)
    if found is None:
        return
    if not len(found):
        _unreadable(found, lot)
        page_states.empty(
            _("None of these can be read"),
            _("Each file and what is wrong with it stands above. Give others."),
            icon="broken_image",
        )
        return
    with st.container(key="bl-wrap-try-figures"):
        left, right = st.columns([1, 1.6], gap="large", vertical_alignment="center")
    with left:
        limit = limits.slider()
    with right:
        _figures(found, limit)
    _said(found)
    _unreadable(found, lot)
    rows, beside = _rows(found, limit)
    grid.draw(target, lot, found, rows, limit, beside)
    _tables(target, found, limit)
    components.next_step("heatmaps", _("See where it looks"), run=target.trained.id)


def _answers(target: Target, lot: Lot) -> Answers | None:
    """Returns what the network says: at once of few pictures, by a job of many; ``None`` while that is at work."""
    from core.workflows.new_images.listing import images_below

    key = (*target.key, lot.id)
    if caches.known(SHELF, key, entries=8):
        return caches.remember(SHELF, key, lambda: _asked(target, lot), entries=8)
    count = caches.remember(
        "lots", (lot.id,), lambda: len(images_below(lot.path, ("",), roots=caches.roots())), entries=32
    )
    if count <= AT_ONCE:
        with page_states.busy(_("Asking the network …")):
            return caches.remember(SHELF, key, lambda: _asked(target, lot), entries=8)
    moment = target.moment if isinstance(target, MomentTarget) else "best"
    request = AnswersRequest(target.trained.id, moment, str(target.stamp), lot.id)
    job = latest_job(request)
    if job is None:
        job = start_job(request, roots=caches.roots(), owner=queue_panel.owner())
    if job_panel.draw(job, DISPLAY, key="bl-try-job"):
        return None
    found: Answers | None = job_panel.result(job)
    if found is not None:
        return found
    if job.state not in LIVE and clicks.button(
        _n("Ask about the picture", "Ask about the {n} pictures", count).format(n=number_format.exact(count)),
        icon=":material/play_arrow:",
        type="primary",
        key="bl-try-again-job",
    ):
        start_job(request, roots=caches.roots(), owner=queue_panel.owner())
        st.rerun()
    return None


def _asked(target: Target, lot: Lot) -> Answers:
    from core.workflows.images import learned_from
    from core.workflows.new_images.answers import answer
    from core.workflows.new_images.listing import images_below

    network = target.network()
    dataset = images_below(lot.path, network.classes, roots=caches.roots())
    return answer(network, dataset, learned=learned_from(target.trained, dataset, roots=caches.roots()))


def _figures(found: Answers, limit: float) -> None:
    answered = int((found.confidence >= limit).sum())
    scores = found.scores(limit)
    figures = [
        Figure(
            _("Answered"),
            number_format.percent(answered / len(found)),
            _n("of {n} picture", "of {n} pictures", len(found)).format(n=number_format.exact(len(found))),
        ),
        Figure(
            _("I don't know"),
            number_format.exact(len(found) - answered),
            _("below {limit}").format(limit=number_format.percent(limit, 0)),
        ),
    ]
    if scores is not None:
        low, high = scores.interval
        figures.append(
            Figure(
                _("Right, of those answered"),
                number_format.percent(scores.accuracy),
                _("{k} of {n}; 95\u00a0%: {low} to {high}").format(
                    k=number_format.exact(scores.right),
                    n=number_format.exact(scores.images),
                    low=number_format.percent(low),
                    high=number_format.percent(high),
                ),
                glossary.explain("wilson interval"),
            )
        )
    elif (found.labels >= 0).any():
        figures.append(Figure(_("Right, of those answered"), "–", _("no new picture is answered")))
    components.metrics(figures, compact=True)


def _said(found: Answers) -> None:
    """Says in words what the folders' names do not tell, and what is not new to the network."""
    named = [f"{name} ({count})" for name, count in list(found.unseen.items())[:MOST_NAMED]]
    names = ", ".join(named) + (" …" if len(found.unseen) > MOST_NAMED else "")
    if found.unseen and (found.labels >= 0).any():
        components.note(
            _(
                "The network knows no such class, so whatever it says of these is wrong; they are not counted: {names}."
            ).format(names=names)
        )
    elif len(found.unseen) > 1:  # a single one is what a zip or a folder of pictures is called
        known = ", ".join(found.classes[:MOST_NAMED]) + (" …" if len(found.classes) > MOST_NAMED else "")
        components.note(
            _(
                "No folder is named after a class of the network ({classes}), so it is not known what is right. "
                "The folders: {names}."
            ).format(classes=known, names=names)
        )
    if found.learned:
        components.note(
            _n(
                "The network learned from {n} of these pictures; it says nothing of new ones and is not counted.",
                "The network learned from {n} of these pictures; they say nothing of new ones and are not counted.",
                len(found.learned),
            ).format(n=number_format.exact(len(found.learned)))
        )


def _unreadable(found: Answers, lot: Lot) -> None:
    """Lists what cannot be read, behind a line that says how many."""
    sentences = [translate_error(sentence) for _key, sentence in found.unreadable]
    sentences += [translate_error(note.sentence) for note in lot.notes]
    if not sentences:
        return
    title = _n("{n} file is left out", "{n} files are left out", len(sentences)).format(
        n=number_format.exact(len(sentences))
    )
    with st.expander(title, icon=":material/broken_image:", key="bl-try-left-out", expanded=not len(found)):
        for sentence in sentences[:100]:
            components.note(sentence)


def _rows(found: Answers, limit: float) -> tuple[list[int], DeltaGenerator]:
    """Draws the choice of what is shown; returns its rows, the least sure first, and the place beside it."""
    unsure = found.confidence < limit
    wrong = (found.labels >= 0) & (found.predicted != found.labels)
    masks = {"all": unsure | ~unsure, "unsure": unsure, "sure": ~unsure, "wrong": wrong & ~unsure}
    offered = [name for name, mask in masks.items() if name == "all" or mask.any()]
    counts = {name: number_format.exact(int(mask.sum())) for name, mask in masks.items()}
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-try-shown"):
        shown = form_fields.choice(
            _("The least sure first"),
            offered,
            "bl-try-show",
            default="all",
            format_func=lambda name: f"{_(SHOWN[name])} · {counts[name]}",
            wrap=True,
        )
        grid.switch()
        beside = st.container(width="content")
    mask = masks[shown if shown in offered else "all"]
    return [row for row in found.least_sure() if mask[row]], beside


def _tables(target: Target, found: Answers, limit: float) -> None:
    from core.workflows.new_images.tables import to_csv, to_excel

    name = _("predictions of {run}").format(run=target.title)
    with st.container(horizontal=True, key="bl-try-tables"):
        components.download(_("Download CSV"), lambda: to_csv(found, limit), f"{name}.csv", "bl-try-csv", icon="csv")
        components.download(
            _("Download for Excel"), lambda: to_excel(found, limit), f"{name}.xlsx", "bl-try-excel", icon="table"
        )
