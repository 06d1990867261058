"""A run as it happens: progress, figures and curves that grow, and how it ended.

The training process writes its folder; this module only reads it, once a second, and only while the run is alive.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.runs.status import ENDED, LIVE, RunStatus, Status
from pages.ui.kit import charts, components, form_fields, style
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import broken, guarded
from pages.ui.runs import coach_panel, epoch_scrubber, learning_curves, resource_usage, run_controls, stage_health
from pages.ui.session import address, caches
from pages.ui.text import display_names, glossary, number_format
from pages.ui.text.i18n import N_, _, _n, translate_error

if TYPE_CHECKING:
    from core.runs.store import Run

DOING = {
    "queued": N_("Waiting for the device"),
    "loading libraries": N_("Loading PyTorch"),
    "reading images": N_("Reading the images"),
    "looking for leaks": N_("Looking for copies in different splits"),
    "building the network": N_("Building the network"),
    "downloading the weights": N_("Downloading the weights"),
    "computing features": N_("Computing the frozen backbone's features once"),
    "training": N_("Training"),
    "validating": N_("Validating"),
    "evaluating": N_("Judging the best weights"),
}
SECTIONS = {
    "metrics": N_("Rate and metrics"),
    "coach": N_("Coach"),
    "inside": N_("Inside"),
    "snapshots": N_("Snapshots"),
    "machine": N_("Time and machine"),
    "changes": N_("Changes"),
}
"""What can be looked at under the curves."""
SECTION = address.Bound("section", kept="bl.run.section")
COUNTED = ("reading images", "computing features", "downloading the weights", "validating", "evaluating")
"""What is done image by image, or byte by byte, so that a count belongs to it."""
REASONS = 3
"""Most reasons that are given why a record cannot be read."""


def monitor(run: Run, *, key: str, full: bool = False) -> None:
    """Draws a run that is alive, renewed every second; the page is drawn anew once it has ended.

    Args:
        run: The run.
        key: Stable start of the widgets' keys.
        full: Whether everything is drawn that is known of it: all controls, and the sections under the curves.
    """
    alive = run.state in LIVE
    if alive:
        style.send("renewing.css")
    st.fragment(_panel, run_every=1.0 if alive else None)(run, key, alive, full)


@guarded
def _panel(run: Run, key: str, was_alive: bool, full: bool) -> None:
    if not run.exists and run_controls.discarded() == run.id:
        st.rerun()  # as it was asked for
    status = caught_up(run, run.status())
    if was_alive and status.state in ENDED:
        st.rerun()
    happened = run_controls.history(run, status)
    _head(run, status, key, happened if full else None)
    _figures(run, status)
    coach_panel.first_line(run, status)
    learning_curves.pair(run, status, key=key, marks=_marks(happened), steps=True)
    if full:
        with address.renewing():
            sections(run, status, key=key)


def caught_up(run: Run, status: RunStatus) -> RunStatus:
    """Returns the status with the epochs that its curves have already: it is written twice a second, they at once."""
    import numpy as np

    book = caches.journal(run).epochs
    done = int(book.last.get("epoch", 0))
    if status.state not in LIVE or not status.epochs or done <= status.epochs_done:
        return status
    changes: dict[str, Any] = {"epochs_done": done, "epoch": min(done, status.epochs), "eta_seconds": None}
    improved = np.flatnonzero(book.column("improved") == 1)
    if len(improved):
        best = int(improved[-1])
        changes["best_epoch"] = int(book.column("epoch")[best])
        changes["best_val_accuracy"] = float(book.column("val_accuracy")[best])
    return replace(status, step=max(status.step, round(status.steps * done / status.epochs)), **changes)


def sections(run: Run, status: RunStatus, *, key: str) -> None:
    """Draws the choice of what is looked at under the curves, and what was chosen; nothing else is worked out."""
    bound = SECTION.widget(f"{key}-section", SECTIONS, "metrics")
    chosen = form_fields.choice(_("Look at"), SECTIONS, **bound, label_visibility="collapsed")
    if chosen == "coach":
        coach_panel.draw(run, status, key=f"{key}-coach")
    elif chosen == "inside":
        stage_health.draw(run, status, key=f"{key}-inside")
    elif chosen == "snapshots":
        epoch_scrubber.draw(run, status, key=f"{key}-snapshots")
    elif chosen == "machine":
        resource_usage.draw(run, status)
    elif chosen == "changes":
        _changes(run, status)
    else:
        _metrics(run, status, key)


def _metrics(run: Run, status: RunStatus, key: str) -> None:
    with st.container(key=f"bl-wrap-{key}-metrics"):
        left, right = st.columns(2, gap="medium", vertical_alignment="bottom")
    known = marks(run, status)
    with left:
        learning_curves.draw(run, status, "lr", key=f"{key}-lr", marks=known, steps=True)
    with right:
        measure = st.selectbox(
            _("Measure"),
            learning_curves.CHOICE,
            key=f"{key}-measure",
            persist_state="session",
            format_func=lambda name: _(learning_curves.MEASURES[name].title),
            label_visibility="collapsed",
        )
        learning_curves.draw(run, status, measure, key=f"{key}-chosen", marks=known, height=236)


def _changes(run: Run, status: RunStatus) -> None:
    happened = run_controls.history(run, status)
    if happened:
        run_controls.listed(happened)
        components.note(_("What was changed is part of the run: trained again, it is changed at the same steps."))
    else:
        components.note(_("Nothing was changed while it ran."))


def marks(run: Run, status: RunStatus) -> list[learning_curves.Mark]:
    """Returns what a person changed, for the charts."""
    return _marks(run_controls.history(run, status))


def _marks(happened: Sequence[run_controls.Happened]) -> list[learning_curves.Mark]:
    return [
        learning_curves.Mark(round(change.epoch, 3), change.text) for change in happened if change.epoch is not None
    ]


def _head(run: Run, status: RunStatus, key: str, happened: Sequence[run_controls.Happened] | None) -> None:
    """Draws state, name and progress; the controls, and what is asked for, where there is a history."""
    with st.container(horizontal=True, vertical_alignment="center", key=f"bl-live-head-{key}"):
        title(run, status)
        if happened is not None:
            run_controls.bar(run, status, key=key)
    share, text = progress(status)
    st.progress(share, text=text)
    asked = [change for change in happened or () if change.step is None]
    if asked:
        run_controls.listed(asked)
    if status.parts > 1:
        components.note(
            _("A batch did not fit into the memory; since then each is computed in {n} parts.").format(n=status.parts)
        )


def title(run: Run, status: RunStatus) -> None:
    """Draws a run's state and name."""
    st.html(
        f'<div class="bl-live-title">{components.badge(status.state)}{components.leaky(status.leaks)}'
        f"<b><bdi>{escape(run.name)}</bdi></b></div>",
        width="stretch",
    )


