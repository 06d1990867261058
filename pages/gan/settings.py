"""What is trained: how often each of the two learns, on how many pictures."""

from __future__ import annotations

import streamlit as st

from core.errors import InputError
from core.specs import DataSpec
from core.workflows.gan.request import MOST_PICTURES, SIDES, GanRequest
from pages.ui.kit import components, form_fields
from pages.ui.selection import learned_from
from pages.ui.session import choices
from pages.ui.text.glossary import explain
from pages.ui.text.i18n import _, translate_error

RATES = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3)


def draw(data: DataSpec, *, gray: bool) -> GanRequest | None:
    """Draws the choices; returns what they ask for, or ``None`` where it cannot be, after saying why.

    Args:
        data: The pictures.
        gray: Whether they have no colour.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="bl-gan-settings"):
        epochs = st.slider(_("Epochs"), 1, 60, width=200, **form_fields.number("bl-gan-epochs", 20, 1, 60))
        often = st.slider(
            _("Generator's steps for each of the discriminator"),
            1,
            5,
            width=330,
            **form_fields.number("bl-gan-often", 1, 1, 5),
            help=explain("generative adversarial network"),
        )
    with components.more("bl-gan-more"):
        first, second, third = st.columns(3)
        taken = learned_from.sizes((first, second, third), "bl-gan", SIDES, MOST_PICTURES, gray=gray)
        rates = [
            place.select_slider(
                title,
                RATES,
                **form_fields.kept(key).widget(key, RATES, 1e-3, begun=True),
                format_func=lambda rate: f"{rate:g}",
            )
            for place, title, key in (
                (first, _("Generator's learning rate"), "bl-gan-rate-g"),
                (second, _("Discriminator's learning rate"), "bl-gan-rate-d"),
            )
        ]
        noise = third.number_input(_("Values of noise"), 2, 512, **form_fields.number("bl-gan-noise", 32, 2, 512))
    try:
        return GanRequest(
            data,
            **taken,
            noise=int(noise),
            epochs=int(epochs),
            generator_steps=int(often),
            generator_rate=float(rates[0]),
            discriminator_rate=float(rates[1]),
            device=choices.train_choice().device,
        )
    except InputError as error:
        components.note(translate_error(error))
        return None
