"""What channels, neurons and classes look for: pictures grown a batch at a time, in the page or in a process."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import png
from pages.ui.kit import clicks, components, form_fields
from pages.ui.kit.tile_sheet import gallery
from pages.ui.selection import layer_picker, subjects
from pages.ui.selection.network_picker import Target
from pages.ui.text.i18n import N_, _, _n
from pages.ui.visualization import deepdream, progress
from pages.ui.visualization.request import VisualizationRequest

if TYPE_CHECKING:
    from core.interpret.visualization.activation_maximization import Place, Recipe, Visualization
    from core.models.network import Network

BATCH = 16
"""Pictures that are asked for at a time."""
LARGE = (256, 384)
"""Pixels a side and steps of a large picture."""
MODES = {
    "channels": N_("Channels"),
    "neurons": N_("Single neurons"),
    "classes": N_("Classes"),
    "picture": N_("A picture, dreamt into"),
}
SIZES = (64, 96, 128, 192, 256)
STEPS = (32, 64, 128, 256, 512)
MOST_CLASSES = 12
_WANTED, _CHOSEN = "bl.dream.wanted", "bl.dream.chosen"
PAPER = ("Olah, Mordvintsev, Schubert 2017, Feature Visualization", "https://doi.org/10.23915/distill.00007")
_CLASS_NUMBERS = "bl-dream-classes"


def draw(target: Target, network: Network) -> None:
    """Draws the view.

    Args:
        target: What is looked into.
        network: Its loaded network.
    """
    mode = form_fields.choice(_("Of what"), MODES, "bl-dream-mode", default="channels", wrap=True)
    if mode == "picture":
        deepdream.draw(target, network)
        return
    with st.container(key="bl-wrap-dream"):
        side, main = st.columns([1, 3], gap="large")
    with side:
        ask = _classes(network) if mode == "classes" else _channels(network, single=mode == "neurons")
        subjects.warn_random(target)
        _why()
    with main:
        if ask is not None:
            _answer(target, network, ask)


def show_channel(layer: str, number: int) -> None:
    """Chooses a channel, for its picture to be shown when the page is drawn next."""
    st.session_state[_WANTED] = (layer, number)


def _channels(network: Network, *, single: bool) -> VisualizationRequest | None:
    """Draws the choice of a layer, of a batch of its channels and of how they are grown."""
    from core.interpret.layout import spatial_layers

    offered = spatial_layers(network.anatomy)
    if not offered:
        subjects.callout(_("No layer of this network gives a map of the picture."))
        return None
    wanted = st.session_state.pop(_WANTED, None)
    deep = offered[len(offered) // 2]
    layer = layer_picker.picker(network.anatomy, offered, key=progress.KEY, default=deep)
    count = network.anatomy.layer(layer).channels
    if wanted is not None and wanted[0] == layer:
        st.session_state[f"bl-dream-from-{layer}"] = wanted[1] // BATCH + 1
        st.session_state[_CHOSEN] = wanted
    parts = math.ceil(count / BATCH)
    part = 1
    if parts > 1:
        part = int(
            st.number_input(
                _("Batch"),
                1,
                parts,
                key=f"bl-dream-from-{layer}",
                persist_state="session",
                help=_("This layer has {n} channels; they are grown {batch} at a time.").format(n=count, batch=BATCH),
            )
        )
    numbers = tuple(range((part - 1) * BATCH, min(part * BATCH, count)))
    components.note(_("Channels {first} to {last} of {n}").format(first=numbers[0], last=numbers[-1], n=count))
    recipe = _recipe(_place() if single else None)
    return VisualizationRequest(layer, numbers, tuple(_("Channel {n}").format(n=number) for number in numbers), recipe)


def _place() -> Place:
    """Draws which neuron of a channel is meant."""
    where = form_fields.choice(
        _("Neuron"),
        {"centre": _("In the middle"), "place": _("At a place")},
        "bl-dream-where",
        default="centre",
        help=_("One value of a channel's map: what does it look for in its window?"),
    )
    if where != "place":
        return "centre"
    left, right = st.columns(2)
    down = left.number_input(_("Row"), 0, 511, **form_fields.number("bl-dream-row", 0, 0, 511))
    across = right.number_input(_("Column"), 0, 511, **form_fields.number("bl-dream-column", 0, 0, 511))
    return (int(down), int(across))


def _classes(network: Network) -> VisualizationRequest | None:
    known = network.classes
    every = range(len(known))
    usual = list(every) if len(known) <= MOST_CLASSES else list(every)[:4]
    kept = st.session_state.get(_CLASS_NUMBERS)
    here = usual if kept is None else [number for number in kept if number < len(known)]
    st.session_state[_CLASS_NUMBERS] = here if here or not kept else usual
    chosen = st.multiselect(
        _("Classes"),
        list(every),
        key=_CLASS_NUMBERS,
        max_selections=BATCH,
        persist_state="session",
        format_func=lambda number: known[number] if number < len(known) else "",
    )
    recipe = _recipe(None)
    if not chosen:
        components.note(_("Choose at least one class."))
        return None
    return VisualizationRequest("", tuple(chosen), tuple(known[number] for number in chosen), recipe)


def _recipe(place: Place) -> Recipe:
    from core.interpret.visualization import activation_maximization as grown

    with components.more("bl-dream-more"):
        size = st.select_slider(
            _("Size"),
            SIZES,
            **form_fields.kept("bl-dream-size").widget("bl-dream-size", SIZES, grown.SIZE, begun=True),
            format_func=lambda side: _("{n} px").format(n=side),
        )
        steps = st.select_slider(
            _("Steps"),
            STEPS,
            **form_fields.kept("bl-dream-steps").widget("bl-dream-steps", STEPS, grown.STEPS, begun=True),
            help=_("More steps make a clearer pattern."),
        )
        seed = st.number_input(
            _("Seed"),
            0,
            10_000,
            **form_fields.number("bl-dream-seed", 0, 0, 10_000),
            help=_("Another seed starts from other noise; what stays the same is what the channel looks for."),
        )
    return grown.Recipe(int(size), int(steps), int(seed), place)


def _answer(target: Target, network: Network, ask: VisualizationRequest) -> None:
    """Draws what is there, and what grows the rest."""
    from core.interpret.visualization import activation_maximization

    layer = ask.layer or network.anatomy.head
    job = progress.job_of(target, ask.layer)
    if progress.at_work(job, network, ask):
        return
    known = {
        one.channel: one for one in activation_maximization.cached_images(network, layer, ask.channels, ask.recipe)
    }
    missing = [channel for channel in ask.channels if channel not in known]
    if missing:
        progress.ended(job)
        place, begin = st.container(), st.empty()
        text = _n("Grow {n} picture", "Grow {n} pictures", len(missing)).format(n=len(missing))
        if clicks.button(text, type="primary", icon=":material/blur_on:", key="bl-dream-grow", into=begin):
            begin.empty()
            progress.grow(target, network, ask, place)
            st.rerun()
    if not known:
        components.note(
            _(
                "From noise, a picture is changed step by step until it activates its channel most. Nothing is grown "
                "yet."
            )
            if ask.layer
            else _(
                "From noise, a picture is changed step by step until its class scores highest. Nothing is grown yet."
            )
        )
        return
    _gallery(target, network, ask, known)


def _gallery(target: Target, network: Network, ask: VisualizationRequest, known: dict[int, Visualization]) -> None:
    there = [channel for channel in ask.channels if channel in known]
    labels = dict(zip(ask.channels, ask.labels, strict=True))
    kept = st.session_state.get(_CHOSEN)
    chosen = kept[1] if kept and kept[0] == ask.layer and kept[1] in there else there[0]
    picked = gallery(
        [progress.tile(known[channel], labels[channel]) for channel in there],
        key=f"bl-dream-gallery-{ask.layer}",
        size=progress.TILE,
        help=_("Show it large"),
        chosen=there.index(chosen),
    )
    if picked is not None:
        chosen = there[picked]
        st.session_state[_CHOSEN] = (ask.layer, chosen)
    quiet = sum(not known[channel].excited for channel in there)
    if quiet:
        text = _n(
            "{n} of them is activated no more strongly than by noise: it may be dead, or need more steps.",
            "{n} of them are activated no more strongly than by noise: they may be dead, or need more steps.",
            quiet,
        )
        subjects.callout(text.format(n=quiet))
    _large(target, network, ask, known[chosen], labels[chosen])


def _large(target: Target, network: Network, ask: VisualizationRequest, one: Visualization, label: str) -> None:
    """Draws one picture large with its figures; a click grows it larger, with more steps."""
    from core.interpret.visualization import activation_maximization

    size, steps = LARGE
    recipe = activation_maximization.Recipe(
        max(size, ask.recipe.size), max(steps, ask.recipe.steps), ask.recipe.seed, ask.recipe.place
    )
    better = activation_maximization.cached_images(network, one.layer, [one.channel], recipe)
    shown = better[0] if better else one
    components.section(label)
    with st.container(key="bl-wrap-dream-large"):
        left, right = st.columns([1, 1.2], gap="large")
    with left:
        subjects.picture(
            png(shown.image, repeats=True), alt=_("The picture that activates {name} most").format(name=label), most=320
        )
    with right:
        subjects.facts(
            [
                (_("reaches"), subjects.number(shown.reached)),
                (_("noise, on average"), subjects.number(shown.noise)),
                (_("noise, at most"), subjects.number(shown.noise_most)),
            ]
        )
        components.note(_said(shown, single=ask.recipe.place is not None, of_class=not ask.layer))
        with st.container(horizontal=True):
            if not better:
                text = _("Grow it larger: {size} px, {steps} steps").format(size=recipe.size, steps=recipe.steps)
                if clicks.button(text, icon=":material/zoom_in:", key="bl-dream-larger"):
                    progress.grow(
                        target,
                        network,
                        VisualizationRequest(ask.layer, (one.channel,), (label,), recipe),
                        st.container(),
                    )
                    st.rerun()
            components.download(
                _("Download"), png(shown.image, repeats=True), f"{one.layer}-{one.channel}.png", "bl-dream-download"
            )
            if ask.layer and clicks.button(_("See its feature map"), icon=":material/grid_view:", key="bl-dream-maps"):
                layer_picker.go_to_channel(ask.layer, one.channel)


def _said(one: Visualization, *, single: bool, of_class: bool) -> str:
    what = _("class score (logit)") if of_class else _("value of this neuron") if single else _("mean of its map")
    if not one.excited:
        return _("Its {what} is no higher than for noise: nothing was found that activates it.").format(what=what)
    return _(
        "Activation is the {what} for this very picture; noise has the colours and contrast of photographs."
    ).format(what=what)


def _why() -> None:
    components.why(
        _(
            "The picture is held as a sum of waves with the colours of photographs, so that large and small patterns "
            "grow alike. Before each step it is shifted, zoomed and turned a little: what survives is a pattern, not "
            "a texture of single pixels. The network is run up to the layer and no further."
        ),
        formula=r"x^\ast = \arg\max_x \; \mathbb{E}_{t}\left[a_c\big(t(x)\big)\right]",
        paper=PAPER,
    )
