"""What a person can ask of a run while it is at work, and what became of it.

The training process alone decides when something takes effect; until then it is shown as asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.errors import InputError
from core.runs.status import LIVE, RunStatus
from pages.ui.kit import one_shot_button
from pages.ui.runs import queue_panel
from pages.ui.session import caches, warmup
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n

if TYPE_CHECKING:
    from core.runs.store import Run
    from core.specs import Experiment, LiveChange, Phase

RATES = (0.1, 0.3, 0.5, 2.0, 3.0)
"""What the rate is multiplied by with one click."""
EXTRA = (1, 5, 10)
"""Epochs that are added with one click."""
LISTED = 12
"""Most changes that are listed."""
ASKED = {"pause": N_("Pause"), "stop": N_("Stop and keep the best weights"), "discard": N_("Stop and discard")}
_DISCARDED, _AGREED = "bl.discarded", "bl.agreed."


@dataclass(frozen=True, slots=True)
class Happened:
    """A change that took effect, or is yet to.

    Attributes:
        epoch: Epochs done when it took effect; ``None`` for one that was only asked for.
        step: Steps done then.
        text: What it is, translated.
    """

    epoch: float | None
    step: int | None
    text: str


def bar(run: Run, status: RunStatus, *, key: str) -> None:
    """Draws the controls of a run that is alive."""
    if not _may(run, status, key):
        return
    ending = status.state in ("stopping", "pausing")
    at_work = status.state == "running" and bool(status.epochs)
    with st.container(horizontal=True, vertical_alignment="center", width="content", key=f"{key}-controls"):
        st.button(
            _("Pausing …") if status.state == "pausing" else _("Pause"),
            icon=":material/pause_circle:",
            key=f"{key}-pause",
            disabled=ending,
            on_click=_ask,
            args=(run, "pause"),
            help=_("Ends after the step it is in and frees the device. Resume goes on as if nothing had happened."),
        )
        st.button(
            _("Stopping …") if status.state == "stopping" else _("Stop, keep the best"),
            icon=":material/stop_circle:",
            key=f"{key}-stop",
            disabled=ending,
            on_click=_ask,
            args=(run, "stop"),
            help=_("Ends after the step it is in. The best weights so far are kept and judged."),
        )
        change = st.popover(_("Change"), icon=":material/tune:", key=f"{key}-change", on_change="rerun")
    if change.open:  # what is not seen is not sent each second
        with change:
            _changes(run, status, key, at_work=at_work and not ending)
    one_shot_button.refusal()


def _may(run: Run, status: RunStatus, key: str) -> bool:
    """Returns whether this person may control a run; of somebody else's run it says whose it is, and asks first."""
    whose, agreed = queue_panel.whose(status), f"{_AGREED}{run.id}"
    if not whose or st.session_state.get(agreed):
        return True
    with st.popover(_("Control it"), icon=":material/group:", key=f"{key}-whose"):
        st.markdown(whose)
        st.button(
            _("Control it all the same"),
            key=f"{key}-agreed",
            on_click=partial(st.session_state.__setitem__, agreed, True),
        )
    return False


def _changes(run: Run, status: RunStatus, key: str, *, at_work: bool) -> None:
    """Draws what can be changed, inside the popover."""
    if at_work:
        _rate(run, status, key)
        _unfreeze(run, status, key)
        _extend(run, status, key)
    else:
        st.caption(_("The training can be changed once its first epoch has begun."))
    _discard(run, key)


def _ask(run: Run, kind: str, value: float = 1.0) -> None:
    one_shot_button.attempt(partial(run.request, kind, value))


