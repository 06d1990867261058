"""Repairing the images where the mistakes are seen: another class, or left out, undo, and training again on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.runs.launch import start
from pages.ui.kit import clicks, components, nav
from pages.ui.runs import queue_panel
from pages.ui.session import caches, choices
from pages.ui.session.address import Bound
from pages.ui.text.i18n import _, _n, translate_error

if TYPE_CHECKING:
    from core.data.revisions.record import Revision
    from core.runs.store import Run

REPAIRED = Bound("repaired")
"""Hash of the revision that was made of the shown run's images."""
TICKED = "bl.eval.ticked"
_REFUSED, _CLASS = "bl.eval.repair.refused", "bl-eval-repair-class"


def ticked(run: Run) -> set[str]:
    """Returns the keys of the pictures of a run that are ticked."""
    known: tuple[str, set[str]] = st.session_state.setdefault(TICKED, (run.id, set()))
    if known[0] != run.id:
        known = st.session_state[TICKED] = (run.id, set())
    return known[1]


def draw(run: Run, classes: Sequence[str], called: dict[str, str]) -> None:
    """Draws what can be done about the ticked pictures, what was done, and the button that trains again.

    Args:
        run: The run.
        classes: Its classes.
        called: What the network takes each shown picture for.
    """
    error: InputError | None = st.session_state.pop(_REFUSED, None)
    if error is not None:
        st.warning(components.plain(translate_error(error)), icon=":material/block:")
    chosen = sorted(ticked(run))
    with st.container(horizontal=True, vertical_alignment="center", key="bl-eval-repair"):
        with st.popover(_("Relabel"), icon=":material/sell:", disabled=not chosen, key="bl-eval-relabel"):
            names = [called[key] for key in chosen if key in called]
            st.session_state.setdefault(_CLASS, names[0] if names else classes[0])
            label = st.selectbox(_("Class"), list(classes), key=_CLASS)
            if clicks.button(_("Relabel"), icon=":material/sell:", key="bl-eval-relabel-now"):
                _change(run, lambda revision: revision.relabelling(dict.fromkeys(chosen, label)))
        if clicks.button(
            _("It is right: relabel as it says"),
            icon=":material/fact_check:",
            disabled=not any(key in called for key in chosen),
            key="bl-eval-relabel-said",
            help=_("Each ticked picture gets the class that the network takes it for; the files stay."),
        ):
            _change(run, lambda revision: revision.relabelling({key: called[key] for key in chosen if key in called}))
        if clicks.button(_("Leave out"), icon=":material/block:", disabled=not chosen, key="bl-eval-exclude"):
            _change(run, lambda revision: revision.excluding(chosen))
        text = _n("{n} picture is ticked.", "{n} pictures are ticked.", len(chosen)).format(n=len(chosen))
        st.caption(text if chosen else _("A wrong label? Tick the picture."), width="content")
    _since(run)


def relabel(run: Run, key: str, label: str) -> None:
    """Gives one picture another class in the run's images, and draws the page anew."""
    _change(run, lambda revision: revision.relabelling({key: label}))


def relabelled(run: Run) -> dict[str, str]:
    """Returns the pictures that were given another class since the run, with the class."""
    if not REPAIRED.asked():
        return {}
    try:
        return dict(_current(run).relabelled)
    except InputError:
        return {}


def _change(run: Run, change: Callable[[Revision], Revision]) -> None:
    """Makes another revision of the run's images, and draws the page anew."""
    from core.workflows.retraining import repaired

    try:
        REPAIRED.choose(repaired(run, change(_current(run)), roots=caches.roots()).revision)
    except InputError as error:
        st.session_state[_REFUSED] = error
    ticked(run).clear()
    st.session_state.pop(_CLASS, None)
    st.rerun()


def _current(run: Run) -> Revision:
    """Returns the revision that was made last, else the run's own."""
    from dataclasses import replace

    from core.workflows.retraining import revision_of

    data = run.experiment.data
    asked = REPAIRED.asked()
    if not asked:
        return revision_of(data, roots=caches.roots())
    try:
        return revision_of(replace(data, revision=asked), roots=caches.roots())
    except InputError:
        REPAIRED.choose(None)  # another run's, or of a link
        return revision_of(data, roots=caches.roots())


def _since(run: Run) -> None:
    """Says what was changed since the run, with Undo and the button that trains again."""
    from core.workflows.retraining import again, repaired, revision_of

    if not REPAIRED.asked():
        return
    try:
        before, now = revision_of(run.experiment.data, roots=caches.roots()), _current(run)
    except InputError as error:
        components.note(translate_error(error))
        return
    sentences = [translate_error(sentence) for sentence in now.changes(before)]
    if not sentences:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="bl-eval-repaired"):
        components.note(_("Since this run: {changes}.").format(changes=", ".join(sentences)))
        if clicks.button(_("Undo"), icon=":material/undo:", key="bl-eval-repair-undo"):
            REPAIRED.choose(None if now.parent in ("", before.hash) else now.parent)
            st.rerun()
        if clicks.button(
            _("Train again"),
            type="primary",
            icon=":material/replay:",
            key="bl-eval-again",
            help=_("The same network and recipe on the repaired images; every other image stays in its split."),
        ):
            try:
                data = repaired(run, now, roots=caches.roots())
                name = _("{name}, repaired").format(name=run.name)
                started = start(again(run, data, name), roots=caches.roots(), owner=queue_panel.owner())
            except InputError as error:
                st.session_state[_REFUSED] = error
                st.rerun()
            choices.set_data(data, choices.data_title())
            choices.choose_run(started.id)
            nav.go("train", run=started.id)
