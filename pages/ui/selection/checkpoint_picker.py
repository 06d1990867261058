"""Which moment of a run is looked into: before training, after an epoch, the best epoch, the last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from pages.ui.kit import page_states
from pages.ui.selection.network_picker import Target
from pages.ui.session import address, caches
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from core.models.network import Network
    from core.runs.store import Run

NAMES = {"start": N_("Before training"), "best": N_("Best epoch"), "last": N_("Last epoch")}
MOMENT = address.Bound("moment")
KEY = "bl-moment"


@dataclass(frozen=True, slots=True)
class MomentTarget(Target):
    """A run at another moment than its best one.

    Attributes:
        moment: ``start``, ``last`` or the number of an epoch.
    """

    moment: str = "start"

    @property
    def key(self) -> tuple[object, ...]:
        """What caches of things made with this network are keyed on."""
        return (self.reference, f"run@{self.moment}", self.stamp)

    @property
    def named(self) -> str:
        """How a process or a command line names this network."""
        return f"{self.reference}@{self.moment}"

    def network(self) -> Network:
        """Loads the network, or returns the one that is loaded already."""
        return caches.remember("moment-networks", self.key, self._load, entries=3)

    def _load(self) -> Network:
        from core.workflows.checkpoints import network_at

        return network_at(self.trained, self.moment, roots=caches.roots())


def title(moment: str) -> str:
    """Returns what a person calls a moment."""
    return _(NAMES[moment]) if moment in NAMES else _("After epoch {n}").format(n=moment)


def beside(target: Target, other: Target) -> str:
    """Returns what a network is called beside another one: of the same run by its moment alone."""
    if target.run is None or other.run is None or target.run.id != other.run.id:
        return target.title
    return title(target.moment) if isinstance(target, MomentTarget) else _(NAMES["best"])


def target_at(run: Run, moment: str) -> Target:
    """Returns a run at a moment as a network to look into."""
    from core.workflows.checkpoints import weights_at
    from pages.ui.selection import network_picker

    if moment == "best":
        return network_picker.target_of(run)
    path = weights_at(run, moment)
    try:
        stamp = path.stat().st_mtime_ns if path is not None else 0
    except OSError:
        stamp = 0
    called = _("{name}, {moment}").format(name=run.name, moment=title(moment).lower())
    return MomentTarget(run.id, called, "run", stamp, run, moment)


def choose(target: Target) -> Target:
    """Draws the choice of a moment of a run and returns the run at that moment; a backbone has but one."""
    run = target.run
    if run is None:
        return target
    from core.workflows.checkpoints import epochs_of, named_checkpoints

    epochs, named = epochs_of(run), named_checkpoints(run)
    offered = [name for name in NAMES if name in named]
    offered[1 if "start" in offered else 0 : 0] = [str(epoch) for epoch in epochs]
    usual = "best" if "best" in offered else offered[-1]
    asked = MOMENT.asked() or usual
    number = _nearest(epochs, asked)
    st.session_state[KEY] = str(number) if number is not None else asked if asked in offered else usual
    chosen = st.selectbox(
        _("Moment of the training"),
        offered,
        key=KEY,
        format_func=title,
        on_change=lambda: MOMENT.choose(None if st.session_state[KEY] == "best" else st.session_state[KEY]),
        label_visibility="collapsed",
        width=165,
    )
    return target if chosen in (None, "best") else target_at(run, str(chosen))


def load(target: Target) -> Network | None:
    """Loads the network at a moment; draws a face and returns ``None`` where its weights are not to be had."""
    try:
        with st.spinner(_("Loading {name} …").format(name=target.title), show_time=True):
            return target.network()
    except InputError as error:
        page_states.broken(
            _("This moment cannot be looked into"), translate_error(error), icon="history_toggle_off", tone="warn"
        )
        return None


def _nearest(epochs: Sequence[int], asked: str) -> int | None:
    """Returns the kept epoch that is nearest to the number asked for; ``None`` where none is or no number was."""
    if not epochs or not (asked.isascii() and asked.isdigit()):
        return None
    return min(epochs, key=lambda epoch: abs(epoch - int(asked[:9])))