def _rate(run: Run, status: RunStatus, key: str) -> None:
    now = status.lr
    st.markdown(
        _("**Learning rate**, now {rate}. A change holds until the phase ends.").format(rate=number_format.number(now))
    )
    with st.container(horizontal=True, key=f"{key}-rates"):
        for factor in RATES:
            one_shot_button.button(
                f"× {factor:g}",
                partial(run.request, "rate", factor),
                key=f"{key}-rate-{factor:g}",
                help=_("{before} becomes {after}").format(
                    before=number_format.number(now), after=number_format.number(now * factor)
                )
                if now
                else None,
            )
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{key}-rate-own"):
        own = f"{key}-rate-factor"
        st.number_input(_("Times"), 1e-6, 1e6, 0.7, format="%g", key=own, persist_state="session")
        one_shot_button.button(_("Change the rate"), partial(_written, run, "rate", own), key=f"{key}-rate-go")


def _unfreeze(run: Run, status: RunStatus, key: str) -> None:
    stage, reason = next_stage(run, status)
    st.markdown(_("**What learns**"))
    label = _("Unfreeze {stage} now").format(stage=stage) if stage else _("Unfreeze the next stage now")
    one_shot_button.button(
        label,
        partial(run.request, "unfreeze", 1),
        key=f"{key}-unfreeze",
        icon=":material/lock_open:",
        disabled=stage is None,
        help=reason or _("It joins in before the next epoch, with its own rate."),
    )
    if reason:
        st.caption(reason)


def _extend(run: Run, status: RunStatus, key: str) -> None:
    st.markdown(_("**Epochs**, now {n}. More are added to the phase at work.").format(n=status.epochs))
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{key}-epochs"):
        for more in EXTRA:
            one_shot_button.button(f"+{more}", partial(run.request, "extend", more), key=f"{key}-extend-{more}")
        own = f"{key}-extend-own"
        st.number_input(_("More"), 1, 100_000, 20, key=own, persist_state="session")
        one_shot_button.button(_("Add"), partial(_written, run, "extend", own), key=f"{key}-extend-go")


def _written(run: Run, kind: str, field: str) -> None:
    """Asks for what stands in a field at the click, which may be newer than what the page was last drawn with."""
    run.request(kind, float(st.session_state[field]))


def _discard(run: Run, key: str) -> None:
    sure = f"{key}-discard-sure"
    st.divider()
    if not st.session_state.get(sure):
        st.button(
            _("Stop and discard"),
            icon=":material/delete:",
            key=f"{key}-discard",
            on_click=partial(st.session_state.__setitem__, sure, True),
        )
        return
    st.markdown(_("This run with its weights and curves is removed for good."))
    with st.container(horizontal=True, key=f"{key}-discard-ask"):
        st.button(
            _("Discard for good"), type="primary", key=f"{key}-discard-now", on_click=_throw_away, args=(run, sure)
        )
        st.button(_("Keep it"), key=f"{key}-discard-not", on_click=partial(st.session_state.__setitem__, sure, False))


def discarded() -> str | None:
    """Returns the id of the run that this person discarded last; ``None`` once that was said."""
    return st.session_state.get(_DISCARDED)


def forget_discarded() -> None:
    """Notes that the person was told that the run is gone."""
    st.session_state.pop(_DISCARDED, None)


def _throw_away(run: Run, sure: str) -> None:
    st.session_state[sure] = False
    st.session_state[_DISCARDED] = run.id
    _ask(run, "discard")


# --- what learns ------------------------------------------------------------------------------------------------------


def next_stage(run: Run, status: RunStatus) -> tuple[str | None, str | None]:
    """Returns the stage that would join in next, or ``None`` and the reason why there is none."""
    if warmup.pending():
        return None, _("The network is being looked at.")
    experiment = caches.experiment(run)
    asked = sum(row["value"] for row in requests(run, status) if row["kind"] == "unfreeze")
    done = sum(act.value for act in experiment.training.acts if act.kind == "unfreeze" and _done(act, status))
    found = joined(experiment, status.phase_index, int(done + asked))
    if found:
        return found, None
    return None, _("Everything learns already.")


