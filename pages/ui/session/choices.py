"""What the person has chosen: kept from page to page, and in the address where a link should carry it.

The choices are the core's own frozen records. They live in the session, under keys that no other module touches; what
:mod:`pages.ui.session.address` names comes first. What nobody chose is as the chosen run has it: a run brings its data
and its backbone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

from core.errors import InputError
from core.specs import DataSpec, Experiment, FreezePlan, ModelSpec, from_record
from pages.ui.session import address, caches
from pages.ui.session.packed import pack, unpack
from pages.ui.session.train_form import TrainChoice, from_address, to_address
from pages.ui.text import display_names

if TYPE_CHECKING:
    from core.runs.store import Run

S = TypeVar("S", DataSpec, ModelSpec)

DEFAULT_BACKBONE = "efficientnet_lite0"
TEST_SHARE = 0.2
"""Share of the images that a new choice of data holds out for the test."""

_DATA_PARAMS = ("data", "split", "division")
RUN = address.Bound("run", kept="bl.run", also="chosen")
"""``run`` where the page is about it, ``chosen`` where it is only chosen."""
_DIVISION = re.compile(r"v(\d{1,2}(?:\.\d{1,3})?)t(\d{1,2}(?:\.\d{1,3})?)s(\d{1,10})n(\d{1,7})")
_NAMED = {
    DataSpec: ("source", "val_share", "test_share", "seed", "images_per_class"),
    ModelSpec: ("backbone", "weights"),
}
"""What of a record the address has in parameters of their own."""
_DATA, _DATA_TITLE = "bl.data", "bl.data.title"
_MODEL, _FREEZE, _TRAIN, _IMAGE = "bl.model", "bl.freeze", "bl.train", "bl.image"
_SETUP_SEEN, _FOLLOWED = "bl.setup.seen", "bl.followed."
_PLANNING = frozenset(("data", "backbone", "anatomy", "shortcut", "leak"))
"""Pages about what will be trained: no run is their subject, whatever their address names."""


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


def arrive(page: str) -> None:
    """Begins a run of the page: by the browser's Back and Forward, what the address does not name is not chosen.

    Args:
        page: Its name. Where no run can be the subject, one that the address names is only chosen.
    """
    address.begin(page)
    if page in _PLANNING and (named := address.read("run")) is not None:
        RUN.choose(named)
        address.write(run=None, chosen=named)
    if not address.by_history():
        return
    read_again("")
    for key, param in ((_DATA, "data"), (_MODEL, "backbone"), (_TRAIN, "setup"), (_FREEZE, "setup")):
        if address.read(param) is None:
            st.session_state.pop(key, None)
    st.session_state.pop(_SETUP_SEEN, None)


def carry() -> None:
    """Ends a run of the page: whatever is chosen goes into the address, whether or not the page is about it."""
    known: DataSpec | None = st.session_state.get(_DATA)
    found = data_params(known) if known else {}
    if _MODEL in st.session_state:
        found |= model_params(st.session_state[_MODEL])
    chosen = run_id()
    address.write(**found, chosen=None if address.read("run") == chosen else chosen)
    show_setup_in_address()
    address.end()


def data() -> DataSpec | None:
    """Returns the chosen data, else those of the chosen run; ``None`` before anything was chosen."""
    wanted = (address.read("data") or "").strip()
    known: DataSpec | None = st.session_state.get(_DATA)
    if not wanted:
        if known is None and (experiment := run_experiment()) is not None:
            return experiment.data
        return known
    if known is None or known.source != wanted:
        known = DataSpec(wanted, test_share=TEST_SHARE)
        st.session_state[_DATA], st.session_state[_DATA_TITLE] = known, None
    divided = _divided(known, address.read("split"))
    rest = address.read("division")
    if address.read("split") and rest != _rest(divided):
        plain = DataSpec(**{name: getattr(divided, name) for name in _NAMED[DataSpec]})
        divided = _changed(plain, "division", rest)
    if divided != known:
        st.session_state[_DATA] = known = divided
    return known


def data_params(spec: DataSpec | None = None) -> dict[str, str | None]:
    """Returns how an address names data and their division: by default the chosen ones, nothing where none are.

    A division is written as ``v20t15s0n50``: percent of validation and of test images, the seed, and the most images
    of a class (0: all); what else there is of it is packed.
    """
    spec = spec or data()
    if spec is None:
        return {}
    shares = f"v{spec.val_share * 100:g}t{spec.test_share * 100:g}"
    split = f"{shares}s{spec.seed}n{spec.images_per_class or 0}"
    return {"data": spec.source, "split": split, "division": _rest(spec)}


def _divided(spec: DataSpec, text: str | None) -> DataSpec:
    """Returns the data divided as the address says; what is no division, or not allowed, changes nothing."""
    if text is None:
        return spec
    match = _DIVISION.fullmatch(text)
    if match is None:
        address.refuse("split", InputError("{value} is no division. Such is: v20t15s0n50.", value=text[:80]))
        return spec
    val, test, seed, limit = match.groups()
    try:
        return replace(
            spec,
            val_share=float(val) / 100,
            test_share=float(test) / 100,
            seed=int(seed),
            images_per_class=int(limit) or None,
        )
    except InputError as error:
        address.refuse("split", error)
        return spec


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
    st.session_state[_DATA], st.session_state[_DATA_TITLE] = spec, title
    if address.read("data"):
        address.write(**data_params(spec))


def forget_data() -> None:
    """Takes the choice of data back."""
    st.session_state.pop(_DATA, None)
    address.write(**dict.fromkeys(_DATA_PARAMS))


def data_title() -> str | None:
    """Returns what the chosen data are called."""
    spec = data()
    if spec is None:
        return None
    return st.session_state.get(_DATA_TITLE) or display_names.data(spec.source)


def model() -> ModelSpec:
    """Returns the chosen network; before anything was chosen the chosen run's, else EfficientNet-Lite0, pretrained."""
    name, weights, rest = address.read("backbone"), address.read("weights"), address.read("network")
    known: ModelSpec | None = st.session_state.get(_MODEL)
    if known is None and not name and (experiment := run_experiment()) is not None:
        return experiment.model
    known = known or ModelSpec(DEFAULT_BACKBONE)
    if name and name != known.backbone:
        known = ModelSpec(name)
    if weights and weights != known.weights and not weights.startswith("file:"):  # files are no part of an address
        known = _allowed(known, "weights", {"weights": weights})
    if name and rest != _rest(known):
        known = _changed(ModelSpec(known.backbone, known.weights), "network", rest)
    if name or weights or _MODEL in st.session_state:
        st.session_state[_MODEL] = known
    return known


