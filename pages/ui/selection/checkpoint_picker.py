"""Which moment of a run is looked into: before training, after an epoch, the best epoch, the last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from core.errors import InputError
from pages.ui.kit import page_states
from pages.ui.selection.network_picker import Target
from pages.ui.selection.subjects import Subject
from pages.ui.session import address, caches
from pages.ui.text.i18n import N_, _, translate_error

NAMES = {"start": N_("Before training"), "best": N_("Best epoch"), "last": N_("Last epoch")}
EPOCH = "epoch"
MOMENT = address.Bound("moment")
KIND, NUMBER = "bl-moment", "bl-moment-epoch"


@dataclass(frozen=True, slots=True)
class MomentTarget(Target):
    """A run at another moment than its best one.

    Attributes:
        moment: ``start``, ``last`` or the number of an epoch.
    """

    moment: str = "start"

    @property
    def key(self) -> tuple[Any, ...]:
        """What caches of things made with this network are keyed on."""
        return (self.reference, f"run@{self.moment}", self.stamp)

    @property
    def named(self) -> str:
        """How a process or a command line names this network."""
        return f"{self.reference}@{self.moment}"

    def network(self) -> Any:
        """Loads the network, or returns the one that is loaded already."""
        return caches.remember("moment-networks", self.key, self._load, entries=3)

    def _load(self) -> Any:
        from core.workflows.checkpoints import network_at

        return network_at(self.run, self.moment, roots=caches.roots())


def title(moment: str) -> str:
    """Returns what a person calls a moment."""
    return _(NAMES[moment]) if moment in NAMES else _("After epoch {n}").format(n=moment)


def target_at(run: Any, moment: str) -> Target:
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


def choose(subject: Subject) -> Subject | None:
    """Draws the choice of a moment of a run and returns the subject at that moment; a backbone has but one.

    Returns:
        ``None`` where a face was drawn, since the weights are not to be had.
    """
    target = choose_target(subject.target)
    if target is subject.target:
        return subject
    network = load(target)
    return None if network is None else replace(subject, target=target, network=network)


def choose_target(target: Target) -> Target:
    """Draws the choice of a moment of a run and returns the run at that moment; a backbone has but one."""
    run = target.run
    if run is None:
        return target
    from core.workflows.checkpoints import epochs_of, named_checkpoints

    epochs = epochs_of(run)
    offered = [*named_checkpoints(run), *([EPOCH] if epochs else [])]
    asked = MOMENT.asked() or "best"
    number = _nearest(epochs, asked)
    kind = EPOCH if number is not None else asked
    st.session_state[KIND] = kind if kind in offered else "best" if "best" in offered else offered[-1]
    with st.container(horizontal=True, vertical_alignment="bottom", key="bl-moments"):
        chosen = st.segmented_control(
            _("At"),
            offered,
            key=KIND,
            format_func=lambda name: _("An epoch") if name == EPOCH else _(NAMES[name]),
            required=True,
            on_change=lambda: _remember(epochs),
            wrap=True,
            help=_("Which of the run's weights are looked into. Before training: the backbone and an untrained head."),
        )
        if chosen == EPOCH:
            chosen = _epoch_slider(epochs, number)
    return target if chosen in (None, "best") else target_at(run, str(chosen))


def load(target: Target) -> Any:
    """Loads the network at a moment; draws a face and returns ``None`` where its weights are not to be had."""
    try:
        with st.spinner(_("Loading {name} …").format(name=target.title), show_time=True):
            return target.network()
    except InputError as error:
        page_states.broken(
            _("This moment cannot be looked into"), translate_error(error), icon="history_toggle_off", tone="warn"
        )
        return None


def _epoch_slider(epochs: Sequence[int], number: int | None) -> str:
    """Draws the choice of an epoch that weights are kept of."""
    here = number if number is not None else epochs[-1]
    if len(epochs) > 1:
        st.session_state[NUMBER] = here
        here = st.select_slider(
            _("After epoch"),
            list(epochs),
            key=NUMBER,
            on_change=lambda: _remember(epochs),
            width=320,
            help=_("The epochs whose weights were kept: spread over the run, as far as its space for them goes."),
        )
    return str(here)


def _remember(epochs: Sequence[int]) -> None:
    """Writes the chosen moment into the address."""
    kind = st.session_state.get(KIND)
    if kind == EPOCH:
        kind = str(st.session_state.get(NUMBER) or epochs[-1])
    MOMENT.choose(None if kind in (None, "best") else kind)


def _nearest(epochs: Sequence[int], asked: str) -> int | None:
    """Returns the kept epoch that is nearest to the number asked for; ``None`` where none is or no number was."""
    if not epochs or not (asked.isascii() and asked.isdigit()):
        return None
    return min(epochs, key=lambda epoch: abs(epoch - int(asked[:9])))
