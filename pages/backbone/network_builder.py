"""The builder of small networks: layers are added, moved and changed, and what comes of it is worked out at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from core.specs import ModelSpec, Piece
from pages.ui.kit import components, form_fields
from pages.ui.kit.components import Figure
from pages.ui.plan import layer_fields, layer_list
from pages.ui.plan.layer_list import LayerList
from pages.ui.session import choices
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, translate_error

STARTER = (layer_fields.USUAL["conv"], Piece("relu"), layer_fields.USUAL["max-pool"])
QUICK = ("conv", "batch-norm", "relu", "max-pool", "dropout", "linear")
_KEY = "bl.builder"
_LOW_SIZE, _HIGH_SIZE = 8, 1024


@dataclass(slots=True, kw_only=True)
class Draft(LayerList):
    """The layers as they stand on the screen, and what they look at.

    Attributes:
        size: Side of the images, in pixels.
        channels: Channels of the images.
        made: What of the spec they were read from, or made last.
    """

    size: int
    channels: int
    made: tuple[object, ...]


def draw(spec: ModelSpec, classes: int | None = None) -> ModelSpec:
    """Draws the builder and returns what it makes of ``spec``.

    Args:
        spec: A network of one's own, or one of the course's small networks. Once a layer is changed, the latter
            becomes a network of one's own.
        classes: Number of classes of the chosen data; ``None`` for the network's own.

    Returns:
        The network to use from now on. While the layers on the screen are impossible, that is the one before.
    """
    from core.models.architectures import small_networks

    draft = _draft(spec)
    _start(draft)
    _images(draft)
    outputs = classes or (small_networks.find(spec.backbone) or small_networks.OWN).num_classes
    problem = _layers(draft, outputs)
    layer_list.add(draft, QUICK)
    if problem or not draft.rows:
        if not draft.rows:
            components.note(_("Add at least one layer, or start from one of the small networks."))
        components.note(_("Until this is mended, the network before it stays chosen."))
        return spec
    _summary(draft, outputs, from_data=classes is not None)
    made = _made(spec, draft)
    draft.made = _source(made)
    return made


def _single(draft: Draft) -> bool:
    """Tells whether the layers on the screen are those of a small network that ends in one sigmoid output."""
    from core.models.architectures import small_networks

    network = small_networks.NETWORKS.get(str(draft.made[0]))
    return network is not None and network.single and draft.design == network.design


def _source(spec: ModelSpec) -> tuple[object, ...]:
    return spec.backbone, spec.design, spec.image_size, spec.channels


def _draft(spec: ModelSpec) -> Draft:
    """Returns the layers on the screen; those of the spec where it was changed elsewhere."""
    from core.models.architectures import small_networks

    draft: Draft | None = st.session_state.get(_KEY)
    if draft is None or draft.made != _source(spec):
        network = small_networks.find(spec.backbone) or small_networks.OWN
        size, channels = spec.image_size or network.input_size, spec.channels or network.channels
        # numbers go on where the last draft stopped, so that no widget inherits another layer's value
        draft = Draft(count=draft.count if draft else 0, size=size, channels=channels, made=_source(spec))
        draft.fill(spec.design or network.design or STARTER)
        st.session_state[_KEY] = draft
    return draft


def _made(spec: ModelSpec, draft: Draft) -> ModelSpec:
    """Returns the spec of the layers: the course's own network as long as they are just its layers."""
    from core.models.architectures import small_networks

    network = small_networks.NETWORKS.get(spec.backbone)
    weights = spec.weights if spec.weights.startswith(("run:", "file:")) else "none"
    if network is not None and draft.design == network.design:
        size = None if draft.size == network.input_size else draft.size
        channels = None if draft.channels == network.channels else draft.channels
        return replace(spec, weights=weights, design=(), image_size=size, channels=channels)
    return replace(
        spec,
        backbone=small_networks.OWN.name,
        weights=weights,
        design=draft.design,
        image_size=draft.size,
        channels=draft.channels,
    )


def _start(draft: Draft) -> None:
    """Draws what the layers may start from: nothing, or one of the small networks with settings of one's own."""
    from core.models.architectures import small_networks

    with st.popover(_("Start from …"), icon=":material/restart_alt:", key="bl-build-start"):
        name = st.selectbox(
            _("Network"),
            ["", *small_networks.NETWORKS],
            key="bl-build-from",
            format_func=lambda n: _(small_networks.NETWORKS[n].title) if n else _("Empty"),
        )
        if not name:
            st.button(_("Start empty"), key="bl-build-empty", on_click=draft.fill, args=((),))
            return
        network = small_networks.NETWORKS[name]
        components.note(_(network.description))
        design = _parameters(name)

        def take() -> None:
            if design is not None:
                draft.fill(design)
                draft.size, draft.channels = network.input_size, network.channels

        st.button(_("Use these layers"), key="bl-build-take", on_click=take, type="primary", disabled=design is None)


