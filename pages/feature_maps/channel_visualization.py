"""The picture that activates one channel most, grown on a click: in the page or, if it takes long, in a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.data.encoding import png
from core.errors import InputError
from pages.ui.kit import components
from pages.ui.kit.page_states import guarded
from pages.ui.selection import subjects, user_images
from pages.ui.selection.subjects import Subject
from pages.ui.text import layer_names
from pages.ui.text.i18n import _, translate_error
from pages.ui.visualization import progress

if TYPE_CHECKING:
    from core.interpret.visualization.activation_maximization import Visualization
    from core.models.anatomy.records import Anatomy

WISH = "bl-channel-dream-wish"


def draw(subject: Subject, layer: str, channel: int) -> None:
    """Draws the picture where it is known, else the button that grows it."""
    components.section(_("What it looks for"))
    user_images.part(_panel)(subject, layer, channel)


@guarded
def _panel(subject: Subject, layer: str, channel: int) -> None:
    from core.interpret.visualization import activation_maximization
    from pages.ui.visualization.request import VisualizationRequest

    ask = VisualizationRequest(
        layer, (channel,), (_("Channel {n}").format(n=channel),), activation_maximization.Recipe()
    )
    job = progress.job_of(subject.target, layer)
    if job is not None and channel not in job.request.get("channels", ()):
        job = None
    if progress.at_work(job, subject.network, ask):
        return
    known = activation_maximization.cached_images(subject.network, layer, ask.channels, ask.recipe)
    if known:
        _picture(known[0], subject.network.anatomy)
        return
    wish = (*subject.target.key, layer, channel)
    if st.session_state.get(WISH) != wish:
        progress.ended(job)
        text = _("A picture can be grown from noise, step by step, that activates this channel as strongly as it can.")
        if not user_images.asked(text, _("Grow it"), icon=":material/auto_awesome:", key="bl-dream-go"):
            return
    st.session_state[WISH] = wish
    try:
        with user_images.alone():
            st.session_state[WISH] = None  # so that a click on Cancel finds nothing to be done
            progress.grow(subject.target, subject.network, ask, st.container())
    except InputError as error:
        components.note(translate_error(error))
        return
    st.rerun()


def _picture(one: Visualization, anatomy: Anatomy) -> None:
    text = _("Activation {reached}; pictures of noise reach {noise} at most.").format(
        reached=subjects.number(one.reached), noise=subjects.number(one.noise_most)
    )
    if not one.excited:
        text += " " + _("So no picture was found that activates it.")
    subjects.picture(
        png(one.image, repeats=True),
        most=300,
        title=_("Grown for channel {n}").format(n=one.channel),
        text=text,
        alt=_("Picture grown to activate channel {n} of {layer}").format(
            n=one.channel, layer=layer_names.layer(anatomy, one.layer)
        ),
    )
