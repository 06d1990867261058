"""Side by side: two pictures, two layers or two models; the same channels, and the difference."""

from __future__ import annotations

import streamlit as st

from core.errors import InputError
from pages.feature_maps import compare_networks, compare_sheets, layer_view
from pages.ui.kit import components, form_fields, page_states
from pages.ui.kit.page_states import guarded
from pages.ui.selection import image_picker, layer_picker, user_images
from pages.ui.selection.subjects import Subject
from pages.ui.text import layer_names
from pages.ui.text.i18n import N_, _, translate_error

WHAT = {"images": N_("Two pictures"), "layers": N_("Two layers"), "models": N_("Two models")}

OTHER = image_picker.Place("bl-beside-picture", "with", ".beside")


def draw(subject: Subject, names: tuple[str, ...]) -> None:
    """Draws the view.

    Args:
        subject: What is looked at.
        names: Layers that give maps.
    """
    user_images.part(_view)(subject, names)


@guarded
def _view(subject: Subject, names: tuple[str, ...]) -> None:
    what = form_fields.choice(
        _("Compare"), WHAT, "bl-beside-what", default="images" if subject.target.run is None else "models"
    )
    if what == "models":
        compare_networks.draw(subject, names)
    elif what == "layers":
        _layers(subject, names)
    else:
        _images(subject, names)


def _images(subject: Subject, names: tuple[str, ...]) -> None:
    with st.container(key="bl-wrap-beside-choice"):
        left, right = st.columns(2, gap="large")
    with left:
        layer = layer_picker.one_of(subject.network.anatomy, names, "bl-beside-layer")
    with right:
        other = other_picture(subject)
    if other is None:
        return
    first, second = layer_view.maps_of(subject, layer), layer_view.maps_of(other, layer)
    compare_sheets.draw(
        (subject.image.name, first, subject),
        (other.image.name, second, other),
        layer,
        key=(*subject.key, other.image.sha256, layer),
    )


def _layers(subject: Subject, names: tuple[str, ...]) -> None:
    anatomy = subject.network.anatomy
    with st.container(key="bl-wrap-beside-choice"):
        left, right = st.columns(2, gap="large")
    with left:
        layer = layer_picker.one_of(subject.network.anatomy, names, "bl-beside-layer")
    count = anatomy.layer(layer).channels
    alike = [name for name in names if name != layer and anatomy.layer(name).channels == count]
    with right:
        if not alike:
            components.note(
                _("No other layer has {n} channels like {layer}, so channels cannot be set side by side.").format(
                    n=count, layer=layer_names.layer(anatomy, layer)
                )
            )
            return
        before = [name for name in names[: names.index(layer)] if name in alike]
        after = [name for name in names[names.index(layer) :] if name in alike]
        main_layers = set(layer_picker.main_layers(anatomy, names))
        usual = next((name for name in after if name in main_layers), after[0] if after else before[-1])
        key = f"bl-beside-second-{count}-{layer}"
        second = st.selectbox(
            _("With the layer"),
            alike,
            index=alike.index(usual),
            key=key,
            format_func=lambda name: layer_picker.layer_label(anatomy, name),
            help=_(
                "Layers with as many channels; they need not mean the same, unless a path goes around the layers "
                "between them."
            )
            + "\n\n"
            + layer_picker.path_help(st.session_state.get(key, usual)),
        )
    compare_sheets.draw(
        (layer_names.layer(anatomy, layer), layer_view.maps_of(subject, layer), subject),
        (layer_names.layer(anatomy, second), layer_view.maps_of(subject, second), subject),
        layer,
        key=(*subject.key, layer, second),
    )


def other_picture(subject: Subject) -> Subject | None:
    """Draws the choice of a second picture, which no other page shares."""
    image = image_picker.image_picker(subject.target, OTHER)
    if image is None:
        return None
    try:
        return compare_networks.seen_by(subject.target, subject.network, image)
    except InputError as error:
        page_states.broken(_("This picture cannot be used"), translate_error(error), icon="broken_image", tone="warn")
        return None