def _changed(spec: S, param: str, packed: str | None) -> S:
    """Returns a record with what the address has packed; what cannot be read or is not allowed changes nothing."""
    try:
        values = unpack(packed) if packed else {}
        twice = set(values) & set(_NAMED[type(spec)])
        if twice:
            raise InputError("{name} has a parameter of its own.", name=min(twice))
        if str(values.get("group_by", "")).startswith("pattern:"):  # some take hours on a few names
            raise InputError("No link brings a pattern to group images by, as one can take hours.")
        return _allowed(spec, param, values)
    except InputError as error:
        address.refuse(param, error)
        return spec


def _allowed(spec: S, param: str, values: Mapping[str, object]) -> S:
    """Returns a record with values from the address; one that is not allowed is refused, and changes nothing."""
    known = {name: getattr(spec, name) for name in _NAMED[type(spec)]}
    try:
        return from_record(type(spec), param, {**known, **values})
    except (InputError, TypeError) as error:
        address.refuse(param, error if isinstance(error, InputError) else InputError("A value is of a wrong type."))
        return spec


def _rest(spec: DataSpec | ModelSpec) -> str | None:
    """Returns what of a record no parameter of its own names, as a text for the address."""
    plain = type(spec)(**{name: getattr(spec, name) for name in _NAMED[type(spec)]})
    own, usual = asdict(spec), asdict(plain)
    return pack({name: value for name, value in own.items() if value != usual[name]})


def set_model(spec: ModelSpec) -> None:
    """Chooses a network and its weights."""
    st.session_state[_MODEL] = spec
    if address.read("backbone"):
        address.write(**model_params(spec))


def model_params(spec: ModelSpec) -> dict[str, str | None]:
    """Returns how an address names a network; weights of a file have no name there."""
    weights = None if spec.weights.startswith("file:") else spec.weights
    return {"backbone": spec.backbone, "weights": weights, "network": _rest(spec)}


