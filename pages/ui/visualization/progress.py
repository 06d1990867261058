"""Pictures while they grow: in the page with progress and a cancel, or, where that takes long, in a process."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import png
from core.runs.jobs import Job
from core.runs.launch import start_job
from core.runs.status import JobStatus
from core.workflows.jobs.visualization import VisualizationJob, latest
from pages.ui.kit import components
from pages.ui.kit.tiles import Tile, grid
from pages.ui.runs import job_panel, queue_panel
from pages.ui.selection import subjects
from pages.ui.selection.network_picker import Target
from pages.ui.text import number_format
from pages.ui.text.i18n import N_, _, _n

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from streamlit.delta_generator import DeltaGenerator

    from core.interpret.visualization.activation_maximization import Visualization
    from core.models.network import Network
    from pages.ui.visualization.request import VisualizationRequest

LONG = 30.0
"""Seconds beyond which the work belongs to a process of its own."""
TRIED = 1.0
"""Seconds after which it is known how long the work takes."""
KEY = "bl-dream"
"""Start of the keys of what all these views share: the layer, and the progress."""
TILE = 150
"""Side of a picture in the grid, in CSS pixels."""
REDRAWN = 0.2
"""Seconds between two drawings of the progress."""


class TooLong(Exception):
    """The work would take longer than a page may."""


class Bar:
    """Progress with a cancel in the page; a click on it ends the work where it draws next.

    Args:
        place: Where it is drawn.
        text: What goes on, translated.
        key: Stable key.
    """

    def __init__(self, place: DeltaGenerator, text: str, key: str) -> None:
        self._text, self._begun, self._last = text, time.monotonic(), 0.0
        self._place = place.empty()
        with self._place.container(horizontal=True, vertical_alignment="center"):
            self._bar = st.progress(0.0, text=text, width="stretch")
            st.button(_("Cancel"), icon=":material/close:", key=f"{key}-stop")

    def __call__(self, done: int, total: int) -> None:
        """Shows how far it is.

        Raises:
            TooLong: The rest would take longer than a page may.
        """
        now = time.monotonic()
        passed = now - self._begun
        left = passed / max(1, done) * (total - done)
        if passed + left > LONG and done < 0.5 * total and passed > TRIED:
            raise TooLong
        if now - self._last < REDRAWN and done < total:
            return
        self._last = now
        text = self._text + " · " + _("about {time} left").format(time=number_format.duration(_whole(left)))
        self._bar.progress(min(1.0, done / max(1, total)), text=text)

    def clear(self) -> None:
        """Takes it away."""
        self._place.empty()


def _whole(seconds: float) -> float:
    """Returns whole seconds, at least one."""
    return float(max(1, -int(-seconds // 1)))


def grow(target: Target, network: Network, ask: VisualizationRequest, place: DeltaGenerator) -> None:
    """Grows pictures in the page, each batch shown once it is there; what takes long is handed to a process.

    Args:
        target: What is looked into.
        network: Its network.
        ask: What is to be grown.
        place: A container for progress and pictures.
    """
    from core.interpret.visualization import activation_maximization

    labels = dict(zip(ask.channels, ask.labels, strict=True))
    text = _n("Growing {n} picture", "Growing {n} pictures", len(ask.channels)).format(n=len(ask.channels))
    bar = Bar(place, text, KEY)
    shown = place.empty()
    there: dict[int, Tile] = {}

    def draw() -> None:
        with shown.container():
            grid(list(there.values()), size=TILE)

    def on_image(one: Visualization) -> None:
        there[one.channel] = tile(one, labels[one.channel])

    def on_preview(channels: list[int], images: NDArray[np.uint8]) -> None:
        for channel, image in zip(channels, images, strict=True):
            there[channel] = Tile(png(image, repeats=True), labels[channel], _("growing …"))
        draw()

    recipe = ask.recipe
    grown = (
        partial(activation_maximization.maximise, network, ask.layer, ask.channels, place=recipe.place)
        if ask.layer
        else partial(activation_maximization.maximise_classes, network, ask.channels)
    )
    try:
        grown(
            size=recipe.size,
            steps=recipe.steps,
            seed=recipe.seed,
            progress=bar,
            on_image=on_image,
            on_preview=on_preview,
        )
    except TooLong:
        start(target, network, ask)
    finally:
        bar.clear()


def start(target: Target, network: Network, ask: VisualizationRequest) -> None:
    """Starts a process that grows pictures, with the precision that this process would use."""
    from core.interpret.probe import device_of
    from core.interpret.visualization.gradient_ascent import precision_for

    request = VisualizationJob(
        target.named,
        ask.layer,
        weights=weights_of(target),
        channels=ask.channels,
        size=ask.recipe.size,
        steps=ask.recipe.steps,
        seed=ask.recipe.seed,
        place=ask.recipe.place,
        precision=precision_for(ask.recipe.precision, device_of(network.model)),
    )
    start_job(request, owner=queue_panel.owner())


def weights_of(target: Target) -> str:
    """Returns the weights as a process names them."""
    return "default" if target.weights == "run" else target.weights


def job_of(target: Target, layer: str | None, *, deep: bool = False) -> Job | None:
    """Returns the newest job that grows pictures of a layer, whatever became of it."""
    return latest(target.named, weights_of(target), deep=deep, layer=layer)


def at_work(job: Job | None, network: Network, ask: VisualizationRequest) -> bool:
    """Draws a job at work, and the pictures that it has grown already; returns whether it is at work."""

    def grown() -> None:
        from core.interpret.visualization import activation_maximization

        layer = ask.layer or network.anatomy.head
        labels = dict(zip(ask.channels, ask.labels, strict=True))
        known = activation_maximization.cached_images(network, layer, ask.channels, ask.recipe)
        if known:
            grid([tile(one, labels[one.channel]) for one in known], size=TILE)
        components.note(_("This goes on if you leave; the pictures will be here."))

    return job_panel.at_work(job, DISPLAY, key="bl-dream-job", below=grown)


def ended(job: Job | None) -> None:
    """Says how a job ended where it did not finish."""
    job_panel.ended(job, DISPLAY, kept=_("What was grown until then is kept."))


def steps_done(status: JobStatus, text: str) -> str:
    """Returns what a job does with the number of steps that are done, where that is known."""
    if not status.total:
        return text
    done, total = number_format.exact(status.done), number_format.exact(status.total)
    return f"{text} · " + _("step {done} of {total}").format(done=done, total=total)


DISPLAY = job_panel.JobDisplay(
    failed=N_("These pictures could not be grown"),
    interrupted=N_("The work was interrupted"),
    doing={"growing": N_("Growing"), "dreaming": N_("Dreaming")},
    progress=steps_done,
)


def tile(one: Visualization, label: str) -> Tile:
    """Returns a grown picture as a tile with its activation beside that of noise."""
    note = _("{value} · noise {noise}").format(value=subjects.number(one.reached), noise=subjects.number(one.noise))
    grown = png(one.image, repeats=True)
    return Tile(grown, label, note, alt=_("The picture that activates {name} most").format(name=label))
