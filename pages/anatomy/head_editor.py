"""The head: what stands between the backbone's features and the classes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.specs import HeadSpec, ModelSpec
from pages.ui.kit import components, form_fields, network_diagram
from pages.ui.kit.components import Figure
from pages.ui.kit.page_states import broken
from pages.ui.session import caches, choices
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n, translate_error

if TYPE_CHECKING:
    from core.models.anatomy.records import Anatomy

LAYER_KINDS = {
    "linear": N_("Linear"),
    "hidden": "Linear(256)-ReLU-Dropout-Linear",
    "dense": "Flatten-Dense(4096)-ReLU-Dense",
    "own": N_("Own sizes"),
}
MADE = {
    "linear": HeadSpec(),
    "hidden": HeadSpec(hidden=(256,), dropout=0.5),
    "dense": HeadSpec(hidden=(4096,), pool="flatten"),
}
POOLS = {"own": N_("As the network does"), "average": N_("Average"), "flatten": N_("Flatten")}
_OWN, _REFUSED = "bl.head.own", "bl.head.refused"


def builder(anatomy: Anatomy, spec: ModelSpec, classes: int | None) -> None:
    """Draws the choice of a head, and what it amounts to.

    Args:
        anatomy: The network's anatomy with the head that is chosen now.
        spec: The chosen network.
        classes: Number of classes of the chosen data; ``None`` before any are chosen.
    """
    refused = pool_reasons(spec)
    kind = _kind(spec.head)
    options = [name for name in LAYER_KINDS if name != "dense" or not refused["flatten"] or kind == "dense"]
    picked = form_fields.choice(
        _("Head"),
        options,
        "bl-head-kind",
        names=LAYER_KINDS,
        wrap=True,
        help=_("The head is new for your classes: it turns the backbone's features into one value a class."),
        value=kind,
    )
    if picked and picked != kind:
        st.session_state[_OWN] = picked == "own"
        _set(spec, MADE.get(picked, replace(spec.head, hidden=spec.head.hidden or (512, 128))))
    head = spec.head
    hidden = _hidden(head.hidden) if kind == "own" else head.hidden
    first, second = st.columns([1.4, 1])
    with first:
        pool = _pool(head.pool, refused)
    choices.follow("bl-head-dropout", round(head.dropout * 100))
    dropout = second.slider(
        _("Dropout"),
        0,
        90,
        key="bl-head-dropout",
        step=5,
        format="%d %%",
        help=_("Share of the values before the last layer that each training step leaves out, at random."),
    )
    if hidden is not None:
        wanted = HeadSpec(hidden, pool, dropout / 100)
        if wanted != head:
            _set(spec, wanted)
    for name, reason in refused.items():
        if reason:
            components.note(f"{_(POOLS[name])}: {reason}")
    _result(anatomy, classes)


def pool_reasons(spec: ModelSpec) -> dict[str, str]:
    """Returns for each way of pooling why this network cannot have it, translated; empty where it can."""
    found = {"own": ""}
    for pool in ("average", "flatten"):
        try:
            caches.anatomy(replace(spec, head=HeadSpec(pool=pool)), 2)
            found[pool] = ""
        except InputError as error:
            found[pool] = translate_error(error)
    return found


def _kind(head: HeadSpec) -> str:
    if st.session_state.get(_OWN):
        return "own"
    if not head.hidden:
        return "linear"
    if head.hidden == (256,) and head.pool != "flatten":
        return "hidden"
    return "dense" if head.hidden == (4096,) and head.pool == "flatten" else "own"


def _set(spec: ModelSpec, head: HeadSpec) -> None:
    """Chooses a head if the network can be built with it; says why not otherwise, and keeps the one before."""
    wanted = replace(spec, head=head)
    try:
        caches.anatomy(wanted, 2)
    except InputError as error:
        st.session_state[_REFUSED] = error
    else:
        st.session_state.pop(_REFUSED, None)
        choices.set_model(wanted)
    choices.read_again("bl-head-")
    st.rerun()


def _hidden(sizes: tuple[int, ...]) -> tuple[int, ...] | None:
    """Draws the sizes of the hidden layers; ``None`` while what is written makes no sense."""
    choices.follow("bl-head-hidden", ", ".join(map(str, sizes)))
    text = st.text_input(
        _("Hidden layers"),
        key="bl-head-hidden",
        placeholder="512, 128",
        max_chars=60,
        help=_("Sizes from the features to the classes, with commas between; each is followed by ReLU and dropout."),
    )
    try:
        found = tuple(int(word) for word in text.replace(";", ",").split(",") if word.strip())
    except ValueError:
        components.note(_("Give whole numbers with commas between, such as 512, 128. The head before is kept."))
        return None
    try:
        HeadSpec(found)
    except InputError as error:
        components.note(translate_error(error))
        return None
    return found


def _pool(pool: str, refused: dict[str, str]) -> str:
    possible = [name for name in POOLS if not refused[name] or name == pool]
    picked = form_fields.choice(
        _("Of the last feature map it gets"),
        possible,
        "bl-head-pool",
        names=POOLS,
        help=_("Average: the mean of each channel. Flatten: every value at its place, which takes many parameters."),
        value=pool,
    )
    return str(picked or pool)


def _result(anatomy: Anatomy, classes: int | None) -> None:
    """Draws what the head amounts to, each layer's formula filled in."""
    refused = st.session_state.get(_REFUSED)
    if refused is not None:
        broken(
            _("This head does not fit"),
            translate_error(refused),
            kept=_("The head before is kept."),
            icon="report",
            tone="warn",
        )
    if classes is None:
        components.note(
            _("No images are chosen yet, so the network is shown with its own head for {n} classes.").format(
                n=anatomy.num_classes
            )
        )
    stage = anatomy.stages[-1]
    layers = [layer for layer in anatomy.layers if layer.stage == stage.name and layer.leaf and layer.own_parameters]
    features = anatomy.head_features
    components.metrics(
        [
            Figure(_("Features"), number_format.exact(features), _("enter the head")),
            Figure(
                _("Classes"),
                number_format.exact(anatomy.num_classes),
                _("from your data") if classes else _("of ImageNet"),
            ),
            Figure(
                _("Head's parameters"),
                number_format.count(stage.parameters),
                _n("in {n} layer", "in {n} layers", len(layers)).format(n=len(layers)),
                exact=_("{n} parameters").format(n=number_format.exact(stage.parameters)),
            ),
        ],
        compact=True,
    )
    lines = [f"{layer.name}: {layer.formula}" for layer in layers if layer.formula]
    if lines:
        st.code("\n".join(lines), language=None)
    shown = " → ".join([str(features), *(network_diagram.shape_words(layer.output_shape) for layer in layers)])
    components.note(_("Sizes on the way: {list}").format(list=shown))
