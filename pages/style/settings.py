"""How it is painted: which network looks, which layers count, how strongly, from what."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from core.specs import ModelSpec
from pages.ui.kit import components, form_fields
from pages.ui.selection import layer_picker, subjects
from pages.ui.session import caches
from pages.ui.session.address import Bound
from pages.ui.text import display_names, layer_names
from pages.ui.text.i18n import N_, _

VGG19, LITE0 = "vgg19", "efficientnet_lite0"
WAYS = {"coarse": N_("Coarse first"), "whole": N_("Whole throughout")}
STARTS = {"picture": N_("The picture"), "noise": N_("Noise")}
SIZES = (128, 192, 256, 384, 512)
USUAL_WEIGHT, USUAL_STEPS, USUAL_SIZE = 100.0, 200, 256
WEIGHTS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


@dataclass(frozen=True, slots=True)
class Setup:
    """What was chosen.

    Attributes:
        backbone: The network that looks.
        content_layer: Layer of the content.
        style_layers: Layers of the style.
        weight: Weight of the style.
        start: ``picture`` or ``noise``.
        size: Longest side, in pixels.
        steps: Steps of L-BFGS.
        coarse: Whether most of them are done at half the size.
    """

    backbone: str
    content_layer: str
    style_layers: tuple[str, ...]
    weight: float
    start: str
    size: int
    steps: int
    coarse: bool


def draw() -> Setup | None:
    """Draws the choices; returns them, or ``None`` while no layer of the style is chosen."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="bl-style-settings"):
        backbone = _network()
        weight = st.select_slider(
            _("Strength of the style"),
            WEIGHTS,
            **form_fields.kept("bl-style-weight").widget("bl-style-weight", WEIGHTS, USUAL_WEIGHT, begun=True),
            format_func=lambda value: f"{value:g}",
            width=280,
            help=_("How much the style's loss counts against the content's, which counts 1."),
        )
        start = form_fields.choice(
            _("Begin from"),
            STARTS,
            "bl-style-start",
            default="picture",
            help=_("From noise all of the content has to come back by its loss; from the picture it is there already."),
        )
    if backbone != VGG19:
        components.note(
            _(
                "VGG19, the network of the paper, is not on this machine; its weights can be downloaded on the page "
                "Backbone. EfficientNet-Lite0 looks instead: its style is weaker and its strokes are finer."
            )
            if not _vgg19_is_here()
            else _("VGG19, the network of the paper, paints stronger; EfficientNet-Lite0 is faster.")
        )
    with components.more("bl-style-more"):
        columns = st.columns(2)
        size = columns[0].select_slider(
            _("Longest side"),
            SIZES,
            **form_fields.kept("bl-style-size").widget("bl-style-size", SIZES, USUAL_SIZE, begun=True),
            format_func=lambda n: _("{n} px").format(n=n),
        )
        steps = columns[1].slider(
            _("Steps"), 10, 500, step=10, **form_fields.number("bl-style-steps", USUAL_STEPS, 10, 500)
        )
        way = form_fields.choice(
            _("Size on the way"),
            WAYS,
            f"bl-style-way-{backbone}",
            default="coarse" if backbone == VGG19 else "whole",
            help=_(
                "Coarse first: three quarters of the steps at half the size, the rest at the whole one. That is less "
                "than half of the work, with larger strokes and somewhat less of the style."
            ),
        )
        layers = _layers(backbone)
    if layers is None:
        subjects.callout(_("Without a layer of the style there is nothing to be similar to. Choose at least one."))
        return None
    return Setup(backbone, *layers, float(weight), start, int(size), int(steps), way == "coarse")


def _network() -> str:
    """Draws which network looks; VGG19 only where its weights are."""
    offered = (VGG19, LITE0) if _vgg19_is_here() else (LITE0,)
    picked = form_fields.choice(
        _("Network that looks"),
        offered,
        "bl-style-network",
        names={name: display_names.backbone(name) for name in offered},
        default=offered[0],
        help=_("VGG19 is what the paper used. EfficientNet-Lite0 comes with the app, is faster, and paints weaker."),
    )
    return str(picked)


def _vgg19_is_here() -> bool:
    from core.models.catalog import catalog

    return catalog.weights_state(VGG19) == "available"


def _layers(backbone: str) -> tuple[str, tuple[str, ...]] | None:
    """Draws which layers count; returns that of the content and those of the style."""
    from core.interpret.layout import spatial_layers
    from core.interpret.visualization.style_transfer import usual_layers

    anatomy = caches.anatomy(ModelSpec(backbone))
    usual, maps = usual_layers(backbone, anatomy), spatial_layers(anatomy)
    wanted = {usual[0], *usual[1], *layer_picker.main_layers(anatomy, maps)}
    offered = [name for name in maps if name in wanted]

    def title(name: str) -> str:
        return layer_names.layer(anatomy, name)

    content = st.selectbox(
        _("Layer of the content"),
        offered,
        **form_fields.kept(f"bl-style-content-{backbone}").widget(
            f"bl-style-content-{backbone}", offered, usual[0], begun=True
        ),
        format_func=title,
        help=_("Early layers keep every pixel, deep ones only what is where."),
    )
    chosen = Bound(f"style-layers-{backbone}", kept=f"bl.kept.style-layers-{backbone}")
    asked = [name for name in (chosen.asked() or "").split(",") if name in offered]
    picked = st.multiselect(
        _("Layers of the style"),
        offered,
        asked or list(usual[1]),
        format_func=title,
        key=f"bl-style-layers-{backbone}",
        help=_("Early layers give colours and fine strokes, deep ones larger patterns."),
    )
    picked = [name for name in offered if name in picked]
    if picked:
        chosen.choose(None if picked == list(usual[1]) else ",".join(picked))
    return (str(content), tuple(picked)) if picked else None