def freeze() -> FreezePlan:
    """Returns what of the backbone may learn; nothing but the head before anything was chosen."""
    _read_setup()
    return st.session_state.get(_FREEZE) or FreezePlan()


def set_freeze(plan: FreezePlan) -> None:
    """Chooses what of the backbone may learn."""
    st.session_state[_FREEZE] = plan


def train_choice() -> TrainChoice:
    """Returns the training choices."""
    _read_setup()
    return st.session_state.get(_TRAIN) or TrainChoice()


def set_train_choice(choice: TrainChoice) -> None:
    """Keeps the training choices."""
    st.session_state[_TRAIN] = choice


def _read_setup() -> None:
    """Takes training choices and freeze plan from the address, where it names others than it was given here."""
    text = address.read("setup")
    if text is None or text == st.session_state.get(_SETUP_SEEN):
        return
    st.session_state[_SETUP_SEEN] = text
    try:
        st.session_state[_TRAIN], st.session_state[_FREEZE] = from_address(text)
    except InputError as error:
        address.refuse("setup", error)


def show_setup_in_address(**others: str | None) -> None:
    """Writes training choices and freeze plan into the address, so that a reload or a shared link finds them.

    Args:
        others: Parameters that change with them; of two writes by one click a browser takes the first alone.
    """
    text = to_address(train_choice(), freeze())
    st.session_state[_SETUP_SEEN] = text
    address.write(setup=text, **others)


def run_id() -> str | None:
    """Returns the chosen run's id: the address's ``?run=`` first, else the session's."""
    return RUN.asked()


def run() -> Run | None:
    """Returns the chosen run, or ``None``.

    Raises:
        RunMissing: A run is chosen that does not exist (any more); the page's boundary shows it.
    """
    chosen = run_id()
    if not chosen:
        return None
    from core.runs.store import RunStore

    return RunStore().get(chosen)


def run_experiment() -> Experiment | None:
    """Returns the experiment of the chosen run; ``None`` where none is chosen, or it cannot be read."""
    try:
        chosen = run()
        found = None if chosen is None else caches.experiment(chosen)
        if chosen is not None and found is not None and found.data.revision:
            from core.data.revisions.store import adopt

            adopt(chosen.path)  # one that was made elsewhere
        return found
    except InputError:
        return None


def choose_run(run_id: str | None) -> None:
    """Chooses a run (or none) and puts it into the address."""
    RUN.choose(run_id)


def follow(key: str, value: object) -> None:
    """Lets a widget follow a record, called just before the widget is drawn.

    The widget takes the record's value when it is new on the page, and when the record was changed elsewhere since
    the widget was last drawn. In between the widget leads: what the person has just set is not overwritten. What the
    browser sends once more, as it has not had the record's value yet, nobody has set.

    Args:
        key: The widget's key.
        value: What the record says.
    """
    seen = f"{_FOLLOWED}{key}"
    # The record has the value it had, or the one that this widget gave it: then nobody else changed it.
    *known, sent = st.session_state.get(seen, (None,))
    now = st.session_state.get(key)
    repeated = address.behind() and now == sent and now not in known
    if key not in st.session_state or value not in known or repeated:
        st.session_state[key] = value
    else:
        address.keep(key)
    st.session_state[seen] = (value, st.session_state[key], now)


def read_again(prefix: str) -> None:
    """Lets all widgets whose keys begin with ``prefix`` take the record's value when they are drawn next.

    For a record that was changed by something other than its widgets within a page: :func:`follow` alone could take
    a value that a widget had before for the widget's own.
    """
    for key in [key for key in st.session_state if str(key).startswith(f"{_FOLLOWED}{prefix}")]:
        del st.session_state[key]


def image(use: str = "") -> ImageChoice | None:
    """Returns the picture under study, or ``None``; with ``use``, that of a place which has one of its own."""
    return st.session_state.get(f"{_IMAGE}{use}")


def set_image(choice: ImageChoice | None, use: str = "") -> None:
    """Chooses the picture under study. Arguments as for :func:`image`."""
    st.session_state[f"{_IMAGE}{use}"] = choice
