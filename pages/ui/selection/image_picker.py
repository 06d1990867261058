"""The image that is looked at: a sample, an upload, the camera, or one of the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from core.data.encoding import png
from core.errors import InputError
from pages.ui.kit import components, style
from pages.ui.selection.network_picker import Target
from pages.ui.session import address, caches, choices
from pages.ui.session.choices import ImageChoice
from pages.ui.text.i18n import N_, _, translate_error

SAMPLES = {
    "cat": N_("Cat"),
    "coffee": N_("Coffee"),
    "rocket": N_("Rocket"),
    "astronaut": N_("Astronaut"),
    "camera": N_("Photographer"),
}
"""Photographs free of copyright in ``assets/samples`` (``LICENCES.md`` there says whose): file name and title."""
IMAGE_TYPES = ["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"]


def image_picker(target: Target | None = None, key: str = "bl-image") -> ImageChoice | None:
    """Draws where the image comes from (a run's images, a sample, a file, the camera) and returns it.

    Args:
        target: The network in use; a run brings the images it was validated and tested on.
        key: Stable start of the widgets' keys. The same key on several pages keeps the choice.
    """
    sources = {"dataset": _("From the data"), "sample": _("Sample"), "upload": _("File"), "camera": _("Camera")}
    if target is None or target.run is None:
        del sources["dataset"]
    known = choices.image()
    first = known.kind if known and known.kind in sources else next(iter(sources))
    if "dataset" in sources and address.read("image"):
        st.session_state[f"{key}-kind"] = "dataset"
    elif st.session_state.get(f"{key}-kind") not in sources:
        st.session_state[f"{key}-kind"] = first
    kind = st.segmented_control(
        _("Image"),
        list(sources),
        format_func=lambda s: sources[s],
        key=f"{key}-kind",
        required=True,
        persist_state="session",
        wrap=True,
        label_visibility="collapsed",
        on_change=lambda: address.write(image=None),
    )
    draw = {"dataset": _from_data, "sample": _sample, "upload": _upload, "camera": _camera}[kind or first]
    chosen = draw(target, key)
    if chosen is not None and chosen != known:
        choices.set_image(chosen)
    return chosen


def _sample(_target: Target | None, key: str) -> ImageChoice | None:
    found = {name: path for name in SAMPLES if (path := _sample_path(name))}
    if not found:
        components.note(_("No sample pictures are installed. Choose a file."))
        return None
    name = st.pills(
        _("Sample"),
        list(found),
        default=next(iter(found)),
        format_func=lambda n: _(SAMPLES[n]),
        key=f"{key}-sample",
        label_visibility="collapsed",
        required=True,
        persist_state="session",
    )
    chosen = name or next(iter(found))
    return ImageChoice("sample", _(SAMPLES[chosen]), found[chosen].read_bytes())


def sample_bytes(name: str) -> bytes:
    """Returns the file of one of :data:`SAMPLES`.

    Raises:
        InputError: It is not installed.
    """
    path = _sample_path(name)
    if path is None:
        raise InputError("No sample pictures are installed. Choose a file.")
    return path.read_bytes()


def _sample_path(name: str) -> Path | None:
    path = style.ASSETS / "samples" / f"{name}.jpg"
    return path if path.is_file() else None


def _upload(_target: Target | None, key: str) -> ImageChoice | None:
    file = st.file_uploader(
        _("Picture"), type=IMAGE_TYPES, key=f"{key}-file", max_upload_size=50, label_visibility="collapsed"
    )
    if file is not None:
        return ImageChoice("upload", file.name, file.getvalue())
    known = choices.image()
    return known if known and known.kind == "upload" else None


def _camera(_target: Target | None, key: str) -> ImageChoice | None:
    shot = st.camera_input(_("Camera"), key=f"{key}-camera", label_visibility="collapsed")
    if shot is not None:
        return ImageChoice("camera", _("Camera picture"), shot.getvalue())
    known = choices.image()
    return known if known and known.kind == "camera" else None


def _from_data(target: Target | None, key: str) -> ImageChoice | None:
    """Offers some of the run's held-out images, evenly over the classes, and the one that the address names."""
    if target is None or target.run is None:
        return None
    options, wanted, item = held_out(target.run), address.read("image"), f"{key}-item"
    known = choices.image()
    asked = wanted or st.session_state.get(item) or (known.name if known and known.kind == "dataset" else None)
    if asked and asked not in options:
        options |= {row["key"]: row["label"] for row in target.run.split_rows() if row["key"] == asked}
    if not options:
        components.note(_("This run has no record of its images. Choose a sample or a file."))
        return None
    st.session_state[item] = asked if asked in options else next(iter(options))
    name = st.selectbox(
        _("Image from the data"),
        list(options),
        key=item,
        label_visibility="collapsed",
        width=260,
        persist_state="session",
        format_func=lambda k: f"{options[k]} · {choices.short_source(k)}",
        on_change=lambda: address.write(image=st.session_state[item]),
    )
    address.write(image=name)
    try:
        return dataset_image(target.run, name)
    except InputError as error:
        components.note(translate_error(error))
        return None


def choose_held_out(name: str, key: str = "bl-image") -> None:
    """Chooses an image of the run's data, for the picker to show when it is drawn next. Arguments as there."""
    st.session_state.pop(f"{key}-item", None)
    address.write(image=name)


def held_out(run: Any, per_class: int = 12) -> dict[str, str]:
    """Returns ``{key: class}`` of some images that a run held out for testing (else for validation), class by class."""
    rows = run.split_rows()
    split = "test" if any(row["split"] == "test" for row in rows) else "val"
    taken: dict[str, list[str]] = {}
    for row in rows:
        if row["split"] == split and len(taken.setdefault(row["label"], [])) < per_class:
            taken[row["label"]].append(row["key"])
    mixed = [
        (keys[i], label) for i in range(per_class) for label, keys in taken.items() if i < len(keys)
    ]  # one of each class in turn
    return dict(mixed)


def dataset_image(run: Any, key: str) -> ImageChoice:
    """Returns one image of a run's data as a choice, losslessly encoded.

    Raises:
        InputError: The data or the image are not there any more.
    """
    return caches.remember("dataset-images", (run.id, key), lambda: _dataset_image(run, key), entries=12)


def _dataset_image(run: Any, key: str) -> ImageChoice:
    dataset = reopened(run)
    for position, item in enumerate(dataset.items):
        if item.key == key:
            file = png(dataset.load(position), repeats=True)
            return ImageChoice("dataset", key, file, dataset.classes[item.label])
    raise InputError("The image {key} is not among the run's data any more. Choose another one.", key=key)


def reopened(run: Any) -> Any:
    """Returns a run's images as they were divided, opened once; only folders that the pages may read.

    Raises:
        InputError: They are not there any more, or outside the allowed folders.
    """
    from core.workflows.images import reopen

    return caches.remember("reopened", (run.id,), lambda: reopen(run, roots=caches.roots()), entries=4)
