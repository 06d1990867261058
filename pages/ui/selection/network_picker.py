"""Pickers: which network, which image, which layer. What is picked stays picked from page to page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.errors import InputError
from core.specs import ModelSpec
from pages.ui.kit import components
from pages.ui.session import address, caches, choices, run_list
from pages.ui.text.i18n import _

if TYPE_CHECKING:
    from core.models.network import Network
    from core.runs.store import Run

_KIND = "bl.kind"


@dataclass(frozen=True, slots=True)
class Target:
    """A network to look into, named but not yet loaded.

    Attributes:
        reference: A run's id, or a backbone's name.
        title: What a person calls it.
        weights: For a backbone, ``default`` or ``none``; ``run`` for a run.
        stamp: For a run, its checkpoint's time of change.
        run: The :class:`core.runs.store.Run`, or ``None`` for a backbone.
    """

    reference: str
    title: str
    weights: str
    stamp: int = 0
    run: Run | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """What caches of things made with this network are keyed on."""
        return (self.reference, self.weights, self.stamp)

    @property
    def trained(self) -> Run:
        """The run, for what only a run has."""
        assert self.run is not None
        return self.run

    @property
    def named(self) -> str:
        """How a process or a command line names this network."""
        return self.reference

    def network(self) -> Network:
        """Loads the network, or returns the one that is loaded already.

        Raises:
            InputError: It has no weights, or they cannot be had here.
        """
        weights = "default" if self.weights == "run" else self.weights
        return caches.network(self.reference, weights, self.stamp)


def runs_with_weights() -> list[Run]:
    """Returns the runs whose weights can be loaded, the newest first."""
    return run_list.listed(weights=True, chosen=choices.run_id())


def run_picker(key: str, *, weights: bool = True, **settings: Any) -> Run | None:
    """Draws a list of the runs and returns the chosen :class:`core.runs.store.Run`, or ``None`` where there is none.

    Args:
        key: Stable widget key.
        weights: Whether only runs with weights are offered.
        settings: Others of ``st.selectbox``.
    """
    runs = run_list.listed(weights=weights, chosen=choices.run_id())
    if not runs:
        return None
    ids = [run.id for run in runs]
    names = run_list.labels(runs)
    wanted = choices.run_id()
    if wanted in ids:
        if st.session_state.get(key) != wanted:
            st.session_state[key] = wanted
    elif st.session_state.get(key) not in ids:
        st.session_state[key] = ids[0]
    chosen = st.selectbox(
        _("Run"),
        ids,
        key=key,
        format_func=lambda id_: names[id_],
        persist_state="session",
        on_change=lambda: choices.choose_run(st.session_state[key]),
        **settings,
    )
    if chosen != choices.run_id() or address.read("run") != chosen:
        choices.choose_run(chosen)
    return runs[ids.index(chosen)]


def network_picker(key: str = "bl-network") -> Target | None:
    """Draws the choice between a run and a bare backbone, and returns what is chosen.

    Before the first run there is no choice to make: the chosen backbone is returned.

    Args:
        key: Stable start of the widgets' keys. The same key on several pages keeps the choice.
    """
    runs = runs_with_weights()
    kind = _kind(runs)
    if runs:
        kinds = {"run": _("Run"), "backbone": _("Backbone")}
        st.session_state[f"{key}-kind"] = kind  # the widget mirrors the choice; its callback makes it
        st.segmented_control(
            _("Look into"),
            list(kinds),
            format_func=lambda k: kinds[k],
            key=f"{key}-kind",
            required=True,
            label_visibility="collapsed",
            on_change=lambda: choose_kind(st.session_state[f"{key}-kind"]),
        )
    if kind == "run":
        run = run_picker(f"{key}-run", label_visibility="collapsed", width=244)
        return target_of(run) if run else None
    return _backbone_picker(key)


def _kind(runs: Sequence[Run]) -> str:
    """Returns whether a run or a bare backbone is looked into: the address first, then the last choice."""
    if not runs:
        return "backbone"
    if address.read("run"):
        st.session_state[_KIND] = "run"
    elif _KIND not in st.session_state:
        st.session_state[_KIND] = "backbone" if address.read("backbone") else "run"
    return str(st.session_state[_KIND])


def choose_kind(kind: str) -> None:
    """Chooses to look into a ``run`` or into a ``backbone``."""
    st.session_state[_KIND] = kind
    if kind == "run":
        address.write(run=choices.run_id(), backbone=None, weights=None)
    else:
        address.write(run=None, image=None)


def target_of(run: Run) -> Target:
    """Returns a run with weights as a network to look into."""
    return Target(run.id, run.name, "run", run.checkpoint.stat().st_mtime_ns, run)


def _backbone_picker(key: str) -> Target:
    """Draws backbone and weights; both follow the choice made on the Backbone page, and change it.

    What is chosen there but cannot be looked into before a training (a network of one's own, weights handed on)
    stays chosen; the nearest that can be is shown.
    """
    from core.models.catalog.catalog import BACKBONES, backbone

    spec, looked = choices.model(), _bare(choices.model())
    names = list(BACKBONES) if looked.backbone in BACKBONES else [looked.backbone, *BACKBONES]
    labels = _weights_of(looked)
    st.session_state[f"{key}-backbone"], st.session_state[f"{key}-weights"] = looked.backbone, looked.weights
    st.selectbox(
        _("Backbone"),
        names,
        key=f"{key}-backbone",
        format_func=lambda n: backbone(n).title,
        label_visibility="collapsed",
        width=240,
        on_change=lambda: choose_model(st.session_state[f"{key}-backbone"], looked.weights),
    )
    st.segmented_control(
        _("Weights"),
        list(labels),
        key=f"{key}-weights",
        format_func=lambda w: labels[w],
        required=True,
        label_visibility="collapsed",
        on_change=lambda: choose_model(looked.backbone, st.session_state[f"{key}-weights"]),
    )
    if looked == spec:
        address.write(run=None, backbone=spec.backbone, weights=spec.weights)
    else:
        address.write(run=None, backbone=None, weights=None)
        components.note(
            _("Your own network, or weights handed on, can be looked into once a run has trained with them.")
        )
    return Target(looked.backbone, backbone(looked.backbone).title, looked.weights)


def _bare(spec: ModelSpec) -> ModelSpec:
    """Returns the chosen network as it comes, or the nearest that does: a known backbone with weights of its own."""
    from core.models.catalog.catalog import backbone, entries

    try:
        backbone(spec.backbone)
    except InputError:
        return ModelSpec(choices.DEFAULT_BACKBONE)
    if spec.backbone == "own":
        return ModelSpec(choices.DEFAULT_BACKBONE)
    own = [entry.name for entry in entries(spec.backbone)]
    known = {"none", *own, *(["default"] if own else [])}
    weights = spec.weights if spec.weights in known else "default" if "default" in known else "none"
    if weights == spec.weights and not spec.design:
        return spec
    return ModelSpec(spec.backbone, weights)


def _weights_of(spec: ModelSpec) -> dict[str, str]:
    """Returns the weights that a backbone can be looked into with, and their names."""
    from core.models.catalog.catalog import entries

    labels = {"default": _("Pretrained")} if entries(spec.backbone) else {}
    if spec.weights not in ("default", "none"):
        labels[spec.weights] = spec.weights
    return {**labels, "none": _("Random")}


def choose_model(backbone: str, weights: str) -> None:
    """Chooses a backbone and its weights, and puts them into the address."""
    known = choices.model()
    spec = replace(known, weights=weights)
    if known.backbone != backbone or known.design:  # size, channels and pieces were the other network's
        spec = _bare(ModelSpec(backbone, weights))
        weights = spec.weights
    if spec != known:
        choices.set_model(spec)
    address.write(run=None, backbone=backbone, weights=weights)