def joined(experiment: Experiment, phase: int, before: int, count: int = 1) -> str:
    """Returns the stages that join in when so many had joined before, as text; empty where none is left."""
    phases = experiment.training.phases
    at_work = phases[min(phase, len(phases) - 1)]
    return caches.remember(
        "joined",
        (experiment.model, experiment.freeze, at_work, before, count),
        lambda: _joined(experiment, at_work, before, count),
        entries=64,
    )


def _joined(experiment: Experiment, phase: Phase, before: int, count: int) -> str:
    from core.models import freeze
    from pages.ui.kit.network_diagram import stage_title

    anatomy, plan = caches.anatomy(experiment.model), experiment.plan(phase)
    now = freeze.stage_state(anatomy, freeze.unfreeze(anatomy, plan, before))
    then = freeze.stage_state(anatomy, freeze.unfreeze(anatomy, plan, before + count))
    changed = [name for name in then if then[name] != now[name]]
    return ", ".join(stage_title(name) for name in changed if name != "neck" or len(changed) == 1)


# --- what was asked for, and what took effect -------------------------------------------------------------------------


def requests(run: Run, status: RunStatus) -> list[dict[str, Any]]:
    """Returns what was asked of a live run and has not been heard by it yet."""
    from core.runs import control

    if status.state not in LIVE:
        return []
    return control.read(run.path, status.requests_read)[0]


def history(run: Run, status: RunStatus) -> list[Happened]:
    """Returns the changes of a run in the order in which they took effect, and what is still to."""
    try:
        experiment = caches.experiment(run)
    except InputError:
        return []
    per_epoch = status.steps / (status.epochs or 1) or 1.0
    found, thawed = [], 0
    for act in experiment.training.acts:
        text = _act_text(experiment, act.kind, act.value, act.phase, thawed)
        thawed += int(act.value) if act.kind == "unfreeze" else 0
        done = _done(act, status)
        found.append(Happened(act.step / per_epoch if done else None, act.step, text))
    for row in requests(run, status):
        if row["kind"] in ASKED:
            text = _(ASKED[row["kind"]])
        else:
            text = _act_text(experiment, row["kind"], row["value"], status.phase_index, thawed)
            thawed += int(row["value"]) if row["kind"] == "unfreeze" else 0
        found.append(Happened(None, None, text))
    return found


def listed(happened: list[Happened], *, most: int = LISTED) -> None:
    """Draws changes, the newest first."""
    rows = []
    for change in list(reversed(happened))[:most]:
        if change.step is None:
            symbol, when = "hourglass_top", _("asked, not yet in effect")
        elif change.epoch is None:
            symbol, when = (
                "schedule",
                _("will be repeated after step {step}").format(step=number_format.exact(change.step)),
            )
        else:
            symbol = "check"
            when = _("in epoch {epoch}, after step {step}").format(
                epoch=int(change.epoch) + 1, step=number_format.exact(change.step)
            )
        rows.append(
            f'<li><span class="bl-symbol" aria-hidden="true">{symbol}</span><b><bdi>{escape(change.text)}</bdi></b> '
            f"<span>{escape(when)}</span></li>"
        )
    st.html(f'<ul class="bl-changes">{"".join(rows)}</ul>')


def _done(act: LiveChange, status: RunStatus) -> bool:
    """Whether an act took effect; one of an earlier run that is repeated may still be to come."""
    ended = status.state == "finished"
    return ended or act.step <= status.step


def _act_text(experiment: Experiment, kind: str, value: float, phase: int, thawed: int) -> str:
    if kind == "rate":
        return _("Learning rate × {factor}").format(factor=f"{value:g}")
    if kind == "extend":
        return _n("{n} more epoch", "{n} more epochs", int(value)).format(n=int(value))
    names = "" if warmup.pending() else joined(experiment, phase, thawed, int(value))
    if names:
        return _("{stages} joined in").format(stages=names)
    return _n("{n} more stage learns", "{n} more stages learn", int(value)).format(n=int(value))