def progress(status: RunStatus) -> tuple[float, str]:
    """Returns how far what is being done has come, and a sentence about it."""
    doing = status.doing or "queued"
    words = _(DOING.get(doing, doing))
    ahead = status.ahead
    if status.state == "queued" and ahead:
        return 0.0, _("{what}: {n} ahead").format(what=words, n=ahead)
    learned = doing == "training" or (doing == "validating" and status.step)
    if learned and status.steps:
        share = min(1.0, status.step / status.steps)
        phase = charts.phase_label(status.phase)
        text = _("Epoch {epoch} of {epochs}, phase {phase}").format(
            epoch=max(1, status.epoch), epochs=status.epochs, phase=phase
        )
        eta = status.eta_seconds
        text += _(", about {time} left").format(time=number_format.duration(eta)) if eta else ""
        return share, text + (f" · {words}" if doing == "validating" else "")
    done, total = status.done, status.total
    if total and doing in COUNTED:
        count = _("{done} of {total} images").format(done=number_format.exact(done), total=number_format.exact(total))
        if status.doing == "downloading the weights":
            count = _("{done} of {total}").format(done=number_format.size(done), total=number_format.size(total))
        return min(1.0, done / total), f"{words}: {count}"
    return (1.0 if doing == "evaluating" else 0.0), words


def _figures(run: Run, status: RunStatus) -> None:
    last = caches.journal(run).epochs.last
    best = status.best_val_accuracy
    done, epochs = int(last.get("epoch", 0)), status.epochs
    waits = status.state == "queued"
    memory = status.memory_bytes
    components.metrics(
        [
            Figure(
                _("Epochs"),
                number_format.exact(done),
                _("of {n}").format(n=number_format.exact(epochs)) if epochs else "",
            ),
            Figure(
                _("Validation accuracy"),
                number_format.percent(last.get("val_accuracy")),
                _("best {value}").format(value=number_format.percent(best)) if best is not None else "",
                _("Share of the held-out images that are classified right."),
            ),
            Figure(_("Training accuracy"), number_format.percent(last.get("train_accuracy"))),
            Figure(_("Speed"), number_format.rate(status.images_per_second), _("images/s")),
            Figure(
                _("Device"),
                display_names.device(status.device or status.queue_device or number_format.DASH),
                _("{size} in use").format(size=number_format.size(memory)) if memory else "",
            ),
            Figure(
                _("Waiting for") if waits else _("Running for"),
                number_format.duration(_elapsed(status)),
                _("started {when}").format(when=number_format.ago(status.started)) if status.started else "",
            ),
        ],
        compact=True,
    )


def _elapsed(status: RunStatus) -> float | None:
    begun = status.started or status.launched if status.state == "queued" else status.begun or status.started
    return max(0.0, (status.ended or time.time()) - begun) if begun else None


