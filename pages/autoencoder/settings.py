"""What is trained: the network, what it has to undo, how it learns, and the sizes that follow."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from core.errors import InputError
from core.specs import DataSpec
from core.training.autoencoder.designs import DESIGNS, sizes
from core.workflows.autoencoder.request import CORRUPTIONS, LOSSES, MOST_PICTURES, AutoencoderRequest
from pages.autoencoder import own_layers
from pages.ui.kit import components, form_fields
from pages.ui.selection import learned_from
from pages.ui.session import choices
from pages.ui.text import number_format
from pages.ui.text.glossary import explain
from pages.ui.text.i18n import N_, _, translate_error

UNDONE = {"none": N_("Nothing"), "noise": N_("Noise"), "occlusion": N_("A hidden square")}
LOSS_NAMES = {
    "mse": N_("Mean squared difference"),
    "l1": N_("Mean absolute difference (L1)"),
    "mse-mean": N_("Squared, plus |mean difference|"),
    "correlation": N_("Minus the correlation"),
}
SIDES = (28, 32, 48, 64, 91, 96)
RATES = (1e-4, 3e-4, 1e-3, 2e-3, 5e-3, 1e-2)


def draw(data: DataSpec, *, gray: bool) -> AutoencoderRequest | None:
    """Draws the choices; returns what they ask for, or ``None`` where it cannot be, after saying why.

    Args:
        data: The pictures.
        gray: Whether they have no colour.
    """
    names = [*DESIGNS, own_layers.OWN]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="bl-auto-settings"):
        name = st.selectbox(
            _("Network"),
            names,
            **form_fields.kept("bl-auto-design").widget("bl-auto-design", names, "notes", begun=True),
            format_func=lambda name: _(DESIGNS[name].title if name in DESIGNS else own_layers.TITLE),
            width=300,
            help=explain("autoencoder"),
        )
        undone = form_fields.choice(
            _("It has to undo"),
            {kind: UNDONE[kind] for kind in CORRUPTIONS},
            "bl-auto-undo",
            default="noise",
            help=_("What the network sees is spoiled, what it gives back is compared with the picture as it was."),
        )
        strength = 0.0
        if undone != "none":
            label = _("Strength of the noise") if undone == "noise" else _("Side of the square")
            strength = st.slider(
                label, 0.05, 0.9, step=0.05, width=170, **form_fields.number("bl-auto-strength", 0.3, 0.05, 0.9)
            )
        epochs = st.slider(_("Epochs"), 1, 50, width=150, **form_fields.number("bl-auto-epochs", 10, 1, 50))
    if name in DESIGNS:
        components.note(_(DESIGNS[name].description))
    with components.more("bl-auto-more"):
        rare = _rare(name, gray)
    begun = DESIGNS.get(name, DESIGNS["exact"]).make(rare["channels"], rare["side"], rare.pop("latents"))
    encoder, decoder = begun
    if name not in DESIGNS:
        with st.expander(_("Encoder and decoder"), expanded=True, icon=":material/layers:", key="bl-auto-own"):
            encoder, decoder = own_layers.draw(begun, rare["channels"], rare["side"])
    try:
        request = AutoencoderRequest(
            data,
            encoder,
            decoder,
            **rare,
            corruption=undone,
            strength=float(strength),
            epochs=int(epochs),
            device=choices.train_choice().device,
        )
        _sizes(request, listed=name in DESIGNS)
    except InputError as error:
        components.note(translate_error(error))
        return None
    return request


def _rare(name: str, gray: bool) -> dict[str, Any]:
    """Draws the rare choices; returns them by the names of :class:`AutoencoderRequest`, and ``latents``."""
    first, second, third = st.columns(3)
    loss = first.selectbox(
        _("Loss"),
        LOSSES,
        **form_fields.kept("bl-auto-loss").widget("bl-auto-loss", LOSSES, "mse", begun=True),
        format_func=lambda name: _(LOSS_NAMES[name]),
    )
    taken = learned_from.sizes((first, second, third), "bl-auto", SIDES, MOST_PICTURES, gray=gray)
    rate = second.select_slider(
        _("Learning rate"),
        RATES,
        **form_fields.kept("bl-auto-rate").widget("bl-auto-rate", RATES, 2e-3, begun=True),
        format_func=lambda rate: f"{rate:g}",
    )
    batch = third.number_input(_("Batch"), 1, 1024, **form_fields.number("bl-auto-batch", 32, 1, 1024))
    usual = DESIGNS[name].latents if name in DESIGNS else 0
    latents = usual
    if usual:
        key = f"bl-auto-latents-{name}"
        latents = first.number_input(_("Values in the narrow place"), 1, 256, **form_fields.number(key, usual, 1, 256))
    return {**taken, "loss": str(loss), "batch_size": int(batch), "lr": float(rate), "latents": int(latents)}


def _sizes(request: AutoencoderRequest, *, listed: bool) -> None:
    """Draws the sizes that the network runs through.

    Args:
        request: What is asked for.
        listed: Whether every layer is listed with its formula, too.

    Raises:
        InputError: The network cannot be.
    """
    down, up = sizes(request.encoder, request.decoder, request.channels, request.side)
    sides = [request.side]
    for step in (*down, *up):
        if len(step.shape) == 3 and step.shape[1] != sides[-1]:
            sides.append(step.shape[1])
    parameters = sum(step.parameters for step in (*down, *up))
    latents = math.prod(down[-1].shape)
    said = _("{parameters} parameters; {values} values of a picture pass the narrow place; sides {sides}.").format(
        parameters=number_format.exact(parameters),
        values=number_format.exact(latents),
        sides=" → ".join(map(str, sides)),
    )
    if sides[-1] != request.side:
        said += " " + _(
            "It gives back {out} px of {side}: pooling drops what does not divide, and "
            "(h\u00a0−\u00a01)·s\u00a0−\u00a02p\u00a0+\u00a0k does not bring it back. "
            "The middle that both share is compared."
        ).format(out=sides[-1], side=request.side)
    components.note(said)
    if not listed:
        return
    with st.expander(_("Every layer with its formula"), icon=":material/functions:", key="bl-auto-layers"):
        heads = (_("Layer"), _("Gives"), _("Its side"), _("Its parameters"))
        lines = ["| " + " | ".join(heads) + " |", "|---|---|---|---|"]
        for step in (*down, *up):
            shape = " × ".join(map(str, step.shape))
            formulas = (f"`{text}`" if text else "" for text in (step.size_formula, step.formula))
            lines.append(f"| {step.name} | {shape} | " + " | ".join(formulas) + " |")
        st.markdown("\n".join(lines))
