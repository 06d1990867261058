"""What the person has chosen: kept from page to page, and in the address where a link should carry it.

The choices are the core's own frozen records. They live in the session; ``?run=``, ``?data=`` and ``?backbone=`` in
an address come first, so that a link opens the same thing for somebody else, and after a reload.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from core.errors import InputError
from core.specs import DataSpec, FreezePlan, ModelSpec
from pages.ui.session.train_form import TrainChoice, from_address, to_address
from pages.ui.text import display_names

DEFAULT_BACKBONE = "efficientnet_lite0"
TEST_SHARE = 0.2
"""Share of the images that a new choice of data holds out for the test."""


@dataclass(frozen=True, slots=True)
class ImageChoice:
    """The picture under study.

    Attributes:
        kind: ``sample``, ``upload``, ``camera`` or ``dataset``.
        name: What to call it (a file's name, or a key in the data set).
        data: The encoded file's bytes.
        truth: Its class, where it is known.
    """

    kind: str
    name: str
    data: bytes = field(repr=False)
    truth: str | None = None
    sha256: str = field(init=False, repr=False, compare=False)
    """The bytes' digest, worked out once: what caches are keyed on."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", hashlib.sha256(self.data).hexdigest())


def data() -> DataSpec | None:
    """Returns the chosen data, or ``None`` before anything was chosen."""
    wanted = (st.query_params.get("data") or "").strip()
    known: DataSpec | None = st.session_state.get("bl.data")
    if wanted and (known is None or known.source != wanted):
        known = DataSpec(wanted, test_share=TEST_SHARE)
        st.session_state["bl.data"] = known
        st.session_state["bl.data.title"] = None
    return known


def chosen_data() -> DataSpec:
    """Returns the chosen data, where something is about to be done with them.

    Raises:
        InputError: Nothing is chosen.
    """
    spec = data()
    if spec is None:
        raise InputError("No images are chosen.")
    return spec


def set_data(spec: DataSpec, title: str | None = None) -> None:
    """Chooses data; ``title`` is what the sidebar calls them."""
    st.session_state["bl.data"] = spec
    st.session_state["bl.data.title"] = title
    if "data" in st.query_params:
        st.query_params["data"] = spec.source


def data_title() -> str | None:
    """Returns what the chosen data are called."""
    spec = data()
    if spec is None:
        return None
    return st.session_state.get("bl.data.title") or display_names.data(spec.source)


def short_source(source: str) -> str:
    """Returns a folder's last part, or an embedded set's name as it is."""
    return source.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]


def model() -> ModelSpec:
    """Returns the chosen backbone and its weights; EfficientNet-Lite0, pretrained, before anything was chosen."""
    known: ModelSpec = st.session_state.get("bl.model") or ModelSpec(DEFAULT_BACKBONE)
    name, weights = st.query_params.get("backbone"), st.query_params.get("weights")
    if name and name != known.backbone:
        known = ModelSpec(name)
    if weights and weights != known.weights and not weights.startswith("file:"):  # files are no part of an address
        with suppress(InputError):
            known = replace(known, weights=weights)
    st.session_state["bl.model"] = known
    return known


def set_model(spec: ModelSpec) -> None:
    """Chooses a backbone and its weights."""
    st.session_state["bl.model"] = spec
    if "backbone" in st.query_params:
        st.query_params["backbone"] = spec.backbone
    if "weights" in st.query_params:
        st.query_params["weights"] = spec.weights


def freeze() -> FreezePlan:
    """Returns what of the backbone may learn; nothing but the head before anything was chosen."""
    _read_setup()
    return st.session_state.get("bl.freeze") or FreezePlan()


def set_freeze(plan: FreezePlan) -> None:
    """Chooses what of the backbone may learn."""
    st.session_state["bl.freeze"] = plan


def train_choice() -> TrainChoice:
    """Returns the training choices."""
    _read_setup()
    return st.session_state.get("bl.train") or TrainChoice()


def set_train_choice(choice: TrainChoice) -> None:
    """Keeps the training choices."""
    st.session_state["bl.train"] = choice


def _read_setup() -> None:
    """Takes training choices and freeze plan from the address, once, where the session has none of its own."""
    if st.session_state.get("bl.setup.read"):
        return
    st.session_state["bl.setup.read"] = True
    if "bl.train" in st.session_state or "bl.freeze" in st.session_state:
        return
    found = from_address(st.query_params.get("setup") or "")
    if found is not None:
        st.session_state["bl.train"], st.session_state["bl.freeze"] = found


def show_setup_in_address() -> None:
    """Writes training choices and freeze plan into the address, so that a reload or a shared link finds them."""
    show_in_address(setup=to_address(train_choice(), freeze()))


def run_id() -> str | None:
    """Returns the chosen run's id: the address's ``?run=`` first, else the session's."""
    wanted = st.query_params.get("run")
    if wanted:
        st.session_state["bl.run"] = wanted
    return st.session_state.get("bl.run")


def run() -> Any:
    """Returns the chosen :class:`core.runs.store.Run`, or ``None``.

    Raises:
        RunMissing: A run is chosen that does not exist (any more); the page's boundary shows it.
    """
    chosen = run_id()
    if not chosen:
        return None
    from core.runs.store import RunStore

    return RunStore().get(chosen)


def choose_run(run_id: str | None) -> None:
    """Chooses a run (or none) and puts it into the address."""
    st.session_state["bl.run"] = run_id
    if run_id:
        st.query_params["run"] = run_id
    elif "run" in st.query_params:
        del st.query_params["run"]


def follow(key: str, value: Any) -> None:
    """Lets a widget follow a record, called just before the widget is drawn.

    The widget takes the record's value when it is new on the page, and when the record was changed elsewhere since
    the widget was last drawn. In between the widget leads: what the person has just set is not overwritten.

    Args:
        key: The widget's key.
        value: What the record says.
    """
    seen = f"bl.followed.{key}"
    # The record has the value it had, or the one that this widget gave it: then nobody else changed it.
    if key not in st.session_state or value not in st.session_state.get(seen, ()):
        st.session_state[key] = value
    st.session_state[seen] = (value, st.session_state[key])


def read_again(prefix: str) -> None:
    """Lets all widgets whose keys begin with ``prefix`` take the record's value when they are drawn next.

    For a record that was changed by something other than its widgets within a page: :func:`follow` alone could take
    a value that a widget had before for the widget's own.
    """
    for key in [key for key in st.session_state if str(key).startswith(f"bl.followed.{prefix}")]:
        del st.session_state[key]


def show_in_address(**values: str | None) -> None:
    """Writes choices into the address, so that a reload or a shared link finds them; ``None`` removes one."""
    for key, value in values.items():
        if value is None:
            if key in st.query_params:
                del st.query_params[key]
        elif st.query_params.get(key) != value:
            st.query_params[key] = value


def image() -> ImageChoice | None:
    """Returns the picture under study, or ``None``."""
    return st.session_state.get("bl.image")


def set_image(choice: ImageChoice | None) -> None:
    """Chooses the picture under study."""
    st.session_state["bl.image"] = choice


def run_name() -> str | None:
    """Returns the chosen run's name for the sidebar; ``None`` where there is none (any more)."""
    chosen = st.session_state.get("bl.run")
    if not chosen:
        return None
    from core.runs.store import RunStore

    try:
        return RunStore().get(chosen).name
    except InputError:
        return None
