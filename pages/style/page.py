"""Style transfer: pick a picture and a style, see it grow, and see what the network calls style."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.errors import InputError
from core.runs.jobs import Job, latest_job
from core.runs.launch import start_job
from core.workflows.jobs.style_transfer import StyleRequest
from pages.style import result, settings
from pages.ui.kit import clicks, components, page_states
from pages.ui.runs import job_panel, queue_panel
from pages.ui.selection import image_picker, subjects
from pages.ui.session import caches, choices
from pages.ui.text.i18n import N_, _, translate_error

if TYPE_CHECKING:
    from pages.style.settings import Setup
    from pages.ui.session.choices import ImageChoice

CONTENT = image_picker.Place("bl-style-content", "content", "style-content")
LOOK = image_picker.Place("bl-style-look", "style", "style-look", start=1)
"""Where the two pictures are picked, each with a word of its own in the address."""

DISPLAY = job_panel.JobDisplay(
    failed=N_("The picture could not be painted"),
    interrupted=N_("The painting was interrupted"),
    doing={"painting": N_("Painting")},
    progress=job_panel.steps_done,
)


def render() -> None:
    """Draws the page."""
    subjects.begin("style")
    with st.container(key="bl-wrap-style-pair"):
        left, right = st.columns(2, gap="large")
    with left:
        content = _picked(_("What is to be seen"), _("Its shapes are kept."), CONTENT)
    with right:
        look = _picked(_("In whose style"), _("Its colours and strokes are taken over, not its things."), LOOK)
    setup = settings.draw()
    if content is None or look is None or setup is None:
        page_states.empty(
            _("Two pictures are needed"),
            _("Choose samples, pictures of your data or files; yours are kept for this painting alone."),
            icon="add_photo_alternate",
        )
        return
    try:
        request = _request(content, look, setup)
    except InputError as error:
        page_states.broken(_("This picture cannot be used"), translate_error(error), icon="broken_image", tone="warn")
        return
    _paint(request)


def _picked(title: str, text: str, place: image_picker.Place) -> ImageChoice | None:
    """Draws one of the two pictures and what it is picked from."""
    components.section(title, text)
    chosen = image_picker.image_picker(None, place)
    if chosen is not None:
        with st.container(key=f"{place.key}-shown"):
            subjects.picture(chosen.data, alt=chosen.name, most=300)
    return chosen


def _request(content: ImageChoice, look: ImageChoice, setup: Setup) -> StyleRequest:
    """Returns what is asked for; the two pictures at the size at which they are used.

    Raises:
        InputError: One of them cannot be read.
    """
    from core.data.encoding import to_text
    from core.data.images import open_image

    def text(image: ImageChoice) -> str:
        return to_text(open_image(image.data, name=image.name), setup.size)

    return StyleRequest(
        setup.backbone,
        caches.remember("style-pictures", (content.sha256, setup.size), lambda: text(content), entries=8),
        caches.remember("style-pictures", (look.sha256, setup.size), lambda: text(look), entries=8),
        content_layer=setup.content_layer,
        style_layers=setup.style_layers,
        style_weight=setup.weight,
        start=setup.start,
        size=setup.size,
        steps=setup.steps,
        coarse=setup.coarse,
        device=choices.train_choice().device,
    )


def _paint(request: StyleRequest) -> None:
    """Draws the button that paints, the painting as it grows, and what came of it."""
    job = latest_job(request)

    def growing() -> None:
        found = job_panel.result(job)
        if found is not None and found.frames:
            result.growing(found)
        components.note(_("This goes on if you leave; the picture will be here."))

    if job_panel.at_work(job, DISPLAY, key="bl-style-job", below=growing):
        return
    job_panel.ended(job, DISPLAY, kept=_("What was painted until then is kept."))
    found = job_panel.result(job)
    if found is not None and found.frames:
        result.draw(found, whole=_whole(job))
        if _whole(job):
            return
    if clicks.button(
        _("Paint") if found is None else _("Paint it again from the start"),
        type="primary",
        icon=":material/brush:",
        key="bl-style-go",
        help=_("200 steps at 256 px take less than a minute on two cores; VGG19 whole throughout up to two."),
    ):
        start_job(request, owner=queue_panel.owner())
        st.rerun()


def _whole(job: Job | None) -> bool:
    return job is not None and job.state == "finished"
