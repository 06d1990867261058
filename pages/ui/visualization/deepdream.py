"""DeepDream of the person's own picture: the activations of a whole layer are increased."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import png, to_text
from core.errors import InputError
from core.runs.jobs import Job
from core.runs.launch import start_job
from core.workflows.jobs.visualization import VisualizationJob
from pages.ui.kit import clicks, components, form_fields, page_states
from pages.ui.runs import job_panel, queue_panel
from pages.ui.selection import image_picker, layer_picker, subjects
from pages.ui.selection.network_picker import Target
from pages.ui.session import caches
from pages.ui.text import layer_names
from pages.ui.text.i18n import _, translate_error
from pages.ui.visualization import progress

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage
    from streamlit.delta_generator import DeltaGenerator

    from core.interpret.visualization.deepdream import DeepDream, Depth
    from core.models.network import Network
    from pages.ui.session.choices import ImageChoice

SIDES = (192, 256, 320, 448, 640)
SHELF = "deep-dreams"


def draw(target: Target, network: Network) -> None:
    """Draws the view.

    Args:
        target: What is looked into.
        network: Its loaded network.
    """
    from core.interpret.layout import spatial_layers

    offered = spatial_layers(network.anatomy)
    if not offered:
        subjects.callout(_("No layer of this network gives a map of the picture."))
        return
    with st.container(key="bl-wrap-deep"):
        side, main = st.columns([1, 2.4], gap="large")
    with side:
        image = image_picker.image_picker(target)
        layer = layer_picker.picker(network.anatomy, offered, key=progress.KEY, default=offered[2 * len(offered) // 3])
        depth = _depth()
        subjects.warn_random(target)
    with main:
        if image is None:
            page_states.empty(
                _("No picture yet"),
                _("Choose a sample, give a file or take a photograph; it is kept nowhere."),
                icon="add_photo_alternate",
            )
            return
        _answer(target, network, image, layer, depth)


def _depth() -> Depth:
    from core.interpret.visualization import deepdream

    strength = st.slider(_("Strength"), 0.2, 3.0, step=0.1, **form_fields.number("bl-deep-strength", 1.0, 0.2, 3.0))
    with components.more("bl-deep-more"):
        octaves = st.slider(
            _("Octaves"),
            1,
            6,
            **form_fields.number("bl-deep-octaves", 4, 1, 6),
            help=_("Sizes at which the picture is changed: in the small ones large patterns grow."),
        )
        steps = st.slider(_("Steps at each size"), 2, 60, **form_fields.number("bl-deep-steps", 10, 2, 60))
        side = st.select_slider(
            _("Longest side"),
            SIDES,
            **form_fields.kept("bl-deep-side").widget("bl-deep-side", SIDES, deepdream.LONGEST_SIDE, begun=True),
            format_func=lambda n: _("{n} px").format(n=n),
        )
    return deepdream.Depth(int(octaves), steps=int(steps), strength=float(strength), side=int(side))


def _answer(target: Target, network: Network, image: ImageChoice, layer: str, depth: Depth) -> None:
    from core.data.images import open_image

    try:
        picture = caches.remember("opened", (image.sha256,), lambda: open_image(image.data, name=image.name), entries=4)
    except InputError as error:
        page_states.broken(_("This picture cannot be used"), translate_error(error), icon="broken_image", tone="warn")
        return
    job = progress.job_of(target, None, deep=True)
    if job_panel.at_work(job, progress.DISPLAY, key="bl-deep-job", below=_note):
        return
    key = (*target.key, image.sha256, layer, depth)
    found = caches.remember(SHELF, key, lambda: None, entries=12) if caches.known(SHELF, key, entries=12) else None
    found = found or _of_job(job, target, image, picture, layer, depth)
    if found is None:
        progress.ended(job)
        place, begin = st.container(), st.empty()
        subjects.picture(picture, alt=image.name, most=480)
        if clicks.button(_("Dream"), type="primary", icon=":material/blur_on:", key="bl-deep-start", into=begin):
            begin.empty()
            _dream(target, network, picture, layer, depth, key, place)
            st.rerun()
        components.note(_("The picture is changed so that the activations of this layer grow."))
        return
    _show(found, layer, layer_names.layer(network.anatomy, layer))


def _dream(
    target: Target,
    network: Network,
    picture: PILImage,
    layer: str,
    depth: Depth,
    key: tuple[object, ...],
    place: DeltaGenerator,
) -> None:
    """Dreams in the page; what takes long is handed to a process."""
    from core.interpret.visualization.deepdream import deep_dream

    bar = progress.Bar(place, _("Dreaming"), "bl-deep")
    try:
        caches.remember(SHELF, key, lambda: deep_dream(network, picture, layer, depth=depth, progress=bar), entries=12)
    except progress.TooLong:
        start_job(_request(target, picture, layer, depth), owner=queue_panel.owner())
    finally:
        bar.clear()


def _note() -> None:
    components.note(_("This goes on if you leave; the picture will be here."))


def _request(target: Target, picture: PILImage, layer: str, depth: Depth) -> VisualizationJob:
    return VisualizationJob(
        target.named,
        layer,
        weights=progress.weights_of(target),
        size=depth.side,
        steps=depth.steps,
        seed=depth.seed,
        octaves=depth.octaves,
        strength=depth.strength,
        picture=to_text(picture, depth.side),
    )


def _of_job(
    job: Job | None, target: Target, image: ImageChoice, picture: PILImage, layer: str, depth: Depth
) -> DeepDream | None:
    """Returns what a process has dreamt, where it was asked for this very dream."""
    found: DeepDream | None = job_panel.result(job)
    if job is None or found is None:
        return None
    key = (*target.key, image.sha256, layer, depth)
    request = caches.remember("deep-wishes", key, lambda: _request(target, picture, layer, depth))
    try:
        return found if job.read_request() == request else None
    except InputError:
        return None


def _show(found: DeepDream, layer: str, called: str) -> None:
    with st.container(key="bl-wrap-deep-pair"):
        left, right = st.columns(2, gap="medium")
    with left:
        subjects.picture(png(found.original, repeats=True), alt=_("The picture before"), title=_("Before"))
    with right:
        subjects.picture(
            png(found.image, repeats=True), alt=_("The picture, dreamt into"), title=_("What the layer sees")
        )
    more = found.after / found.before if found.before > 0 else 0.0
    components.note(
        _("The mean square of {layer} is {after} instead of {before}: {times} times as strong.").format(
            layer=called,
            after=subjects.number(found.after),
            before=subjects.number(found.before),
            times=subjects.number(more, 2),
        )
    )
    components.download(_("Download"), png(found.image, repeats=True), f"deep-dream-{layer}.png", "bl-deep-download")
    components.why(
        _(
            "Each step follows the gradient of the layer's mean square back to the pixels, first on a small version of "
            "the picture, then on larger ones. Early layers draw strokes, deep ones parts of things."
        ),
        paper=(
            "Mordvintsev, Olah, Tyka 2015",
            "https://research.google/blog/inceptionism-going-deeper-into-neural-networks/",
        ),
    )
