"""Which pictures a run is judged on anew: a split, and how many of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from core.errors import InputError
from core.runs.jobs import JobRequest
from core.runs.launch import start_job
from core.runs.status import JobStatus
from pages.ui.kit import form_fields, page_states
from pages.ui.runs import queue_panel
from pages.ui.session import caches
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from core.runs.store import Run

SPLITS = {"test": N_("Test"), "val": N_("Validation"), "train": N_("Training")}
COUNTS = (50, 100, 200, 500)
USUAL = 100


class Chosen(NamedTuple):
    """A split, and how many of its pictures: all of them where ``most`` is 0."""

    split: str
    most: int
    total: int


def choose(run: Run, key: str) -> Chosen | None:
    """Draws the choice; ``None``, with why, where the run has no pictures.

    Args:
        run: The run.
        key: Stable start of the widgets' keys.
    """
    from core.workflows.judging.held_out import splits_of

    there = splits_of(run)
    if not there:
        page_states.broken(
            _("No pictures to judge"),
            _("This run has no list of its images, so it is not known which it did not learn from."),
            icon="folder_off",
            tone="warn",
        )
        return None
    split = next(iter(there))
    if len(there) > 1:
        split = form_fields.choice(
            _("Judged on"),
            list(there),
            f"{key}-split",
            format_func=lambda name: f"{_(SPLITS[name])} · {number_format.exact(there[name])}",
            default=split,
            help=_("Training images were learned from: they flatter, but show what a change alone does."),
        )
    count = there[split]
    offered = {str(n): number_format.exact(n) for n in COUNTS if n < count}
    offered["all"] = _("All {n}").format(n=number_format.exact(count))
    asked = "all"
    if len(offered) > 1:
        asked = form_fields.choice(
            _("Pictures"),
            offered,
            f"{key}-pictures",
            format_func=lambda name: offered[name],
            default=str(USUAL) if str(USUAL) in offered else "all",
            help=_("Drawn by lot, the same ones each time. More take longer and make the intervals narrower."),
        )
    most = 0 if asked == "all" else int(asked)
    return Chosen(split, most, most or count)


def interval(low: str, high: str, n: int, groups: int | None) -> str:
    """Returns an interval in words, with what it stands on.

    Args:
        low: Its lower end.
        high: Its upper end.
        n: Pictures.
        groups: Groups of related pictures that it goes over; ``None`` where each picture counts by itself.
    """
    if groups is None:
        return _("{low} to {high}, {n} pictures").format(low=low, high=high, n=n)
    return _("{low} to {high}, over {groups} groups of {n} pictures").format(low=low, high=high, n=n, groups=groups)


def start(request: JobRequest) -> None:
    """Starts a job and draws the page anew; says why where it cannot be started."""
    try:
        start_job(request, roots=caches.roots(), owner=queue_panel.owner())
    except InputError as error:
        page_states.broken(_("It cannot be started"), translate_error(error), icon="report", tone="warn")
        return
    st.rerun()


def answers_done(status: JobStatus, text: str) -> str:
    """Returns what a job does with the number of answers that it has, where that is known."""
    if not status.total:
        return text
    done, total = number_format.exact(status.done), number_format.exact(status.total)
    return f"{text} · " + _("{done} of {total} answers").format(done=done, total=total)
