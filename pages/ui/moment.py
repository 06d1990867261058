"""Which moment of a run is looked into: before training, the best epoch, the last one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from core.errors import InputError
from pages.ui import caches, faces, state
from pages.ui.i18n import N_, _, translate_error
from pages.ui.inside import Subject
from pages.ui.pickers import Target

NAMES = {"start": N_("Before training"), "best": N_("Best epoch"), "last": N_("Last epoch")}


@dataclass(frozen=True, slots=True)
class MomentTarget(Target):
    """A run at another moment than its best one.

    Attributes:
        moment: ``start`` or ``last``.
    """

    moment: str = "start"

    @property
    def key(self) -> tuple[Any, ...]:
        """What caches of things made with this network are keyed on."""
        return (self.reference, f"run@{self.moment}", self.stamp)

    def network(self) -> Any:
        """Loads the network, or returns the one that is loaded already."""
        return caches.remember("moment-networks", self.key, self._load, entries=3)

    def _load(self) -> Any:
        from core.lab.moments import network_at

        return network_at(self.run, self.moment, roots=caches.roots())  # type: ignore[arg-type]


def target_at(run: Any, moment: str) -> Target:
    """Returns a run at a moment as a network to look into."""
    from core.lab.moments import weights_at
    from pages.ui import pickers

    if moment == "best":
        return pickers.target_of(run)
    path = weights_at(run, moment)  # type: ignore[arg-type]
    try:
        stamp = path.stat().st_mtime_ns if path is not None else 0
    except OSError:
        stamp = 0
    title = _("{name}, {moment}").format(name=run.name, moment=_(NAMES[moment]).lower())
    return MomentTarget(run.id, title, "run", stamp, run, moment)


def choose(subject: Subject) -> Subject | None:
    """Draws the choice of a moment of a run and returns the subject at that moment; a backbone has but one.

    Returns:
        ``None`` where a face was drawn, since the weights are not to be had.
    """
    run = subject.target.run
    if run is None:
        return subject
    from core.lab.moments import moments_of

    offered = list(moments_of(run))
    asked = st.query_params.get("moment") or "best"
    key = "bl-moment"
    st.session_state[key] = asked if asked in offered else "best" if "best" in offered else offered[-1]
    chosen = st.segmented_control(
        _("At"), offered, key=key, format_func=lambda name: _(NAMES[name]), required=True,
        on_change=lambda: state.show_in_address(moment=_kept(st.session_state[key])),
        help=_("Which of the run's weights are looked into. Before training: the backbone and an untrained head."),
    )  # fmt: skip
    if chosen in (None, "best"):
        return subject
    target = target_at(run, str(chosen))
    try:
        with st.spinner(_("Loading {name} …").format(name=target.title), show_time=True):
            return replace(subject, target=target, network=target.network())
    except InputError as error:
        faces.broken(_("This moment cannot be looked into"), translate_error(error), icon="history_toggle_off",
                     tone="warn")  # fmt: skip
        return None


def _kept(moment: str | None) -> str | None:
    return None if moment in (None, "best") else moment
