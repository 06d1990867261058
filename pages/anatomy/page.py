"""Anatomy: the network as a drawing that can be clicked - what is in it, what each layer does, and what will learn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.errors import InputError
from core.specs import FreezePlan, ModelSpec
from pages.anatomy import head_editor, layer_card, layer_table, receptive_field, stage_rates
from pages.ui.kit import components, form_fields, nav, network_diagram
from pages.ui.kit.network_diagram import Row, States
from pages.ui.kit.page_states import broken, busy
from pages.ui.plan import cost_estimate, freeze_plan
from pages.ui.session import address, caches, choices
from pages.ui.text import display_names
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from core.models.anatomy.records import Anatomy, Block

SHEETS = {
    "layer": N_("Arithmetic"),
    "head": N_("Head"),
    "rates": N_("Rates and norms"),
    "table": N_("All layers"),
    "field": N_("Receptive field"),
}
PART = address.Bound("layer", kept="bl.anatomy.part")
_SIZE, _CHANNELS = "bl-anatomy-size", "bl-anatomy-channels"
_REFUSED = "bl.anatomy.refused"


def render() -> None:
    """Draws the page."""
    components.header("anatomy")
    spec, anatomy = _network()
    plan = freeze_plan.plan_for(anatomy)
    freeze_plan.presets(anatomy, spec, plan)
    states = network_diagram.States(anatomy, plan)
    chosen = _drawing(anatomy, states)
    components.note(freeze_plan.remarks(anatomy, spec, plan))
    cost_estimate.counts(anatomy, plan)
    _sheets(anatomy, spec, plan, states, chosen)
    choices.show_setup_in_address()
    components.next_step("train", _("Train it"), text=_next_text(), **choices.model_params(spec))


def classes() -> int | None:
    """Returns how many classes the chosen data have; ``None`` before data were chosen (or if they are gone)."""
    data = choices.data()
    if data is None:
        return None
    try:
        return len(caches.divided(data).classes)
    except InputError:
        return None


# --- the network ------------------------------------------------------------------------------------------------------


def _network() -> tuple[ModelSpec, Anatomy]:
    """Draws which network this is and on which images it works; returns both with its anatomy."""
    spec = choices.model()
    place = st.container(key="bl-anatomy-network", horizontal=True, vertical_alignment="center")
    with busy(_("Examining the network …"), 320):
        try:
            anatomy = caches.anatomy(spec, classes())
        except InputError as error:  # a size, a head or a colour that came with another network
            plain = ModelSpec(spec.backbone, spec.weights, design=spec.design)
            if plain == spec:
                raise
            st.session_state[_REFUSED] = error
            spec = plain
            anatomy = caches.anatomy(spec, classes())
            choices.set_model(spec)
    address.write(**choices.model_params(spec), **choices.data_params())
    with place:
        title = _("{network}, {weights}").format(
            network=display_names.backbone(spec.backbone), weights=display_names.weights(spec.weights)
        )
        nav.link("backbone", title, help=_("Choose another network or other weights"))
        _images(spec, anatomy)
        cost_estimate.measure_button(cost_estimate.planned(anatomy))
    refused = st.session_state.get(_REFUSED)
    if refused is not None:
        broken(
            _("The network cannot take such images"),
            translate_error(refused),
            kept=_("Nothing is changed: it is shown as it was."),
            icon="report",
            tone="warn",
        )
    return spec, anatomy


def _images(spec: ModelSpec, anatomy: Anatomy) -> None:
    """Draws size and colour of the images that the network takes."""
    side, channels = anatomy.input_size, getattr(anatomy, "channels", 3)
    colour = _("gray") if channels == 1 else _("RGB")
    with st.popover(
        _("Images of {n} × {n} px, {colour}").format(n=side, colour=colour),
        icon=":material/aspect_ratio:",
        key="bl-anatomy-images",
    ):
        choices.follow(_SIZE, side)
        st.number_input(
            _("Side in pixels"),
            8,
            1024,
            key=_SIZE,
            step=32,
            on_change=lambda: _try(spec, image_size=int(st.session_state[_SIZE])),
        )
        labels = {3: _("RGB"), 1: _("Gray")}
        form_fields.choice(
            _("Colours"),
            labels,
            _CHANNELS,
            help=_("For gray images the first layer's kernels are summed over red, green and blue."),
            on_change=lambda: _try(spec, channels=st.session_state[_CHANNELS]),
            value=channels,
        )
        if spec.image_size is not None or spec.channels is not None:
            st.button(
                _("Back to the network's own"),
                key="bl-anatomy-own",
                on_click=_try,
                args=(spec,),
                kwargs={"image_size": None, "channels": None},
            )


def _try(spec: ModelSpec, **changes: Any) -> None:
    """Chooses other images if the network can take them; keeps the reason and the ones before otherwise."""
    st.session_state.pop(_REFUSED, None)
    for key in (_SIZE, _CHANNELS):
        choices.read_again(key)
    try:
        wanted = replace(spec, **changes)
        caches.anatomy(wanted, classes())
    except InputError as error:
        st.session_state[_REFUSED] = error
        return
    choices.set_model(wanted)


# --- what is chosen in the drawing ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Selection:
    """What is chosen: a stage, in it a block, in that a layer (``""`` for none)."""

    stage: str
    block: str = ""
    layer: str = ""


def selection(anatomy: Anatomy, name: str) -> Selection:
    """Returns where a part lies; the first layer with parameters where there is no part of that name.

    Args:
        anatomy: The network's anatomy.
        name: A stage, a block's id or a layer.
    """
    if name in anatomy.stages_by_name:
        return Selection(name)
    for stage in anatomy.stages:
        for block in stage.blocks:
            inside, own = network_diagram.inside(anatomy, block), network_diagram.block_id(anatomy, block)
            if name == own:
                only = block.layers[0] if len(block.layers) == 1 and block.layers[0] in inside else ""
                return Selection(stage.name, own, only)
            if name in inside:
                return Selection(stage.name, own, name)
    if name in anatomy.layers_by_name:
        return Selection(anatomy.layer(name).stage, "", name)
    first = next((layer for layer in anatomy.layers if layer.leaf and layer.own_parameters), anatomy.layers[0])
    return selection(anatomy, first.name)


def _block(anatomy: Anatomy, name: str) -> Block | None:
    """Returns the block of an id, ``None`` if it is none."""
    blocks = (block for stage in anatomy.stages for block in stage.blocks)
    return next((block for block in blocks if network_diagram.block_id(anatomy, block) == name), None)


def select(name: str) -> None:
    """Chooses a part, and puts it into the address."""
    PART.choose(name)


def toggle(name: str) -> None:
    """Freezes a part that learns, and lets any other learn.

    Args:
        name: A stage, a block's id or a layer. A block that no module holds together is turned layer by layer.
    """
    from core.models.freeze import toggle as toggled

    spec = choices.model()
    anatomy = caches.anatomy(spec, classes())
    plan = freeze_plan.plan_for(anatomy)
    if freeze_plan.toggle_start(anatomy, spec, plan, name):
        return
    block = _block(anatomy, name)
    states = network_diagram.States(anatomy, plan)
    if block is None:
        plan = toggled(anatomy, plan, name)
    else:
        opened = network_diagram.block_open(block, states)
        for part in network_diagram.block_parts(block):
            if states.open(part) == opened:
                plan = toggled(anatomy, plan, part)
    freeze_plan.change(plan, spec)


def _event(what: str, name: str) -> None:
    (select if what == "select" else toggle)(name)


def _drawing(anatomy: Anatomy, states: States) -> Selection:
    chosen = selection(anatomy, PART.asked() or "")
    starts = dict(freeze_plan.schedule(anatomy))
    rows: list[Row] = [
        network_diagram.stage_row(anatomy, states, chosen=chosen.stage, unit=chosen.block, starts=starts)
    ]
    stage = anatomy.stage(chosen.stage)
    if stage.blocks:
        rows.append(network_diagram.block_row(anatomy, stage, states, chosen=chosen.block))
    block = _block(anatomy, chosen.block)
    if block is not None and len(network_diagram.inside(anatomy, block)) > 1:
        rows.append(network_diagram.layer_row(anatomy, block, states, chosen=chosen.layer))
    learning = sum(states.of(stage.name) != "frozen" for stage in anatomy.stages)
    words = _(
        "From image to logits: the wider a part, the more parameters; the higher, the larger its feature maps. "
        "{learning} of {all} parts learn."
    ).format(learning=learning, all=len(anatomy.stages))
    image = (getattr(anatomy, "channels", 3), anatomy.input_size)
    network_diagram.diagram(rows, image=image, key="bl-anatomy", label=words, on_event=_event)
    components.note(words)
    return chosen


# --- more about it ----------------------------------------------------------------------------------------------------


def _sheets(anatomy: Anatomy, spec: ModelSpec, plan: FreezePlan, states: States, chosen: Selection) -> None:
    """Draws one of the sheets below the drawing."""
    with st.container(key="bl-anatomy-sheets"):
        sheet = form_fields.choice(
            _("More about it"), SHEETS, "bl-anatomy-sheet", default="layer", wrap=True, label_visibility="collapsed"
        )
    if sheet == "head":
        head_editor.builder(anatomy, spec, classes())
    elif sheet == "rates":
        if freeze_plan.schedule(anatomy):
            stage_rates.gradual(anatomy, spec, plan)
        stage_rates.rates(anatomy, plan)
        stage_rates.norms(anatomy, plan)
    elif sheet == "table":
        layer_table.table(anatomy, plan, spec.backbone.replace("/", "-"), select)
        if chosen.layer:
            layer_card.card(anatomy, chosen.layer, states, toggle)
    elif sheet == "field":
        block = _block(anatomy, chosen.block) if PART.asked() else None
        layer = chosen.layer if PART.asked() else ""
        receptive_field.sheet(anatomy, spec, classes(), layer or (block.name if block else ""))
    elif chosen.layer:
        layer_card.card(anatomy, chosen.layer, states, toggle)
    else:
        layer_card.part_card(anatomy, chosen.stage, _block(anatomy, chosen.block), states, toggle)


def _next_text() -> str:
    return "" if choices.data() else _("No images are chosen yet; the next page asks for them.")