def ended(run: Run, status: RunStatus) -> None:
    """Draws how a run ended, where it did not simply finish: paused, stopped, failed or interrupted."""
    kept = _("The best weights so far are kept and can be used.") if run.has_weights else None
    state, goes_on = status.state, run.can_resume
    if state == "failed":
        broken(_("This run failed"), message(status), kept=kept)
    elif state == "interrupted":
        silent = _("Its process ended without a word: the machine went down, or somebody ended it.")
        text = message(status) if status.failure else silent
        text += " " + (_("It can go on from where it was.") if goes_on else _("Train it again."))
        broken(_("This run was interrupted"), text, kept=kept, icon="bolt", tone="warn")
    elif state == "stopped":
        broken(
            _("This run was stopped"),
            _("It ended before its last epoch, as asked."),
            kept=kept,
            icon="stop_circle",
            tone="warn",
        )
    elif state == "paused":
        broken(
            _("This run is paused"),
            _("Resume it, and it goes on as if nothing had happened.")
            if goes_on
            else _(
                "It was packed while it was paused, without the state that training goes on from. Train it again, or "
                "begin another run with its weights."
            ),
            kept=kept,
            icon="pause_circle",
            tone="warn",
        )
    elif state == "unreadable":
        broken(_("This run cannot be read"), reasons(status), kept=kept, icon="report", tone="warn")
    if status.faults and state != "unreadable":
        text = _("Not all that was recorded of this run can be read. {reasons}")
        components.note(text.format(reasons=reasons(status)))
    if later := _thrown_away(run, status):
        components.note(
            _(
                "The weights that are kept are those after epoch {n}. What was learned later, in {phases}, was no "
                "better and is not kept."
            ).format(n=status.best_epoch, phases=later)
        )
    if status.early:
        components.note(
            _("Ended early, because they no longer improved: {phases}.").format(
                phases=", ".join(charts.phase_label(name) for name in status.early)
            )
        )


def _thrown_away(run: Run, status: RunStatus) -> str:
    """Returns the phases that only began after the best epoch: nothing of them is in the weights that are kept."""
    if status.state in LIVE or not status.best_epoch:
        return ""
    phases = caches.journal(run).phases
    return ", ".join(charts.phase_label(name) for first, name in phases if first > status.best_epoch)


def learned(run: Run, status: RunStatus) -> int | None:
    """Returns how many parameters had learned in the weights that are kept; ``None`` where that was not recorded."""
    if status.learned_parameters is not None:
        return status.learned_parameters
    return None if _thrown_away(run, status) else status.trainable_parameters


def reasons(status: Status) -> str:
    """Returns why not all of a run's record can be read, the first few reasons."""
    reasons = [translate_error(fault) for fault in status.faults[:REASONS]]
    return " ".join([*reasons, *(["…"] if len(status.faults) > REASONS else [])])


def message(status: Status) -> str:
    """Returns why a run failed, in the person's language."""
    if status.failure:
        return translate_error(status.failure)
    return _("The run ended with an error that was not foreseen; its log has the details.")


def result_figures(run: Run, status: RunStatus) -> list[Figure]:
    """Returns the figures of a run that has ended."""
    best = status.best_epoch
    trained, total = learned(run, status), status.total_parameters
    test = status.test_accuracy
    judged = _("on images never used before") if test is not None else _untested(status)
    untrue = translate_error(status.leaks.warning) if status.leaks and status.leaks.warning else ""
    if untrue and test is not None:
        judged = _("leaky: copies of them are in other splits")
    about = _("Share of the held-out images that are classified right.")
    return [
        Figure(
            _("Validation accuracy"),
            number_format.percent(status.val_accuracy or status.best_val_accuracy),
            _("best epoch {n}").format(n=best) if best else "",
            about,
        ),
        Figure(_("Test accuracy"), number_format.percent(test), judged, untrue or glossary.explain("test")),
        Figure(
            _("Learned"),
            number_format.count(trained),
            _("of {n} parameters").format(n=number_format.count(total)),
            _("Parameters that had learned in the weights that are kept, those of the best epoch."),
            exact=_("{n} parameters").format(n=number_format.exact(trained)) if trained is not None else "",
        ),
        Figure(
            _("Time"),
            number_format.duration(status.seconds or _elapsed(status)),
            _("{n} images/s").format(n=number_format.rate(status.images_per_second)),
        ),
    ]


def _untested(status: RunStatus) -> str:
    """Says why there is no test accuracy: no images for it, or the run has not come so far."""
    used = (status.train_images or 0) + (status.val_images or 0) + status.unreadable_images
    left = max(0, (status.images or 0) - used)
    if status.images is None or (not left and status.state in ("finished", "stopped")):
        return _("no test images") if status.state in ("finished", "stopped") else ""
    return _n("{n} image waits for the end", "{n} images wait for the end", left).format(n=left) if left else ""