_PARAMETERS = {
    "channels": N_("Channels of the convolutions"),
    "kernel": N_("Window"),
    "hidden": N_("Hidden layers"),
    "dropout": N_("Dropout"),
    "slope": N_("Slope below zero"),
}


def _parameters(name: str) -> tuple[Piece, ...] | None:
    """Draws a small network's settings; returns its layers, or ``None`` while what is written makes no sense."""
    import inspect

    from core.errors import InputError
    from core.models.architectures import small_networks

    build = getattr(small_networks, name)
    values: dict[str, Any] = {}
    for parameter in inspect.signature(build).parameters.values():
        key, label, usual = f"bl-build-{name}-{parameter.name}", _(_PARAMETERS[parameter.name]), parameter.default
        if isinstance(usual, tuple):
            text = st.text_input(label, ", ".join(map(str, usual)), key=key, max_chars=60)
            values[parameter.name] = text
        elif isinstance(usual, float):
            values[parameter.name] = st.number_input(label, 0.0, 0.95, usual, 0.05, key=key)
        else:
            values[parameter.name] = st.number_input(label, 1, 16_384, usual, key=key)
    try:
        return build(**{k: _numbers(v) if isinstance(v, str) else v for k, v in values.items()})
    except InputError as error:
        components.note(translate_error(error))
    except ValueError:
        components.note(_("Give whole numbers with commas between, such as 32, 64."))
    return None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.replace(";", ",").split(",") if word.strip())


def _images(draft: Draft) -> None:
    """Draws what the network looks at."""
    with st.container(key="bl-build-images", horizontal=True, vertical_alignment="bottom"):
        choices.follow("bl-build-size", draft.size)
        draft.size = st.number_input(
            _("Image size in px"),
            _LOW_SIZE,
            _HIGH_SIZE,
            key="bl-build-size",
            width=150,
            help=_("Every image is squeezed into a square of this side."),
        )
        choices.follow("bl-build-channels", draft.channels)
        labels = {1: _("Gray"), 3: _("RGB")}
        picked = form_fields.choice(
            _("Colours"),
            labels,
            "bl-build-channels",
            help=_("Gray images have one channel, colour images three: red, green and blue."),
        )
        draft.channels = picked or draft.channels


def _layers(draft: Draft, outputs: int) -> bool:
    """Draws the rows; returns whether one of them is impossible."""
    from core.models.architectures.small_networks import trace_design

    layer_list.picture((draft.channels, draft.size, draft.size))
    slots = layer_list.fields(draft)
    # Only now all settings are known, and what a layer gives depends on those before it.
    steps = trace_design(draft.design, draft.channels, draft.size, outputs, single=_single(draft))
    layer_list.results(slots, steps)
    return steps[-1].problem is not None


def _summary(draft: Draft, outputs: int, *, from_data: bool) -> None:
    from core.models.architectures.small_networks import trace_design

    steps = trace_design(draft.design, draft.channels, draft.size, outputs, single=_single(draft))
    total = sum(step.parameters for step in steps)
    dense = sum(step.parameters for step in steps if step.piece.kind == "linear")
    for_whom = _("the classes of your data") if from_data else _("its usual number of classes")
    components.metrics(
        [
            Figure(
                _("Parameters"),
                number_format.count(total),
                _("the last layer counted"),
                exact=number_format.exact(total),
            ),
            Figure(_("In dense layers"), number_format.percent(dense / total), _("of all parameters")),
            Figure(_("Before the last layer"), number_format.exact(steps[-1].input_shape[0]), _("values an image")),
            Figure(_("Outputs"), number_format.exact(outputs), for_whom),
        ],
        compact=True,
    )
    components.why(
        _(
            "A window of k pixels that moves s at a time over h pixels, with p pixels of padding on both sides, fits "
            "so many times. Each pooling halves the map; without enough of them the first dense layer, with a weight "
            "for every value and every output, takes nearly all parameters."
        ),
        formula=r"\left\lfloor \frac{h + 2p - k}{s} \right\rfloor + 1",
        key="bl-build-why",
    )
