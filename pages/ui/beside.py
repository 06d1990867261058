"""Side by side: two pictures, two layers or two models; the same channels, and the difference."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import InputError
from pages.ui import beside_models, beside_sheets, components, faces, layers, maps_layer, own_images, pickers, state
from pages.ui.faces import guarded
from pages.ui.i18n import N_, _, translate_error
from pages.ui.inside import Subject

WHAT = {"images": N_("Two pictures"), "layers": N_("Two layers"), "models": N_("Two models")}


def draw(subject: Subject, names: tuple[str, ...]) -> None:
    """Draws the view.

    Args:
        subject: What is looked at.
        names: Layers that give maps.
    """
    own_images.part(_view)(subject, names)


@guarded
def _view(subject: Subject, names: tuple[str, ...]) -> None:
    what = st.segmented_control(
        _("Compare"),
        list(WHAT),
        default="images" if subject.target.run is None else "models",
        key="bl-beside-what",
        required=True,
        format_func=lambda name: _(WHAT[name]),
        persist_state="session",
    )
    if what == "models":
        beside_models.draw(subject, names)
    elif what == "layers":
        _layers(subject, names)
    else:
        _images(subject, names)


def _images(subject: Subject, names: tuple[str, ...]) -> None:
    with st.container(key="bl-wrap-beside-choice"):
        left, right = st.columns(2, gap="large")
    with left:
        layer = layers.one_of(subject.network.anatomy, names, "bl-beside-layer")
    with right:
        other = other_picture(subject)
    if other is None:
        return
    first, second = maps_layer.maps_of(subject, layer), maps_layer.maps_of(other, layer)
    beside_sheets.draw(
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
        layer = layers.one_of(subject.network.anatomy, names, "bl-beside-layer")
    count = channels_of(anatomy, layer)
    alike = [name for name in names if name != layer and channels_of(anatomy, name) == count]
    with right:
        if not alike:
            components.note(
                _("No other layer has {n} channels like {layer}, so channels cannot be set side by side.").format(
                    n=count, layer=layer
                )
            )
            return
        known = {entry.name: entry for entry in anatomy.layers}
        before = [name for name in names[: names.index(layer)] if name in alike]
        after = [name for name in names[names.index(layer) :] if name in alike]
        told = set(layers.main_layers(anatomy, names))
        usual = next((name for name in after if name in told), after[0] if after else before[-1])
        key = f"bl-beside-second-{count}-{layer}"
        second = st.selectbox(
            _("With the layer"),
            alike,
            index=alike.index(usual),
            key=key,
            format_func=lambda name: layers.layer_label(known[name]),
            help=_(
                "Layers with as many channels; they need not mean the same, unless a path goes around the layers "
                "between them."
            ),
        )
    beside_sheets.draw(
        (layer, maps_layer.maps_of(subject, layer), subject),
        (second, maps_layer.maps_of(subject, second), subject),
        layer,
        key=(*subject.key, layer, second),
    )


def channels_of(anatomy: Any, name: str) -> int:
    """Returns the number of channels of a layer that gives maps."""
    layer = anatomy.layer(name)
    shape = layers.map_shape(layer)
    return int(shape[0] if shape else layer.output_shape[-1])


def other_picture(subject: Subject) -> Subject | None:
    """Draws the choice of a second picture: a sample, one of the run's images, a file."""
    options: dict[str, str] = {}
    run = subject.target.run
    if run is not None:
        options |= {
            f"data:{key}": f"{label} · {state.short_source(key)}" for key, label in pickers.held_out(run).items()
        }
    options |= {f"sample:{name}": _(title) for name, title in pickers.SAMPLES.items()}
    options["file"] = _("A file …")
    names = [name for name in options if name.partition(":")[2] != subject.image.name]
    chosen = st.selectbox(
        _("With the picture"),
        names,
        key="bl-beside-picture",
        format_func=lambda name: options[name],
        persist_state="session",
    )
    try:
        image = _image(subject, str(chosen))
        if image is None:
            return None
        return beside_models.seen_by(subject.target, subject.network, image)
    except InputError as error:
        faces.broken(_("This picture cannot be used"), translate_error(error), icon="broken_image", tone="warn")
        return None


def _image(subject: Subject, chosen: str) -> Any:
    kind, _sign, name = chosen.partition(":")
    if kind == "data":
        return pickers.dataset_image(subject.target.run, name)
    if kind == "sample":
        return state.ImageChoice("sample", _(pickers.SAMPLES[name]), pickers.sample_bytes(name))
    file = st.file_uploader(_("Picture"), type=pickers.IMAGE_TYPES, key="bl-beside-file", max_upload_size=50)
    if file is None:
        components.note(_("Choose a file; it is looked at here and kept nowhere."))
        return None
    return state.ImageChoice("upload", file.name, file.getvalue())
